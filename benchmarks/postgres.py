"""A table of PostgreSQL that exists already: from one command to results in the box, and from key to results.

    python -m benchmarks.postgres --index DIR [--people 5] [--seconds 60] [--json PATH]

The documents and vectors of an index are put into a table as somebody else might have it, with a graph of pgvector's
(``m`` and ``ef_construction`` as they are by default), on a server of its own (:mod:`benchmarks.postgres_server`). Then
``typeahead serve --index postgresql://…`` runs with the encoder minilm-gru: once with ``hot=no``, so each key asks the
database, and once as it is by default, with the table in memory.

start   seconds from the command until a key is answered with hits; and whether a dump of the database, taken before and
        after everything, is the same
keys    people type recorded queries at their own pace, each over a websocket: milliseconds from key to hits
shown   rows are changed in SQL while people type: milliseconds from each commit until a search shows the new title
recall  how many of the 8 nearest by brute force are among the 8 nearest of the table, for vectors of its own documents
        that are turned a little; in memory it is always 1
words   milliseconds for the 100 best of the documents that hold any word of a recorded query: in memory, as the back
        end does it, and by PostgreSQL's own full text, with a GIN index and ``ts_rank``

Database, server and people share all cores. Nothing else should run.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import psycopg

from benchmarks import options
from benchmarks.postgres_server import PostgresServer
from benchmarks.servers import started
from benchmarks.typed import Trace, load_traces
from typeahead.core.encoder import Vectors
from typeahead.index import open_index
from typeahead.index.vectors import VECTORS, map_vectors
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.port import Request
from typeahead.search.ranking import DEPTH
from typeahead.search.terms import Term, Words, forms
from typeahead.tables import report

#: Memory as a small server would be given it; the graph is built within it.
SETTINGS: Final = {"shared_buffers": "512MB", "maintenance_work_mem": "512MB", "fsync": "off"}
#: Milliseconds that nobody pauses for longer than, so that a minute has enough keys.
_LONGEST_GAP: Final = 2000.0
#: How far a query lies from the vector that it is made of.
_TURN: Final = 0.3
#: Queries that recall is measured by, and hits of each.
_QUERIES, _HITS = 200, 8


def fill(server: PostgresServer, folder: Path, most: int | None = None) -> dict[str, float]:
    """Copy the documents of an index, or the first of them, into the table ``articles``.

    Returns the seconds of copying and of making the graph.
    """
    with open_index(folder) as index, psycopg.connect(server.address(), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
        vectors = map_vectors(index.generation / VECTORS)
        connection.execute(
            "CREATE TABLE articles (id text PRIMARY KEY, title text, body text, url text,"
            f" embedding vector({vectors.shape[1]}))"
        )
        before, count = time.perf_counter(), min(len(index), most or len(index))
        with connection.cursor().copy("COPY articles FROM STDIN") as copy:
            for start in range(0, count, 500):
                rows = range(start, min(start + 500, count))
                for document, vector in zip(index.documents(list(rows)), vectors[rows.start : rows.stop], strict=True):
                    numbers = "[" + ",".join(map(repr, vector.tolist())) + "]"
                    copy.write_row((document.id, document.title, document.text, document.url, numbers))
        copied = time.perf_counter()
        connection.execute("CREATE INDEX ON articles USING hnsw (embedding vector_cosine_ops)")
        connection.execute("ANALYZE articles")
        return {"copy s": copied - before, "graph s": time.perf_counter() - copied}


async def type_queries(url: str, traces: Sequence[Trace], people: int, seconds: float) -> list[float]:
    """Have people type, and return the milliseconds from each key to its hits."""
    from websockets.asyncio.client import connect
    from websockets.typing import Subprotocol

    spent: list[float] = []
    ends = time.monotonic() + seconds

    async def person(number: int) -> None:
        address = url.replace("http", "ws", 1).rstrip("/") + "/v1/type"
        async with connect(address, subprotocols=[Subprotocol("typeahead.v1")], compression=None) as socket:
            sent: dict[int, float] = {}

            async def listen() -> None:
                async for message in socket:
                    reply = json.loads(message)
                    begun = sent.pop(reply.get("seq"), None)
                    if begun is not None and "hits" in reply:
                        spent.append(1000 * (time.perf_counter() - begun))

            listening = asyncio.create_task(listen())
            seq = 0
            await asyncio.sleep(number / people)
            for trace in traces[number::people]:
                last = trace[0].at
                for key in trace:
                    await asyncio.sleep(min(key.at - last, _LONGEST_GAP) / 1000)
                    last = key.at
                    if time.monotonic() > ends:
                        listening.cancel()
                        return
                    seq += 1
                    sent[seq] = time.perf_counter()
                    await socket.send(json.dumps({"seq": seq, "text": key.text}))

    await asyncio.gather(*map(person, range(people)))
    return spent


async def first_hits(url: str) -> None:
    """Type until a key is answered with hits."""
    from websockets.asyncio.client import connect
    from websockets.typing import Subprotocol

    address = url.replace("http", "ws", 1).rstrip("/") + "/v1/type"
    async with connect(address, subprotocols=[Subprotocol("typeahead.v1")], compression=None) as socket:
        await socket.send(json.dumps({"seq": 1, "text": "how to boil an egg"}))
        async for message in socket:
            if json.loads(message).get("hits"):
                return


async def recall(address: str, vectors: Vectors, ids: Sequence[str]) -> float:
    """The share of the 8 nearest that the table finds."""
    backend = await open_backend(address, OpenOptions(warn=lambda _: None))
    draw, dim, found = np.random.default_rng(5), vectors.shape[1], 0
    for _ in range(_QUERIES):
        query = vectors[draw.integers(len(vectors))] + draw.standard_normal(dim) * (_TURN / np.sqrt(dim))
        query = (query / np.linalg.norm(query)).astype(np.float32)
        (candidates,) = await backend.candidates([Request(query, None, DEPTH)], time.monotonic() + 10)
        best = np.argsort(-(vectors @ query), kind="stable")[:_HITS]
        found += len({key.document for key in candidates.keys[:_HITS]} & {ids[row] for row in best.tolist()})
    await backend.close()
    return found / (_QUERIES * _HITS)


async def words(server: PostgresServer, queries: Sequence[str]) -> dict[str, float]:
    """The milliseconds of a search by words alone: in memory, and by PostgreSQL's own full text."""
    backend = await open_backend(server.address(table="articles", hot="no"), OpenOptions(warn=lambda _: None))
    asked = [Words([Term({form: 1.0}) for form in forms(query)]) for query in queries]
    own, theirs = [], []
    for one in asked:
        before = time.perf_counter()
        await backend.candidates([Request(None, one, DEPTH)], time.monotonic() + 10)
        own.append(1000 * (time.perf_counter() - before))
    await backend.close()
    text = "to_tsvector('english', coalesce(title, '') || ' ' || coalesce(body, ''))"
    with psycopg.connect(server.address(), autocommit=True) as connection:
        connection.execute(f"CREATE INDEX ON articles USING gin ({text})")
        connection.execute("ANALYZE articles")
        for one in asked:
            query = " | ".join(form for term in one.terms for form in term.words if form.isalnum())
            before = time.perf_counter()
            connection.execute(
                f"SELECT id FROM articles WHERE {text} @@ to_tsquery('english', %(query)s)"
                f" ORDER BY ts_rank({text}, to_tsquery('english', %(query)s)) DESC LIMIT {DEPTH}",
                {"query": query},
            ).fetchall()
            theirs.append(1000 * (time.perf_counter() - before))
    both = {"words": own, "full text": theirs}
    return {f"{name} p{part} ms": float(np.percentile(some, part)) for name, some in both.items() for part in (50, 99)}


async def shown(url: str, server: PostgresServer, seconds: float) -> list[float]:
    """Change one row after the other for some seconds, and return the milliseconds until a search shows each change."""
    from websockets.asyncio.client import connect
    from websockets.typing import Subprotocol

    spent: list[float] = []
    draw, seq, ends = np.random.default_rng(7), 0, time.monotonic() + seconds
    address = url.replace("http", "ws", 1).rstrip("/") + "/v1/type"
    async with (
        await psycopg.AsyncConnection.connect(server.address(), autocommit=True) as connection,
        connect(address, subprotocols=[Subprotocol("typeahead.v1")], compression=None) as socket,
    ):
        keys = [key for (key,) in await (await connection.execute("SELECT id FROM articles ORDER BY id")).fetchall()]
        while time.monotonic() < ends:
            # At any time of the interval between two looks.
            await asyncio.sleep(draw.uniform(0.2, 1.2))
            key, word = keys[draw.integers(len(keys))], f"zq{len(spent):05}xw"
            await connection.execute("UPDATE articles SET title = %s WHERE id = %s", [word, key])
            begun = time.perf_counter()
            while True:
                seq += 1
                await socket.send(json.dumps({"seq": seq, "text": word}))
                while (reply := json.loads(await socket.recv())).get("seq") != seq:
                    pass
                if any(hit["id"] == key and hit["title"] == word for hit in reply["hits"]):
                    break
                await asyncio.sleep(0.01)
            spent.append(1000 * (time.perf_counter() - begun))
    return spent


def serve(server: PostgresServer, address: str, people: int, seconds: float, traces: Sequence[Trace]) -> dict[str, Any]:
    """Serve a table, have people type, and change rows."""
    cores, before = os.sched_getaffinity(0), server.dump()
    result: dict[str, Any] = {}
    command = [sys.executable, "-m", "typeahead", "serve", "--encoder", "minilm-gru", "--port", "0"]
    begun = time.perf_counter()
    with started("typeahead", [*command, "--index", address], cores=cores) as running:
        asyncio.run(first_hits(running.address))
        result["start s"] = time.perf_counter() - begun
        asyncio.run(type_queries(running.address, traces, people, 5))
        used, since = running.processor_seconds(), time.perf_counter()
        spent = asyncio.run(type_queries(running.address, traces[len(traces) // 2 :], people, seconds))
        result["server cores"] = (running.processor_seconds() - used) / (time.perf_counter() - since)
        result["server MB"] = running.resident_megabytes()
        result["altered"] = server.dump() != before

        async def both() -> list[float]:
            typing = type_queries(running.address, traces, people, seconds)
            return (await asyncio.gather(typing, shown(running.address, server, seconds)))[1]

        changed = asyncio.run(both())
    result |= {"keys": len(spent)}
    result |= {f"p{part} ms": float(np.percentile(spent, part)) for part in (50, 90, 99)}
    result |= {"changes": len(changed)}
    return result | {f"shown p{part} ms": float(np.percentile(changed, part)) for part in (50, 99)}


def measure(folder: Path, people: int, seconds: float, traces: Sequence[Trace]) -> list[dict[str, Any]]:
    """Run everything, by round trip and in memory."""
    with PostgresServer(SETTINGS) as server:
        filled = fill(server, folder)
        cold, hot = server.address(table="articles", hot="no"), server.address(table="articles")
        trip = {"way": "round trip", **filled, **serve(server, cold, people, seconds, traces)}
        memory = {"way": "in memory", **serve(server, hot, people, seconds, traces)}
        with open_index(folder) as index:
            vectors = np.asarray(map_vectors(index.generation / VECTORS), np.float32)
            ids = [document.id for document in index.documents(list(range(len(index))))]
        trip["recall@8"] = asyncio.run(recall(cold, vectors, ids))
        trip |= asyncio.run(words(server, [trace[-1].text for trace in traces[:_QUERIES]]))
    return [trip, memory]


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = options.parser("postgres", __doc__)
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="an index whose documents are taken")
    parser.add_argument("--people", type=options.whole, default=5)
    parser.add_argument("--seconds", type=options.positive, default=60.0)
    options.add_typing(parser)
    chosen = parser.parse_args(arguments)
    traces, what = load_traces(chosen.traces)
    found = measure(chosen.index, chosen.people, chosen.seconds, traces)
    report("A table of PostgreSQL", found, json_path=chosen.json, people=chosen.people, typing=what)


if __name__ == "__main__":
    options.run(main)
