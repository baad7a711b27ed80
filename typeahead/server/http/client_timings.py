"""What people felt, as their browsers report it: ``POST /v1/client-timings``, without the HTTP.

A report is a JSON object of lists of milliseconds, all optional, at least one of them not empty::

    {"key_to_paint_ms": [11.2, 9.8], "round_trip_ms": [3.1, 2.9], "network_ms": [0.4, 0.3], "enter_to_paint_ms": [8.0]}

Numbers and nothing else. A browser may lie, so what a report can do is bounded: it adds to the ``typeahead_client_…``
histograms alone, at most :data:`MAX_VALUES` values a list, and further reports than ``per_second`` are not even read.
:mod:`typeahead.server.http.routes` asks for the same origin and token as for a search.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from typeahead.server.observe.metrics import CLIENT_TIMINGS, ServerMetrics

#: Names of the lists in a report.
FIELDS: Final = tuple(f"{name}_ms" for name in CLIENT_TIMINGS)
#: Values in one list, and bytes of a report; 4 full lists of plain numbers take half of that.
MAX_VALUES: Final = 128
MAX_BYTES: Final = 16 << 10
#: Milliseconds that longer ones count as: a laptop that was closed in between says nothing about a search box.
LONGEST_MS: Final = 60_000.0


class BadReport(ValueError):
    """A report that is not counted; ``param`` is the field that is wrong, if one is."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class ClientTimings:
    """Takes reports, ``per_second`` of them and no more; ``clock`` tells seconds."""

    def __init__(self, metrics: ServerMetrics, *, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._per_second = per_second
        self._clock = clock
        self._left = float(per_second)
        self._filled_at = clock()

    def admit(self) -> bool:
        """Whether one more report may be read now; counts it if not."""
        now = self._clock()
        self._left = min(float(self._per_second), self._left + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        if self._left < 1:
            self._metrics.reports["limited"].add()
            return False
        self._left -= 1
        return True

    def take(self, report: Mapping[str, Any]) -> None:
        """Count a report, wholly or not at all. Raises :class:`BadReport`."""
        try:
            lists = {name: _values(report, f"{name}_ms") for name in CLIENT_TIMINGS}
            if not any(lists.values()):
                raise BadReport(f"the report holds no timing: give a list of milliseconds in {', '.join(FIELDS)}")
        except BadReport:
            self.refuse()
            raise
        for name, values in lists.items():
            histogram = self._metrics.client[name]
            for value in values:
                histogram.observe(min(value, LONGEST_MS) * 1e-3)
        self._metrics.reports["accepted"].add()

    def refuse(self) -> None:
        """Count a report that could not be read."""
        self._metrics.reports["refused"].add()


def _values(report: Mapping[str, Any], field: str) -> list[float]:
    values = report.get(field, [])
    if type(values) is not list or len(values) > MAX_VALUES:
        raise BadReport(f'"{field}" has to be a list of at most {MAX_VALUES} numbers', field)
    for value in values:
        # bool is an int to Python.
        if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
            raise BadReport(f'"{field}" has to hold milliseconds: numbers from 0 up', field)
    return values
