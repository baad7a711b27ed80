"""Small functions shared by the compiled modules; Numba inlines them or calls them like C functions.

They build on :mod:`~typeahead.encoders.compiled.vnni`. The steps of :mod:`~typeahead.encoders.compiled.recurrent` and
:mod:`~typeahead.encoders.compiled.causal_layers` and the layer of :mod:`~typeahead.encoders.compiled.hidden` use them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from typeahead.encoders.compiled.caching import compiled
from typeahead.encoders.compiled.vnni import VECTORS, product_of_four, product_of_one

# Numba treats globals as compile-time constants, and a Python float would turn everything into float64.
_F = np.float32


@intrinsic
def half(_context: Any, _value: Any) -> Any:
    """Convert float16, given as its bits in a uint16, to float32: Numba has no float16 on the CPU."""

    def write(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

    return types.float32(types.uint16), write


@intrinsic
def to_half(_context: Any, _value: Any) -> Any:
    """Convert float32 to the bits of a float16, rounding half to even."""

    def write(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(builder.fptrunc(arguments[0], ir.HalfType()), ir.IntType(16))

    return types.uint16(types.float32), write


@intrinsic
def _power_of_two(_context: Any, _value: Any) -> Any:
    """Two to the power of an int32 between -126 and 127, as float32."""

    def write(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        bits = builder.shl(builder.add(arguments[0], ir.Constant(ir.IntType(32), 127)), ir.Constant(ir.IntType(32), 23))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(types.int32), write


@compiled(inline="always")
def exp(value: np.float32) -> np.float32:
    """Exponential of a number up to 0, by Cephes' polynomial (``expf``); 0 below -87."""
    x = max(value, _F(-87.0))
    # Rounds half to even: float32 values above 2²³ have no fractional bits.
    count = (x * _F(1.44269504088896341) + _F(12_582_912.0)) - _F(12_582_912.0)
    x = x - count * _F(0.693359375) - count * _F(-2.12194440e-4)
    y = _F(1.9875691500e-4) * x + _F(1.3981999507e-3)
    y = y * x + _F(8.3334519073e-3)
    y = y * x + _F(4.1665795894e-2)
    y = y * x + _F(1.6666665459e-1)
    y = y * x + _F(5.0000001201e-1)
    result: np.float32 = (y * x * x + x + _F(1)) * _power_of_two(np.int32(count))
    return result


@compiled(inline="always")
def erf(value: np.float32) -> np.float32:
    """Error function as a quotient of polynomials of degrees 13 and 8, as in Eigen."""
    x = min(max(value, _F(-4)), _F(4))
    squared = x * x
    above = squared * _F(-2.72614225801306e-10) + _F(2.77068142495902e-08)
    above = above * squared + _F(-2.10102402082508e-06)
    above = above * squared + _F(-5.69250639462346e-05)
    above = above * squared + _F(-7.34990630326855e-04)
    above = above * squared + _F(-2.95459980854025e-03)
    above = above * squared + _F(-1.60960333262415e-02)
    below = squared * _F(-1.45660718464996e-05) + _F(-2.13374055278905e-04)
    below = below * squared + _F(-1.68282697438203e-03)
    below = below * squared + _F(-7.37332916720468e-03)
    below = below * squared + _F(-1.42647390514189e-02)
    return above * x / below


@compiled(inline="always")
def tanh(value: np.float32) -> np.float32:
    """Tanh as a quotient of polynomials of degrees 13 and 6, as in Eigen and ONNX Runtime."""
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


@compiled(error_model="numpy", fastmath={"reassoc", "contract"})
def square(vector: Any) -> np.float32:
    """Return the squared length of a vector."""
    total = _F(0)
    for place in range(vector.shape[0]):
        total += vector[place] * vector[place]
    return total


@intrinsic
def _from_bits(_context: Any, _bits: Any) -> Any:
    """Reinterpret the bits of an int32 as float32."""

    def write(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), write


@compiled(error_model="numpy")
def largest(values: Any) -> np.float32:
    """Return the largest absolute value in float32 (n,), but at least 1e-12.

    Non-negative floats have the same order as their bits, and LLVM vectorises the maximum of integers but not of
    floats.
    """
    bits = values.view(np.int32)
    found = np.int32(0)
    for place in range(bits.shape[0]):
        found = max(found, bits[place] & np.int32(0x7FFFFFFF))
    bound: np.float32 = max(_from_bits(found), _F(1e-12))
    return bound


@compiled(error_model="numpy")
def multiply(vectors: Any, weights: Any, begin: Any, sums: Any, rows: int, columns: int) -> None:
    """Multiply each vector of uint8 (n, …) by a matrix of ``rows`` x ``columns``, into int32 (n, …)."""
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
