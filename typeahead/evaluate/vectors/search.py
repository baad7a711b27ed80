"""Search of many queries at once over a whole collection's vectors, shard by shard in bounded memory.

:mod:`typeahead.index.exact` answers one query at a time, for serving. This module answers thousands, for evaluation,
where a matrix product is the floor. The sibling ``best_rows`` keeps the best of each query while blocks are scored.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.errors import MissingExtra, SourceError
from typeahead.evaluate.vectors.best_rows import (
    BLOCK_QUERIES,
    NO_ROW,
    Block,
    Part,
    Room,
    buffer_length,
    in_order,
    ranking_keys,
    scores_depend_on_place,
)
from typeahead.evaluate.vectors.products import Rows
from typeahead.progress import OnProgress

__all__ = ["NO_ROW", "Backend", "VectorShards", "available_cores", "search"]

Backend = Literal["exact", "faiss"]

#: Rows that are converted, checked and searched at once: 100 MB of 384 dimensions.
_SLAB_ROWS = 65536
#: Bytes for buffers. If not all queries fit, they are searched in several passes over the collection.
_BUFFER_BYTES = 512 << 20
#: With larger values, float32 scores could overflow.
_LARGEST = 1e17
#: Parts that follow each other.
_Slab = list[Part]


class VectorShards(Protocol):
    """Vectors to search: :class:`typeahead.evaluate.vectors.passages.PassageVectors`, or anything like it."""

    @property
    def dim(self) -> int:
        """Dimension of the vectors."""

    @property
    def count(self) -> int:
        """Number of vectors."""

    def shards(self) -> Iterator[tuple[int, NDArray[np.floating]]]:
        """Yield each shard's first row and its vectors, float16 or float32 (n, dim), in the order of rows."""


def search(
    queries: Vectors,
    passages: VectorShards,
    depth: int,
    *,
    backend: Backend = "exact",
    threads: int | None = None,
    progress: OnProgress | None = None,
) -> tuple[Rows, Vectors]:
    """Find the ``depth`` rows of highest inner product with each query.

    ``queries`` is float32 (n, dim). Returns rows int64 (n, depth) and scores float32 (n, depth), best first, ties by
    row number. If the collection is smaller than ``depth``, or a query's vector is all zero (a text without a token),
    the places left over hold :data:`NO_ROW` and minus infinity.

    With ``backend="exact"`` the result is the same for any number of threads and shards, and equal vectors have equal
    scores; another processor may round the last bit of a score differently. ``"faiss"`` sums in another order, and may
    take any of the rows that tie for the last place.

    Raises :class:`~typeahead.errors.SourceError` for queries of another dimension, values that are not finite, and
    shards that do not hold all rows; :class:`~typeahead.errors.MissingExtra` without threadpoolctl, or FAISS.
    """
    if depth < 1:
        raise ValueError(f"depth is {depth}, it must be at least 1")
    if queries.ndim != 2 or queries.shape[1] != passages.dim:
        shape = " x ".join(map(str, queries.shape))
        raise SourceError(f"queries are {shape}, the passages' vectors have {passages.dim} dimensions")
    queries = np.ascontiguousarray(queries, np.float32)
    usable = np.abs(queries).max(axis=1, initial=0) < _LARGEST
    if not usable.all():
        raise SourceError(f"the vector of query {int(np.argmin(usable))} has a value that is not finite, or above 1e17")
    threads = threads or available_cores()
    rows = np.full((len(queries), depth), NO_ROW, np.int64)
    scores = np.full((len(queries), depth), -np.inf, np.float32)
    # A query of zeros would give every passage the same score, which is no ranking.
    asked = np.flatnonzero(queries.any(axis=1))
    find = _exact if backend == "exact" else _faiss
    at_once = max(_BUFFER_BYTES // (8 * buffer_length(depth)) // BLOCK_QUERIES, 1) * BLOCK_QUERIES
    passes = range(0, len(asked), at_once)
    for number, start in enumerate(passes):
        part = asked[start : start + at_once]
        slabs = _slabs(passages, progress, number * passages.count, len(passes) * passages.count)
        rows[part], scores[part] = find(queries[part], slabs, depth, threads)
    return rows, scores


def available_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _slabs(passages: VectorShards, progress: OnProgress | None, done: int, total: int) -> Iterator[_Slab]:
    """Yield the collection, checked, in slabs: some shards, or parts of one, of ``_SLAB_ROWS`` together."""
    slab: _Slab = []
    gathered = expected = 0
    for first, shard in passages.shards():
        if first != expected or shard.ndim != 2 or shard.shape[1] != passages.dim:
            raise SourceError(
                f"expected a shard of dimension {passages.dim} from row {expected} on, "
                f"got one of shape {shard.shape} from row {first} on"
            )
        expected += len(shard)
        start = 0
        while start < len(shard):
            part = shard[start : start + _SLAB_ROWS - gathered]
            slab.append(_checked(first + start, part))
            start += len(part)
            gathered += len(part)
            if gathered == _SLAB_ROWS:
                yield slab
                slab, gathered = [], 0
                if progress:
                    progress("search", done + first + start, total)
    if expected != passages.count:
        raise SourceError(f"the shards hold {expected} vectors of {passages.count}: encode the passages again")
    if slab:
        yield slab
    if progress:
        progress("search", done + expected, total)


def _checked(first: int, part: NDArray[np.floating]) -> Part:
    vectors = np.ascontiguousarray(part, np.float32)
    largest = max(float(vectors.max()), -float(vectors.min()))
    # A comparison with NaN is false, so without this check such a row would never be found, and nobody would notice.
    if not largest < _LARGEST:
        row = first + int(np.argmin((np.abs(vectors) < _LARGEST).all(axis=1)))
        raise SourceError(f"the vector of passage row {row} has a value that is not finite, or above 1e17")
    return Part(first, vectors, largest)


def _exact(queries: Vectors, slabs: Iterator[_Slab], depth: int, threads: int) -> tuple[Rows, Vectors]:
    try:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise MissingExtra("threadpoolctl", "evaluate") from error
    count = len(queries)
    parts = threads * -(-count // (threads * BLOCK_QUERIES))
    size = max(-(-count // parts), 1)
    # One BLAS thread in each of ours: OpenBLAS serves one threaded product at a time, and between products the other
    # cores would wait for the selection.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        again = scores_depend_on_place(queries.shape[1])
        blocks = [Block(queries[start : start + size], depth, again=again) for start in range(0, count, size)]
        room: SimpleQueue[Room] = SimpleQueue()
        for _ in range(threads):
            room.put(Room(size, queries.shape[1]))

        def scan(block: Block, slab: _Slab) -> None:
            taken = room.get()
            try:
                for part in slab:
                    block.scan(part, taken)
            finally:
                room.put(taken)

        for slab in slabs:
            list(pool.map(partial(scan, slab=slab), blocks))
        found = list(pool.map(Block.best, blocks))
    return np.concatenate([rows for rows, _ in found]), np.concatenate([scores for _, scores in found])


def _faiss(queries: Vectors, slabs: Iterator[_Slab], depth: int, threads: int) -> tuple[Rows, Vectors]:
    try:
        import faiss
    except ImportError as error:
        raise MissingExtra("faiss-cpu", "evaluate") from error
    best = np.zeros((len(queries), depth), np.uint64)
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        for slab in slabs:
            vectors = slab[0].vectors if len(slab) == 1 else np.concatenate([part.vectors for part in slab])
            scores, rows = faiss.knn(queries, vectors, min(depth, len(vectors)), metric=faiss.METRIC_INNER_PRODUCT)
            best = np.concatenate([best, ranking_keys(scores, rows + slab[0].first)], axis=1)
            best.partition(best.shape[1] - depth, axis=1)
            best = best[:, -depth:]
    finally:
        faiss.omp_set_num_threads(before)
    return in_order(best)
