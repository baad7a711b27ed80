"""The search that evaluation uses, against the bare matrix product at its core and against FAISS.

    python -m benchmarks.exact [--queries 7000] [--vectors 1000000] [--dim 384] [--depth 1000] [--json FILE]

Vectors and queries are random and of length 1. The bare product is NumPy's in float32: all queries by 1,024 vectors at
a time, into one buffer that is overwritten and never read. It runs before and after the search, and the mean counts.
Wall-clock seconds depend on what else the machine does, so processor seconds are printed beside them.
``benchmarks.search`` times one query at a time, as a server does. Needs the extra ``evaluate``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead import tables
from typeahead.evaluate.vectors.search import available_cores, search

_SHARD = 1 << 17
_BLOCK = 1024


class InMemory:
    """Vectors in memory, in shards."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._vectors = vectors
        self.count, self.dim = vectors.shape

    def shards(self) -> Iterator[tuple[int, NDArray[np.floating[Any]]]]:
        """Yield views of the vectors."""
        for first in range(0, self.count, _SHARD):
            yield first, self._vectors[first : first + _SHARD]


def points(rng: np.random.Generator, count: int, dim: int) -> NDArray[np.float32]:
    """Random vectors of length 1."""
    vectors = np.empty((count, dim), np.float32)
    for start in range(0, count, _SHARD):
        part = rng.standard_normal(vectors[start : start + _SHARD].shape, dtype=np.float32)
        vectors[start : start + _SHARD] = part / np.linalg.norm(part, axis=1, keepdims=True)
    return vectors


def bare(queries: NDArray[np.float32], vectors: NDArray[np.float32]) -> None:
    """Multiply in blocks and drop the scores."""
    scores = np.empty((len(queries), _BLOCK), np.float32)
    for start in range(0, len(vectors), _BLOCK):
        part = vectors[start : start + _BLOCK]
        np.matmul(queries, part.T, out=scores[:, : len(part)])


def timed(action: Callable[[], Any]) -> tuple[Any, float, float]:
    """The result of an action, its wall-clock seconds and its processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    result = action()
    return result, time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=7000)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--depth", type=int, default=1000)
    parser.add_argument("--without-faiss", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    vectors = points(rng, arguments.vectors, arguments.dim)
    queries = points(rng, arguments.queries, arguments.dim)
    collection, depth = InMemory(vectors), arguments.depth
    bare(queries, vectors[:_SHARD])
    _, wall, processor = timed(lambda: bare(queries, vectors))
    (rows, scores), search_wall, search_processor = timed(lambda: search(queries, collection, depth))
    _, wall_again, processor_again = timed(lambda: bare(queries, vectors))
    wall, processor = (wall + wall_again) / 2, (processor + processor_again) / 2
    measured = [("bare product", wall, processor), ("typeahead, exact", search_wall, search_processor)]
    facts: dict[str, Any] = {"threads": available_cores()}
    if not arguments.without_faiss:
        found, faiss_wall, faiss_processor = timed(lambda: search(queries, collection, depth, backend="faiss"))
        measured.append(("FAISS flat", faiss_wall, faiss_processor))
        facts["places_with_the_same_row_as_FAISS_%"] = 100 * float((found[0] == rows).mean())
        facts["largest_difference_to_FAISS's_score"] = float(np.abs(found[1] - scores).max())
    table = [
        {
            "what": name,
            "seconds": seconds,
            "% of the product's speed": 100 * wall / seconds,
            "processor seconds": spent,
            "% of its speed, by those": 100 * processor / spent,
        }
        for name, seconds, spent in measured
    ]
    title = f"{arguments.queries:,} queries, {arguments.vectors:,} vectors, {arguments.dim} dimensions, top {depth:,}"
    tables.report(title, table, json_path=arguments.json, **facts)


if __name__ == "__main__":
    main()
