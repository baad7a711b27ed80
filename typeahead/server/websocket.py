"""uvicorn's websocket protocol, made safe against clients that do not read.

uvicorn stops an application's ``send`` while the socket's buffer is full, which bounds what the application sends. Two
things are left open (looked up in uvicorn 0.54, ``websockets_sansio_impl.py``): pongs are written whether the buffer is
full or not, and a transport is closed by ``close()``, which waits for the buffer to empty, so a client that never reads
would hold its connection, and with it a session, for ever. Here pongs are left out while the buffer is full, and what
makes no progress is aborted.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

#: Seconds that a closing connection has to take what is left in the buffer, and to close its side.
CLOSE_SECONDS = 2.0


class BoundedWebsocket(WebSocketsSansIOProtocol):
    """A websocket connection that lasts only as long as its client reads.

    ``stall_seconds`` is how long a full buffer may go without getting emptier.
    """

    def __init__(self, *args: Any, stall_seconds: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stall_seconds = stall_seconds
        self._stall_timer: asyncio.TimerHandle | None = None
        self._close_deadline: asyncio.TimerHandle | None = None
        self.close_timeout = CLOSE_SECONDS

    def pause_writing(self) -> None:
        """Watch the buffer, now that it is full."""
        super().pause_writing()
        if self._stall_timer is None:
            self._watch(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Stop watching."""
        super().resume_writing()
        self._stop_watching()

    def connection_lost(self, exc: Exception | None) -> None:
        """Clear the timers."""
        self._stop_watching()
        if self._close_deadline is not None:
            self._close_deadline.cancel()
        super().connection_lost(exc)

    def handle_ping(self) -> None:
        """Answer a ping, unless the client does not read its answers."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def keepalive_timeout(self) -> None:
        """Give up a client that answers no ping."""
        super().keepalive_timeout()
        self._end_soon()

    def handle_close(self, event: Any) -> None:
        """Answer the client's close."""
        super().handle_close(event)
        self._end_soon()

    def handle_parser_exception(self) -> None:
        """Close on a frame that breaks RFC 6455 or is too large."""
        super().handle_parser_exception()
        self._end_soon()

    def shutdown(self) -> None:
        """Close because the server stops."""
        super().shutdown()
        self._end_soon()

    async def send(self, message: ASGISendEvent) -> None:
        """Send an ASGI message; waits while the buffer is full."""
        await super().send(message)
        if message["type"] == "websocket.close":
            self._end_soon()

    def _watch(self, size: int) -> None:
        self._stall_timer = self.loop.call_later(self._stall_seconds, self._check, size)

    def _check(self, before: int) -> None:
        size = self.transport.get_write_buffer_size()
        if size >= before:
            self.transport.abort()
        else:
            self._watch(size)

    def _stop_watching(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _end_soon(self) -> None:
        if self._close_deadline is None:
            self._close_deadline = self.loop.call_later(2 * CLOSE_SECONDS, self.transport.abort)


def bounded(stall_seconds: float) -> type[asyncio.Protocol]:
    """Return what uvicorn takes for a websocket protocol class."""

    def make(*args: Any, **kwargs: Any) -> BoundedWebsocket:
        return BoundedWebsocket(*args, stall_seconds=stall_seconds, **kwargs)

    return cast("type[asyncio.Protocol]", make)
