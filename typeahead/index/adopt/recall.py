"""Measures the recall of a finished index: how many of its own vectors' 10 nearest neighbours it finds.

The reference is brute force. Each sampled vector is its own nearest neighbour, so one in ten is almost always found.
This measures the search, not the teacher: ``agreement`` checks what the vectors mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors

K = 10
#: Below this recall, an adoption warns.
LOW = 0.9
_SAMPLE = 100
#: Relative: float32 products differ by this much with the order of summation.
_ROUNDING = 1e-5

Search = Callable[[Vectors, int], list[list[tuple[int, float]]]]


def sample_rows(count: int, most: int = _SAMPLE) -> NDArray[np.int64]:
    """Return up to ``most`` row numbers spread evenly over ``count``, always the same ones: int64, ascending."""
    return np.sort(np.random.default_rng(0).choice(count, min(most, count), replace=False))


class Neighbours:
    """The true scores of the 10 nearest neighbours of some ``queries`` float32 (m, dim) among all vectors.

    ``parts`` are all vectors in order, and ``vectors_of`` returns those of some rows. With ``distance``, nearest means
    by L2 distance instead of inner product: codes of unequal length are searched that way.
    """

    def __init__(
        self,
        queries: Vectors,
        parts: Iterable[NDArray[np.floating]],
        vectors_of: Callable[[NDArray[np.int64]], NDArray[np.floating]],
        *,
        distance: bool = False,
    ) -> None:
        self._queries, self._vectors_of, self._distance = queries, vectors_of, distance
        best = np.full((len(queries), 0), -np.inf, np.float32)
        for part in parts:
            part = np.asarray(part, np.float32)
            scores = np.concatenate([best, queries @ part.T - self._offset(part)], axis=1)
            best = -np.partition(-scores, K - 1, axis=1)[:, :K] if scores.shape[1] > K else scores
        self._k = best.shape[1]
        #: The lowest score among the nearest: equal vectors may replace each other.
        self._least = best.min(axis=1) if self._k else best[:, 0:0]

    def _offset(self, part: Vectors) -> Vectors | float:
        return np.vecdot(part, part) / 2 if self._distance else 0.0

    def recall(self, search: Search) -> float:
        """Return the share of the nearest neighbours that ``search`` finds."""
        found = search(self._queries, self._k)
        least = self._least - _ROUNDING * np.maximum(1, abs(self._least))
        hits = 0
        for query, pairs, bound in zip(self._queries, found, least, strict=True):
            vectors = np.asarray(self._vectors_of(np.array([row for row, _ in pairs], np.int64)), np.float32)
            hits += int(np.count_nonzero(vectors @ query - self._offset(vectors) >= bound))
        return hits / (len(self._queries) * self._k)
