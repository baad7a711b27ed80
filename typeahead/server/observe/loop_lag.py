"""How late the event loop is, measured by a timer that notes how late it was called.

Anything that holds the loop up, such as a large batch, a slow callback or a garbage collection, delays every session.
It shows here first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from typeahead.server.observe.counters import Histogram

#: Seconds between two measurements. Each takes a microsecond.
INTERVAL: Final = 0.1


class LoopLag:
    """Observes the running loop from :meth:`start` to :meth:`stop`. ``clock`` returns nanoseconds.

    uvloop's timers tick in milliseconds, so anything below one is noise.
    """

    def __init__(self, histogram: Histogram, *, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self._histogram = histogram
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._due_ns = 0

    def start(self) -> None:
        """Start on the running loop."""
        self._look_later(asyncio.get_running_loop())

    def stop(self) -> None:
        """Stop measuring."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due_ns = self._clock() + int(INTERVAL * 1e9)
        self._timer = loop.call_later(INTERVAL, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._histogram.observe(max(0, self._clock() - self._due_ns) * 1e-9)
        self._look_later(loop)
