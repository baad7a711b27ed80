"""Search of many queries at once over a whole collection's vectors, shard by shard in bounded memory.

:mod:`typeahead.index.exact` answers one query at a time, for serving; this module answers thousands, for evaluation,
where a matrix product is the floor. Its scores are consumed block by block while they are in the processor's cache:
compared with each query's k-th best score so far, most of them are dropped at once, and what remains is kept in a
buffer that is cut back to the k best when it is full. Of a collection of n passages in random order some
k·(1 + ln(n/k)) pass for each query; one in rising order of scores is slower, and still right.

Where the bits of a BLAS score depend on its place (:mod:`~typeahead.evaluate.vectors.products`), BLAS only chooses,
with a margin of the greatest rounding errors, and what passes is scored again in one order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.errors import MissingExtra, SourceError
from typeahead.evaluate.vectors.products import Pairs, Rows, depends_on_place, greatest_difference
from typeahead.progress import OnProgress

Backend = Literal["exact", "faiss"]

#: The row of a place that no passage fills; its score is minus infinity.
NO_ROW = -1
#: A block of scores is up to so many queries by so many rows, 8 MB, which a third-level cache holds. One thread of an
#: EPYC with AVX-512 computes 896 x 2,048 scores at 98 GFLOP/s, 896 x 1,024 at 93, and 448 x 1,024 at 88.
_BLOCK_QUERIES = 1024
_BLOCK_ROWS = 2048
#: Rows whose k-th best score is the first threshold, found by sorting them out at once: the fewer, the more pass later.
_FIRST_ROWS = 16384
#: Blocks are filled up with zeros to multiples of these, at least the least, so that BLAS computes every score by its
#: main kernel. Those for edges and, up to a million products, for small matrices sum in another order, and equal
#: vectors would get scores that differ in the last bit.
_QUERY_MULTIPLE, _LEAST_QUERIES = 16, 64
_ROW_MULTIPLE, _LEAST_ROWS = 64, 256
#: Rows that are converted and checked at once, and searched before the next: 100 MB of 384 dimensions.
_SLAB_ROWS = 65536
#: Bytes of buffers; more queries than fit are searched in several passes over the collection.
_BUFFER_BYTES = 512 << 20
#: Beyond, float32 scores could overflow.
_LARGEST = 1e17
#: The halves of a key.
_HALF = np.uint64(32)
_LOW = np.uint64(2**32 - 1)


class _Part(NamedTuple):
    """Rows that follow each other."""

    first: int
    #: float32 (n, dim).
    vectors: Vectors
    #: No value's size is above it.
    largest: float


#: Parts that follow each other.
_Slab = list[_Part]


class VectorShards(Protocol):
    """What is searched: :class:`typeahead.evaluate.vectors.passages.PassageVectors`, or anything of its shape."""

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

    ``queries`` float32 (n, dim). Returns rows int64 (n, depth) and scores float32 (n, depth), best first, ties by row
    number. Places that nothing fills, since the collection is smaller or the query's vector is all zero (a text
    without a token), hold :data:`NO_ROW` and minus infinity.

    Scores are float32. With ``backend="exact"`` the result is the same for any number of threads and shards, and equal
    vectors have equal scores; another processor may round the last bit of a score the other way. ``"faiss"`` sums in
    another order, and which of the rows that tie for the last place it finds is its own choice.

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
    # A query of zeros would score every passage the same, which is no ranking.
    asked = np.flatnonzero(queries.any(axis=1))
    find = _exact if backend == "exact" else _faiss
    at_once = max(_BUFFER_BYTES // (8 * _capacity(depth)) // _BLOCK_QUERIES, 1) * _BLOCK_QUERIES
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


def _checked(first: int, part: NDArray[np.floating]) -> _Part:
    vectors = np.ascontiguousarray(part, np.float32)
    largest = max(float(vectors.max()), -float(vectors.min()))
    # A comparison with NaN is false: such a row would never be found, and never be missed.
    if not largest < _LARGEST:
        row = first + int(np.argmin((np.abs(vectors) < _LARGEST).all(axis=1)))
        raise SourceError(f"the vector of passage row {row} has a value that is not finite, or above 1e17")
    return _Part(first, vectors, largest)


def _capacity(depth: int) -> int:
    """Length of a query's buffer: room for a whole block beside the best, whatever passes."""
    return depth + max(2 * depth, _BLOCK_ROWS)


def _exact(queries: Vectors, slabs: Iterator[_Slab], depth: int, threads: int) -> tuple[Rows, Vectors]:
    try:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise MissingExtra("threadpoolctl", "evaluate") from error
    count = len(queries)
    parts = threads * -(-count // (threads * _BLOCK_QUERIES))
    size = max(-(-count // parts), 1)
    height = _padded(size, _QUERY_MULTIPLE, _LEAST_QUERIES)
    # One BLAS thread in each of ours: OpenBLAS serves one threaded product at a time, and between products the other
    # cores would wait for the selection.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        again = _scores_depend_on_place(queries.shape[1])
        blocks = [_Block(queries[start : start + size], depth, again=again) for start in range(0, count, size)]
        room: SimpleQueue[_Room] = SimpleQueue()
        for _ in range(threads):
            room.put(_Room(height, queries.shape[1]))

        def scan(block: _Block, slab: _Slab) -> None:
            taken = room.get()
            try:
                for part in slab:
                    block.scan(part, taken)
            finally:
                room.put(taken)

        for slab in slabs:
            list(pool.map(partial(scan, slab=slab), blocks))
        found = list(pool.map(_Block.best, blocks))
    return np.concatenate([rows for rows, _ in found]), np.concatenate([scores for _, scores in found])


def _padded(count: int, multiple: int, least: int) -> int:
    return max(-(-count // multiple) * multiple, least)


def _scores_depend_on_place(dim: int) -> bool:
    # Of the least block and the largest, whatever the queries at hand: all searches must come to the same end.
    largest = _padded(_BLOCK_QUERIES, _QUERY_MULTIPLE, _LEAST_QUERIES), _padded(_BLOCK_ROWS, _ROW_MULTIPLE, _LEAST_ROWS)
    return depends_on_place(((_LEAST_QUERIES, _LEAST_ROWS), largest), dim)


class _Room:
    """Memory for what a thread computes, kept: new pages cost as much as what is done with them."""

    def __init__(self, height: int, dim: int) -> None:
        self._scores = np.empty(height * _FIRST_ROWS, np.float32)
        self._marks = np.empty(height * _BLOCK_ROWS, np.bool_)
        self.pairs = Pairs(dim)

    def scores(self, height: int, width: int) -> NDArray[np.float32]:
        """Room for float32 (height, width)."""
        return self._scores[: height * width].reshape(height, width)

    def marks(self, height: int, width: int) -> NDArray[np.bool_]:
        """Room for bool (height, width)."""
        return self._marks[: height * width].reshape(height, width)


class _Block:
    """The best rows so far of some queries; used by one thread at a time.

    A query's buffer holds keys whose order is that of the ranking, see :func:`_keys`: the first ``fill`` places are
    taken, the others hold 0, which is below any key.
    """

    def __init__(self, queries: Vectors, depth: int, *, again: bool) -> None:
        self._count = len(queries)
        self._depth = depth
        self._again = again
        padded = _padded(len(queries), _QUERY_MULTIPLE, _LEAST_QUERIES)
        self._queries = np.zeros((padded, queries.shape[1]), np.float32)
        self._queries[: len(queries)] = queries
        #: Only a higher score can be among the best: a later row that ties has lost by its number.
        self._threshold = np.full((padded, 1), -np.inf, np.float32)
        self._threshold[len(queries) :] = np.inf
        self._fill = np.zeros(padded, np.int64)
        self._buffer = np.zeros((padded, _capacity(depth)), np.uint64)
        self._difference = greatest_difference(self._queries)

    @property
    def height(self) -> int:
        """Queries, and zeros that fill them up."""
        return len(self._queries)

    def scan(self, part: _Part, room: _Room) -> None:
        """Take a part of the collection into account."""
        margin = np.zeros_like(self._threshold)
        if self._again:
            # What underflows is off by less than the smallest normal number.
            margin[:] = self._difference * part.largest + np.finfo(np.float32).tiny
        start, width = 0, _FIRST_ROWS if part.first == 0 else _BLOCK_ROWS
        while start < len(part.vectors):
            vectors = part.vectors[start : start + width]
            count = len(vectors)
            padded = vectors
            if missing := _padded(count, _ROW_MULTIPLE, _LEAST_ROWS) - count:
                padded = np.concatenate([vectors, np.zeros((missing, vectors.shape[1]), np.float32)])
            scores = room.scores(self.height, len(padded))
            np.matmul(self._queries, padded.T, out=scores)
            if width == _FIRST_ROWS and count > self._depth:
                below = _below_kth(scores[: self._count, :count], self._depth)
                self._threshold[: self._count, 0] = below - margin[: self._count, 0]
            for left in range(0, count, _BLOCK_ROWS):
                block = slice(left, min(left + _BLOCK_ROWS, count))
                self._select(part.first + start + left, vectors[block], scores[:, block], margin, room)
            start, width = start + count, _BLOCK_ROWS

    def _select(
        self, first: int, vectors: Vectors, scores: NDArray[np.float32], margin: NDArray[np.float32], room: _Room
    ) -> None:
        """Put the rows, from ``first`` on, whose score is above their query's threshold into the buffers."""
        capacity = self._buffer.shape[1]
        height, width = scores.shape
        places = np.flatnonzero(np.greater(scores, self._threshold - margin, out=room.marks(height, width)))
        query, column = np.divmod(places, width)
        if self._again:
            found = room.pairs.products(self._queries, query, vectors, column)
            above = found > self._threshold[query, 0]
            query, column, found = query[above], column[above], found[above]
        else:
            found = scores[query, column]
        counts = np.bincount(query, minlength=height)
        if (full := self._fill + counts > capacity).any():
            # Those that are nearly full go along: few calls on many rows.
            self._cut(np.flatnonzero(full | (self._fill > (self._depth + capacity) // 2)))
        # The n-th of a query goes to its n-th free place.
        starts = np.arange(height) * capacity + self._fill - (np.cumsum(counts) - counts)
        self._buffer.reshape(-1)[starts[query] + np.arange(len(query))] = _keys(found, column + first)
        self._fill += counts

    def _cut(self, which: Rows) -> None:
        """Keep the best of each of these queries, whose buffers hold more than ``depth``, and raise the threshold."""
        kept = self._buffer[which]
        kept.partition(kept.shape[1] - self._depth, axis=1)
        kept = kept[:, -self._depth :]
        self._buffer[which, self._depth :] = 0
        self._buffer[which, : self._depth] = kept
        self._threshold[which] = _scores(kept[:, :1])
        self._fill[which] = self._depth

    def best(self) -> tuple[Rows, Vectors]:
        """Rows and scores of the best, in order."""
        self._cut(np.flatnonzero(self._fill > self._depth))
        return _in_order(self._buffer[: self._count, : self._depth])


def _below_kth(scores: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """A number below the k-th highest of each row, and not far: few others lie between.

    The k-th highest of the maxima of some groups is reached by k groups, so by k scores. Sorting out the maxima of
    4 k groups takes a quarter of the time for all 16,384 scores, and a tenth more of them pass.
    """
    count = scores.shape[1]
    size = max(count // max(4 * k, 64), 1)
    maxima = scores[:, : count // size * size].reshape(len(scores), size, -1).max(axis=1)
    place = maxima.shape[1] - k
    maxima.partition(place, axis=1)
    below: NDArray[np.float32] = np.nextafter(maxima[:, place], np.float32(-np.inf))
    return below


def _keys(scores: NDArray[np.float32], rows: Rows) -> NDArray[np.uint64]:
    """Numbers that are ordered as scores are, and where those tie, as rows are, backwards.

    The upper half is the score's bits, all of them inverted if it is negative, the sign otherwise; the lower half is
    the row's number, inverted. One partition of such keys does what would take two of floats and a search for ties.
    """
    # Minus zero plus zero is zero: the two tie.
    bits = (scores + np.float32(0)).view(np.int32)
    ordered = (bits ^ ((bits >> 31) | np.int32(-(2**31)))).view(np.uint32)
    return (ordered.astype(np.uint64) << _HALF) | (~rows.view(np.uint64) & _LOW)


def _scores(keys: NDArray[np.uint64]) -> NDArray[np.float32]:
    """The scores in keys."""
    ordered = (keys >> _HALF).astype(np.uint32).view(np.int32)
    scores: NDArray[np.float32] = (ordered ^ (~(ordered >> 31) | np.int32(-(2**31)))).view(np.float32)
    return scores


def _in_order(keys: NDArray[np.uint64]) -> tuple[Rows, Vectors]:
    """Rows and scores of keys (n, depth), best first; 0 stands for none."""
    keys = np.sort(keys, axis=1)[:, ::-1]
    rows = (~keys & _LOW).astype(np.int64)
    return np.where(keys, rows, NO_ROW), np.where(keys, _scores(keys), np.float32(-np.inf))


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
            best = np.concatenate([best, _keys(scores, rows + slab[0].first)], axis=1)
            best.partition(best.shape[1] - depth, axis=1)
            best = best[:, -depth:]
    finally:
        faiss.omp_set_num_threads(before)
    return _in_order(best)
