"""How the cost of a keystroke grows: with sessions, with the length of the query, and as the cache gets smaller.

    python -m benchmarks.scale [sessions] [length] [cache] [websockets] [--json PATH]

sessions    in process, one thread: 1 to 10,000 sessions, each in a query of its own, press a key together
length      in process, one session: a key at the end of 1 to 512 code points, with the text before it known
cache       in process, 128 sessions type real queries into caches of 1 MiB to 1 GiB: steps found, and cost
websockets  a server on core 0 with 1 to 10,000 connections that all type, --rate keys a second in all

For numbers of passages see ``benchmarks.search_scale``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

import typeahead
from benchmarks import options, schedule
from benchmarks.keystroke import type_all
from benchmarks.load import QUERIES, Setup, Watch, answered, row
from benchmarks.machine import allow_files, pinned
from benchmarks.tree import type_interleaved
from benchmarks.typed import load_queries, load_traces
from typeahead.core.encoder import IncrementalEncoder
from typeahead.core.engine import Engine
from typeahead.errors import TypeaheadError
from typeahead.tables import report

TABLES = ("sessions", "length", "cache", "websockets")
SESSIONS = (1, 10, 100, 1000, 10_000)
LENGTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
CACHES = tuple(1 << power for power in (20, 22, 24, 26, 28, 30))
#: Keys for each line of the table.
_KEYS = 20_000
#: Keys that each session presses, in the table of sessions.
_KEYS_EACH = 8
_AT_A_TIME = 128


def sessions_table(encoder: IncrementalEncoder, queries: Sequence[str]) -> list[dict[str, Any]]:
    """Cost of a key by the number of sessions that type at once, each in the middle of a query of its own.

    If there are few sessions, several groups type one after the other, so that each line has many keys.
    """
    long = [query for query in queries if len(query) >= 2 * _KEYS_EACH]
    table = []
    for people in SESSIONS:
        if people > len(long):
            break
        engine = Engine(encoder, cache_bytes=1 << 30)
        groups = min(max(_KEYS // (people * _KEYS_EACH), 1), len(long) // people)
        found = []
        for group in range(groups):
            own = long[group * people : (group + 1) * people]
            halves = [len(query) // 2 for query in own]
            typed = [
                [query[: half + key] for key in range(1, _KEYS_EACH + 1)]
                for query, half in zip(own, halves, strict=True)
            ]
            begun = [query[:half] for query, half in zip(own, halves, strict=True)]
            found.append(type_all(engine, typed, begun=begun))
        keys, total = sum(stages.keys for stages in found), sum(stages.total for stages in found)
        table.append(
            {
                "sessions": people,
                "keys": keys,
                "keystrokes/s": keys / total * 1e9,
                "µs a key": total / keys / 1000,
                "ms a round": total / groups / _KEYS_EACH / 1e6,
                "steps a key": sum(stages.steps for stages in found) / keys,
            }
        )
    return table


def length_table(
    encoder: IncrementalEncoder, queries: Sequence[str], *, repetitions: int = 300
) -> list[dict[str, Any]]:
    """Cost of the last key of a text by the text's length. Long texts are several queries in a row."""
    endless = " ".join(queries)
    rng = np.random.default_rng(0)
    engine = Engine(encoder, cache_bytes=1 << 30)
    table = []
    for length in LENGTHS:
        spent: list[float] = []
        stepped = 0
        for start in rng.integers(0, len(endless) - length, repetitions).tolist():
            # A new session with all but the last key, at a place where nobody else has typed.
            text = endless[start : start + length]
            session = engine.session()
            session.update(text[:-1])
            before = engine.stats.steps_computed
            begun = time.perf_counter_ns()
            session.update(text)
            spent.append((time.perf_counter_ns() - begun) / 1000)
            stepped += engine.stats.steps_computed - before
        p50, p99 = np.percentile(spent, [50, 99])
        table.append(
            {
                "code points": length,
                "p50 µs": float(p50),
                "p99 µs": float(p99),
                "mean µs": float(np.mean(spent)),
                "steps a key": stepped / repetitions,
            }
        )
    return table


def cache_table(encoder: IncrementalEncoder, queries: Sequence[str]) -> list[dict[str, Any]]:
    """Steps found and cost of a key, by the bytes of the cache."""
    table = []
    for capacity in CACHES:
        try:
            engine = Engine(encoder, cache_bytes=capacity)
        except ValueError:
            continue  # too small for even one text
        keys, seconds = type_interleaved(engine, queries, at_a_time=_AT_A_TIME, seed=0)
        stats = engine.stats
        table.append(
            {
                "cache MB": capacity / 1e6,
                "used MB": stats.bytes / 1e6,
                "found %": 100 * stats.steps_cached / (stats.steps_cached + stats.steps_computed),
                "steps a key": stats.steps_computed / keys,
                "µs a key": 1e6 * seconds / keys,
            }
        )
    return table


def websockets_table(setup: Setup, rate: float, seconds: float) -> list[dict[str, Any]]:
    """Latency and memory by the number of connections, at one total rate."""
    table = []
    for people in SESSIONS:
        allow_files(people + 512)
        with setup.server() as server, setup.client(server, setup.texts(people)) as generator:
            generator.open_loop(*schedule.constant(rate, 2.0, people, seed=1))
            watch = Watch(server)
            outcome = generator.open_loop(*schedule.constant(rate, seconds, people))
            shares = watch.shares()
            table.append(
                row(f"open loop, {rate:.0f}/s", people, outcome, rate=answered(outcome), shares=shares, server=server)
            )
    return table


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = options.parser("scale", __doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"{', '.join(TABLES)}; all by default")
    parser.add_argument("--rate", type=options.positive, default=1000.0, help="keys a second over websockets (1000)")
    parser.add_argument(
        "--seconds", type=options.positive, default=10.0, help="length of each line over websockets (10)"
    )
    parser.add_argument("--count", type=options.whole, default=2000, help="queries typed into each cache (2000)")
    parser.add_argument("--encoder", default="minilm-gru", help="a model's name or folder")
    options.add_cores(parser)
    options.add_typing(parser)
    chosen = parser.parse_args(arguments)
    if unknown := sorted(set(chosen.tables) - set(TABLES)):
        parser.error(f"unknown table {', '.join(unknown)}: choose from {', '.join(TABLES)}")
    wanted = chosen.tables or TABLES
    traces, typing = load_traces(chosen.traces)
    queries, asked = load_queries(chosen.queries, QUERIES)
    encoder: Any = typeahead.load(chosen.encoder)
    if not isinstance(encoder, IncrementalEncoder):
        raise TypeaheadError(f"{chosen.encoder} encodes whole texts: give a query encoder")
    for name in wanted:
        with pinned(chosen.server_cores):
            if name == "sessions":
                table = sessions_table(encoder, queries)
            elif name == "length":
                table = length_table(encoder, queries)
            elif name == "cache":
                table = cache_table(encoder, queries[: chosen.count])
        if name == "websockets":
            setup = Setup(chosen.server_cores, chosen.client_core, traces, queries, None, ("--encoder", chosen.encoder))
            table = websockets_table(setup, chosen.rate, chosen.seconds)
        path = chosen.json
        if path is not None and str(path) != "-" and len(wanted) > 1:
            path = path.with_name(f"{path.stem}-{name}{path.suffix}")
        report(f"Scale: {name}", table, json_path=path, typing=typing, queries=asked, encoder=encoder.config.name)
        print(flush=True)


if __name__ == "__main__":
    options.run(main)
