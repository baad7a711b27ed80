"""The metrics of this server: what is counted, under which names. Every series exists from the start.

:mod:`typeahead.server.observe.counters` does the counting and writes Prometheus' text format. The number of series does
not grow with the number of users, and none holds any text that somebody typed. Only the event loop writes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

import numpy as np

import typeahead
from typeahead.logs import LimitedLog
from typeahead.server.observe.counters import BUCKETS, Counter, Histogram, Reading, Registry
from typeahead.server.observe.log_lines import about
from typeahead.server.observe.process_metrics import add_process_metrics
from typeahead.server.observe.slow import SlowKeystrokes

log = logging.getLogger(__name__)

#: Parts of a reply's duration, in order. The histograms include the time that writing the reply took; the reply's own
#: ``timing_us`` cannot.
STAGES: Final = ("queue", "tokenize", "step", "search", "serialize")
OUTCOMES: Final = ("served", "superseded", "cancelled", "overloaded", "error")

#: What becomes of a text for the fallback: it answered; it was busy; nobody wanted the answer any more; it failed.
FALLBACK_OUTCOMES: Final = ("served", "shed", "dropped", "error")

#: What browsers report, by the name in the report.
CLIENT_TIMINGS: Final = {
    "key_to_paint": "From a key's event to the end of the next frame with its results, in the browser.",
    "enter_to_paint": "From the event of Enter to the end of the next frame with its results, in the browser.",
    "round_trip": "From sending a keystroke or Enter to its reply, in the browser.",
    "network": "Round trip less the server's own time, in browsers that are told it.",
}
#: What becomes of a report: counted; not understood; not read, because there were too many.
REPORT_OUTCOMES: Final = ("accepted", "refused", "limited")
#: What somebody found who stopped at a text: good results, poor ones only, or none.
FOUND: Final = ("good", "weak", "nothing")
#: The place of a chosen result, from 1. Places beyond the tenth count together.
POSITIONS: Final = (*map(str, range(1, 11)), "later")
#: What becomes of a recorded text: written to the file; lost, because the file could not be written.
RECORD_OUTCOMES: Final = ("written", "lost")
#: Why a websocket does not become a session: too many are open; the server turns keystrokes away; the page is from
#: another origin; the client speaks another subprotocol; the server is starting or stopping.
SESSION_REFUSALS: Final = ("full", "overloaded", "origin", "subprotocol", "index", "not_ready")


class Reason(StrEnum):
    """Why a text is for the fallback."""

    LONG = "long"
    QUALITY = "quality"
    FAILED = "failed"


class Refusal(StrEnum):
    """Why a connection is not served."""

    #: Its request head has too many bytes or lines, or the framing of its body has too many bytes.
    TOO_LARGE = "too_large"
    #: No whole request head came in time.
    TOO_LATE = "too_late"
    #: Its request head is not HTTP, or could be read in two ways.
    MALFORMED = "malformed"
    #: Its address has as many connections as one may have.
    ADDRESS = "address"
    #: It was silent, and another connection needed its place.
    SILENT = "silent"
    #: There are no descriptors left, and no connection is silent.
    FULL = "full"


class ReplyTimes:
    """Durations of replies by stage, collected in a list and counted in blocks by NumPy.

    To append to a list takes 0.2 µs a reply, an array 0.5, and six searches for a bucket more. Give :meth:`settle` to
    :meth:`Registry.before_snapshot`.
    """

    #: Replies in a block: what waits is bounded by it.
    BLOCK: Final = 512

    def __init__(self, histograms: Sequence[Histogram]) -> None:
        self._histograms = histograms
        self._pending: list[int] = []
        self._full = self.BLOCK * len(histograms)
        self._bounds_ns = np.array([round(bound * 1e9) for bound in BUCKETS])
        self._buckets = len(BUCKETS) + 1
        self._offsets = np.arange(len(histograms)) * self._buckets

    def add(self, parts_ns: tuple[int, ...], total_ns: int) -> None:
        """Note the nanoseconds of one reply, one for each histogram; 0 where it had no such part."""
        pending = self._pending
        pending += parts_ns
        pending.append(total_ns)
        if len(pending) >= self._full:
            self.settle()

    def settle(self) -> None:
        """Count what was noted."""
        spent = np.array(self._pending, np.int64).reshape(-1, len(self._histograms))
        self._pending.clear()
        places = np.searchsorted(self._bounds_ns, spent) + self._offsets
        counted = np.bincount(places[spent > 0], minlength=self._buckets * len(self._histograms))
        sums = spent.sum(axis=0).tolist()
        for place in np.flatnonzero(counted).tolist():
            column, bucket = divmod(place, self._buckets)
            self._histograms[column].counts[bucket] += int(counted[place])
        for histogram, spent_ns in zip(self._histograms, sums, strict=True):
            histogram.sum += spent_ns * 1e-9


def add_worker_deaths(registry: Registry, deaths: Counter) -> None:
    """Add the one metric of the process that starts workers. Workers have it too, so that the series always exists."""
    registry.add(
        "typeahead_worker_deaths_total", "counter", "Worker processes that ended without being told to.", {(): deaths}
    )


class ServerMetrics:
    """Everything that this server counts. All series exist from the start, so that no rate begins with a gap."""

    def __init__(self, encoder: str, *, slow_ms: float = 0.0) -> None:
        self.registry = Registry()
        self._log = LimitedLog(log)
        #: Replies that take as long as this are logged.
        self._slow_ns = round(slow_ms * 1e6) or 1 << 62
        self.keystroke = Histogram()
        self.stages = {stage: Histogram() for stage in STAGES}
        self.loop_lag = Histogram()
        self.keystrokes = {outcome: Counter() for outcome in OUTCOMES}
        self.submits = {True: Counter(), False: Counter()}
        self.fallback = {(reason, outcome): Counter() for reason in Reason for outcome in FALLBACK_OUTCOMES}
        self.fallback_wait = Histogram()
        self.client = {name: Histogram() for name in CLIENT_TIMINGS}
        self.reports = {outcome: Counter() for outcome in REPORT_OUTCOMES}
        self.queries = {found: Counter() for found in FOUND}
        self.choices = {position: Counter() for position in POSITIONS}
        self.events = {outcome: Counter() for outcome in REPORT_OUTCOMES}
        self.recorded = {outcome: Counter() for outcome in RECORD_OUTCOMES}
        self.refused_connections = {refusal: Counter() for refusal in Refusal}
        self.refused_sessions = {reason: Counter() for reason in SESSION_REFUSALS}
        self.slow = SlowKeystrokes()
        #: Takes the nanoseconds of a reply: those of each of :data:`STAGES`, then the whole.
        self.replies = ReplyTimes((*self.stages.values(), self.keystroke))
        self.registry.before_snapshot(self.replies.settle)
        add = self.registry.add
        add(
            "typeahead_keystroke_duration_seconds",
            "histogram",
            "From the arrival of a keystroke or submit to its reply.",
            {(): self.keystroke},
        )
        add(
            "typeahead_stage_duration_seconds",
            "histogram",
            "Part of a reply's duration that each stage took.",
            {(("stage", stage),): histogram for stage, histogram in self.stages.items()},
        )
        add(
            "typeahead_keystrokes_total",
            "counter",
            "Keystrokes by what became of them.",
            {(("outcome", outcome),): counter for outcome, counter in self.keystrokes.items()},
        )
        add(
            "typeahead_submits_total",
            "counter",
            "Submits by whether their answer was there when they arrived.",
            {(("ready", str(ready).lower()),): counter for ready, counter in self.submits.items()},
        )
        add(
            "typeahead_fallback_texts_total",
            "counter",
            "Texts for the fallback encoder, by why they are and what became of them.",
            {
                (("reason", reason.value), ("outcome", outcome)): counter
                for (reason, outcome), counter in self.fallback.items()
            },
        )
        add(
            "typeahead_fallback_duration_seconds",
            "histogram",
            "From a typed or searched text's arrival at the fallback encoder to its vector.",
            {(): self.fallback_wait},
        )
        add(
            "typeahead_event_loop_lag_seconds",
            "histogram",
            "How late a timer of the event loop was, ten times a second; the loop's clock ticks in milliseconds.",
            {(): self.loop_lag},
        )
        for name, help in CLIENT_TIMINGS.items():
            add(f"typeahead_client_{name}_seconds", "histogram", help, {(): self.client[name]})
        add(
            "typeahead_client_reports_total",
            "counter",
            "Reports of browsers on what people felt, by what became of them.",
            {(("outcome", outcome),): counter for outcome, counter in self.reports.items()},
        )
        for name, label, counters, help in (
            ("queries", "found", self.queries, "Texts that somebody stopped at, by what was found; needs --events."),
            ("choices", "position", self.choices, "Results that were chosen, by their place; needs --events."),
            ("events", "outcome", self.events, "Requests with events of search boxes, by what became of them."),
            ("recorded_texts", "outcome", self.recorded, "Events recorded with their text, by what became of them."),
        ):
            add(
                f"typeahead_{name}_total",
                "counter",
                help,
                {((label, value),): counter for value, counter in counters.items()},
            )
        add(
            "typeahead_connections_refused_total",
            "counter",
            "Connections and requests that were refused before anybody read what they asked, by why.",
            {(("reason", refusal.value),): counter for refusal, counter in self.refused_connections.items()},
        )
        add(
            "typeahead_sessions_refused_total",
            "counter",
            "Websockets that were not made sessions, by why.",
            {(("reason", reason),): counter for reason, counter in self.refused_sessions.items()},
        )
        add_worker_deaths(self.registry, Counter())
        build = (("version", typeahead.__version__), ("encoder", encoder))
        add("typeahead_build_info", "gauge", "Version and encoder.", {build: Reading(lambda: 1)}, combine="max")

    def replied(
        self,
        arrived_ns: int,
        total_ns: int,
        stages_ns: tuple[int, ...],
        chars: int,
        tokens: int,
        submit: bool,
        request: str = "",
    ) -> None:
        """Count a reply. One call, which takes half a microsecond, keeps all that is kept of it.

        ``stages_ns`` has the nanoseconds of each of :data:`STAGES`, 0 for a stage that the reply did not need.
        ``chars`` and ``tokens`` are counts of the whole text. ``request`` is the name of the websocket in the log.
        """
        self.replies.add(stages_ns, total_ns)
        slow = self.slow
        if total_ns > slow.floor_ns or arrived_ns >= slow.until_ns:
            slow.keep(total_ns, arrived_ns, chars, tokens, submit, stages_ns, request)
        if total_ns >= self._slow_ns:
            self._log_slow(total_ns, stages_ns, chars, tokens, submit, request)

    def _log_slow(
        self, total_ns: int, stages_ns: tuple[int, ...], chars: int, tokens: int, submit: bool, request: str
    ) -> None:
        spent = {f"{stage}_ms": round(ns * 1e-6, 3) for stage, ns in zip(STAGES, stages_ns, strict=True)}
        fields = {"duration_ms": round(total_ns * 1e-6, 3), "chars": chars, "tokens": tokens, "submit": submit, **spent}
        written = " ".join(f"{name}={value}" for name, value in fields.items())
        self._log.warning("a slow reply: %s", written, extra={**about((request,)), "fields": fields})

    def read(
        self,
        *,
        sessions: Callable[[], int],
        cache_bytes: Callable[[], int],
        cache_capacity: int,
        steps_computed: Callable[[], int],
        steps_cached: Callable[[], int],
        searches_made: Callable[[], int],
        searches_stood: Callable[[], int],
        searches_partial: Callable[[], int],
        connections: Callable[[], int],
        version: Callable[[], int],
        engine_lag: Callable[[], float],
    ) -> None:
        """Add numbers that other objects and the system keep, to be read whenever the metrics are."""
        add_process_metrics(self.registry)
        add = self.registry.add
        add(
            "typeahead_steps_total",
            "counter",
            "Encoder steps that keystrokes needed, by where they came from.",
            {(("source", "computed"),): Reading(steps_computed), (("source", "cached"),): Reading(steps_cached)},
        )
        add(
            "typeahead_searches_total",
            "counter",
            "Searches that were made, and keystrokes for which the results of the session's last one stood.",
            {(("source", "computed"),): Reading(searches_made), (("source", "stood"),): Reading(searches_stood)},
        )
        add(
            "typeahead_partial_searches_total",
            "counter",
            "Searches whose hits may lack some, because a part of the index was away or late.",
            {(): Reading(searches_partial)},
        )
        add("typeahead_open_connections", "gauge", "Open connections of all kinds.", {(): Reading(connections)})
        add(
            "typeahead_index_version",
            "gauge",
            "Version of the documents, which grows with each change; 0 without an index.",
            {(): Reading(version)},
            combine="max",
        )
        add(
            "typeahead_engine_lag_seconds",
            "gauge",
            "How long ago what is kept in memory of a database was known to be the same there; 0 without one.",
            {(): Reading(engine_lag)},
            combine="max",
        )
        add("typeahead_active_sessions", "gauge", "Open websocket sessions.", {(): Reading(sessions)})
        add("typeahead_state_cache_bytes", "gauge", "Bytes in the cache of token prefixes.", {(): Reading(cache_bytes)})
        add(
            "typeahead_state_cache_capacity_bytes",
            "gauge",
            "Bytes that the cache of token prefixes may have.",
            {(): Reading(lambda: cache_capacity)},
        )
