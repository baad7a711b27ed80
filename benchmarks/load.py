"""A server under load over loopback websockets: top rate, latency at a given rate, crowds, and overload.

    python -m benchmarks.load [top] [rate] [crowd] [overload] [--index DIR --both-cores] [--json PATH]

top       closed loop, each connection keeps one key in flight: keystrokes a second, beside those of a bare websocket
          echo with the same client and messages, in turns, and the ratio of the two (median of the rounds)
rate      open loop at --rate keys a second, evenly spaced; with --human, with the gaps of people instead
crowd     --crowd connections, a tenth of which type with the gaps of people
overload  with a full cache, open loop at half the top rate, then at twice the top rate for --overload-seconds, then at
          half of it again

Without --index the server keeps the embeddings and answers with timings; with it, it answers with the top 8. The server
runs on core 0 and the client on core 1, where it never sleeps. With --both-cores the server has both cores, and the
client sleeps while no key is due. Latency counts from when a key was due, and every key is accounted for: answered,
superseded (a newer key of the same person was answered instead), overloaded (the server said so), unanswered, or an
error.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import options, schedule
from benchmarks.loadgen import Fate, Generator, Outcome
from benchmarks.machine import allow_files, machine_seconds, pinned
from benchmarks.servers import Running, echo_server, typeahead_server
from benchmarks.typed import Trace, load_queries, load_traces, varied_texts
from typeahead.tables import report

SCENARIOS = ("top", "rate", "crowd", "overload")
#: Queries that all people together type after the traces: some 800,000 keys.
QUERIES = 20_000
#: Share of a core from which a side counts as saturated.
_SATURATED = 0.93
#: Seconds of a closed loop before counting starts.
_WARM_UP = 1.0
#: Seconds of an open loop before counting starts: the first keys page in code and fill the cache.
OPEN_WARM_UP = 2.0
#: Seconds of a closed loop that fills the cache first, as on a server that has been up for a while. Making room for
#: each new prefix takes time, so latencies with an empty cache are no measure of recovery from an overload.
FILL_SECONDS = 10.0
#: Seconds at half the top rate before an overload and after it.
NORMAL_SECONDS = (10.0, 10.0)
#: Seconds of a window; the tail of each window is normal or not.
_WINDOW = 0.25


@dataclass(frozen=True)
class Setup:
    """Which cores run what, and what is typed."""

    server_cores: frozenset[int]
    client_cores: frozenset[int]
    traces: Sequence[Trace]
    queries: Sequence[str]
    index: Path | None
    server_options: tuple[str, ...]

    @property
    def spin(self) -> bool:
        """Whether the client has a core of its own and need not sleep."""
        return not self.server_cores & self.client_cores

    def texts(self, people: int) -> list[list[str]]:
        """What each person types: more in all than a server's cache holds."""
        return varied_texts(self.traces, self.queries, people)

    @contextmanager
    def server(self) -> Iterator[Running]:
        """Run the server under test."""
        with typeahead_server(cores=self.server_cores, index=self.index, options=self.server_options) as running:
            yield running

    @contextmanager
    def client(self, server: Running, texts: Sequence[Sequence[str]]) -> Iterator[Generator]:
        """Connect to a server, on the client's cores."""
        with pinned(self.client_cores), Generator(server.address, texts, spin=self.spin) as generator:
            yield generator


@dataclass(frozen=True)
class Shares:
    """Processor seconds a second: 1.5 is a core and a half. ``cores`` counts the server's cores."""

    server: float
    #: Of programs outside the measurement: should be near 0.
    others: float
    cores: int


class Watch:
    """Records who uses the processor while something runs."""

    def __init__(self, server: Running) -> None:
        self._server = server
        self._cores = len(os.sched_getaffinity(server.pid))
        self._before = self._look()

    def _look(self) -> tuple[float, float, float, float]:
        return time.monotonic(), self._server.processor_seconds(), time.process_time(), machine_seconds()

    def shares(self) -> Shares:
        """The shares since the watch was started."""
        wall, server, client, machine = (
            after - before for before, after in zip(self._before, self._look(), strict=True)
        )
        return Shares(server / wall, max(machine - server - client, 0.0) / wall, self._cores)


def row(
    what: str, connections: int, outcome: Outcome, *, rate: float, shares: Shares, server: Running
) -> dict[str, Any]:
    """One line of the table."""
    return {
        "what": what,
        "connections": connections,
        "keys/s": round(rate),
        **outcome.row(),
        "sent late p99 ms": round(outcome.late_p99_ms, 3),
        "server CPU %": round(100 * shares.server),
        "client busy %": round(100 * outcome.client_busy),
        "others' CPU %": round(100 * shares.others),
        "saturated": saturated(shares.server / shares.cores, outcome.client_busy),
        "server MB": round(server.resident_megabytes()),
    }


def saturated(server_share: float, client_busy: float) -> str:
    """Which side was at its limit: the server by its processor seconds, the client by its busy time."""
    sides = [name for name, share in (("server", server_share), ("client", client_busy)) if share >= _SATURATED]
    return " and ".join(sides) or "neither"


def answered(outcome: Outcome) -> float:
    """Keys answered a second, from the first key due to the last."""
    span = max(float(outcome.due_ns[-1]) / 1e9, 1e-9) if outcome.keys else 1.0
    return outcome.count(Fate.ANSWERED) / span


def top_rate(
    setup: Setup, server: Running, connections: int, seconds: float, what: str
) -> tuple[float, dict[str, Any]]:
    """Keys a second in a closed loop, and its line of the table."""
    with setup.client(server, setup.texts(connections)) as generator:
        generator.closed_loop(_WARM_UP)
        watch = Watch(server)
        outcome = generator.closed_loop(seconds)
        shares = watch.shares()
        rate = outcome.answered_a_second(0.0, seconds)
        return rate, row(what, connections, outcome, rate=rate, shares=shares, server=server)


def top(setup: Setup, connections: int, seconds: float, rounds: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Run the server and the bare echo in turns. Returns the rounds with the median rates."""
    found: dict[str, list[tuple[float, dict[str, Any]]]] = {"bare echo, closed loop": [], "closed loop": []}
    with setup.server() as server, echo_server(cores=frozenset({min(setup.server_cores)})) as echo:
        for _ in range(rounds):
            for (what, rates), running in zip(found.items(), (echo, server), strict=True):
                rates.append(top_rate(setup, running, connections, seconds, what))
    middle = [sorted(rates, key=lambda pair: pair[0])[(rounds - 1) // 2] for rates in found.values()]
    ratios = [ours[0] / echo[0] for echo, ours in zip(*found.values(), strict=True)]
    facts = {
        "share_of_the_echo's_rate_%": round(100 * statistics.median(ratios), 1),
        "share_in_each_round_%": ", ".join(f"{100 * ratio:.1f}" for ratio in ratios),
        "rates_of_the_echo": ", ".join(f"{rate:.0f}" for rate, _ in found["bare echo, closed loop"]),
        "rates_of_the_server": ", ".join(f"{rate:.0f}" for rate, _ in found["closed loop"]),
    }
    return [line for _, line in middle], facts


def open_loop(
    setup: Setup,
    what: str,
    plan: schedule.Schedule,
    texts: Sequence[Sequence[str]],
    *,
    patience: float = 10.0,
    fill: float = 0.0,
) -> tuple[Outcome, dict[str, Any]]:
    """Run a schedule against a fresh server, after ``fill`` seconds of a closed loop."""
    with setup.server() as server, setup.client(server, texts) as generator:
        if fill:
            generator.closed_loop(fill)
        warm, people = schedule.constant(min(1000.0, 10 * len(texts)), OPEN_WARM_UP, len(texts), seed=1)
        generator.open_loop(warm, people)
        watch = Watch(server)
        outcome = generator.open_loop(*plan, patience=patience)
        shares = watch.shares()
        return outcome, row(what, len(texts), outcome, rate=answered(outcome), shares=shares, server=server)


def overload(
    setup: Setup, connections: int, best: float, seconds: float
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Half of the top rate, twice the top rate, half of it again. Returns a line for each phase, and the recovery."""
    before, after = NORMAL_SECONDS
    plan = schedule.stages(((best / 2, before), (2 * best, seconds), (best / 2, after)), connections)
    outcome, whole = open_loop(setup, "overload", plan, setup.texts(connections), patience=30.0, fill=FILL_SECONDS)
    phases = {
        f"half the top rate, {before:g} s": outcome.between(0, before),
        f"twice the top rate, {seconds:g} s": outcome.between(before, before + seconds),
        f"half again, {after:g} s": outcome.between(before + seconds, before + seconds + after),
    }
    table = [
        whole | {"what": what} | part.row() | {"keys/s": round(part.count(Fate.ANSWERED) / part.seconds)}
        for what, part in phases.items()
    ]
    normal = next(iter(phases.values())).latencies_ms()
    limit = max(2 * normal.get("p99 ms", 0.0), 3.0)
    usual = normal_windows(outcome, 0.0, before, limit)
    again = normal_windows(outcome, before + seconds, after, limit)
    first = int(again.argmax()) if again.any() else None
    facts: dict[str, Any] = {
        "overload:_normal_is_a_p99_of_ms": round(limit, 2),
        "overload:_seconds_until_p99_is_normal_again": None if first is None else first * _WINDOW,
        "overload:_quarter_seconds_that_are_not_normal_%": (
            f"{_others(usual):.0f} before, {'' if first is None else f'{_others(again[first:]):.0f}'} from then on"
        ),
        "overload:_server_MB_at_the_end": whole["server MB"],
        "overload:_first_error": outcome.first_error or "none",
    }
    return table, facts


def normal_windows(outcome: Outcome, start: float, length: float, limit_ms: float) -> NDArray[np.bool_]:
    """For each window from ``start`` on, whether its p99 is within ``limit_ms``.

    Unanswered keys have an infinite latency. A superseded key has that of the key that overtook it. On a shared machine
    some windows exceed the limit in quiet times, too, so compare their shares.
    """
    fine = []
    for at in np.arange(0.0, length - _WINDOW / 2, _WINDOW):
        part = outcome.between(start + at, start + at + _WINDOW)
        seen = np.isin(part.fate, (Fate.ANSWERED, Fate.SUPERSEDED))
        latencies = np.where(seen, part.latency_us / 1000, np.inf)
        fine.append(bool(len(latencies)) and float(np.percentile(latencies, 99, method="lower")) <= limit_ms)
    return np.array(fine, bool)


def _others(fine: NDArray[np.bool_]) -> float:
    """Percentage of windows that are not normal."""
    return 100 * float(1 - fine.mean())


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = options.parser("load", __doc__)
    parser.add_argument(
        "scenarios", nargs="*", metavar="SCENARIO", help=f"{', '.join(SCENARIOS)}; top and rate by default"
    )
    parser.add_argument("--connections", type=options.whole, default=1000)
    parser.add_argument("--seconds", type=options.positive, default=10.0, help="length of each measurement (10)")
    parser.add_argument("--rounds", type=options.whole, default=3, help="turns of echo and server (3)")
    parser.add_argument("--rate", type=options.positive, default=5000.0, help="keys a second of the open loop (5000)")
    parser.add_argument("--human", action="store_true", help="open loop with the gaps of people instead of a rate")
    parser.add_argument("--crowd", type=options.whole, default=10_000, help="connections in the crowd (10000)")
    parser.add_argument(
        "--top-rate", type=options.positive, help="top rate for the overload; by default it is measured"
    )
    parser.add_argument("--overload-seconds", type=options.positive, default=60.0)
    parser.add_argument("--index", type=Path, metavar="DIR", help="search this index at every key")
    parser.add_argument("--both-cores", action="store_true", help="let the server use the client's core, too")
    parser.add_argument(
        "--server-option",
        action="append",
        default=[],
        metavar="OPTION",
        help="option for typeahead serve, such as --server-option=--workers=2; may be repeated",
    )
    options.add_cores(parser)
    options.add_typing(parser)
    chosen = parser.parse_args(arguments)
    if unknown := sorted(set(chosen.scenarios) - set(SCENARIOS)):
        parser.error(f"unknown scenario {', '.join(unknown)}: choose from {', '.join(SCENARIOS)}")
    scenarios = chosen.scenarios or ["top", "rate"]
    traces, typing = load_traces(chosen.traces)
    queries, asked = load_queries(chosen.queries, QUERIES)
    server_cores = chosen.server_cores | (chosen.client_core if chosen.both_cores else set())
    setup = Setup(server_cores, chosen.client_core, traces, queries, chosen.index, tuple(chosen.server_option))
    count, seconds = chosen.connections, chosen.seconds
    table: list[dict[str, Any]] = []
    facts: dict[str, Any] = {
        "typing": typing,
        "queries": asked,
        "server_cores": ",".join(map(str, sorted(server_cores))),
        "client_core": ",".join(map(str, sorted(chosen.client_core))),
        "index": chosen.index.name if chosen.index else "none: embeddings are kept on the server",
    }
    best = chosen.top_rate
    if "top" in scenarios:
        lines, found = top(setup, count, seconds, chosen.rounds)
        table += lines
        facts |= found
        best = best or lines[-1]["keys/s"]
    if "rate" in scenarios:
        texts = setup.texts(count)
        plan = schedule.constant(chosen.rate, seconds, count)
        what = f"open loop, {chosen.rate:.0f}/s"
        if chosen.human:
            plan, texts = schedule.human(traces, count, seconds)
            what = "open loop, gaps of people"
        table.append(open_loop(setup, what, plan, texts)[1])
    if "crowd" in scenarios:
        # The server inherits this limit and needs descriptors of its own.
        allow_files(chosen.crowd + 512)
        typists = max(chosen.crowd // 10, 1)
        plan, texts = schedule.human(traces, typists, seconds)
        silent = [["a"]] * (chosen.crowd - typists)
        table.append(open_loop(setup, f"{typists} of {chosen.crowd} type as people do", plan, [*texts, *silent])[1])
    if "overload" in scenarios:
        if best is None:
            with setup.server() as server:
                best = top_rate(setup, server, count, seconds, "top")[0]
        lines, found = overload(setup, count, best, chosen.overload_seconds)
        table += lines
        facts |= found
    report("Load", table, json_path=chosen.json, **facts)


if __name__ == "__main__":
    options.run(main)
