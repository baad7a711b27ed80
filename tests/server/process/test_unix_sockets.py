"""Unix sockets: their file, who may connect, and what is read of a proxy behind one."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from tests.server.fakes import BruteForceIndex
from tests.server.running import running
from typeahead.server import ListenError
from typeahead.server.process.unix_sockets import listen_unix
from typeahead.server.settings.access import Access
from typeahead.settings.declaring import ConfigError

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no unix sockets")


def connected(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(str(path))
    return client


def leave_stale(path: Path) -> None:
    """Leave what a killed server leaves."""
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
        killed.listen()


def test_the_socket_has_its_mode_and_goes_with_the_listener(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with listen_unix(path, 0o620) as listener:
        assert stat.S_IMODE(path.stat().st_mode) == 0o620
        assert stat.S_ISSOCK(path.stat().st_mode)
        with connected(path):
            listener.accept()[0].close()
        assert list(tmp_path.iterdir()) == [path]
    assert not path.exists()


def test_what_a_killed_server_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    leave_stale(path)
    leave_stale(path.with_name("s.new"))
    with listen_unix(path, 0o600), connected(path):
        pass


def test_a_running_server_keeps_its_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with listen_unix(path, 0o600) as first:
        with pytest.raises(ListenError, match="another server listens there"):
            listen_unix(path, 0o600)
        with connected(path):
            first.accept()[0].close()


def test_a_server_that_takes_over_gets_new_connections_and_keeps_the_file_when_the_other_ends(tmp_path: Path) -> None:
    path = tmp_path / "s"
    old = listen_unix(path, 0o600)
    with connected(path) as before, old.accept()[0] as served, listen_unix(path, 0o600, take_over=True) as new:
        old.close()
        with connected(path):
            new.accept()[0].close()
        served.sendall(b"still here")
        assert before.recv(10) == b"still here"


@pytest.mark.parametrize("take_over", [False, True])
def test_another_file_is_never_replaced(tmp_path: Path, take_over: bool) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(ListenError, match="no socket: give another path"):
        listen_unix(path, 0o600, take_over=take_over)
    assert path.read_text() == "mine"


def test_paths_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    with pytest.raises(ListenError, match="more than 103 bytes"):
        listen_unix(tmp_path / ("s" * 120), 0o600)
    with pytest.raises(ListenError, match="No such file or directory: give a path in a folder"):
        listen_unix(tmp_path / "nowhere" / "s", 0o600)


@pytest.mark.parametrize("mode", ["0660", "rw", "668", ""])
def test_a_mode_is_three_octal_digits(mode: str) -> None:
    with pytest.raises(ConfigError, match="give three octal digits"):
        Access(socket_mode=mode).check_access()


def test_a_socket_goes_with_no_host() -> None:
    with pytest.raises(ConfigError, match="socket is instead of a host"):
        Access(socket=Path("s"), host="0.0.0.0").check_access()


def ask(path: Path, host: str) -> int:
    """The status of a request for a page that is not there."""
    with connected(path) as client:
        client.sendall(f"GET /nothing HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        return int(client.recv(4096).split()[1])


def test_a_server_answers_by_its_socket_and_checks_names_there_too(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with running(BruteForceIndex(), socket=path) as server:
        assert server.server.address == f"unix:{path}"
        assert ask(path, "localhost") == 404
        assert ask(path, "evil.example") == 421
    assert not path.exists()


def test_limits_go_by_the_address_that_the_proxy_behind_the_socket_names(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with running(BruteForceIndex(), socket=path, max_connections_per_address=1, head_seconds=60.0) as server:
        held = [open_session(path, "192.0.2.1"), open_session(path, "192.0.2.2")]
        assert [status for _, status in held] == [101, 101]
        refused, status = open_session(path, "192.0.2.1")
        assert status == 429
        for client in (refused, *(client for client, _ in held)):
            client.close()
        # A proxy that names nobody is not one client.
        unnamed = [open_session(path, None) for _ in range(3)]
        assert [status for _, status in unnamed] == [101] * 3
        for client, _ in unnamed:
            client.close()
        assert server.server.app.status == "ready"


def open_session(path: Path, client: str | None) -> tuple[socket.socket, int]:
    connection = connected(path)
    forwarded = "" if client is None else f"x-forwarded-for: {client}\r\n"
    connection.sendall(
        f"GET /v1/type HTTP/1.1\r\nhost: localhost\r\n{forwarded}upgrade: websocket\r\nconnection: upgrade\r\n"
        "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n\r\n".encode()
    )
    return connection, int(connection.recv(4096).split()[1])
