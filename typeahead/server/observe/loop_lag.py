"""How late the event loop is: a timer that notes by how much it missed its time.

Whatever holds the loop (a large batch, a slow callback, a garbage collection) shows here for every session at once, and
before anybody's keystroke histogram tells why.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from typeahead.server.observe.counters import Histogram

#: Seconds from one look to the next. A look costs a microsecond.
INTERVAL: Final = 0.1


class LoopLag:
    """Observes the running loop from :meth:`start` to :meth:`stop`; ``clock`` tells nanoseconds.

    uvloop's timers tick in milliseconds, so less than one is noise.
    """

    def __init__(self, histogram: Histogram, *, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self._histogram = histogram
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._due_ns = 0

    def start(self) -> None:
        """Begin, on the running loop."""
        self._look_later(asyncio.get_running_loop())

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due_ns = self._clock() + int(INTERVAL * 1e9)
        self._timer = loop.call_later(INTERVAL, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._histogram.observe(max(0, self._clock() - self._due_ns) * 1e-9)
        self._look_later(loop)
