"""The websocket endpoint ``/v1/type``: sockets round :class:`~typeahead.server.dialogue.Dialogue`, as raw ASGI.

Each connection reads in the coroutine that the server calls and writes in a second one. Reading stops while the
dialogue is full and the writer waits while the client does not read, so neither side piles up. What is wrong with a
client before the handshake is said in HTTP; afterwards in the close codes of :mod:`typeahead.protocol`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from typeahead.protocol import (
    CLOSE_FULL,
    CLOSE_IDLE,
    CLOSE_POLICY,
    CLOSE_RESTART,
    SUBPROTOCOL,
    Conversation,
    Dtype,
    Hello,
    Limits,
)
from typeahead.replies import write_hello
from typeahead.server.config import ServerConfig
from typeahead.server.dialogue import Dialogue
from typeahead.server.metrics import ServerMetrics
from typeahead.server.pipeline import Pipeline
from typeahead.server.tracing import Tracing

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

#: Seconds between looks at which sessions are idle.
SWEEP_SECONDS = 1.0

#: Frames that one session reads before it is the others' turn: a quarter of a millisecond or so.
TURN_FRAMES = 16


class Connection:
    """One client: its dialogue, and the events that its reader and writer wait for."""

    def __init__(self, endpoint: TypeEndpoint) -> None:
        config = endpoint.config
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self.opened = self.last_seen = time.monotonic()
        self.dialogue = Dialogue(
            Conversation(endpoint.limits, token=config.token),
            endpoint.pipeline.engine.session(max_chars=config.max_chars),
            endpoint.pipeline,
            endpoint.metrics,
            greet=endpoint.greet,
            wake=self._news.set,
            clock=time.perf_counter_ns,
            max_pending=config.max_pending,
            trace=None if endpoint.tracing is None else endpoint.tracing.session(),
        )

    async def run(self, receive: Receive, send: Send) -> None:
        """Read and write until either side closes."""
        writer = asyncio.create_task(self._write(send))
        writer.add_done_callback(lambda _: self._room.set())
        try:
            await self._read(receive, writer)
        finally:
            self.dialogue.abandon()
            writer.cancel()
            (error,) = await asyncio.gather(writer, return_exceptions=True)
        # ASGI servers raise OSError from send() when the client is gone; that is an end like any other.
        if isinstance(error, Exception) and not isinstance(error, OSError):
            raise error

    async def _read(self, receive: Receive, writer: asyncio.Task[None]) -> None:
        dialogue = self.dialogue
        frames = 0
        while True:
            event = await receive()
            if event["type"] == "websocket.disconnect":
                return
            self.last_seen = time.monotonic()
            text = event.get("text")
            dialogue.receive(event["bytes"] if text is None else text)
            frames += 1
            if frames % TURN_FRAMES == 0:
                # A burst lies in the server's queue, so receive() returns without ever giving way to other sessions.
                await asyncio.sleep(0)
            while dialogue.full:
                self._room.clear()
                if writer.done():
                    return
                await self._room.wait()

    async def _write(self, send: Send) -> None:
        dialogue = self.dialogue
        while not dialogue.finished:
            await self._news.wait()
            self._news.clear()
            while frames := dialogue.take():
                self._room.set()
                for frame in frames:
                    kind = "text" if isinstance(frame, str) else "bytes"
                    await send({"type": "websocket.send", kind: frame})
        assert dialogue.closing is not None
        await send({"type": "websocket.close", "code": dialogue.closing.code, "reason": dialogue.closing.reason})


class TypeEndpoint:
    """All websocket sessions: who may have one, which are idle, and how they end when the server stops."""

    def __init__(
        self,
        config: ServerConfig,
        pipeline: Pipeline,
        metrics: ServerMetrics,
        documents: int | None,
        *,
        status: Callable[[], str],
        tracing: Tracing | None = None,
    ) -> None:
        self.config = config
        self.pipeline = pipeline
        self.metrics = metrics
        self.tracing = tracing
        encoder = pipeline.engine.encoder.config
        # By dot product the length of a vector counts, and int8 frames do not carry it.
        dtypes = frozenset(Dtype) - ({Dtype.INT8} if encoder.similarity == "dot" else set())
        fallback = None if pipeline.fallback is None else pipeline.fallback.name
        self.limits = Limits(config.max_chars, config.default_k, config.max_k, dtypes, fallback)
        self._encoder = encoder.name
        self._dim = encoder.dim
        self._documents = documents
        self._connections: set[Connection] = set()
        self._empty = asyncio.Event()
        self._status = status

    def __len__(self) -> int:
        return len(self._connections)

    def greet(self, hello: Hello) -> str:
        """Write the answer to a hello."""
        return write_hello(
            hello,
            self.limits,
            encoder=self._encoder,
            dim=self._dim,
            documents=self._documents,
            examples=self.config.examples,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one websocket connection (ASGI 3)."""
        await receive()  # websocket.connect
        headers: dict[bytes, bytes] = dict(scope["headers"])
        offered = scope.get("subprotocols", ())
        if (status := self._status()) != "ready":
            return await _refuse(send, 503, f"the server is {status}: try again")
        if not self.config.allows(_header(headers, b"origin"), _header(headers, b"host")):
            return await _refuse(send, 403, "this origin may not connect: the server's allowed_origins say who may")
        if offered and SUBPROTOCOL not in offered:
            return await _refuse(send, 400, f"this server speaks the subprotocol {SUBPROTOCOL}")
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if offered else None})
        if len(self._connections) >= self.config.max_sessions:
            # A page does not get to see the status of a refused handshake, but a close code it does.
            return await send({"type": "websocket.close", "code": CLOSE_FULL, "reason": "the server is full"})
        connection = Connection(self)
        self._connections.add(connection)
        self._empty.clear()
        try:
            await connection.run(receive, send)
        finally:
            self._connections.discard(connection)
            if not self._connections:
                self._empty.set()

    async def sweep(self) -> None:
        """Close idle sessions, for ever."""
        # One timer for all: a time-out of its own for each message costs more than reading the message.
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.close_idle(time.monotonic())

    def close_idle(self, now: float) -> None:
        """Close the sessions that have been silent for too long at ``now``, in seconds of the monotonic clock."""
        for connection in tuple(self._connections):
            if not connection.dialogue.authorized and now - connection.opened >= self.config.hello_seconds:
                connection.dialogue.close(CLOSE_POLICY, "no hello with a token came")
            elif now - connection.last_seen >= self.config.idle_seconds:
                connection.dialogue.close(CLOSE_IDLE, "idle")

    async def drain(self, seconds: float) -> None:
        """Answer what is pending, close all sessions with 1012, and wait for that at most ``seconds``."""
        for connection in tuple(self._connections):
            connection.dialogue.close(CLOSE_RESTART, "the server restarts")
        if self._connections:
            try:
                await asyncio.wait_for(self._empty.wait(), seconds)
            except TimeoutError:
                return


def _header(headers: dict[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


async def _refuse(send: Send, status: int, message: str) -> None:
    """Answer the handshake with an HTTP error (ASGI extension "websocket.http.response")."""
    body = orjson.dumps({"error": {"message": message}})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
