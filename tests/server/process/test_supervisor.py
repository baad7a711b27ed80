"""Several processes on one port: real ones, with a small encoder."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect, unix_connect

from tests.server.fakes import TITLES, MeanEncoder
from tests.server.running import PATIENCE, eventually
from typeahead.index import Document, build_index
from typeahead.server import ListenError
from typeahead.server.process.listening import listen
from typeahead.server.process.supervisor import Supervisor

pytestmark = pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="this system has no SO_REUSEPORT")

ROOT = Path(__file__).resolve().parents[3]
WORKERS = 2


class Servers:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.first_line = self.line()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    @property
    def websocket(self) -> str:
        return self.first_line.replace("http", "ws", 1) + "/v1/type"

    def metric(self, name: str) -> float:
        # A new connection each time, so that any worker may be asked.
        text = httpx.get(f"{self.first_line}/metrics", headers={"connection": "close"}).text
        return float(next(line for line in text.splitlines() if line.startswith(f"{name} ")).rpartition(" ")[2])

    def workers(self) -> list[int]:
        """Process ids of the workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(child) for child in children.split()]


@contextmanager
def servers(*arguments: str) -> Iterator[Servers]:
    command = [sys.executable, "-m", "tests.server.serving_worker", "--workers", str(WORKERS), *arguments]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as started:
        watchdog = threading.Timer(3 * PATIENCE, started.kill)
        watchdog.start()
        try:
            yield Servers(started)
        finally:
            watchdog.cancel()
            started.terminate()
            started.wait(PATIENCE)


def type_and_hear(client: ClientConnection, seq: int) -> dict[str, object]:
    client.send(json.dumps({"seq": seq, "text": f"boil {seq} eggs"}))
    reply: dict[str, object] = json.loads(client.recv(timeout=PATIENCE))
    assert reply["seq"] == seq
    return reply


def test_people_are_spread_over_the_workers_and_metrics_add_up() -> None:
    with servers() as server, ExitStack() as stack:
        clients = [stack.enter_context(connect(server.websocket)) for _ in range(16)]
        for client in clients:
            type_and_hear(client, 1)
        for _ in range(4):
            assert server.metric("typeahead_active_sessions") == 16
            assert server.metric('typeahead_keystrokes_total{outcome="served"}') == 16
            assert server.metric("typeahead_build_info" + build_labels(server)) == 1
        assert len(server.workers()) == WORKERS


def build_labels(server: Servers) -> str:
    text = httpx.get(f"{server.first_line}/metrics").text
    found = re.search(r"^typeahead_build_info(\{.*\}) ", text, re.MULTILINE)
    assert found is not None
    return found[1]


def test_a_worker_that_is_killed_is_replaced_and_what_it_had_counted_stays_in_the_sums() -> None:
    with servers() as server, ExitStack() as stack:
        clients = [stack.enter_context(connect(server.websocket)) for _ in range(16)]
        for client in clients:
            type_and_hear(client, 1)
        # Asked, each worker tells the other's counts to the process that starts them.
        for _ in range(8):
            assert server.metric('typeahead_keystrokes_total{outcome="served"}') == 16
        before = server.workers()
        os.kill(before[0], signal.SIGKILL)
        eventually(lambda: before[0] not in server.workers() and len(server.workers()) == WORKERS)
        alive = [client for client in clients if still_there(client)]
        assert len(alive) < 16
        # Who connects now is served, by whichever worker.
        for _ in range(8):
            with connect(server.websocket) as client:
                type_and_hear(client, 1)
        served = server.metric('typeahead_keystrokes_total{outcome="served"}')
        assert served == 16 + len(alive) + 8
        assert server.metric("typeahead_worker_deaths_total") == 1


def still_there(client: ClientConnection) -> bool:
    try:
        type_and_hear(client, 2)
    except ConnectionClosed:
        return False
    return True


@pytest.mark.usefixtures("hangup")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_drains_and_ends_all_of_them(number: signal.Signals) -> None:
    with servers() as server, connect(server.websocket) as client:
        type_and_hear(client, 1)
        workers = server.workers()
        server.process.send_signal(number)
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(timeout=PATIENCE)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1012
        assert server.line() == "ended"
        assert server.process.wait(PATIENCE) == 0
        assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]


def test_workers_end_when_the_process_that_started_them_is_gone() -> None:
    with servers() as server:
        workers = server.workers()
        server.process.kill()
        eventually(lambda: not [worker for worker in workers if is_running(worker)])


def is_running(process: int) -> bool:
    try:
        return "(zombie)" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def test_workers_that_never_get_ready_are_given_up_with_an_error() -> None:
    with servers("broken") as server:
        assert server.first_line.startswith("failed: a worker ended with status 3 before it was ready")
        assert server.process.wait(PATIENCE) == 1


def test_an_error_that_all_workers_have_ends_the_server_and_is_written_once() -> None:
    with servers("failing") as server:
        assert server.first_line == "failed: the index is upside down: turn it"
        assert not server.line()
        assert server.process.wait(PATIENCE) == 1


def test_workers_take_turns_at_a_unix_socket_and_a_killed_one_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "typeahead.sock"
    with servers(str(path)) as server:
        assert server.first_line == f"unix:{path}"
        assert path.stat().st_mode & 0o777 == 0o600
        killed = server.workers()[0]
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: killed not in server.workers() and len(server.workers()) == WORKERS)
        for _ in range(8):
            with unix_connect(str(path), "ws://localhost/v1/type") as client:
                type_and_hear(client, 1)
    assert not path.exists()


def index_of(folder: Path, url: str) -> None:
    """Build an index whose documents all have this address."""
    build_index([Document(title, title, url=url) for title in TITLES], folder, MeanEncoder())


def urls(server: Servers) -> set[object]:
    """What is found, by whichever workers are asked."""
    found = set()
    for _ in range(12):
        with connect(server.websocket) as client:
            hits: Any = type_and_hear(client, 1)["hits"]
            found.add(hits[0]["url"])
    return found


def kill_one(server: Servers) -> None:
    victim = server.workers()[0]
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: victim not in server.workers() and len(server.workers()) == WORKERS)


def test_all_workers_take_a_new_index_and_so_does_one_that_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    index_of(folder, "old")
    with servers(str(folder)) as server, connect(server.websocket) as client:
        type_and_hear(client, 1)
        index_of(folder, "new")
        eventually(lambda: urls(server) == {"new"})
        kill_one(server)
        eventually(lambda: server.metric("typeahead_worker_deaths_total") == 1)
        assert urls(server) == {"new"}


def test_a_second_server_on_the_port_is_refused() -> None:
    options: dict[str, Any] = {"count": WORKERS, "ending_seconds": 1.0, "on_ready": print}
    with servers() as server:
        port = int(server.first_line.rpartition(":")[2])
        with pytest.raises(ListenError, match="the port is in use"):
            Supervisor(["true"], "127.0.0.1", port, **options)
        with pytest.raises(ListenError, match="the port is in use"):
            listen("127.0.0.1", port)
        shared = Supervisor(["true"], "127.0.0.1", port, share_port=True, **options)
        shared.close()
