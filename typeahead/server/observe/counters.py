"""Counters, gauges and histograms, and Prometheus' text format.

This is a registry of our own instead of ``prometheus_client``, because a keystroke should pay for no lock and no
look-up of labels: only the event loop writes. :mod:`typeahead.server.observe.metrics` says what is counted.

:meth:`Registry.snapshot` returns everything as plain lists, numbers and strings, which pass through JSON and pickle.
:func:`merge` adds up the snapshots of several processes, and :func:`render` writes one as text. A snapshot is a list of
families in the order in which they were added::

    {"name": "typeahead_submits_total", "kind": "counter", "help": "…", "combine": "sum",
     "series": [[[["ready", "true"]], 12], [[["ready", "false"]], 0]]}
    {"name": "…_seconds", "kind": "histogram", …, "bounds": [1.5e-05, …], "series": [[[], {"counts": […], "sum": 0.2}]]}

``counts`` has one number for each bound, not cumulative, and one for values above all bounds. ``combine`` is "sum" for
counters and histograms. For a gauge it is "sum", as for sessions, or "max", as for a version that all processes share.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

#: Upper bounds in seconds: 15 µs, then each 1.5 times the one before, up to about 10 s.
BUCKETS: Final = tuple(round(15e-6 * 1.5**power, 9) for power in range(34))

Labels = tuple[tuple[str, str], ...]

#: A family of a snapshot, and a snapshot: see the module's docstring.
Family = dict[str, Any]
Snapshot = list[Family]


class Counter:
    """A number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def add(self, amount: int = 1) -> None:
        """Count ``amount`` more."""
        self.value += amount

    def sample(self) -> int:
        """Return the present value, for a snapshot."""
        return self.value


class Reading:
    """A number that is read when the metrics are."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[], float]) -> None:
        self._read = read

    def sample(self) -> float:
        """Return the present value, for a snapshot."""
        return self._read()


class Histogram:
    """Durations in seconds, counted by :data:`BUCKETS`."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        #: Observations by bucket, not cumulative; the last bucket is above all bounds.
        self.counts = [0] * (len(BUCKETS) + 1)
        #: The sum of all observations, in seconds.
        self.sum = 0.0

    @property
    def count(self) -> int:
        """Number of observations."""
        return sum(self.counts)

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds

    def sample(self) -> dict[str, Any]:
        """Return the present counts and sum, for a snapshot."""
        return {"counts": list(self.counts), "sum": self.sum}


Metric = Counter | Reading | Histogram


class Registry:
    """Metrics by name, in the order in which they were added."""

    def __init__(self) -> None:
        self._families: list[tuple[Family, Mapping[Labels, Metric]]] = []
        self._before: list[Callable[[], None]] = []

    def add(self, name: str, kind: str, help: str, series: Mapping[Labels, Metric], *, combine: str = "sum") -> None:
        """Add a metric of ``kind`` "counter", "gauge" or "histogram" with all its series.

        ``combine`` says how :func:`merge` combines a gauge: "sum" or "max". Raises :class:`ValueError` for a name that
        is taken, and for an unknown kind or combination.
        """
        if any(family["name"] == name for family, _ in self._families):
            raise ValueError(f"there is a metric {name} already")
        if kind not in ("counter", "gauge", "histogram") or combine not in ("sum", "max"):
            raise ValueError(f"{name} cannot be a {kind!r} that is combined by {combine!r}")
        family: Family = {"name": name, "kind": kind, "help": help, "combine": combine}
        if kind == "histogram":
            family["bounds"] = list(BUCKETS)
        self._families.append((family, series))

    def before_snapshot(self, settle: Callable[[], None]) -> None:
        """Call ``settle`` before each snapshot, to count what was put off."""
        self._before.append(settle)

    def snapshot(self) -> Snapshot:
        """Return all samples as plain data: see the module's docstring."""
        for settle in self._before:
            settle()
        return [{**family, "series": _samples(series)} for family, series in self._families]

    def render(self) -> str:
        """Render in the text exposition format, version 0.0.4."""
        return render(self.snapshot())


def _samples(series: Mapping[Labels, Metric]) -> list[Any]:
    return [[[list(label) for label in labels], metric.sample()] for labels, metric in series.items()]


def merge(snapshots: Sequence[Snapshot]) -> Snapshot:
    """Combine the snapshots of several processes. Families and series keep the order in which they first appear.

    Raises :class:`ValueError` if a histogram has different bounds in two processes: they run different versions.
    """
    merged: dict[str, Family] = {}
    for snapshot in snapshots:
        for family in snapshot:
            known = merged.get(family["name"])
            if known is None:
                merged[family["name"]] = deepcopy(family)
            elif known.get("bounds") != family.get("bounds"):
                raise ValueError(f"{family['name']} has different buckets in different processes")
            else:
                _merge_series(known, family["series"])
    return list(merged.values())


def _merge_series(into: Family, series: list[Any]) -> None:
    places = {_key(labels): place for place, (labels, _) in enumerate(into["series"])}
    for labels, value in series:
        place = places.get(_key(labels))
        if place is None:
            into["series"].append(deepcopy([labels, value]))
            continue
        known = into["series"][place]
        if into["kind"] == "histogram":
            counts = [mine + theirs for mine, theirs in zip(known[1]["counts"], value["counts"], strict=True)]
            known[1] = {"counts": counts, "sum": known[1]["sum"] + value["sum"]}
        else:
            known[1] = max(known[1], value) if into["combine"] == "max" else known[1] + value


def _key(labels: list[Any]) -> Labels:
    # Labels are tuples before JSON, lists after it.
    return tuple((name, value) for name, value in labels)


def render(snapshot: Snapshot) -> str:
    """Write a snapshot in the text exposition format, version 0.0.4."""
    lines: list[str] = []
    for family in snapshot:
        name, kind = family["name"], family["kind"]
        lines += [f"# HELP {name} {_escape_help(family['help'])}", f"# TYPE {name} {kind}"]
        for labels, value in family["series"]:
            if kind == "histogram":
                lines += _histogram_lines(name, _key(labels), family["bounds"], value)
            else:
                lines.append(f"{name}{_labels(_key(labels))} {value}")
    return "\n".join(lines) + "\n"


def _histogram_lines(name: str, labels: Labels, bounds: list[float], value: dict[str, Any]) -> list[str]:
    """Cumulative buckets, sum and count."""
    lines = []
    below = 0
    for bound, count in zip((*map(repr, bounds), "+Inf"), value["counts"], strict=True):
        below += count
        lines.append(f"{name}_bucket{_labels((*labels, ('le', bound)))} {below}")
    return [*lines, f"{name}_sum{_labels(labels)} {value['sum']}", f"{name}_count{_labels(labels)} {below}"]


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels) + "}"


def _escape(value: str) -> str:
    return _escape_help(value).replace('"', '\\"')


def _escape_help(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n")
