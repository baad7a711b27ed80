"""Keeps the best rows of each query while a collection's vectors are scored block by block.

A block of scores is consumed while it is in the processor's cache. Most of its scores are dropped at once, since they
are below the query's k-th best so far; the others go into a buffer, which is cut back to the k best when it is full. Of
a collection of n passages in random order, some k·(1 + ln(n/k)) pass for each query. One in rising order of scores is
slower, and still right.

Where the bits of a BLAS score depend on its place (:mod:`~typeahead.evaluate.vectors.products`), BLAS only chooses,
with a margin of the greatest rounding errors, and what passes is scored again in one order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.evaluate.vectors.products import Pairs, Rows, depends_on_place, greatest_difference

#: The row of a place without a passage; its score is minus infinity.
NO_ROW = -1
#: A block of scores has up to so many queries and rows, 8 MB, which fit in a third-level cache. One thread of an
#: EPYC with AVX-512 computes 896 x 2,048 scores at 98 GFLOP/s, 896 x 1,024 at 93, and 448 x 1,024 at 88.
BLOCK_QUERIES = 1024
_BLOCK_ROWS = 2048
#: The k-th best score of these first rows is the first threshold. With fewer rows, more scores pass later.
_FIRST_ROWS = 16384
#: Blocks are padded with zeros to multiples of these, and to the least sizes, so that BLAS computes every score by its
#: main kernel. Its kernels for edges and for small matrices (up to a million products) sum in another order, and equal
#: vectors would get scores that differ in the last bit.
_QUERY_MULTIPLE, _LEAST_QUERIES = 16, 64
_ROW_MULTIPLE, _LEAST_ROWS = 64, 256
#: The halves of a key.
_HALF = np.uint64(32)
_LOW = np.uint64(2**32 - 1)


class Part(NamedTuple):
    """Rows that follow each other."""

    first: int
    #: float32 (n, dim).
    vectors: Vectors
    #: The largest absolute value.
    largest: float


def buffer_length(depth: int) -> int:
    """Length of a query's buffer: room for the best rows and for a whole block, if all of it passes."""
    return depth + max(2 * depth, _BLOCK_ROWS)


def _padded(count: int, multiple: int, least: int) -> int:
    return max(-(-count // multiple) * multiple, least)


def scores_depend_on_place(dim: int) -> bool:
    """Whether the bits of BLAS's scores of vectors of ``dim`` dimensions depend on their place in a block."""
    # Asked of the least block and the largest, whatever the queries at hand: all searches must end alike.
    largest = _padded(BLOCK_QUERIES, _QUERY_MULTIPLE, _LEAST_QUERIES), _padded(_BLOCK_ROWS, _ROW_MULTIPLE, _LEAST_ROWS)
    return depends_on_place(((_LEAST_QUERIES, _LEAST_ROWS), largest), dim)


class Room:
    """Memory for a thread's scores of ``queries`` queries, kept: new pages cost as much as what is done with them."""

    def __init__(self, queries: int, dim: int) -> None:
        height = _padded(queries, _QUERY_MULTIPLE, _LEAST_QUERIES)
        self._scores = np.empty(height * _FIRST_ROWS, np.float32)
        self._marks = np.empty(height * _BLOCK_ROWS, np.bool_)
        self.pairs = Pairs(dim)

    def scores(self, height: int, width: int) -> NDArray[np.float32]:
        """Room for float32 (height, width)."""
        return self._scores[: height * width].reshape(height, width)

    def marks(self, height: int, width: int) -> NDArray[np.bool_]:
        """Room for bool (height, width)."""
        return self._marks[: height * width].reshape(height, width)


class Block:
    """The best rows so far of some queries; used by one thread at a time.

    A query's buffer holds keys in the order of the ranking, see :func:`ranking_keys`. The first ``fill`` places are
    taken; the others hold 0, which is below any key.
    """

    def __init__(self, queries: Vectors, depth: int, *, again: bool) -> None:
        self._count = len(queries)
        self._depth = depth
        self._again = again
        padded = _padded(len(queries), _QUERY_MULTIPLE, _LEAST_QUERIES)
        self._queries = np.zeros((padded, queries.shape[1]), np.float32)
        self._queries[: len(queries)] = queries
        #: Only a higher score can be among the best: a later row with the same score loses by its number.
        self._threshold = np.full((padded, 1), -np.inf, np.float32)
        self._threshold[len(queries) :] = np.inf
        self._fill = np.zeros(padded, np.int64)
        self._buffer = np.zeros((padded, buffer_length(depth)), np.uint64)
        self._difference = greatest_difference(self._queries)

    @property
    def height(self) -> int:
        """Queries, and zeros that fill them up."""
        return len(self._queries)

    def scan(self, part: Part, room: Room) -> None:
        """Take a part of the collection into account."""
        margin = np.zeros_like(self._threshold)
        if self._again:
            # An underflow is off by less than the smallest normal number.
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
        self, first: int, vectors: Vectors, scores: NDArray[np.float32], margin: NDArray[np.float32], room: Room
    ) -> None:
        """Put the rows, from ``first`` on, with a score above their query's threshold into the buffers."""
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
            # Cut the nearly full ones as well: few calls on many rows are faster.
            self._cut(np.flatnonzero(full | (self._fill > (self._depth + capacity) // 2)))
        # The n-th of a query goes to its n-th free place.
        starts = np.arange(height) * capacity + self._fill - (np.cumsum(counts) - counts)
        self._buffer.reshape(-1)[starts[query] + np.arange(len(query))] = ranking_keys(found, column + first)
        self._fill += counts

    def _cut(self, which: Rows) -> None:
        """Cut the buffers of these queries back to the ``depth`` best, and raise their thresholds."""
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
        return in_order(self._buffer[: self._count, : self._depth])


def _below_kth(scores: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """A number below the k-th highest of each row, with few scores in between.

    At least k scores reach the k-th highest of the maxima of some groups. To find it among the maxima of 4 k groups
    takes a quarter of the time for all 16,384 scores, and a tenth more scores pass.
    """
    count = scores.shape[1]
    size = max(count // max(4 * k, 64), 1)
    maxima = scores[:, : count // size * size].reshape(len(scores), size, -1).max(axis=1)
    place = maxima.shape[1] - k
    maxima.partition(place, axis=1)
    below: NDArray[np.float32] = np.nextafter(maxima[:, place], np.float32(-np.inf))
    return below


def ranking_keys(scores: NDArray[np.float32], rows: Rows) -> NDArray[np.uint64]:
    """Numbers in the order of the scores; for equal scores, a lower row has the higher number.

    The upper half has the score's bits: all inverted if it is negative, else only the sign. The lower half has the
    row's number, inverted. One partition of such keys replaces two of floats and a search for ties.
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


def in_order(keys: NDArray[np.uint64]) -> tuple[Rows, Vectors]:
    """Rows and scores of keys (n, depth), best first; 0 stands for none."""
    keys = np.sort(keys, axis=1)[:, ::-1]
    rows = (~keys & _LOW).astype(np.int64)
    return np.where(keys, rows, NO_ROW), np.where(keys, _scores(keys), np.float32(-np.inf))
