"""What a session needs of a websocket, as callbacks: a :class:`Channel` to send with, and a :class:`Receiver` to hear.

A keystroke takes some tens of microseconds in all, so its transport must not cost as much again. ASGI's ``receive`` and
``send``, as uvicorn runs them, wake two tasks and pause and resume the socket for each message. So the server's own
websocket protocol (:mod:`typeahead.server.process.websocket`) has a channel of its own, which calls the receiver
straight from the event loop. For every other ASGI server, :class:`AsgiChannel` makes a channel of the two coroutines.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

#: The name of the channel among a websocket scope's ``extensions``, where the ASGI server is ours.
EXTENSION = "typeahead.channel"

#: Frames that one session reads before the others have their turn: about a quarter of a millisecond.
TURN_FRAMES = 16


class Receiver(Protocol):
    """The side that hears frames. All methods are called on the event loop, none after :meth:`lost`."""

    def receive_text(self, payload: bytes) -> None:
        """Take a text frame's payload. Raises ``UnicodeDecodeError`` if it is not UTF-8."""

    def caught_up(self) -> None:
        """Hear that no more frames are at hand: after each text frame, or after several that were read at once."""

    def receive_binary(self) -> None:
        """Hear that a binary frame came. Clients have no reason to send one."""

    def writable(self) -> None:
        """Go on sending: the client has read."""

    def lost(self) -> None:
        """Hear that the connection is gone."""


class Channel(Protocol):
    """An open websocket. All methods are called on its event loop."""

    @property
    def blocked(self) -> bool:
        """Whether the client leaves what it was sent unread; :meth:`Receiver.writable` tells when it reads again."""

    def attach(self, receiver: Receiver) -> None:
        """Call ``receiver`` from now on."""

    def send(self, text: bytes, binary: tuple[bytes, memoryview] | None = None) -> None:
        """Send a text frame, and the parts of a binary one after it."""

    def close(self, code: int, reason: str) -> None:
        """Send a close frame; nothing is sent after it."""

    def pause_reading(self) -> None:
        """Stop reading for now. A frame that is being read may still come."""

    def resume_reading(self) -> None:
        """Read again."""


class AsgiChannel:
    """A channel over ASGI 3's ``receive`` and ``send``, for servers that know no channels."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._out: deque[Event] = deque()
        self._news = asyncio.Event()
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._receiver: Receiver | None = None

    @property
    def blocked(self) -> bool:
        """See :attr:`Channel.blocked`."""
        # One reply may wait while another is being sent. The rest stays in the dialogue, where newer ones replace it.
        return bool(self._out)

    def attach(self, receiver: Receiver) -> None:
        """See :meth:`Channel.attach`."""
        self._receiver = receiver

    def send(self, text: bytes, binary: tuple[bytes, memoryview] | None = None) -> None:
        """See :meth:`Channel.send`."""
        self._out.append({"type": "websocket.send", "text": text.decode()})
        if binary is not None:
            self._out.append({"type": "websocket.send", "bytes": b"".join(binary)})
        self._news.set()

    def close(self, code: int, reason: str) -> None:
        """See :meth:`Channel.close`."""
        self._out.append({"type": "websocket.close", "code": code, "reason": reason})
        self._news.set()

    def pause_reading(self) -> None:
        """See :meth:`Channel.pause_reading`."""
        self._may_read.clear()

    def resume_reading(self) -> None:
        """See :meth:`Channel.resume_reading`."""
        self._may_read.set()

    async def run(self) -> None:
        """Carry frames both ways until either side closes."""
        assert self._receiver is not None, "nobody is attached"
        writer = asyncio.create_task(self._write())
        reader = asyncio.create_task(self._read(self._receiver))
        try:
            await asyncio.wait((writer, reader), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._receiver.lost()
            for task in (writer, reader):
                task.cancel()
            ended = await asyncio.gather(writer, reader, return_exceptions=True)
        for error in ended:
            # ASGI servers raise OSError from send() when the client is gone: an end like any other.
            if isinstance(error, Exception) and not isinstance(error, OSError):
                raise error

    async def _read(self, receiver: Receiver) -> None:
        frames = 0
        while True:
            await self._may_read.wait()
            event = await self._receive()
            if event["type"] == "websocket.disconnect":
                return
            text = event.get("text")
            if text is None:
                receiver.receive_binary()
            else:
                receiver.receive_text(text.encode())
                receiver.caught_up()
            frames += 1
            if frames % TURN_FRAMES == 0:
                # A burst lies in the server's queue, so receive() returns without ever giving way to other sessions.
                await asyncio.sleep(0)

    async def _write(self) -> None:
        assert self._receiver is not None
        while True:
            await self._news.wait()
            self._news.clear()
            while self._out:
                event = self._out[0]
                await self._send(event)
                self._out.popleft()
                if event["type"] == "websocket.close":
                    return
                if not self._out:
                    self._receiver.writable()
