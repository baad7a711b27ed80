"""What a session needs of a websocket, as callbacks: one :class:`Channel` to send by, one :class:`Receiver` to hear by.

A keystroke takes some tens of microseconds in all, so what carries it must not cost as much again. uvicorn's own way,
ASGI's ``receive`` and ``send``, wakes two tasks and pauses and resumes the socket for each message. The server's own
websocket protocol (:mod:`typeahead.server.process.websocket`) is a channel itself and calls the receiver from the event
loop; for every other ASGI server, :class:`AsgiChannel` makes a channel of the two coroutines.
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

#: Under this name a websocket scope's ``extensions`` hold the channel, where the ASGI server is ours.
EXTENSION = "typeahead.channel"

#: Frames that one session reads before it is the others' turn: a quarter of a millisecond or so.
TURN_FRAMES = 16


class Receiver(Protocol):
    """Who hears what comes. All methods are called on the event loop, none after :meth:`lost`."""

    def receive_text(self, payload: bytes) -> None:
        """Take a text frame's payload, which may not be UTF-8: then raise ``UnicodeDecodeError``."""

    def caught_up(self) -> None:
        """Hear that no more is at hand for now: after each text frame, or after several that were read at once."""

    def receive_binary(self) -> None:
        """Hear that a binary frame came; clients have no reason to send any."""

    def writable(self) -> None:
        """Go on sending: the client has read."""

    def lost(self) -> None:
        """The connection is gone."""


class Channel(Protocol):
    """An open websocket. All methods are called on its event loop."""

    @property
    def blocked(self) -> bool:
        """Whether the client does not read what it was sent; :meth:`Receiver.writable` tells when it does again."""

    def attach(self, receiver: Receiver) -> None:
        """Call ``receiver`` from now on."""

    def send(self, text: bytes, binary: tuple[bytes, memoryview] | None = None) -> None:
        """Send a text frame, and the parts of a binary one after it."""

    def close(self, code: int, reason: str) -> None:
        """Send a close frame; nothing is sent after it."""

    def pause_reading(self) -> None:
        """Hear no more for now. A frame that is being read may still come."""

    def resume_reading(self) -> None:
        """Hear again."""


class AsgiChannel:
    """A channel over ASGI 3's ``receive`` and ``send``, for servers that know nothing of channels."""

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
        # One reply may wait while another is being sent; the rest stays where newer ones replace it.
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
            # ASGI servers raise OSError from send() when the client is gone; that is an end like any other.
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
