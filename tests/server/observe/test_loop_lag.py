from __future__ import annotations

import asyncio
import time

from typeahead.server.observe.counters import Histogram
from typeahead.server.observe.loop_lag import INTERVAL, LoopLag


async def test_a_loop_that_was_held_up_shows_for_how_long() -> None:
    histogram = Histogram()

    lag = LoopLag(histogram)
    lag.start()
    time.sleep(INTERVAL * 3)  # what a slow callback does
    while not histogram.count:
        await asyncio.sleep(0.001)
    lag.stop()
    assert histogram.count == 1
    assert histogram.sum >= INTERVAL * 1.9


async def test_a_timer_in_time_shows_no_lag_and_none_comes_after_the_end() -> None:
    histogram = Histogram()
    now_ns = 0

    lag = LoopLag(histogram, clock=lambda: now_ns)
    lag.start()
    now_ns += int(INTERVAL * 1e9)
    while not histogram.count:
        await asyncio.sleep(0.001)
    lag.stop()
    lag.stop()
    await asyncio.sleep(2 * INTERVAL)
    assert (histogram.count, histogram.sum) == (1, 0.0)
