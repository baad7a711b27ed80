from __future__ import annotations

import gc
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.server.fakes import BruteForceIndex, MeanEncoder
from tests.server.running import PATIENCE, Client, eventually, running
from typeahead.server import ListenError, ServerConfig, create_app, serve
from typeahead.server.process.listening import listen, listener_port
from typeahead.server.process.run import Server, prepared
from typeahead.server.typing import endpoint

ROOT = Path(__file__).resolve().parents[3]


class Process:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.address = self.line()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()


def is_listening(address: str) -> bool:
    """Whether a new connection is answered."""
    try:
        return httpx.get(f"{address}/healthz").status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def process(*arguments: str) -> Iterator[Process]:
    command = [sys.executable, "-m", "tests.server.serving", *arguments]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        # Reading a line has no time-out of its own.
        watchdog = threading.Timer(3 * PATIENCE, started.kill)
        watchdog.start()
        try:
            yield Process(started)
        finally:
            watchdog.cancel()
            started.kill()


@pytest.mark.usefixtures("hangup")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_sends_pending_replies_closes_with_1012_and_ends_in_ten_seconds(number: signal.Signals) -> None:
    with process("gate") as server, connect(server.address.replace("http", "ws") + "/v1/type") as client:
        client.send('{"seq": 1, "text": "boil an egg"}')
        client.send('{"seq": 2, "submit": true}')
        assert server.line() == "searching"
        told = time.monotonic()
        server.process.send_signal(number)
        eventually(lambda: not is_listening(server.address))
        server.go_on()
        replies = [json.loads(client.recv(timeout=PATIENCE)) for _ in range(2)]
        assert [reply["seq"] for reply in replies] == [1, 2]
        assert replies[1]["hits"][0]["title"] == "boil an egg"
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(timeout=PATIENCE)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1012
        assert server.line() == "ended"
        assert server.process.wait(PATIENCE) == 0
        assert time.monotonic() - told < 10


def test_under_nohup_a_hangup_is_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        # What is ignored stays so in a process that is started, which is all that nohup does.
        with process() as server, connect(server.address.replace("http", "ws") + "/v1/type") as client:
            server.process.send_signal(signal.SIGHUP)
            client.send('{"seq": 1, "text": "boil an egg"}')
            assert json.loads(client.recv(timeout=PATIENCE))["seq"] == 1
            assert httpx.get(f"{server.address}/readyz").json() == {"status": "ready"}
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_search_that_hangs_does_not_keep_the_server_from_ending() -> None:
    with process("gate") as server, connect(server.address.replace("http", "ws") + "/v1/type") as client:
        client.send('{"seq": 1, "text": "boil an egg"}')
        assert server.line() == "searching"
        told = time.monotonic()
        server.process.terminate()
        assert server.process.wait(PATIENCE) == 0
        assert time.monotonic() - told < 10
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(timeout=PATIENCE)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1012


def test_a_draining_server_is_not_ready_and_takes_no_sessions() -> None:
    index = BruteForceIndex()
    with running(index) as server, server.client() as client, httpx.Client() as probe:
        assert probe.get(f"{server.http}/readyz").status_code == 200
        index.gate.clear()
        client.say(seq=1, text="tea")
        index.await_search()
        server.server.should_exit = True
        # The connection was there before; new ones are not accepted at all.
        eventually(lambda: probe.get(f"{server.http}/readyz").status_code == 503)
        reply = probe.get(f"{server.http}/readyz")
        assert (reply.status_code, reply.json()) == (503, {"status": "draining"})
        assert not is_listening(server.http)
        index.gate.set()
        assert client.hear()["seq"] == 1
        with pytest.raises(ConnectionClosed):
            client.hear()


def test_a_server_can_say_that_it_will_stop_and_go_on_meanwhile() -> None:
    with running(notice_seconds=PATIENCE) as server, server.client() as before:
        server.server.should_exit = True
        eventually(lambda: httpx.get(f"{server.http}/readyz").status_code == 503)
        assert httpx.get(f"{server.http}/readyz").json() == {"status": "leaving"}
        with server.client() as after:
            for client in (before, after):
                client.say(seq=1, text="tea")
                assert client.hear()["seq"] == 1
            server.server.force_exit = True
            with pytest.raises(ConnectionClosed):
                after.hear()


def test_many_sessions_are_sent_away_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "_CLOSED_A_SECOND", 2)
    monkeypatch.setattr(endpoint, "_CLOSING_SECONDS", 0.5)
    with running(drain_seconds=PATIENCE) as server, server.client() as one, server.client() as other:
        for client in (one, other):
            client.say(seq=1, text="tea")
            client.hear()
        server.server.should_exit = True
        gone: list[Client] = []
        while not gone:
            gone = [client for client in (one, other) if _closed_with(client) == 1012]
        (left,) = {one, other} - set(gone)
        left.say(seq=2, text="tea pot")
        assert left.hear()["seq"] == 2
        eventually(lambda: _closed_with(left) == 1012)


def _closed_with(client: Client) -> int | None:
    """The code that the server closed a session with; None if it is open."""
    try:
        client.connection.recv(timeout=0.01)
    except TimeoutError:
        return None
    except ConnectionClosed as error:
        return None if error.rcvd is None else error.rcvd.code
    raise AssertionError("an answer that nobody waits for")


def test_a_port_in_use_is_one_line_that_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError) as caught:
            serve(ServerConfig(port=port), MeanEncoder())
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1:{port}: "
        "the port is in use: stop what uses it, or give another port (0 takes a free one)"
    )


def test_a_host_that_is_not_this_machine_is_one_line_that_says_what_to_do() -> None:
    with pytest.raises(ListenError, match="give an address of this machine"):
        listen("192.0.2.1", 0)
    with pytest.raises(ListenError, match="give an address of this machine"):
        listen("no such host", 0)


def test_localhost_is_listened_on_under_one_port() -> None:
    sockets = listen("localhost", 0)
    try:
        assert {listener.getsockname()[1] for listener in sockets} == {listener_port(sockets)}
    finally:
        for listener in sockets:
            listener.close()


@pytest.mark.parametrize(
    ("warn", "settings", "lines"),
    [
        (True, {"host": "0.0.0.0"}, 1),
        (True, {"host": "0.0.0.0", "token": "s3cret"}, 0),
        (True, {}, 0),
        (False, {"host": "0.0.0.0"}, 0),
    ],
)
def test_a_server_that_anybody_may_search_says_so_once(
    warn: bool, settings: dict[str, Any], lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    prepared(ServerConfig(**settings), warn=warn)
    assert len([message for message in caplog.messages if "without a token" in message]) == lines


def test_what_goes_wrong_while_warming_up_ends_the_server() -> None:
    encoder = MeanEncoder()
    encoder.broken = True
    with pytest.raises(RuntimeError, match="the encoder broke"):
        serve(ServerConfig(port=0), encoder)


def test_garbage_is_collected_when_many_sessions_have_ended_or_much_time_has_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    collections: list[int] = []
    monkeypatch.setattr("typeahead.server.process.run.gc.collect", lambda: collections.append(1))
    server = Server(create_app(ServerConfig(), MeanEncoder()))
    for _ in range(9):
        server._collect()
    assert not collections
    server._collect()
    assert len(collections) == 1
    server.app._endpoint.ended = 1000
    server._collect()
    server._collect()
    assert len(collections) == 2


def test_a_server_that_has_ended_is_freed_with_its_caches() -> None:
    with running(BruteForceIndex()) as server:
        app = weakref.ref(server.server.app)
        assert gc.get_freeze_count() > 0
    del server
    gc.collect()
    assert app() is None
