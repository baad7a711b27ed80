"""Many keys a second over a table of PostgreSQL on the same machine: how soon each is answered.

    python -m benchmarks.postgres_load --index DIR [--rate 500] [--connections 40] [--seconds 20] [--json PATH]

The table is that of :mod:`benchmarks.postgres`. Keys of recorded queries are due evenly, whether the earlier ones are
answered or not, and each is a search. ``typeahead serve`` runs three times, with the encoder minilm-gru:

vectors by round trip     ``hot=no&words=no``: each key compares vectors in the database, and reads its rows there
everything by round trip  ``hot=no``: words are found in memory beside that
everything in memory      as it is by default

Database, server and the client that types share all cores. Nothing else should run.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks import options, schedule
from benchmarks.load import OPEN_WARM_UP, QUERIES, Setup, Watch, answered, row
from benchmarks.postgres import SETTINGS, fill
from benchmarks.postgres_server import PostgresServer
from benchmarks.typed import load_queries, load_traces
from typeahead.tables import report

#: What the address says, by what is measured.
WAYS: Final = {
    "vectors by round trip": {"hot": "no", "words": "no"},
    "everything by round trip": {"hot": "no"},
    "everything in memory": {},
}
#: Keys a second before the measurement.
_WARM_RATE: Final = 200.0


def measure(setup: Setup, what: str, people: int, rate: float, seconds: float) -> dict[str, Any]:
    """Run the server of ``setup``, and return its line of the table."""
    texts = setup.texts(people)
    with setup.server() as server, setup.client(server, texts) as generator:
        generator.open_loop(*schedule.constant(_WARM_RATE, OPEN_WARM_UP, people, seed=1))
        watch = Watch(server)
        outcome = generator.open_loop(*schedule.constant(rate, seconds, people), patience=10.0)
        return row(what, people, outcome, rate=answered(outcome), shares=watch.shares(), server=server)


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = options.parser("postgres_load", __doc__)
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="an index whose documents are taken")
    parser.add_argument("--rate", type=options.positive, default=500.0, help="keys a second (500)")
    parser.add_argument("--connections", type=options.whole, default=40)
    parser.add_argument("--seconds", type=options.positive, default=20.0)
    parser.add_argument("--workers", default="1", help="processes of the server (1)")
    parser.add_argument("--only", choices=tuple(WAYS), help="measure this alone")
    options.add_typing(parser)
    chosen = parser.parse_args(arguments)
    traces, what = load_traces(chosen.traces)
    queries, _ = load_queries(chosen.queries, QUERIES)
    cores = frozenset(os.sched_getaffinity(0))
    with PostgresServer(SETTINGS) as database:
        fill(database, chosen.index)
        table = []
        for way, said in WAYS.items():
            if chosen.only in (None, way):
                address = database.address(table="articles", **said)
                server = ("--index", address, "--workers", chosen.workers)
                setup = Setup(cores, cores, traces, queries, None, server)
                table.append(measure(setup, way, chosen.connections, chosen.rate, chosen.seconds))
    report(
        "Keys over a table of PostgreSQL", table, json_path=chosen.json, rate=chosen.rate, workers=chosen.workers,
        typing=what,
    )  # fmt: skip


if __name__ == "__main__":
    options.run(main)
