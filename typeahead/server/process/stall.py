"""Cuts off clients that do not read what they are sent: a full buffer that gets no emptier for too long.

A transport's ``close()`` waits until its buffer is empty, so a client that never reads would keep its connection for
ever.
"""

from __future__ import annotations

import asyncio


class StallWatch:
    """Watches a transport between :meth:`start` and :meth:`stop`, and aborts it after ``seconds`` without progress."""

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.WriteTransport, seconds: float) -> None:
        self._loop = loop
        self._transport = transport
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Watch from now on: the buffer is full."""
        if self._timer is None:
            self._look_later(self._transport.get_write_buffer_size())

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_later(self, size: int) -> None:
        self._timer = self._loop.call_later(self._seconds, self._look, size)

    def _look(self, before: int) -> None:
        size = self._transport.get_write_buffer_size()
        if size >= before:
            self._transport.abort()
        else:
            self._look_later(size)


class StallBound(asyncio.BaseProtocol):
    """Mixed into a protocol, watches its transport from :meth:`watch` on, whenever the buffer is full."""

    _stall: StallWatch | None = None

    def watch(self, loop: asyncio.AbstractEventLoop, transport: asyncio.WriteTransport, seconds: float) -> None:
        """Abort ``transport`` when its full buffer gets no emptier for ``seconds``."""
        self._stall = StallWatch(loop, transport, seconds)

    def pause_writing(self) -> None:
        """Start watching, now that the buffer is full."""
        super().pause_writing()
        if self._stall is not None:
            self._stall.start()

    def resume_writing(self) -> None:
        """Stop watching."""
        super().resume_writing()
        if self._stall is not None:
            self._stall.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching for good."""
        if self._stall is not None:
            self._stall.stop()
        super().connection_lost(exc)
