"""Exact search among few vectors: one product in float32, and a bound on its rounding.

:mod:`typeahead.index.exact` reads a quarter of the bytes, but has to round all rows and lay them out first. Some
thousand vectors change more often than that pays (``python -m benchmarks.search --vectors 1000``).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.index.exact import NONE_NEAR, Nearest, admitted_rows, best, row_scores

#: A sum of n products in float32, in any order, is off by at most n · 2^-24 of the product of both lengths, and a
#: little more. The margin covers this, and the rounding of the lengths.
_ROUNDING = 1.1 * 2.0**-24
#: Products that are larger could overflow.
_LARGEST = 1e37


class FewVectors:
    """Finds the k rows with the highest inner product; ties go by row number.

    ``vectors`` float32 (n, dim) are kept, and their values must be finite. Safe to use from several threads.
    """

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors
        squares = np.vecdot(vectors, vectors)
        self._longest = math.sqrt(float(squares.max(initial=0.0)))

    def nearest(self, queries: Vectors, k: int, admitted: NDArray[np.bool_] | None = None) -> list[Nearest]:
        """Return what :meth:`typeahead.index.exact.ExactVectors.nearest` does."""
        rows = np.arange(len(self._vectors)) if admitted is None else admitted_rows(admitted, len(self._vectors))
        return [self._nearest(query, k, rows, whole=admitted is None) for query in queries]

    def _nearest(self, query: Vectors, k: int, rows: NDArray[np.int64], *, whole: bool) -> Nearest:
        if not len(rows):
            return NONE_NEAR
        wide = query.astype(np.float64)
        length = self._longest * math.sqrt(float(wide @ wide))
        if k < len(rows) and length < _LARGEST:
            # Not a product with a matrix: BLAS would wake threads for it.
            cheap = np.vecdot(self._vectors, query)
            cheap = cheap if whole else cheap[rows]
            bound = _ROUNDING * (len(query) + 2) * length
            least = np.partition(cheap, len(cheap) - k)[len(cheap) - k]
            rows = rows[cheap >= least - 2 * bound]
        return best(rows, self.scores_of(wide, rows), k)

    def scores_of(self, query: NDArray[np.floating], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the scores of some rows, computed as in :meth:`nearest`: float64 (n,)."""
        return row_scores(self._vectors, rows, query.astype(np.float64))
