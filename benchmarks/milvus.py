"""A collection of Milvus that exists already: how soon it can be searched, how fast, and how well.

    python -m benchmarks.milvus --index DIR --address milvus://HOST:PORT [--keys 1000] [--json PATH]

The documents and vectors of an index are put into a collection as somebody else might have it, with an HNSW graph
(``M`` 16, ``efConstruction`` 200), which is deleted at the end. All runs in this process, and the server in its own.

open      seconds until the collection is open, its words read
key       recorded queries key by key, one after another: milliseconds of a search for vectors and words together,
          without encoding
batch     the same for 8 keys at once
recall    how many of the 8 nearest by brute force are among the 8 nearest of the collection, for vectors of its own
          documents that are turned a little
compared  milliseconds for comparing 8 or 64 rows that words found with a vector: by a search among these rows, as the
          back end does it, and by reading their vectors

Server and client share all cores. Nothing else should run.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import options
from benchmarks.typed import Trace, load_traces
from typeahead.core.encoder import Vectors
from typeahead.encoders.loading import load
from typeahead.engines.milvus.address import read_address
from typeahead.engines.milvus.server import Server
from typeahead.index import open_index
from typeahead.index.vectors import VECTORS, map_vectors
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.port import Request
from typeahead.search.ranking import DEPTH, find
from typeahead.search.terms import Term, Words, forms
from typeahead.tables import report

COLLECTION: Final = "typeahead_benchmark"
_GRAPH: Final = {"M": 16, "efConstruction": 200}
#: Queries that recall is measured by, hits of each, and how far each lies from the vector that it is made of.
_QUERIES, _HITS, _TURN = 200, 8, 0.3
_TOGETHER: Final = 8
_ROWS: Final = 500
_LONGEST: Final = 65_535


async def fill(server: Server, folder: Path) -> tuple[dict[str, float], Vectors, list[str]]:
    """Copy an index into the collection; returns the seconds of both steps, the vectors and the ids."""
    from pymilvus import CollectionSchema, DataType, FieldSchema, MilvusClient

    with open_index(folder) as index:
        vectors = np.asarray(map_vectors(index.generation / VECTORS), np.float32)
        documents = index.documents(list(range(len(index))))
    schema = CollectionSchema(
        [
            FieldSchema("id", DataType.VARCHAR, is_primary=True, max_length=256),
            *(FieldSchema(name, DataType.VARCHAR, max_length=_LONGEST) for name in ("title", "body", "url")),
            FieldSchema("embedding", DataType.FLOAT_VECTOR, dim=vectors.shape[1]),
        ]
    )
    graph = MilvusClient.prepare_index_params()
    graph.add_index("embedding", index_type="HNSW", index_name="graph", metric_type="COSINE", params=_GRAPH)
    await server.create(schema=schema, index_params=graph)
    begun = time.perf_counter()
    for first in range(0, len(documents), _ROWS):
        rows = [
            {"id": one.id, "title": one.title, "body": one.text, "url": one.url, "embedding": vector.tolist()}
            for one, vector in zip(documents[first : first + _ROWS], vectors[first : first + _ROWS], strict=True)
        ]
        await server.call("insert", data=rows)
    copied = time.perf_counter()
    # Only what is flushed gets a graph.
    await flushed(server)
    return {"copy s": copied - begun, "graph s": time.perf_counter() - copied}, vectors, [one.id for one in documents]


async def flushed(server: Server) -> None:
    """Flush, and wait until the graph is there."""
    client = server._client
    connection = client._get_connection()
    if hasattr(client, "flush"):
        await asyncio.to_thread(client.flush, COLLECTION)
        return
    await asyncio.to_thread(connection.flush, [COLLECTION])
    await asyncio.to_thread(connection.wait_for_creating_index, COLLECTION, "graph")
    # Segments with a graph replace those without.
    await server.call("release_collection")
    await server.call("load_collection")


async def spent(ask: Callable[[Any], Awaitable[Any]], asked: Sequence[Any]) -> list[float]:
    """The milliseconds of each question, one after another."""
    found = []
    for one in asked:
        begun = time.perf_counter()
        await ask(one)
        found.append(1000 * (time.perf_counter() - begun))
    return found


def quantiles(name: str, times: Sequence[float]) -> dict[str, float]:
    """The middle, and the slowest in a hundred."""
    return {f"{name} p{part} ms": float(np.percentile(times, part)) for part in (50, 99)}


async def measure(folder: Path, address: str, keys: int, traces: Sequence[Trace]) -> dict[str, Any]:
    """Run everything."""
    server = Server(read_address(f"{address.rstrip('/')}/{COLLECTION}"))
    result, vectors, ids = await fill(server, folder)
    try:
        begun = time.perf_counter()
        backend = await open_backend(f"{address.rstrip('/')}/{COLLECTION}", OpenOptions(warn=print))
        result["open s"] = time.perf_counter() - begun
        encoder = load("minilm-gru")
        texts = [key.text for trace in traces for key in trace if key.text.strip()][: keys + _TOGETHER]
        requests = [
            Request(vector, Words([Term({form: 1.0}) for form in forms(text)]), DEPTH)
            for text, vector in zip(texts, encoder.encode(texts), strict=True)
        ]

        async def search(some: Sequence[Request]) -> None:
            await find(backend, some, time.monotonic() + 10)

        await spent(search, [[one] for one in requests[:50]])
        result |= quantiles("key", await spent(search, [[one] for one in requests[:keys]]))
        groups = [requests[first : first + _TOGETHER] for first in range(0, keys, _TOGETHER)]
        result |= quantiles("batch", await spent(search, groups))

        async def nearest(query: Vectors) -> set[str]:
            (found,) = await backend.candidates([Request(query, None, DEPTH)], math.inf)
            return {key.document for key in found.keys[:_HITS]}

        result["recall@8"] = await recall(nearest, vectors, ids)
        result |= await compared(server, vectors, ids)
        await backend.close()
    finally:
        await server.call("drop_collection")
        await server.close()
    return result


async def recall(nearest: Callable[[Vectors], Awaitable[set[str]]], vectors: Vectors, ids: Sequence[str]) -> float:
    """The share of the 8 nearest that the collection finds."""
    draw, dim, found = np.random.default_rng(5), vectors.shape[1], 0
    for _ in range(_QUERIES):
        query = vectors[draw.integers(len(vectors))] + draw.standard_normal(dim) * (_TURN / np.sqrt(dim))
        query = (query / np.linalg.norm(query)).astype(np.float32)
        best = np.argsort(-(vectors @ query), kind="stable")[:_HITS]
        found += len(await nearest(query) & {ids[row] for row in best.tolist()})
    return found / (_QUERIES * _HITS)


async def compared(server: Server, vectors: Vectors, ids: Sequence[str]) -> dict[str, float]:
    """Milliseconds of comparing rows in both ways."""
    draw, result = np.random.default_rng(6), dict[str, float]()
    for number in (_HITS, _HITS * _TOGETHER):
        conditions = [
            f"id in {[ids[row] for row in draw.choice(len(ids), number, replace=False)]}".replace("'", '"')
            for _ in range(_QUERIES)
        ]

        async def by_search(condition: str, number: int = number) -> None:
            await server.call(
                "search",
                data=vectors[: max(1, number // _HITS)].tolist(),
                filter=condition,
                limit=number,
                anns_field="embedding",
                output_fields=["id"],
                search_params={"metric_type": "COSINE", "params": {"ef": 2048}},
                consistency_level="Eventually",
            )

        async def by_reading(condition: str) -> None:
            found = await server.call(
                "query", filter=condition, output_fields=["id", "embedding"], consistency_level="Eventually"
            )
            np.array([one["embedding"] for one in found], np.float32) @ vectors[0]

        result |= quantiles(f"{number} by search", await spent(by_search, conditions))
        result |= quantiles(f"{number} by reading", await spent(by_reading, conditions))
    return result


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = options.parser("milvus", __doc__)
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="an index whose documents are taken")
    parser.add_argument("--address", required=True, metavar="ADDRESS", help="the server: milvus://HOST:PORT")
    parser.add_argument("--keys", type=options.whole, default=1000)
    options.add_typing(parser)
    chosen = parser.parse_args(arguments)
    traces, what = load_traces(chosen.traces)
    found = asyncio.run(measure(chosen.index, chosen.address, chosen.keys, traces))
    report("A collection of Milvus", [found], json_path=chosen.json, typing=what)


if __name__ == "__main__":
    options.run(main)
