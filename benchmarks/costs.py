"""What single keys, sessions and nodes cost on this machine, in seconds of a core, bytes and connections.

:mod:`benchmarks.people` puts these together for many people. Times are processor times, which other programs lengthen
less than waits.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import typeahead
from benchmarks import schedule
from benchmarks.load import Setup
from benchmarks.loadgen import Fate, Generator
from benchmarks.machine import family, pinned, processor_seconds
from benchmarks.queues import Seconds
from benchmarks.servers import Running
from benchmarks.typed import Trace
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.port import Request
from typeahead.search.ranking import DEPTH
from typeahead.search.terms import Term, Words, forms

#: Keys that are typed one after the other to see what each costs, and those before them, which page in code.
_KEYS, _WARM = 3000, 500
#: How much longer than the median a key may take.
_OUTLIER = 10.0
#: Sessions that are opened to see what one weighs.
_SESSIONS = 1000
#: Keys a second that a core is tried with.
_RATES = (50, 100, 150, 200, 250, 300, 400, 500, 600, 800, 1000, 1300, 1600, 2000, 3000, 4000)
#: Searches in the database, seconds during which it is looked at, and changes a second meanwhile.
_SEARCHES, _LOOKED, _CHANGES = 300, 8.0, 2.0


@dataclass(frozen=True)
class Core:
    """What a core of a server bears; times in seconds."""

    #: Seconds of a core that single keys took, and what they took without the encoder's step.
    keys: Seconds
    searches: Seconds
    #: The highest tried rate that keeps the bound, and the 99th percentile at it in milliseconds.
    best_rate: float
    best_p99_ms: float
    #: Resident megabytes of a process, and kilobytes of each further session.
    process_mb: float
    session_kb: float


def _on_processor(pid: int) -> float:
    """Seconds that all threads of a process and its descendants have had a core, to the nanosecond."""
    tasks = (path for process in family(pid) for path in Path(f"/proc/{process}/task").glob("*/schedstat"))
    return sum(int(path.read_text().split()[0]) for path in tasks) / 1e9


async def _one_by_one(server: Running, texts: Sequence[str]) -> list[tuple[float, dict[str, int]]]:
    """Type texts, each after the answer to the one before.

    Returns for each the seconds of a core that the server took, and its times by stage.
    """
    from websockets.asyncio.client import connect
    from websockets.typing import Subprotocol

    url = server.address.replace("http", "ws", 1) + "/v1/type"
    found = []
    async with connect(url, subprotocols=[Subprotocol("typeahead.v1")], compression=None, proxy=None) as socket:
        for seq, text in enumerate(texts, 1):
            before = _on_processor(server.pid)
            await socket.send(json.dumps({"seq": seq, "text": text}))
            reply: dict[str, Any] = {}
            while reply.get("seq") != seq:
                reply = json.loads(await socket.recv())
            found.append((_on_processor(server.pid) - before, reply["timing_us"]))
    return found


def core(setup: Setup, traces: Sequence[Trace], bound_ms: float, seconds: float) -> Core:
    """Measure a server with one core."""
    texts = [key.text for trace in traces for key in trace][: _WARM + _KEYS]
    with setup.server() as server:
        with pinned(setup.client_cores):
            typed = asyncio.run(_one_by_one(server, texts))[_WARM:]
        keys = np.array([spent for spent, _ in typed])
        # What is far beyond the others was other work of the process, such as learning words again.
        keys = np.minimum(keys, _OUTLIER * np.median(keys))
        steps = np.array([timing["step"] / max(timing["total"] - timing["queue"], 1) for _, timing in typed])
        rate, p99 = _best_rate(setup, server, bound_ms, seconds)
        light = server.resident_megabytes()
        with setup.client(server, [["a"]] * _SESSIONS):
            heavy = server.resident_megabytes()
        return Core(keys, keys * (1 - steps.clip(0, 1)), rate, p99, light, 1000 * (heavy - light) / _SESSIONS)


def _best_rate(setup: Setup, server: Running, bound_ms: float, seconds: float) -> tuple[float, float]:
    best, best_p99 = 0.0, 0.0
    people = 100
    with setup.client(server, setup.texts(people)) as generator:
        for rate in _RATES:
            p99 = _p99(generator, rate, seconds, people)
            if p99 > bound_ms:
                break
            best, best_p99 = float(rate), p99
    return best, best_p99


def _p99(generator: Generator, rate: float, seconds: float, people: int) -> float:
    outcome = generator.open_loop(*schedule.constant(rate, seconds, people))
    seen = np.isin(outcome.fate, (Fate.ANSWERED, Fate.SUPERSEDED))
    return float(np.percentile(np.where(seen, outcome.latency_us / 1000, np.inf), 99, method="lower"))


def teacher(model: str, texts: Sequence[str]) -> Seconds:
    """Seconds of a core that a transformer takes to encode single texts."""
    encoder = typeahead.load(model)
    for text in texts[:50]:
        encoder.encode([text])
    found = []
    for text in texts:
        before = time.process_time()
        encoder.encode([text])
        found.append(time.process_time() - before)
    return np.array(found)


@dataclass(frozen=True)
class Engine:
    """What PostgreSQL bears; times in seconds."""

    passages: int
    #: Seconds of a core of the database that a search by round trip takes.
    search: float
    #: Cores of the database that one process keeps busy with its looks, while rows change.
    looks: float
    #: Connections that one process keeps, with the table in its memory.
    connections: int


def engine(folder: Path, passages: int, queries: Sequence[str]) -> Engine:
    """Measure a table of PostgreSQL. Raises ``FileNotFoundError`` where there is no PostgreSQL."""
    from benchmarks.postgres import fill
    from benchmarks.postgres_server import PostgresServer

    with PostgresServer() as server:
        fill(server, folder, passages)
        postmaster = int((server.data / "postmaster.pid").read_text().split()[0])
        search = asyncio.run(_search(server.address(table="articles", hot="no"), postmaster, queries))
        looks, connections = asyncio.run(_looks(server.address(table="articles"), server.address(), postmaster))
    return Engine(passages, search, looks, connections)


async def _search(address: str, postmaster: int, queries: Sequence[str]) -> float:
    backend = await open_backend(address, OpenOptions(warn=lambda _: None))
    encoder = typeahead.load("minilm-gru")
    vectors = encoder.encode(list(queries[:_SEARCHES]))
    asked = [Words([Term({form: 1.0}) for form in forms(query)]) for query in queries[:_SEARCHES]]
    before = processor_seconds(postmaster)
    for vector, words in zip(vectors, asked, strict=True):
        await backend.candidates([Request(vector, words, DEPTH)], time.monotonic() + 10)
    spent = processor_seconds(postmaster) - before
    await backend.close()
    return spent / len(asked)


async def _looks(address: str, plain: str, postmaster: int) -> tuple[float, int]:
    import psycopg

    backend = await open_backend(address, OpenOptions(warn=lambda _: None))
    async with await psycopg.AsyncConnection.connect(plain, autocommit=True) as connection:
        counted = await connection.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'typeahead'")
        (connections,) = await counted.fetchone() or (0,)
        before, since = processor_seconds(postmaster), time.monotonic()
        while time.monotonic() - since < _LOOKED:
            await connection.execute("UPDATE articles SET title = title WHERE id = (SELECT min(id) FROM articles)")
            await asyncio.sleep(1 / _CHANGES)
        looks = (processor_seconds(postmaster) - before) / (time.monotonic() - since)
    await backend.close()
    return looks, int(connections)
