"""A million passages in four PostgreSQL servers as one index: recall, the search alone, and from key to results.

    python -m benchmarks.parts --index DIR [--parts 4] [--folder DIR] [--words yes] [--ef-search 150]

The documents of an index, such as ``python -m benchmarks.mixed`` makes of a million passages, are put into tables of
several servers by a hash of their ids: vectors in half precision, with a graph of pgvector's in each table, built with
``ef_construction=200`` (:mod:`benchmarks.parts_data`). With ``--folder`` the servers' data stay there for the next
time; without one, four graphs of 250,000 vectors are built each time.

recall  how many of the 8 nearest by brute force, over float32 vectors, are among the 8 best by vectors that all parts
        find together, for vectors of the index that are turned a little
search  milliseconds of :func:`typeahead.search.ranking.find` for one request at a time, from a vector, and words if
        they are kept in memory, to 8 hits with their documents
keys    people type recorded queries at their own pace, each over a websocket, with the encoder minilm-gru:
        milliseconds from key to hits

Servers, ``typeahead serve`` and people share all cores. Nothing else should run.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks import options
from benchmarks.parts_data import fill, servers
from benchmarks.postgres import first_hits, type_queries
from benchmarks.postgres_server import PostgresServer
from benchmarks.servers import started
from benchmarks.typed import Trace, load_traces
from typeahead.core.encoder import Vectors
from typeahead.index import open_index
from typeahead.index.vectors import VECTORS, map_vectors
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.port import DENSE, Backend, Request
from typeahead.search.ranking import DEPTH, find
from typeahead.search.terms import Term, Words, forms
from typeahead.tables import report

#: Queries that recall is measured by, and hits of each.
_QUERIES, _HITS = 200, 8
#: How far a query lies from the vector that it is made of.
_TURN: Final = 0.3
_CHUNK: Final = 50_000
#: Seconds within which a search has to be answered.
_PATIENCE: Final = 30.0


def queries_and_nearest(vectors: Vectors) -> tuple[Vectors, list[NDArray[np.int64]]]:
    """Some queries, float32 (n, dim), and the rows of the nearest vectors of each."""
    draw, dim = np.random.default_rng(5), vectors.shape[1]
    near = np.asarray(vectors[draw.integers(len(vectors), size=_QUERIES)], np.float32)
    queries = near + draw.standard_normal(near.shape).astype(np.float32) * np.float32(_TURN / np.sqrt(dim))
    best = np.full((_QUERIES, _HITS), -np.inf, np.float32)
    rows = np.zeros((_QUERIES, _HITS), np.int64)
    for start in range(0, len(vectors), _CHUNK):
        # The vectors of an index have length 1.
        similar = queries @ np.asarray(vectors[start : start + _CHUNK], np.float32).T
        both = np.concatenate([best, similar], axis=1)
        places = np.concatenate([rows, np.broadcast_to(np.arange(start, start + similar.shape[1]), similar.shape)], 1)
        chosen = np.argpartition(-both, _HITS, axis=1)[:, :_HITS]
        best, rows = np.take_along_axis(both, chosen, 1), np.take_along_axis(places, chosen, 1)
    return queries, list(rows)


async def searches(address: str, queries: Vectors, nearest: Sequence[Sequence[str]], texts: Sequence[str]) -> Any:
    """Measure recall and the search alone."""
    begun = time.perf_counter()
    backend = await open_backend(address, OpenOptions(warn=lambda _: None))
    result: dict[str, Any] = {"open s": time.perf_counter() - begun}
    found = 0
    for query, ids in zip(queries, nearest, strict=True):
        (one,) = await backend.candidates([Request(query, None, DEPTH)], time.monotonic() + _PATIENCE)
        assert not one.partial
        dense = np.flatnonzero(one.arms[DENSE])
        best = dense[np.argsort(-one.similarities[dense])[:_HITS]]
        found += len({one.keys[row].document for row in best.tolist()} & set(ids))
    result["recall@8"] = found / (len(queries) * _HITS)
    result |= _percentiles("vectors", await _timed(backend, queries, None))
    if backend.capabilities.lexical:
        result |= _percentiles("both", await _timed(backend, queries, texts))
    await backend.close()
    return result


async def _timed(backend: Backend, queries: Vectors, texts: Sequence[str] | None) -> list[float]:
    spent = []
    for row, query in enumerate(queries):
        words = None if texts is None else Words([Term({form: 1.0}) for form in forms(texts[row % len(texts)])])
        before = time.perf_counter()
        await find(backend, [Request(query, words, _HITS)], time.monotonic() + _PATIENCE)
        spent.append(1000 * (time.perf_counter() - before))
    return spent


def keys(address: str, people: int, seconds: float, traces: Sequence[Trace]) -> dict[str, Any]:
    """Serve the parts, and have people type."""
    command = [sys.executable, "-m", "typeahead", "serve", "--encoder", "minilm-gru", "--port", "0"]
    begun = time.perf_counter()
    with started("typeahead", [*command, "--index", address], cores=os.sched_getaffinity(0)) as running:
        asyncio.run(first_hits(running.address))
        result: dict[str, Any] = {"start s": time.perf_counter() - begun}
        asyncio.run(type_queries(running.address, traces, people, 5))
        used, since = running.processor_seconds(), time.perf_counter()
        spent = asyncio.run(type_queries(running.address, traces[len(traces) // 2 :], people, seconds))
        result["server cores"] = (running.processor_seconds() - used) / (time.perf_counter() - since)
        result["server MB"] = running.resident_megabytes()
    return result | {"keys": len(spent)} | _percentiles("key", spent)


def _percentiles(name: str, spent: Sequence[float]) -> dict[str, float]:
    return {f"{name} p{part} ms": float(np.percentile(spent, part)) for part in (50, 99)}


def measure(folder: Path, parts: Sequence[PostgresServer], chosen: Any, traces: Sequence[Trace]) -> dict[str, Any]:
    """Run everything on servers that run."""
    filled = fill(folder, parts)
    how = {"table": "articles", "hot": "no", "unverified": "yes"}
    how |= {"words": chosen.words, "ef_search": str(chosen.ef_search)}
    address = " ".join(part.address(**how) for part in parts)
    with open_index(folder) as index:
        queries, rows = queries_and_nearest(map_vectors(index.generation / VECTORS))
        nearest = [[document.id for document in index.documents(some.tolist())] for some in rows]
        passages = len(index)
    texts = [trace[-1].text for trace in traces[:_QUERIES]]
    result = {"parts": len(parts), "passages": passages, "words": chosen.words, "ef_search": chosen.ef_search}
    result |= filled
    result |= asyncio.run(searches(address, queries, nearest, texts))
    return result | keys(address, chosen.people, chosen.seconds, traces)


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = options.parser("parts", __doc__)
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="an index whose documents are taken")
    parser.add_argument("--parts", type=options.whole, default=4, help="servers (4)")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where the servers' data are kept")
    parser.add_argument("--words", choices=["yes", "no"], default="yes", help="whether words are searched, too (yes)")
    parser.add_argument("--ef-search", type=options.whole, default=150, help="ef_search of the addresses (150)")
    parser.add_argument("--people", type=options.whole, default=5)
    parser.add_argument("--seconds", type=options.positive, default=30.0)
    options.add_typing(parser)
    chosen = parser.parse_args(arguments)
    traces, what = load_traces(chosen.traces)
    with ExitStack() as stack:
        folder = chosen.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp")))
        folder.mkdir(parents=True, exist_ok=True)
        # The servers may run as another user.
        folder.chmod(0o755)
        parts = [stack.enter_context(one) for one in servers(folder, chosen.parts)]
        found = measure(chosen.index, parts, chosen, traces)
    report("Several PostgreSQL servers as one index", [found], json_path=chosen.json, people=chosen.people, typing=what)


if __name__ == "__main__":
    options.run(main)
