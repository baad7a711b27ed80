"""nginx, HAProxy and Caddy with the configurations of ``deploy/proxies``, on ports and with certificates of a test."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.server.running import PATIENCE

PROXIES = ROOT / "deploy" / "proxies"
HOST = "search.example.org"


@dataclass(frozen=True)
class Kind:
    """One proxy: its configuration, and how it is started and told to read it again."""

    name: str
    file: str
    #: What the configuration says for the server, and what to write for a port and for a unix socket.
    upstream: Callable[[str], list[tuple[str, str]]]
    start: Callable[[str, Path], list[str]]
    reload: Callable[[Proxy], None]
    #: Whether a reload keeps websockets.
    keeps: bool = True


@dataclass
class Proxy:
    """A proxy that runs."""

    kind: Kind
    process: subprocess.Popen[bytes]
    config: Path
    port: int
    certificate: Path

    @property
    def origin(self) -> str:
        return f"https://{HOST}:{self.port}"

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    def connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def make_certificate(folder: Path) -> Path:
    """Make a key and a certificate that signs itself, in three files."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{HOST}.pem").write_bytes(public)
    (folder / f"{HOST}.key").write_bytes(private)
    (folder / f"{HOST}.both.pem").write_bytes(public + private)
    return folder / f"{HOST}.pem"


def _reload_nginx(proxy: Proxy) -> None:
    proxy.process.send_signal(signal.SIGHUP)


def _reload_haproxy(proxy: Proxy) -> None:
    proxy.process.send_signal(signal.SIGUSR2)


def _reload_caddy(proxy: Proxy) -> None:
    admin = f"unix/{proxy.config.parent / 'admin'}"
    command = ["caddy", "reload", "--force", "--config", str(proxy.config), "--adapter", "caddyfile"]
    subprocess.run([*command, "--address", admin], check=True, capture_output=True)


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "nginx",
            "nginx.conf",
            lambda place: [("server 127.0.0.1:8765;", f"server {place};")],
            lambda program, config: [program, "-c", str(config), "-p", str(config.parent), "-g", "daemon off;"],
            _reload_nginx,
        ),
        Kind(
            "haproxy",
            "haproxy.cfg",
            lambda place: [("server one 127.0.0.1:8765", f"server one {place.replace('unix:', 'unix@')}")],
            lambda program, config: [program, "-W", "-db", "-f", str(config)],
            _reload_haproxy,
        ),
        Kind(
            "caddy",
            "Caddyfile",
            lambda place: [("reverse_proxy 127.0.0.1:8765", f"reverse_proxy {place.replace('unix:', 'unix/')}")],
            lambda program, config: [program, "run", "--config", str(config), "--adapter", "caddyfile"],
            _reload_caddy,
            keeps=False,
        ),
    )
}


def write_config(kind: Kind, folder: Path, port: int, place: str, *, idle: str = "") -> Path:
    """Write a shipped configuration with this port, this server and, if given, this time-out for silence."""
    text = (PROXIES / kind.file).read_text(encoding="utf-8")
    changes = [*kind.upstream(place), ("/etc/ssl/", f"{folder}/")]
    if kind.name == "nginx":
        changes += [
            ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
            ("worker_processes auto;", _NGINX.format(folder)),
        ]
        changes += [("proxy_read_timeout 60s", f"proxy_read_timeout {idle}")] if idle else []
        changes += [("http {", f"http {{\n access_log off;\n {_temporary(folder)}")]
    elif kind.name == "haproxy":
        changes += [("bind :443", f"bind 127.0.0.1:{port}"), ("maxconn 30000", "maxconn 500")]
        # There is one server, and checks of the others would be noise.
        changes += [(f"    server {name} ", f"    # server {name} ") for name in ("two", "three")]
        changes += [("timeout tunnel 60s", f"timeout tunnel {idle}")] if idle else []
    else:
        changes += [(f"{HOST}:443", f"{{\n admin unix/{folder}/admin\n auto_https off\n}}\n{HOST}:{port}")]
    for old, new in changes:
        assert old in text, f"{kind.file} has no {old!r}"
        text = text.replace(old, new)
    config = folder / kind.file
    config.write_text(text, encoding="utf-8")
    return config


#: A process that root starts would change to a user that cannot read the folder of a test.
_NGINX = "worker_processes 1;\nuser root;\npid {0}/pid;\nerror_log {0}/error.log;"


def _temporary(folder: Path) -> str:
    names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return "\n".join(f"{name}_temp_path {folder}/{name};" for name in names)


@contextmanager
def proxied(kind: Kind, folder: Path, place: str, *, idle: str = "") -> Iterator[Proxy]:
    """Run a proxy before the server at ``place``: ``127.0.0.1:1234`` or ``unix:/path``."""
    program = shutil.which(kind.name, path="/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin")
    if program is None:
        pytest.skip(f"{kind.name} is not installed: apt-get install {kind.name}")
    certificate, port = make_certificate(folder), free_port()
    config = write_config(kind, folder, port, place, idle=idle)
    log = (folder / "output").open("wb")
    environment = {"HOME": str(folder), "PATH": "/usr/sbin:/usr/bin:/bin"}
    process = subprocess.Popen(kind.start(program, config), stdout=log, stderr=log, env=environment)
    proxy = Proxy(kind, process, config, port, certificate)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            with suppress(OSError):
                proxy.connected().close()
                break
            assert process.poll() is None, (folder / "output").read_text()
            assert time.monotonic() < deadline, "the proxy does not listen"
            time.sleep(0.02)
        yield proxy
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()
