"""Small functions that several compiled ones call: Numba puts them where they are called, or calls them as C is.

:mod:`~typeahead.encoders.vnni` is below them, the step of :mod:`~typeahead.encoders.compiled` and the layer of
:mod:`~typeahead.encoders.compiled_hidden` above.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from typeahead.encoders.vnni import VECTORS, product_of_four, product_of_one

# Numba compiles closures over globals as constants, and a Python float would make everything float64.
_F = np.float32


@njit(inline="always", cache=True)
def tanh(value: np.float32) -> np.float32:
    """Tanh by a quotient of polynomials of degrees 13 and 6, as Eigen and ONNX Runtime have it."""
    x = min(max(value, _F(-7.99881172180175781)), _F(7.99881172180175781))
    squared = x * x
    above = squared * _F(-2.76076847742355e-16) + _F(2.00018790482477e-13)
    above = above * squared + _F(-8.60467152213735e-11)
    above = above * squared + _F(5.12229709037114e-08)
    above = above * squared + _F(1.48572235717979e-05)
    above = above * squared + _F(6.37261928875436e-04)
    above = above * squared + _F(4.89352455891786e-03)
    below = squared * _F(1.19825839466702e-06) + _F(1.18534705686654e-04)
    below = below * squared + _F(2.26843463243900e-03)
    below = below * squared + _F(4.89352518554385e-03)
    return above * x / below


@njit(error_model="numpy", fastmath={"reassoc", "contract"}, cache=True)
def square(vector: Any) -> np.float32:
    """Return the square of a vector's length."""
    total = _F(0)
    for place in range(vector.shape[0]):
        total += vector[place] * vector[place]
    return total


@njit(error_model="numpy", cache=True)
def multiply(vectors: Any, weights: Any, begin: Any, sums: Any, rows: int, columns: int) -> None:
    """Multiply each of uint8 (n, …) by a matrix of ``rows`` x ``columns``, into int32 (n, …)."""
    vector_step, sum_step = np.int64(vectors.shape[1]), np.int64(4 * sums.shape[1])
    first = 0
    while first < vectors.shape[0]:
        source, target = vectors[first:].ctypes.data, sums[first:].ctypes.data
        if vectors.shape[0] - first >= VECTORS:
            product_of_four(
                source, vector_step, weights.ctypes.data, begin.ctypes.data, target, sum_step, rows, columns
            )
            first += VECTORS
        else:
            product_of_one(source, vector_step, weights.ctypes.data, begin.ctypes.data, target, sum_step, rows, columns)
            first += 1
