"""The websocket endpoint ``/v1/type``, as raw ASGI: it admits sessions and ends them.

A client that is refused before the handshake gets an HTTP status; later it gets one of the close codes of
:mod:`typeahead.wire.protocol`. :mod:`typeahead.server.typing.connection` has what happens in between.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from urllib.parse import parse_qs

import orjson

from typeahead.logs import LimitedLog
from typeahead.server.config import ServerConfig
from typeahead.server.observe.metrics import ServerMetrics
from typeahead.server.observe.tracing import Tracing
from typeahead.server.typing.channel import EXTENSION, AsgiChannel, Receive, Scope, Send
from typeahead.server.typing.connection import Connection
from typeahead.server.typing.pipeline import Pipeline
from typeahead.server.typing.room import Room
from typeahead.server.typing.rooms import Key, Rooms, RoomsFull, UnknownIndex
from typeahead.wire.access import Tokens
from typeahead.wire.conversation import Conversation
from typeahead.wire.protocol import (
    CLOSE_FULL,
    CLOSE_IDLE,
    CLOSE_POLICY,
    CLOSE_RESTART,
    SUBPROTOCOL,
    Dtype,
    Hello,
    Limits,
)
from typeahead.wire.replies import write_hello

log = logging.getLogger(__name__)

#: Seconds between two searches for idle sessions.
SWEEP_SECONDS = 1.0

#: How many sessions a second are closed when the server stops, and seconds between two times. Whoever is sent away
#: connects to another server and sends the whole text, which costs that one a search.
_CLOSED_A_SECOND = 500
_CLOSING_SECONDS = 0.02

#: What the log says where a websocket gets no session, by the reasons of
#: :data:`~typeahead.server.observe.metrics.SESSION_REFUSALS`.
_REFUSALS = {
    "full": "refused a session with 1013: max_sessions are open already",
    "overloaded": "refused a session with 1013: the server is overloaded",
    "origin": "refused a session with 403: its page is of an origin that is not in allowed_origins",
    "subprotocol": "refused a session with 400: it speaks another subprotocol",
    "index": "refused a session with 404: it asks for an index that is not here",
    "not_ready": "refused a session with 503: the server is starting or stopping",
}


class TypeEndpoint:
    """All websocket sessions: it admits them, closes idle ones, and ends all of them when the server stops.

    ``rooms`` are those of its indexes; ``status`` tells "ready", or what the server is doing instead.
    """

    def __init__(
        self,
        config: ServerConfig,
        pipeline: Pipeline,
        metrics: ServerMetrics,
        rooms: Rooms,
        *,
        tokens: Tokens,
        status: Callable[[], str],
        tracing: Tracing | None = None,
    ) -> None:
        self.config = config
        self.pipeline = pipeline
        self.metrics = metrics
        self.tracing = tracing
        self.tokens = tokens
        encoder = pipeline.engine.encoder.config
        # Under the dot product the length of a vector counts, and int8 frames do not carry it.
        dtypes = frozenset(Dtype) - ({Dtype.INT8} if encoder.similarity == "dot" else set())
        fallback = None if pipeline.fallback is None else pipeline.fallback.name
        self.limits = Limits(config.max_chars, config.default_k, config.max_k, dtypes, fallback)
        self._encoder = encoder.name
        self._dim = encoder.dim
        self.rooms = rooms
        self._connections: set[Connection] = set()
        #: How many sessions have ended.
        self.ended = 0
        self._empty = asyncio.Event()
        self._status = status
        self._log = LimitedLog(log)

    def __len__(self) -> int:
        return len(self._connections)

    def greet(self, hello: Hello, room: Room | None) -> bytes:
        """Write the answer to a hello of a session in ``room``."""
        return write_hello(
            hello,
            self.limits,
            encoder=self._encoder,
            dim=self._dim,
            index=None if room is None else room.index,
            documents=None if room is None else room.source.count,
            examples=self.config.examples,
            events=self.config.wanted_events,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one websocket connection (ASGI 3)."""
        await receive()  # websocket.connect
        headers: dict[bytes, bytes] = dict(scope["headers"])
        offered = scope.get("subprotocols", ())
        if (status := self._status()) != "ready":
            return await self._refuse(send, "not_ready", 503, f"the server is {status}: try again")
        if not self.config.allows(_header(headers, b"origin"), _header(headers, b"host")):
            message = "this origin may not connect: the server's allowed_origins say who may"
            return await self._refuse(send, "origin", 403, message)
        if offered and SUBPROTOCOL not in offered:
            return await self._refuse(send, "subprotocol", 400, f"this server speaks the subprotocol {SUBPROTOCOL}")
        conversation, asked = Conversation(self.limits, self.tokens), asked_indexes(scope)
        try:
            entered = await self._entered(conversation, asked)
        except UnknownIndex as error:
            return await self._refuse(send, "index", 404, str(error))
        except RoomsFull as error:
            return await self._refuse(send, "full", 503, str(error))
        try:
            accepted = await self._accept(send, offered)
        except BaseException:
            accepted = False
            raise
        finally:
            if entered is not None and not accepted:
                self.rooms.leave(entered[1])
        if not accepted:
            return None
        channel = scope.get("extensions", {}).get(EXTENSION)
        asgi = AsgiChannel(receive, send) if channel is None else None
        connection = Connection(self, asgi or channel, conversation, asked, entered)
        self._connections.add(connection)
        self._empty.clear()
        try:
            await (connection.ended.wait() if asgi is None else asgi.run())
        finally:
            self._connections.discard(connection)
            self.ended += 1
            if not self._connections:
                self._empty.set()
        return None

    async def _entered(self, conversation: Conversation, asked: str) -> tuple[Key, Room] | None:
        """Enter the room of a client that needs no token; others are let in by their hello."""
        grant = conversation.grant
        if not self.rooms or grant is None or not conversation.authorized:
            return None
        key = self.rooms.key(asked, grant)
        return key, await self.rooms.enter(key, grant.filter)

    async def _accept(self, send: Send, offered: Sequence[str]) -> bool:
        """Accept the handshake; close with 1013 and return False where there is no room for another session."""
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if offered else None})
        full = len(self._connections) >= self.config.max_sessions
        if full or self.pipeline.overloaded:
            # A page does not see the status of a refused handshake, but it sees a close code.
            self._count_refused("full" if full else "overloaded")
            reason = "the server is full" if full else "the server is overloaded"
            await send({"type": "websocket.close", "code": CLOSE_FULL, "reason": reason})
            return False
        return True

    async def _refuse(self, send: Send, reason: str, status: int, message: str) -> None:
        """Answer the handshake with an HTTP error (ASGI extension "websocket.http.response")."""
        self._count_refused(reason)
        body = orjson.dumps({"error": {"message": message}})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": body})

    def _count_refused(self, reason: str) -> None:
        """Count a refusal, and write at most one line a second for each reason."""
        self.metrics.refused_sessions[reason].add()
        self._log.warning(_REFUSALS[reason])

    async def sweep(self) -> None:
        """Close idle sessions and those whose token has ended, for ever."""
        # One timer for all: a timeout for each message costs more than reading the message.
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.close_idle(time.monotonic())

    def close_idle(self, now: float) -> None:
        """Close sessions that have been silent for too long, or whose token has ended.

        ``now`` is in seconds of the monotonic clock.
        """
        for connection in tuple(self._connections):
            if connection.heard:
                connection.heard = False
                connection.last_heard = now
            if not connection.dialogue.authorized and now - connection.opened >= self.config.hello_seconds:
                connection.dialogue.close(CLOSE_POLICY, "no hello with a token came")
            elif (grant := connection.dialogue.grant) is not None and not self.tokens.holds(grant):
                connection.dialogue.close(CLOSE_POLICY, "the token has expired or was revoked: get a new one")
            elif now - connection.last_heard >= self.config.idle_seconds:
                connection.dialogue.close(CLOSE_IDLE, "idle")

    async def drain(self, seconds: float) -> None:
        """Answer pending messages, close all sessions with 1012, and wait for that at most ``seconds``.

        Many sessions are closed a few at a time, but all within half of the ``seconds``. The others go on meanwhile.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                waiting = tuple(self._connections)
                times = min(len(waiting) / _CLOSED_A_SECOND, seconds / 2) / _CLOSING_SECONDS
                at_once = max(math.ceil(len(waiting) / max(times, 1)), 1)
                for start in range(0, len(waiting), at_once):
                    if start:
                        await asyncio.sleep(_CLOSING_SECONDS)
                    for connection in waiting[start : start + at_once]:
                        connection.dialogue.close(CLOSE_RESTART, "the server restarts")
                if self._connections:
                    await self._empty.wait()


def _header(headers: dict[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


def asked_indexes(scope: Scope) -> str:
    """The names of indexes in an address, separated by commas; empty for none."""
    return ",".join(parse_qs(scope.get("query_string", b"").decode("latin-1")).get("index", ()))
