"""Exact search, made fast by an error bound: it always finds what ``approximate`` finds most of the time.

Rows are held as int8 with one scale each, x̂ = r·n. For a query q, rounded to q̂, every row's true score lies within a
bound of its cheap score (Cauchy-Schwarz)::

    |x·q - x̂·q̂| ≤ ‖x - x̂‖·‖q‖ + ‖x̂‖·‖q - q̂‖ ≤ r·(E·‖q‖ + B·‖q - q̂‖),   E = max ‖x - x̂‖/r,   B = max ‖n‖

The true scores of a few promising rows give a k-th best score s, a lower limit for the result. Only rows whose cheap
score plus bound reaches s can be among the results; only those rows are scored from the stored vectors. On MiniLM's
vectors of 39,000 texts, that is 16 rows for the best 8 (37 at most in 300 queries). If all vectors are alike it is all
rows, which is slower but still correct.

Rows are rounded each time an index is opened. This is 0.12 s of the 0.25 s it takes to open 50,000 vectors, the most
that are searched this way by default, so rounded rows are not stored (``python benchmarks/search.py --vectors 50000``).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.encoders.compiled.importing import import_compiled
from typeahead.index.int8 import LARGEST, ZERO, Int8Rows

#: Rows converted at once, to limit memory.
_CHUNK = 4096
#: Queries for which the scores of all rows are held at once.
_QUERIES = 16
#: If at most one row in this many is admitted, all admitted rows are scored: of 39,000 rows of 384 dimensions that
#: takes 0.25 ms at one in 32 and 0.84 at one in 16, where the product takes 0.85 and 1.07.
_FEW = 16
#: Relative rounding error of the few float32 operations on cheap scores, with a safety margin.
_ROUNDING = 2.0**-20
#: Larger values could overflow float32 scores.
_LARGEST_SCALE = np.float32(1e18 / 127)


class Nearest(NamedTuple):
    """The rows that a search found, best first: int64 (n,), with their inner products, float64 (n,)."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]

    def pairs(self) -> list[tuple[int, float]]:
        """Return the same as pairs of Python numbers."""
        return list(zip(self.rows.tolist(), self.scores.tolist(), strict=True))


NONE_NEAR = Nearest(np.zeros(0, np.int64), np.zeros(0, np.float64))


class ExactVectors:
    """Finds the k rows with the highest inner product; ties go by row number.

    ``vectors`` is float32 or float16 (n, dim), typically a memory map: it is read once here, and later only for
    candidates. Raises ``ValueError`` if a value is not finite. Safe to use from several threads.
    """

    def __init__(self, vectors: NDArray[np.floating]) -> None:
        # Not as a memmap: that class runs Python code on each access.
        self._vectors = np.asarray(vectors)
        count, dim = vectors.shape
        rows = np.empty((count, dim), np.int8)
        scales = np.empty(count, np.float32)
        error = length = 0.0
        for start in range(0, count, _CHUNK):
            part = np.asarray(vectors[start : start + _CHUNK], np.float32)
            scale = np.maximum(np.abs(part).max(axis=1) / np.float32(127), np.float32(1e-30))
            if not (usable := scale < _LARGEST_SCALE).all():
                raise ValueError(
                    f"vector {start + int(np.argmin(usable))} has a value that is not finite or above 1e18"
                )
            ratio = part / scale[:, None]
            whole = np.rint(ratio)
            error = max(error, float(np.linalg.norm(ratio - whole, axis=1).max()))
            length = max(length, float(np.linalg.norm(whole, axis=1).max()))
            rows[start : start + _CHUNK] = whole
            scales[start : start + _CHUNK] = scale
        self._scales = scales
        self._largest = float(scales.max(initial=0.0))
        # The float32 arithmetic above is itself off by up to 127 x 2^-24 per dimension.
        self._error = error + 1e-5 * math.sqrt(dim)
        self._length = length
        self._int8 = Int8Rows(rows) if count else None
        self._compiled: Any = import_compiled("promising", "searching vectors")

    def search(self, queries: Vectors, k: int) -> list[list[tuple[int, float]]]:
        """Return what :meth:`nearest` does, as m lists of pairs."""
        return [found.pairs() for found in self.nearest(queries, k)]

    def nearest(self, queries: Vectors, k: int, admitted: NDArray[np.bool_] | None = None) -> list[Nearest]:
        """Return the k best rows for each of ``queries`` float32 (m, dim), finite; all rows if there are fewer.

        ``admitted`` bool (n,) says which rows count, None for all. Scores are computed in float64 from the stored
        vectors.
        """
        rows = None if admitted is None else admitted_rows(admitted, len(self._scales))
        count = len(self._scales) if rows is None else len(rows)
        found: list[Nearest] = []
        for start in range(0, len(queries), _QUERIES):
            asked = queries[start : start + _QUERIES].astype(np.float64)
            if k >= count or (rows is not None and count * _FEW <= len(self._scales)):
                every = np.arange(count) if rows is None else rows
                found += [best(every, self.scores(every, query), k) for query in asked]
            else:
                found += self._nearest(asked, k, rows)
        return found

    def _nearest(self, queries: NDArray[np.float64], k: int, rows: NDArray[np.int64] | None) -> list[Nearest]:
        """Find the k best of ``rows``, more than k, None for all."""
        assert self._int8 is not None
        largest = np.abs(queries).max(axis=1)
        steps = np.where(largest > 0, largest, 1) / LARGEST
        whole = np.rint(queries / steps[:, None])
        products = self._int8.dot((whole + ZERO).astype(np.uint8))
        scales = self._scales if rows is None else self._scales[rows]
        found = []
        for query, step, rounded, product in zip(queries, steps.tolist(), whole, products, strict=True):
            bound = (self._error * _norm(query) + self._length * _norm(query - rounded * step)) / step
            bound += _ROUNDING * (self._length * _norm(rounded) + bound)
            some = product if rows is None else product[rows]
            places, scores = self._candidates(query, step, some, scales, bound, k, rows)
            found.append(best(places if rows is None else rows[places], scores, k))
        return found

    def _candidates(
        self,
        query: NDArray[np.float64],
        step: float,
        products: Vectors,
        scales: Vectors,
        bound: float,
        k: int,
        rows: NDArray[np.int64] | None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the places of all that can be among the k best of ``rows``, with their scores.

        ``products`` and ``scales`` belong to these rows.
        """
        cheap, promising = self._promising(products, scales, k)
        known = self.scores(promising if rows is None else rows[promising], query)
        # The promising rows have their scores, and must not be found twice.
        cheap[promising] = -np.inf
        others = self._reaching(cheap, scales, np.float32(bound), np.float32(known.min() / step))
        if not len(others):
            return promising, known
        scores = self.scores(others if rows is None else rows[others], query)
        return np.concatenate([promising, others]), np.concatenate([known, scores])

    def _promising(self, products: Vectors, scales: Vectors, k: int) -> tuple[Vectors, NDArray[np.int64]]:
        """Return all cheap scores, and k rows that are among the best by them."""
        if self._compiled is not None:
            cheap, promising = np.empty_like(products), np.empty(k, np.int64)
            self._compiled.cheap_scores(products, scales, cheap, promising)
            return cheap, promising
        cheap = products * scales
        count = len(cheap)
        # Split rows into groups: at least k rows reach the k-th largest of the groups' maxima. Finding it this way
        # takes 10 µs, against 400 for np.argpartition of all scores.
        size = max(1, min(64, count // (4 * k)))
        maxima = cheap[: count // size * size].reshape(size, -1).max(axis=0)
        promising = np.flatnonzero(cheap >= np.partition(maxima, -k)[-k])
        if len(promising) > k:
            promising = promising[np.argpartition(cheap[promising], -k)[-k:]]
        return cheap, promising

    def _reaching(self, cheap: Vectors, scales: Vectors, bound: np.float32, threshold: np.float32) -> NDArray[np.int64]:
        """Return the rows whose score may reach a threshold."""
        if self._compiled is not None:
            rows: NDArray[np.int64] = self._compiled.reaching(cheap, scales, bound, threshold)
            return rows
        # Only rows near the threshold need a bound of their own.
        near = np.flatnonzero(cheap >= threshold - bound * np.float32(self._largest))
        return near[cheap[near] + bound * scales[near] >= threshold]

    def vectors_of(self, rows: NDArray[np.int64]) -> Vectors:
        """Return the vectors of n rows: float32 (n, dim)."""
        return self._vectors.take(rows, axis=0).astype(np.float32, copy=False)

    def scores_of(self, query: Vectors, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the scores of some rows, computed as in :meth:`nearest`: float64 (n,)."""
        return self.scores(rows, query.astype(np.float64))

    def scores(self, rows: NDArray[np.int64], query: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the true scores of ``rows``: float64 (len(rows),)."""
        return row_scores(self._vectors, rows, query)


def check_admitted(admitted: NDArray[np.bool_], count: int) -> None:
    """Raise ``ValueError`` unless ``admitted`` is bool (count,)."""
    if admitted.shape != (count,) or admitted.dtype != np.bool_:
        raise ValueError(f"admitted is {admitted.dtype} {admitted.shape}, it must be bool ({count},)")


def admitted_rows(admitted: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """Return the rows that ``admitted`` bool (count,) admits, ascending; raises ``ValueError`` for another shape."""
    check_admitted(admitted, count)
    return np.flatnonzero(admitted)


def row_scores(
    vectors: NDArray[np.floating], rows: NDArray[np.int64], query: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return inner products of ``query`` float64 (dim,) with ``rows`` of ``vectors``, in float64.

    Each row is a product of two vectors. In a product with a matrix, BLAS adds up a row in an order that depends on the
    neighbouring rows, but equal vectors must have equal scores.
    """
    if len(rows) <= _CHUNK:
        return _row_scores(vectors, rows, query)
    parts = [_row_scores(vectors, rows[start : start + _CHUNK], query) for start in range(0, len(rows), _CHUNK)]
    return np.concatenate(parts)


def _row_scores(
    vectors: NDArray[np.floating], rows: NDArray[np.int64], query: NDArray[np.float64]
) -> NDArray[np.float64]:
    scores: NDArray[np.float64] = np.vecdot(vectors.take(rows, axis=0).astype(np.float64), query)
    return scores


def block_scores(
    vectors: NDArray[np.floating], rows: NDArray[np.int64], queries: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Do the same for many queries: float64 (m, w) for ``rows`` (m, w) of ``queries`` (m, dim), with the same bits."""
    scores: NDArray[np.float64] = np.vecdot(vectors.take(rows, axis=0).astype(np.float64), queries[:, None])
    return scores


def best(rows: NDArray[np.int64], scores: NDArray[np.float64], k: int) -> Nearest:
    """Return the k rows with the highest scores and their scores, best first, ties by row number."""
    order = np.lexsort((rows, -scores))[:k]
    return Nearest(rows[order], scores[order])


def _norm(vector: NDArray[np.float64]) -> float:
    return math.sqrt(float(vector @ vector))
