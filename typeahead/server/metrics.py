"""Counters, gauges and histograms in Prometheus' text format, and the ones that this server keeps.

A registry of a hundred lines instead of ``prometheus_client``: no lock and no label look-up on the path of a
keystroke, since only the event loop writes. No label grows with users, and no label or value holds any text.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

import typeahead

#: Upper bounds in seconds: 15 µs, then each 1.5 times the one before, up to some 10 s.
BUCKETS: Final = tuple(round(15e-6 * 1.5**power, 9) for power in range(34))

STAGES: Final = ("queue", "tokenize", "step", "search")
OUTCOMES: Final = ("served", "superseded", "cancelled", "error")

#: What becomes of a text for the fallback: answered by it; not taken, as it is busy; not wanted any more; its failure.
FALLBACK_OUTCOMES: Final = ("served", "shed", "dropped", "error")


class Reason(StrEnum):
    """Why a text is for the fallback."""

    LONG = "long"
    QUALITY = "quality"
    FAILED = "failed"


Labels = tuple[tuple[str, str], ...]


class Counter:
    """A number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def add(self, amount: int = 1) -> None:
        """Count ``amount`` more."""
        self.value += amount

    def lines(self, name: str, labels: Labels) -> list[str]:
        """Render as Prometheus samples."""
        return [f"{name}{_labels(labels)} {self.value}"]


class Reading:
    """A number that is read when the metrics are."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[], float]) -> None:
        self._read = read

    def lines(self, name: str, labels: Labels) -> list[str]:
        """Render as Prometheus samples."""
        return [f"{name}{_labels(labels)} {self._read()}"]


class Histogram:
    """Durations in seconds, counted by :data:`BUCKETS`."""

    __slots__ = ("_counts", "_sum")

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKETS) + 1)
        self._sum = 0.0

    @property
    def count(self) -> int:
        """Number of observations."""
        return sum(self._counts)

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(BUCKETS, seconds)] += 1
        self._sum += seconds

    def lines(self, name: str, labels: Labels) -> list[str]:
        """Render as Prometheus samples: cumulative buckets, sum and count."""
        lines = []
        below = 0
        for bound, count in zip((*map(repr, BUCKETS), "+Inf"), self._counts, strict=True):
            below += count
            lines.append(f"{name}_bucket{_labels((*labels, ('le', bound)))} {below}")
        return [*lines, f"{name}_sum{_labels(labels)} {self._sum}", f"{name}_count{_labels(labels)} {below}"]


Metric = Counter | Reading | Histogram


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


class Registry:
    """Metrics by name, rendered in the order in which they were added."""

    def __init__(self) -> None:
        self._families: list[tuple[str, str, str, Mapping[Labels, Metric]]] = []

    def add(self, name: str, kind: str, help: str, series: Mapping[Labels, Metric]) -> None:
        """Add a metric of ``kind`` "counter", "gauge" or "histogram" with all its series."""
        self._families.append((name, kind, help, series))

    def render(self) -> str:
        """Render in the text exposition format, version 0.0.4."""
        lines = []
        for name, kind, help, series in self._families:
            lines += [f"# HELP {name} {help}", f"# TYPE {name} {kind}"]
            for labels, metric in series.items():
                lines += metric.lines(name, labels)
        return "\n".join(lines) + "\n"


class ServerMetrics:
    """What this server counts. All series exist from the start, so that a rate never begins with a gap."""

    def __init__(self, encoder: str) -> None:
        self.registry = Registry()
        self.keystroke = Histogram()
        self.stages = {stage: Histogram() for stage in STAGES}
        self.keystrokes = {outcome: Counter() for outcome in OUTCOMES}
        self.submits = {True: Counter(), False: Counter()}
        self.fallback = {(reason, outcome): Counter() for reason in Reason for outcome in FALLBACK_OUTCOMES}
        self.fallback_wait = Histogram()
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
        build = (("version", typeahead.__version__), ("encoder", encoder))
        add("typeahead_build_info", "gauge", "Version and encoder.", {build: Reading(lambda: 1)})

    def read(
        self,
        *,
        sessions: Callable[[], int],
        cache_bytes: Callable[[], int],
        steps_computed: Callable[[], int],
        steps_cached: Callable[[], int],
    ) -> None:
        """Add what others keep count of, to be read when the metrics are."""
        add = self.registry.add
        add(
            "typeahead_steps_total",
            "counter",
            "Encoder steps that keystrokes needed, by where they came from.",
            {(("source", "computed"),): Reading(steps_computed), (("source", "cached"),): Reading(steps_cached)},
        )
        add("typeahead_active_sessions", "gauge", "Open websocket sessions.", {(): Reading(sessions)})
        add("typeahead_state_cache_bytes", "gauge", "Bytes in the cache of token prefixes.", {(): Reading(cache_bytes)})
