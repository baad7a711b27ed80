"""Milvus for tests: Milvus Lite in a file, and the real server that the package ``milvus`` brings.

Which of them run here depends on what is installed. ``make milvus`` makes an environment for each.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from pymilvus import MilvusClient

from typeahead.engines.milvus.address import TOKEN
from typeahead.engines.milvus.server import OLD

#: The environment variable of a server that is there already.
SERVER: Final = "TYPEAHEAD_TEST_MILVUS"
_SECONDS: Final = 120
#: The first user of each server.
_ROOT: Final = "root:Milvus"
#: Starts the server of the package, and tells where it listens.
_STARTING: Final = """
import sys
from milvus import MilvusServer
settings = dict(one.split("=") for one in sys.argv[2:])
server = MilvusServer(data_dir=sys.argv[1], wait_for_started=False, **settings)
server.config.set("authorization_enabled", True)
server.start()
print(server.listen_port, server.webservice_port, server.server_proc.pid, flush=True)
server.server_proc.wait()
"""


class Milvus:
    """A server or a file, with a client for tests to fill it."""

    def __init__(self, client: Any, prefix: str, port: int, *, guarded: bool = False) -> None:
        self.client, self.port = client, port
        #: Whether only users are let in.
        self.guarded = guarded
        self._prefix = prefix
        self.lite = prefix.startswith("milvus:///")
        self._names = count()
        #: Collections that are only read, by what is in them.
        self.shared: dict[str, str] = {}
        #: Empty collections that this package made.
        self.spare: list[str] = []

    def name(self) -> str:
        """A name of a collection that nobody has."""
        return f"test_{os.getpid()}_{next(self._names)}"

    def address(self, collection: str, parameters: str = "") -> str:
        """The address of a collection."""
        found = f"{self._prefix}{collection}"
        if not parameters:
            return found
        return f"{found}{'&' if '?' in found else '?'}{parameters}"


@contextmanager
def lite(folder: Path) -> Iterator[Milvus]:
    """Milvus Lite."""
    if OLD or importlib.util.find_spec("milvus_lite") is None:
        pytest.skip("Milvus Lite needs pymilvus 2.4 or newer, and milvus-lite: make milvus")
    file = folder / "milvus.db"
    client = MilvusClient(str(file))
    # One file has one server within the process.
    from milvus_lite.server_manager import server_manager_instance

    port = int(server_manager_instance.start_and_get_uri(str(file)).rpartition(":")[2])
    yield Milvus(client, f"milvus://{file}?collection=", port)
    client.close()


@contextmanager
def server(folder: Path) -> Iterator[Milvus]:
    """A real server: the one that is named, or one of the package's own."""
    if (named := os.environ.get(SERVER)) is not None:
        yield from _at(named.rstrip("/").partition("://")[2])
        return
    if importlib.util.find_spec("milvus") is None:
        pytest.skip(f"set {SERVER} to milvus://HOST:PORT, or install milvus==2.3.5 with pymilvus<2.4: make milvus")
    with started(folder) as (_, port), pytest.MonkeyPatch.context() as patch:
        patch.setenv(TOKEN, _ROOT)
        yield from _at(f"127.0.0.1:{port}", guarded=True)


def _at(place: str, *, guarded: bool = False) -> Iterator[Milvus]:
    client = MilvusClient(f"http://{place}", token=os.environ.get(TOKEN, ""))
    yield Milvus(client, f"milvus://{place}/", int(place.rpartition(":")[2]), guarded=guarded)
    client.close()


@contextmanager
def started(folder: Path, **settings: str) -> Iterator[tuple[int, int]]:
    """The package's server; gives the process and the port."""
    written = [f"{key}={value}" for key, value in {"proxy_port": str(_free()), **settings}.items()]
    helper = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _STARTING, str(folder / "data"), *written],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert helper.stdout is not None
    port, health, process = map(int, helper.stdout.readline().split())
    try:
        _wait(health, helper)
        yield process, port
    finally:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        helper.wait(_SECONDS)
        helper.stdout.close()
        shutil.rmtree(folder / "data", ignore_errors=True)


def _wait(health: int, helper: subprocess.Popen[str]) -> None:
    until = time.monotonic() + _SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{health}/healthz", timeout=5) as answer:
                if b"OK" in answer.read():
                    return
        except OSError:
            pass
        # All servers of a machine lock one file: /run/milvus/standalone.pid.
        assert helper.poll() is None, "the server has ended: does another one run on this machine?"
        assert time.monotonic() < until, "the server does not start"
        time.sleep(0.1)


def _free() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


if __name__ == "__main__":
    # For trying things: runs until Enter.
    with TemporaryDirectory() as place, started(Path(place)) as (_, listens):
        print(f"milvus://127.0.0.1:{listens}, with {TOKEN}={_ROOT}", flush=True)
        sys.stdin.readline()
