"""Inner products whose bits do not depend on the place of the vectors in a matrix.

On some processors, BLAS's products do depend on it. OpenBLAS's Haswell kernel, for example, takes twelve rows by eight
columns at a time, and in the first and the last eight columns of a block it sums six of the twelve rows differently.
Small matrices may have a kernel of their own. :mod:`~typeahead.evaluate.vectors.search` asks :func:`depends_on_place`;
if so, BLAS only chooses, and the scores come from :class:`Pairs`.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors

Rows = NDArray[np.int64]

#: Different vectors in a trial. The sizes of its matrices are multiples of this.
_TRIED = 16
#: Pairs that are multiplied at once: their vectors, 1.5 MB of 384 dimensions, stay in a cache.
_PAIRS = 512
#: A sum of n rounded products is off by at most n·u times the sum of their sizes, whatever its order (Higham, Accuracy
#: and Stability of Numerical Algorithms, 3.1); u is this.
_ROUNDING = 2.0**-24


@cache
def depends_on_place(sizes: tuple[tuple[int, int], ...], dim: int) -> bool:
    """Whether BLAS's product of two vectors depends on their place, in matrix products of these sizes.

    ``sizes`` are pairs (m, n), multiples of 16, for products of float32 (m, dim) and (dim, n). They are tried once,
    with the number of BLAS threads that the caller has set.
    """
    vectors = np.random.default_rng(0).standard_normal((_TRIED, dim)).astype(np.float32)
    expected = None
    for height, width in sizes:
        found = np.resize(vectors, (height, dim)) @ np.resize(vectors, (width, dim)).T
        # Axes: which copy of a row, which row, which copy of a column, which column.
        placed = found.reshape(-1, _TRIED, width // _TRIED, _TRIED)
        expected = placed[:1, :, :1] if expected is None else expected
        if (placed != expected).any():
            return True
    return False


def greatest_difference(queries: Vectors) -> NDArray[np.float64]:
    """The greatest difference between two ways to sum the product of a query and a vector of values up to 1.

    For queries (n, dim): float64 (n, 1). Two more units allow for the rounding of the caller's computation.
    """
    units = 2 * queries.shape[1] + 4
    difference: NDArray[np.float64] = np.abs(queries).sum(axis=1, dtype=np.float64, keepdims=True) * units * _ROUNDING
    return difference


class Pairs:
    """Multiplies pairs of vectors, in memory that it keeps: new pages would cost as much as the products."""

    def __init__(self, dim: int) -> None:
        self._left, self._right = np.empty((2, _PAIRS, dim), np.float32)

    def products(self, left: Vectors, left_rows: Rows, right: Vectors, right_rows: Rows) -> NDArray[np.float32]:
        """Return the product of each row of ``left`` with its row of ``right``: float32 (n,) for n pairs of rows."""
        found = np.empty(len(left_rows), np.float32)
        for start in range(0, len(found), _PAIRS):
            part = slice(start, start + _PAIRS)
            count = len(found[part])
            # "clip" spares a copy; no row is out of bounds.
            ours = left.take(left_rows[part], axis=0, out=self._left[:count], mode="clip")
            theirs = right.take(right_rows[part], axis=0, out=self._right[:count], mode="clip")
            # Not BLAS: NumPy's own loop sums each row in one order, which no feature of the processor changes.
            np.einsum("ij,ij->i", ours, theirs, out=found[part])
        return found
