"""A real server on a free port, in a thread, and a client that speaks the contract."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from tests.server.fakes import BruteForceIndex, MeanEncoder, WholeEncoder
from typeahead.core.encoder import Encoder
from typeahead.search.port import Backend
from typeahead.server import ServerConfig, create_app
from typeahead.server.process.run import Server, listeners_of

#: Seconds after which a test gives up on something that has to happen. Nothing waits for as long as this.
PATIENCE = 20.0


def eventually(condition: Callable[[], bool]) -> None:
    """Ask until it is so; for conditions that ask a server, and so take their time by themselves."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"


def metric(server: Running, name: str, *, token: str | None = None) -> float:
    """What /metrics says."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    for line in httpx.get(f"{server.http}/metrics", headers=headers).text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.rpartition(" ")[2])
    raise AssertionError(f"no metric {name}")


class Running:
    """A server, its address, and its end."""

    def __init__(self, server: Server, address: str) -> None:
        self.server = server
        self.http = address
        self.websocket = address.replace("http", "ws", 1) + "/v1/type"

    @property
    def port(self) -> int:
        return int(self.http.rpartition(":")[2])

    @contextmanager
    def client(
        self, *, origin: str | None = None, token: str | None = None, query: str = "", **options: Any
    ) -> Iterator[Client]:
        with connect(
            self.websocket + query,
            origin=None if origin is None else Origin(origin),
            subprotocols=[Subprotocol("typeahead.v1")],
            compression=None,
            open_timeout=PATIENCE,
            **options,
        ) as connection:
            client = Client(connection)
            if token is not None:
                client.say(hello={"token": token})
                client.hear()
            yield client


class Client:
    """Says and hears JSON."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def say(self, **message: Any) -> None:
        self.connection.send(json.dumps(message))

    def hear(self) -> Any:
        """The next message: an object, or the bytes of a binary frame."""
        frame = self.connection.recv(timeout=PATIENCE)
        return json.loads(frame) if isinstance(frame, str) else frame

    def hear_until(self, seq: int) -> list[Any]:
        heard = [self.hear()]
        while heard[-1].get("seq") != seq:
            heard.append(self.hear())
        return heard


@contextmanager
def running(
    index: Backend | Mapping[str, Backend] | None = None,
    *,
    encoder: Encoder | None = None,
    passages: Encoder | None = None,
    fallback: Encoder | None = None,
    wait: bool = True,
    **settings: Any,
) -> Iterator[Running]:
    """Run a server with these settings until the block ends."""
    settings.setdefault("web", Path("/nonexistent"))
    config = ServerConfig(port=0, **settings)
    app = create_app(config, encoder or MeanEncoder(), index, passages=passages, fallback=fallback)
    sockets = listeners_of(config)
    ready = threading.Event()
    server = Server(app, lambda _: ready.set())
    thread = threading.Thread(target=server.run, args=(sockets,))
    thread.start()
    try:
        if wait:
            assert ready.wait(PATIENCE), f"the server is {app.status}"
            if isinstance(index, BruteForceIndex):
                index.forget_searches()
        port = 0 if config.socket is not None else sockets[0].getsockname()[1]
        yield Running(server, f"http://127.0.0.1:{port}")
    finally:
        if isinstance(index, BruteForceIndex):
            index.gate.set()
        if isinstance(fallback, WholeEncoder):
            fallback.gate.set()
        server.should_exit = True
        thread.join(PATIENCE)
        for listener in sockets:
            listener.close()
    assert not thread.is_alive(), "the server did not stop"
