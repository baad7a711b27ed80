"""What people stopped at and what they chose, as search boxes report it: ``POST /v1/events``, without the HTTP.

A body holds a few events::

    {"events": [{"kind": "query", "results": 8, "weak": false}, {"kind": "select", "position": 1}]}

Boxes send events only if the server's hello asks for them: ``"events": "numbers"``, or ``"texts"`` if the operator
records texts. Then events may have ``text``, and choices ``id``. A server that records no texts refuses both, so no
text reaches it by this way. As with :mod:`typeahead.server.http.client_timings`, a browser may lie: an event adds to
counters and, where texts are recorded, to a file of bounded size.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from msgspec import UNSET

from typeahead.server.config import ServerConfig
from typeahead.server.http.allowance import Allowance
from typeahead.server.http.api import ApiError, read_body
from typeahead.server.http.bodies import EVENTS, QueryEvent, SelectEvent
from typeahead.server.observe.metrics import POSITIONS, ServerMetrics
from typeahead.server.observe.query_texts import QueryTexts, Row

#: Bytes of a body: 16 events with texts of 512 code points, written as JSON escapes, and ids take a little less.
MAX_BYTES: Final = 128 << 10


class Events:
    """Takes events at the rate of ``config``. ``texts`` records them, if anything does. ``clock`` returns seconds."""

    def __init__(
        self,
        config: ServerConfig,
        metrics: ServerMetrics,
        texts: QueryTexts | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on = config.events
        self._max_chars = config.max_chars
        self._metrics = metrics
        self._texts = texts
        self._allowance = Allowance(config.max_events, clock)

    def admit(self) -> None:
        """Raise :class:`ApiError` if no events are read at all, or none right now."""
        if not self._on:
            raise ApiError(403, "this server takes no events: start it with --events", code="events_off")
        if not self._allowance.take():
            self._metrics.events["limited"].add()
            raise ApiError(429, "too many events: send them later, or not at all", code="rate_limited")

    def take(self, body: bytes) -> None:
        """Count the events of a body, wholly or not at all. Raises :class:`ApiError`."""
        events = read_body(EVENTS, body).events
        for event in events:
            self._check(event)
        for event in events:
            self._count(event)
        self._metrics.events["accepted"].add()
        if self._texts is not None and (rows := [_row(event) for event in events if event.text is not UNSET]):
            self._texts.add(rows)

    def refuse(self) -> None:
        """Count a body that was refused."""
        self._metrics.events["refused"].add()

    def _check(self, event: QueryEvent | SelectEvent) -> None:
        document = event.id if isinstance(event, SelectEvent) else UNSET
        if self._texts is None and not (event.text is UNSET and document is UNSET):
            raise ApiError(400, 'this server records no texts: leave "text" and "id" out', param="events")
        if event.text is not UNSET and len(event.text) > self._max_chars:
            raise ApiError(400, f'a "text" is longer than {self._max_chars} code points', param="events")

    def _count(self, event: QueryEvent | SelectEvent) -> None:
        if isinstance(event, SelectEvent):
            place = str(event.position)
            self._metrics.choices[place if place in POSITIONS else POSITIONS[-1]].add()
        else:
            found = "nothing" if event.results == 0 else "weak" if event.weak else "good"
            self._metrics.queries[found].add()


def _row(event: QueryEvent | SelectEvent) -> Row:
    text = "" if event.text is UNSET else event.text
    if isinstance(event, QueryEvent):
        return Row("query", text, results=event.results, weak=event.weak)
    return Row("select", text, position=event.position, document=None if event.id is UNSET else event.id)
