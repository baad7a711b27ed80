"""How long people waited, as their browsers report it: ``POST /v1/client-timings``, without the HTTP.

A report is a JSON object of lists of milliseconds. All are optional, but one has to hold something::

    {"key_to_paint_ms": [11.2, 9.8], "round_trip_ms": [3.1, 2.9], "network_ms": [0.4, 0.3], "enter_to_paint_ms": [8.0]}

It holds numbers and nothing else. A browser may lie, so a report can do little: it adds to the ``typeahead_client_…``
histograms alone, at most :data:`~typeahead.server.http.bodies.MAX_VALUES` values a list, and only ``per_second``
reports are read at all. :mod:`typeahead.server.http.routes` asks for the same origin and token as for a search.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from typeahead.server.http.allowance import Allowance
from typeahead.server.http.api import ApiError, read_body
from typeahead.server.http.bodies import TIMINGS
from typeahead.server.observe.metrics import CLIENT_TIMINGS, ServerMetrics

#: Bytes of a report; four full lists of plain numbers take half of that.
MAX_BYTES: Final = 16 << 10
#: Longer times, in milliseconds, count as this. They come from laptops that were closed in between.
LONGEST_MS: Final = 60_000.0


class ClientTimings:
    """Takes at most ``per_second`` reports a second. ``clock`` returns seconds."""

    def __init__(self, metrics: ServerMetrics, *, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._allowance = Allowance(per_second, clock)

    def admit(self) -> bool:
        """Return whether one more report may be read now; count it if not."""
        admitted = self._allowance.take()
        if not admitted:
            self._metrics.reports["limited"].add()
        return admitted

    def take(self, body: bytes) -> None:
        """Count a report, wholly or not at all. Raises :class:`~typeahead.server.http.api.ApiError`."""
        report = read_body(TIMINGS, body)
        lists: dict[str, list[float]] = {name: getattr(report, f"{name}_ms") for name in CLIENT_TIMINGS}
        if not any(lists.values()):
            fields = ", ".join(f"{name}_ms" for name in lists)
            raise ApiError(400, f"the report holds no timing: give a list of milliseconds in one of {fields}")
        for name, values in lists.items():
            histogram = self._metrics.client[name]
            for value in values:
                histogram.observe(min(value, LONGEST_MS) * 1e-3)
        self._metrics.reports["accepted"].add()

    def refuse(self) -> None:
        """Count a report that was refused."""
        self._metrics.reports["refused"].add()
