"""A quarter of an hour at half the top rate: does the server's memory stay constant, and is every key answered?

    python -m benchmarks.soak [--minutes 15] [--rate R] [--connections 1000] [--json PATH]

Without --rate, the top rate is measured first, in a closed loop of 5 seconds, and the load is half of it. The load is
an open loop in windows of --every seconds. Between windows the server's resident memory is read, child processes
included. Growth compares the last reading with the first after --settle seconds, when the caches are full;
--cache-bytes can make the cache of token prefixes small enough for that. ``benchmarks.load`` explains how keys are
counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import options, schedule
from benchmarks.load import QUERIES, Setup, top_rate
from benchmarks.loadgen import Generator
from benchmarks.servers import Running
from benchmarks.typed import load_queries, load_traces
from typeahead.tables import report

#: Seconds of the closed loop that finds the top rate.
_FINDING_SECONDS = 5.0
#: Columns of :meth:`benchmarks.loadgen.Outcome.row` that add up.
COUNTED = ("keys", "superseded", "overloaded", "unanswered", "errors")


@dataclass
class Course:
    """Memory and latency from window to window."""

    #: (seconds since the start, MB).
    memory: list[tuple[float, float]] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    first_error: str = ""

    def growth(self, settle: float) -> float | None:
        """Growth in percent since the first reading after ``settle`` seconds; None without two such readings."""
        settled = [megabytes for seconds, megabytes in self.memory if seconds >= settle]
        return 100 * (settled[-1] / settled[0] - 1) if len(settled) > 1 else None

    def peak(self, settle: float) -> float | None:
        """The same, for the largest reading since then."""
        settled = [megabytes for seconds, megabytes in self.memory if seconds >= settle]
        return 100 * (max(settled) / settled[0] - 1) if len(settled) > 1 else None


def run(generator: Generator, server: Running, *, rate: float, seconds: float, every: float) -> Course:
    """Load the server in windows, and read its memory after each."""
    course = Course([(0.0, server.resident_megabytes())])
    elapsed = 0.0
    for number in range(max(round(seconds / every), 1)):
        due, connection = schedule.constant(rate, every, generator.connections, seed=number)
        outcome = generator.open_loop(due, connection)
        elapsed += outcome.seconds
        course.memory.append((elapsed, server.resident_megabytes()))
        course.p99_ms.append(outcome.latencies_ms().get("p99 ms", float("inf")))
        fates = outcome.row()
        course.counts.update(
            {name: fates[name] for name in ("keys", "superseded", "overloaded", "unanswered", "errors")}
        )
        course.first_error = course.first_error or outcome.first_error
    return course


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = options.parser("soak", __doc__)
    parser.add_argument("--minutes", type=options.positive, default=15.0)
    parser.add_argument("--rate", type=options.positive, help="keys a second; half the top rate by default")
    parser.add_argument("--connections", type=options.whole, default=1000)
    parser.add_argument("--every", type=options.positive, default=10.0, help="length of a window in seconds (10)")
    parser.add_argument(
        "--settle",
        type=options.positive,
        default=120.0,
        help="seconds before the reading that growth is compared with (120)",
    )
    parser.add_argument("--index", type=Path, metavar="DIR", help="search this index at every key")
    parser.add_argument("--cache-bytes", type=options.whole, help="size of the server's cache of token prefixes")
    options.add_cores(parser)
    options.add_typing(parser)
    chosen = parser.parse_args(arguments)
    traces, typing = load_traces(chosen.traces)
    queries, asked = load_queries(chosen.queries, QUERIES)
    extra = () if chosen.cache_bytes is None else ("--cache-bytes", str(chosen.cache_bytes))
    setup = Setup(chosen.server_cores, chosen.client_core, traces, queries, chosen.index, extra)
    rate, best = chosen.rate, None
    if rate is None:
        with setup.server() as server:
            best = top_rate(setup, server, chosen.connections, _FINDING_SECONDS, "top")[0]
        rate = best / 2
    texts = setup.texts(chosen.connections)
    with setup.server() as server, setup.client(server, texts) as generator:
        course = run(generator, server, rate=rate, seconds=60 * chosen.minutes, every=chosen.every)
    # The table has about one reading a minute; the JSON has all.
    step = max(len(course.p99_ms) // 15, 1)
    table = [
        {"seconds": round(seconds), "server MB": round(megabytes, 1), "p99 ms": p99}
        for (seconds, megabytes), p99 in list(zip(course.memory[1:], course.p99_ms, strict=True))[step - 1 :: step]
    ]
    facts: dict[str, Any] = {
        "typing": typing,
        "queries": asked,
        "keys_a_second": round(rate),
        "top_rate": None if best is None else round(best),
        "growth_of_memory_after_settling_%": _rounded(course.growth(chosen.settle)),
        "highest_growth_after_settling_%": _rounded(course.peak(chosen.settle)),
        **course.counts,
        "first_error": course.first_error or "none",
    }
    if chosen.json is not None and str(chosen.json) != "-":
        facts["memory_MB"] = [[round(seconds, 1), round(megabytes, 2)] for seconds, megabytes in course.memory]
    report("Soak", table, json_path=chosen.json, **facts)


def _rounded(value: float | None) -> float | str:
    return "unknown: the run was shorter than --settle" if value is None else round(value, 2)


if __name__ == "__main__":
    options.run(main)
