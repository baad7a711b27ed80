"""Cuts off clients that do not read what they are sent: a full buffer that gets no emptier for too long.

A transport's ``close()`` waits until its buffer is empty, so a client that never reads would hold its connection for
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
