"""One websocket session: a channel and a dialogue, joined, in the room that its token and address decide.

A :class:`Connection` hears frames from its :mod:`channel <typeahead.server.typing.channel>` and sends the replies of
its :class:`~typeahead.server.typing.dialogue.Dialogue`, both as plain calls on the event loop. It stops reading while
the dialogue is full, and takes no reply while the client does not read, so nothing piles up on either side.
:mod:`typeahead.server.typing.endpoint` admits connections and ends them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Protocol

from typeahead.core.session import Session
from typeahead.errors import BackendAway, DeadlinePassed, ProtocolError, RoleRefused, SearchError
from typeahead.server.config import ServerConfig
from typeahead.server.observe.log_lines import about
from typeahead.server.observe.metrics import ServerMetrics
from typeahead.server.observe.requests import current_request
from typeahead.server.observe.tracing import Tracing
from typeahead.server.typing.channel import Channel
from typeahead.server.typing.dialogue import Dialogue
from typeahead.server.typing.pipeline import Pipeline
from typeahead.server.typing.room import Room
from typeahead.server.typing.rooms import NO_ROLE, Key, Rooms, RoomsFull, UnknownIndex
from typeahead.wire.access import Grant
from typeahead.wire.conversation import Conversation
from typeahead.wire.protocol import Hello

log = logging.getLogger(__name__)


class Endpoint(Protocol):
    """What connections share."""

    config: ServerConfig
    pipeline: Pipeline
    rooms: Rooms
    metrics: ServerMetrics
    tracing: Tracing | None

    def greet(self, hello: Hello, room: Room | None) -> bytes:
        """Write the answer to a hello of a session in ``room``."""


class Connection:
    """One client's channel and dialogue, joined.

    ``asked`` are the indexes that its address names. ``entered`` is the room of a client without a token; the
    connection leaves it.
    """

    __slots__ = (
        "_channel",
        "_closing",
        "_endpoint",
        "_entering",
        "_kept",
        "_key",
        "_paused",
        "_request",
        "_room",
        "asked",
        "dialogue",
        "ended",
        "heard",
        "last_heard",
        "opened",
    )

    def __init__(
        self,
        endpoint: Endpoint,
        channel: Channel,
        conversation: Conversation,
        asked: str,
        entered: tuple[Key, Room] | None,
    ) -> None:
        config = endpoint.config
        self._endpoint = endpoint
        #: The indexes that the address names.
        self.asked = asked
        self._key: Key | None = None
        self._room: Room | None = None
        if entered is not None:
            self._key, self._room = entered
        #: Seeks a room that is not there yet, while the frames that come are kept. A binary frame is kept as None.
        self._entering: asyncio.Task[None] | None = None
        self._kept: list[bytes | None] = []
        self._channel = channel
        self._paused = False
        self._request = current_request()
        self._closing = False
        #: Seconds of the monotonic clock. :attr:`heard` says whether anything came since the last search for idle ones.
        self.opened = self.last_heard = time.monotonic()
        self.heard = False
        #: Set when the connection is gone.
        self.ended = asyncio.Event()
        self.dialogue = Dialogue(
            conversation,
            self._session(),
            endpoint.pipeline,
            endpoint.metrics,
            room=self._room,
            enter=self._enter,
            greet=lambda hello: endpoint.greet(hello, self._room),
            wake=self.writable,
            clock=time.perf_counter_ns,
            max_pending=config.max_pending,
            timings=config.timings,
            trace=None if endpoint.tracing is None else endpoint.tracing.session(),
            request=self._request,
        )
        channel.attach(self)

    def receive_text(self, payload: bytes) -> None:
        """Take a text frame's payload. Raises ``UnicodeDecodeError`` if it is not UTF-8."""
        self.heard = True
        if self.dialogue.waiting:
            payload.decode()
            self._kept.append(payload)
        else:
            self.dialogue.hear(payload)
        self._mind_room()

    def caught_up(self) -> None:
        """Answer the last keystroke, as no more frames are at hand."""
        self.dialogue.settle()
        self._mind_room()

    def receive_binary(self) -> None:
        """Take a binary frame."""
        self.heard = True
        if self.dialogue.waiting:
            self._kept.append(None)
        else:
            self.dialogue.receive_binary()
        self._mind_room()

    def writable(self) -> None:
        """Send what can be sent."""
        dialogue, channel = self.dialogue, self._channel
        while not channel.blocked and (reply := dialogue.take()) is not None:
            channel.send(*reply)
        if self._paused:
            self._mind_room()
        if dialogue.closing is not None and dialogue.finished and not self._closing:
            self._closing = True
            channel.close(dialogue.closing.code, dialogue.closing.reason)

    def lost(self) -> None:
        """Drop all that is pending, and leave the room."""
        self.dialogue.abandon()
        if self._entering is not None:
            self._entering.cancel()
        self._leave()
        self.ended.set()

    def _session(self) -> Session:
        max_chars = self._endpoint.config.max_chars
        if self._room is None:
            return self._endpoint.pipeline.session(max_chars=max_chars)
        return self._room.session(max_chars=max_chars)

    def _enter(self, grant: Grant) -> None:
        """Find the room of a grant, for the dialogue."""
        rooms = self._endpoint.rooms
        if not rooms:
            self._go_on(None)
            return
        try:
            key = rooms.key(self.asked, grant)
        except UnknownIndex as error:
            self.dialogue.refused(ProtocolError("unknown_index", str(error)))
            return
        if key == self._key:
            self._go_on(None)
        elif (room := rooms.ready(key)) is not None:
            self._go_on((key, room))
        else:
            self._entering = asyncio.get_running_loop().create_task(self._seek(key, grant))

    async def _seek(self, key: Key, grant: Grant) -> None:
        try:
            room = await self._endpoint.rooms.enter(key, grant.filter)
        except RoomsFull as error:
            self.dialogue.refused(ProtocolError("full", str(error)))
        except RoleRefused as error:
            log.error("a session was refused: %s", error, extra=about((self._request,)))
            self.dialogue.refused(ProtocolError("unauthorized", NO_ROLE))
        except (BackendAway, DeadlinePassed) as error:
            log.error("a session was not let in: %s", error, extra=about((self._request,)))
            self.dialogue.refused(ProtocolError("full", "nobody can tell what your token may see: try again later"))
        except SearchError as error:
            self.dialogue.refused(ProtocolError("unsupported_filter", str(error)))
        except Exception:
            log.exception("a room could not be made", extra=about((self._request,)))
            self.dialogue.refused(ProtocolError("internal", "the server could not open this index: its log says why"))
        else:
            if self.ended.is_set():
                self._endpoint.rooms.leave(room)
                return
            self._go_on((key, room))
        self._mind_room()

    def _go_on(self, entered: tuple[Key, Room] | None) -> None:
        """Answer the hello in the room that was entered, None for the one that it is in, and hear what was kept."""
        if entered is not None:
            self._leave()
            self._key, self._room = entered
        self.dialogue.entered(self._room, self._session())
        kept, self._kept = self._kept, []
        for payload in kept:
            if payload is None:
                self.dialogue.receive_binary()
            else:
                self.dialogue.hear(payload)
        self.dialogue.settle()

    def _leave(self) -> None:
        if self._room is not None:
            self._endpoint.rooms.leave(self._room)
            self._key = self._room = None

    def _mind_room(self) -> None:
        """Stop reading while as many replies wait as are allowed."""
        if self._paused is not self.dialogue.full:
            self._paused = self.dialogue.full
            if self._paused:
                self._channel.pause_reading()
            else:
                self._channel.resume_reading()
