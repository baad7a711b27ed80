"""Several nodes behind HAProxy over one engine, people who type, and what fails meanwhile.

    python -m benchmarks.nodes PART … --index DIR [--people 300] [--seconds 10] [--passages 4000] [--json PATH]

PARTS

nodes    three nodes of ``typeahead serve``, each with a network of its own. One is killed, started again, a fourth one
         added, all restarted in turn; then the link to one loses 5% of its packets both ways
primary  people (100) type while the primary of the database dies (``pg_ctl stop -m immediate``). A second later the
         standby is promoted, as a tool of the operator's would do it, and a row is changed there. Once with the table
         in the nodes' memory, and once, with a tenth of the people, with a search in the database for each key, at
         the primary while it is there

The engine is a table of PostgreSQL with a standby, filled with the first passages of an index, few enough that the
machine is not the bottleneck: what is measured is how people get over failures. ``--engine files`` serves the index
itself instead; then there is no primary. HAProxy runs with ``deploy/proxies/haproxy.cfg``, without TLS, and hashes by
the address of each person. People (:mod:`benchmarks.boxes`) type recorded queries at their own pace.

wait       from a key to the results of its text, or of a later one that overtook it
reconnect  from the loss of a connection until there is another, by the event in which it was lost
busy       cores that are in use, also by other programs; where all are, waits tell of that and of nothing else
lost       people who at the end had no connection, or an unanswered key or Enter
wrong      texts for which anybody saw other results, or in another order, than an undisturbed node shows at the end

Nodes run with ``--fast``. Database, nodes, HAProxy and people share all cores. Networks need root, ``ip`` and
``unshare``; losing packets needs ``nft`` as well. What is not allowed is left out, and the report says so.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import psycopg

from benchmarks import options
from benchmarks.boxes import Noticed
from benchmarks.cluster import Cluster, Node
from benchmarks.crowds import Crowd, differences
from benchmarks.links import enter
from benchmarks.machine import allow_files, machine_seconds
from benchmarks.postgres import fill
from benchmarks.postgres_server import PostgresServer
from benchmarks.typed import Trace, load_traces
from typeahead.tables import report

PARTS: Final = ("nodes", "primary")
#: A small server; nothing has to survive a power failure.
SETTINGS: Final = {"shared_buffers": "128MB", "fsync": "off"}
#: Further parameters of the table's address, and which share of the people types: as it is by default, and with a
#: search in the primary for each key, which takes so much time that fewer people keep two cores busy.
WAYS: Final = {"in memory": ({}, 1.0), "by round trip": ({"hot": "no", "target_session_attrs": "any"}, 0.1)}
#: Percent of the packets that a bad link loses.
_LOSS: Final = 5
#: Recorded queries that people choose from: few, so that every list of results can be compared.
_QUERIES: Final = 60


class Trouble:
    """People before a cluster, events one after the other, and a row of the table for each."""

    def __init__(self, cluster: Cluster, traces: Sequence[Trace], people: int, chosen: Any, part: str) -> None:
        self.cluster, self.seconds, self._part = cluster, chosen.seconds, part
        self._crowd = Crowd(cluster.url, traces, people, reading=chosen.reading)
        self._spent: dict[str, dict[str, float]] = {}
        self._since = _look()

    async def begin(self) -> None:
        """Have people come; this is no event, as the first keys page in code."""
        self._crowd.record.event = ""
        await self._crowd.start(self.seconds / 2)
        await asyncio.sleep(self.seconds)

    def event(self, name: str) -> None:
        """What happens from now on is noticed under this name."""
        now = _look()
        wall, machine, people = (after - before for before, after in zip(self._since, now, strict=True))
        self._spent[self._crowd.record.event] = {
            "s": round(wall, 1),
            "busy cores": round(machine / wall, 2),
            "of that people": round(people / wall, 2),
        }
        self._since = now
        self._crowd.record.event = name

    async def end(self, reference: Node) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Let people finish; return the rows and what was found in all."""
        self.event("the end")
        lost = await self._crowd.stop()
        record = self._crowd.record
        wrong = await differences(f"ws://{reference.host}:{reference.port}/v1/type", record.seen)
        rows = [
            {"part": self._part, "event": name, **_row(record.by_event[name]), **spent}
            for name, spent in self._spent.items()
            if name
        ]
        noticed = record.by_event.values()
        facts = {
            f"{self._part}:_people": len(self._crowd.boxes),
            f"{self._part}:_lost_sessions": lost,
            f"{self._part}:_texts_with_wrong_results": f"{len(wrong)} of {len(record.seen)}",
            f"{self._part}:_keys_and_Enters_without_an_answer": sum(one.unanswered for one in noticed),
            f"{self._part}:_longest_wait_ms": _percentile([wait for one in noticed for wait in one.waits], 100),
            f"{self._part}:_reconnect_p99_ms": _percentile([each for one in noticed for each in one.reconnects], 99),
        }
        return rows, facts


def _look() -> tuple[float, float, float]:
    """Now, and the processor seconds of the whole machine and of the people."""
    return time.monotonic(), machine_seconds(), time.process_time()


def _percentile(values: Sequence[float], part: float) -> float | None:
    return round(1000 * float(np.percentile(values, part)), 1) if values else None


def _row(noticed: Noticed) -> dict[str, Any]:
    return {
        "keys": noticed.keys,
        "wait p50 ms": _percentile(noticed.waits, 50),
        "p99": _percentile(noticed.waits, 99),
        "longest": _percentile(noticed.waits, 100),
        "Enters": len(noticed.enters),
        "Enter longest ms": _percentile(noticed.enters, 100),
        "unanswered": noticed.unanswered,
        "connections lost": len(noticed.codes),
        "by code": " ".join(f"{code}:{count}" for code, count in sorted(Counter(noticed.codes).items())),
        "reconnect p50 ms": _percentile(noticed.reconnects, 50),
        "reconnect p99": _percentile(noticed.reconnects, 99),
        "stale": noticed.stale,
        "errors": " ".join(f"{code}:{count}" for code, count in sorted(noticed.errors.items())),
    }


async def nodes(trouble: Trouble, extra: Node) -> None:
    """Kill, start, add and restart nodes, and lose packets."""
    cluster, seconds = trouble.cluster, trouble.seconds
    trouble.event("undisturbed")
    await asyncio.sleep(seconds)
    victim = cluster.nodes[1]
    trouble.event(f"{victim.name} killed")
    await victim.kill()
    await asyncio.sleep(seconds)
    trouble.event(f"{victim.name} started again")
    await victim.start()
    await cluster.is_up(victim)
    trouble.event(f"{extra.name} added")
    await extra.start()
    await cluster.is_up(extra)
    await asyncio.sleep(seconds / 2)
    for node in cluster.nodes:
        trouble.event(f"{node.name} restarted")
        await node.stop()
        await node.start()
        await cluster.is_up(node)
    if (machine := cluster.nodes[0].machine) is not None:
        trouble.event(f"{_LOSS}% of packets lost")
        machine.lose(_LOSS)
        await asyncio.sleep(seconds)
        machine.lose(0)
    trouble.event("undisturbed again")
    await asyncio.sleep(seconds)


async def primary(trouble: Trouble, first: PostgresServer, standby: PostgresServer) -> None:
    """Have the primary die and the standby take over."""
    trouble.event("undisturbed")
    await asyncio.sleep(trouble.seconds)
    trouble.event("primary dead")
    await asyncio.to_thread(first.stop, "immediate")
    await asyncio.sleep(1)
    trouble.event("standby promoted")
    await asyncio.to_thread(standby.promote)
    with psycopg.connect(standby.address(), autocommit=True) as connection:
        # The same row with the same contents, so that results stay; the nodes have to take it in all the same.
        connection.execute("UPDATE articles SET title = title WHERE id = (SELECT min(id) FROM articles)")
    await asyncio.sleep(trouble.seconds)


@asynccontextmanager
async def database(folder: Path, passages: int) -> AsyncIterator[tuple[PostgresServer, PostgresServer]]:
    """Run a primary with the table ``articles``, and a standby that has it, too."""
    with PostgresServer(SETTINGS) as first:
        fill(first, folder, passages)
        with PostgresServer(SETTINGS, standby_of=first) as standby:
            yield first, standby


async def run(part: str, chosen: Any, traces: Sequence[Trace], *, apart: bool) -> list[tuple[Any, Any]]:
    """Run a part in all its ways."""
    arguments = ["--fast", *chosen.server_option]
    everybody = chosen.people if part == "nodes" else min(chosen.people, chosen.people_primary)

    async def over(
        people: int, address: str, name: str, servers: tuple[PostgresServer, PostgresServer] | None
    ) -> tuple[Any, Any]:
        count = 4 if part == "nodes" else 3
        async with Cluster(count, [*arguments, "--index", address], apart=apart) as cluster:
            first = cluster.nodes[:3]
            for node in first:
                await node.start()
            for node in first:
                await cluster.is_up(node)
            trouble = Trouble(cluster, traces, people, chosen, name)
            await trouble.begin()
            if servers is None or part == "nodes":
                await nodes(trouble, cluster.nodes[3])
            else:
                await primary(trouble, *servers)
            return await trouble.end(first[0])

    if chosen.engine == "files":
        return [await over(everybody, str(chosen.index), part, None)]
    found = []
    for way, (more, share) in WAYS.items() if part == "primary" else [("nodes", WAYS["in memory"])]:
        async with database(chosen.index, chosen.passages) as servers:
            hosts = ",".join(str(server.folder) for server in servers)
            address = servers[0].address(table="articles", **more).replace(str(servers[0].folder), hosts)
            name = way if part == "nodes" else f"primary, {way}"
            found.append(await over(max(round(share * everybody), 1), address, name, servers))
    return found


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = options.parser("nodes", __doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="nodes, primary; both by default")
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="an index whose documents are taken")
    parser.add_argument("--engine", choices=("postgres", "files"), default="postgres")
    parser.add_argument("--passages", type=options.whole, default=4000, help="passages in the table (4000)")
    parser.add_argument("--people", type=options.whole, default=300)
    parser.add_argument("--people-primary", type=options.whole, default=100, help="people while the primary dies (100)")
    parser.add_argument("--seconds", type=options.positive, default=10.0, help="length of an event (10)")
    parser.add_argument(
        "--reading", type=options.positive, default=5.0, help="seconds that people read results, on average (5)"
    )
    parser.add_argument(
        "--server-option", action="append", default=[], metavar="OPTION", help="option for typeahead serve; repeatable"
    )
    options.add_typing(parser)
    chosen = parser.parse_args(arguments)
    parts = chosen.parts or [part for part in PARTS if chosen.engine == "postgres" or part == "nodes"]
    if unknown := sorted(set(parts) - set(PARTS)):
        parser.error(f"unknown part {', '.join(unknown)}: choose from {', '.join(PARTS)}")
    reason = enter("benchmarks.nodes", arguments)
    # Each person is two connections of HAProxy's, which inherits this limit.
    allow_files(4 * chosen.people + 512)
    traces, what = load_traces(chosen.traces)
    rows: list[dict[str, Any]] = []
    facts: dict[str, Any] = {"typing": what, "networks": reason or "one for each node"}
    for part in parts:
        for table, found in asyncio.run(run(part, chosen, traces[:_QUERIES], apart=reason is None)):
            rows += table
            facts |= found
    report("People who type while nodes and the database fail", rows, json_path=chosen.json, **facts)


if __name__ == "__main__":
    options.run(main)
