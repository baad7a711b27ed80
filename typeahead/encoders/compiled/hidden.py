"""A static model's hidden layer in one compiled function, with the products of :mod:`typeahead.encoders.compiled.vnni`.

:class:`~typeahead.encoders.hidden_layer.HiddenLayer` defines the computation. The integers are the same here; only the
last bits of tanh differ, and occasionally how an entry is rounded. ``python -m benchmarks.embed`` measures it, along
with the model's other parts. The layer behind a GRU, :mod:`~typeahead.encoders.compiled.recurrent_layer`, has the same
parts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.encoders.compiled.caching import compiled
from typeahead.encoders.compiled.kernels import largest, multiply, square, tanh
from typeahead.encoders.compiled.vnni import COLUMNS, aligned, offsets, pack, supported

_ZERO_POINT = 128
# Numba treats globals as compile-time constants, and a Python float would turn everything into float64.
_F = np.float32
_SHARE, _CUBE = _F(math.sqrt(2 / math.pi)), _F(0.044715)


def fits(dim: int, hidden: int) -> bool:
    """Whether a layer of these sizes can be compiled on this processor."""
    return dim % COLUMNS == hidden % COLUMNS == 0 and supported()


class CompiledLayer:
    """Computes embeddings of length 1 from sums. May be called from several threads."""

    def __init__(self, tensors: Mapping[str, NDArray[Any]], dim: int) -> None:
        inner, outer = tensors["inner"], tensors["outer"]
        self._dim = dim
        # Both matrices share an array, as do the vectors below: Numba has an overhead for each argument.
        weights = aligned(np.concatenate([pack(inner), pack(outer)]))
        begins = np.concatenate([offsets(inner, _ZERO_POINT), offsets(outer, _ZERO_POINT)])
        names = ("inner.scale", "inner.bias", "outer.scale", "outer.bias")
        self._arrays = (weights, begins, np.concatenate([tensors[name] for name in names]))

    def __call__(self, sums: Vectors) -> Vectors:
        """Compute the embeddings of float32 (n, dim + 1): float32 (n, dim); zeros if no token has counted."""
        embeddings = np.empty((len(sums), self._dim), np.float32)
        _read(np.ascontiguousarray(sums), *self._arrays, embeddings)
        return embeddings

    def advance(self, sums: Vectors, rows: Vectors, tokens: NDArray[np.int64]) -> tuple[Vectors, Vectors]:
        """Add the rows of ``tokens`` int64 (n,) to sums; return the new sums and their embeddings.

        One call does both, because in NumPy finding a row and adding it takes longer than the addition.
        """
        following = np.empty_like(sums)
        embeddings = np.empty((len(sums), self._dim), np.float32)
        _advance(sums, rows, tokens, following, *self._arrays, embeddings)
        return following, embeddings


# No "reassoc" here, and the search for the largest entry is separate: reordered sums would cancel the rounding.
@compiled(inline="never", error_model="numpy", fastmath={"contract"})
def quantize(values: Any, quantized: Any) -> np.float32:
    """Round float32 (n,) to uint8 (n,) centred at 128, and return the scale."""
    bound: np.float32 = largest(values)
    share = _F(127) / bound
    for place in range(values.shape[0]):
        # Rounds half to even: float32 values above 2²³ have no fractional bits.
        rounded = (values[place] * share + _F(12_582_912.0)) - _F(12_582_912.0)
        quantized[place] = np.uint8(np.int32(rounded) + _ZERO_POINT)
    scale: np.float32 = bound / _F(127)
    return scale


@compiled(inline="never", error_model="numpy", fastmath={"contract"})
def gelu(values: Any) -> None:
    """GELU in its tanh form, in place: a loop of one operation, which LLVM can vectorise."""
    for place in range(values.shape[0]):
        value = values[place]
        values[place] = _F(0.5) * value * (_F(1) + tanh(_SHARE * (value + _CUBE * value * value * value)))


@compiled(inline="never", error_model="numpy", fastmath={"contract"})
def _activate(sums: Any, row_scale: np.float32, scale: Any, bias: Any, hidden: Any) -> None:
    """The layer's units of one row."""
    for place in range(hidden.shape[0]):
        hidden[place] = _F(sums[place]) * (row_scale * scale[place]) + bias[place]
    gelu(hidden)


@compiled(inline="never", error_model="numpy", fastmath={"contract"})
def finish(mean: Any, share: np.float32, sums: Any, row_scale: np.float32, scale: Any, bias: Any, found: Any) -> None:
    """The embedding of one row: the mean times ``share``, plus the second product, scaled to length 1."""
    for place in range(found.shape[0]):
        found[place] = mean[place] * share + _F(sums[place]) * (row_scale * scale[place]) + bias[place]
    length = _F(1) / np.sqrt(square(found))
    for place in range(found.shape[0]):
        found[place] *= length


@compiled(nogil=True, error_model="numpy")
def _read(sums: Any, weights: Any, begins: Any, numbers: Any, embeddings: Any) -> None:
    count, dim = embeddings.shape
    width = begins.shape[0] - dim
    inner, outer = weights[: dim * width], weights[dim * width :]
    inner_begin, outer_begin = begins[:width], begins[width:]
    inner_scale, inner_bias = numbers[:width], numbers[width : 2 * width]
    outer_scale, outer_bias = numbers[2 * width : 2 * width + dim], numbers[2 * width + dim :]
    root = np.sqrt(_F(dim))
    share = _F(1) / root
    means = np.empty((count, dim), np.float32)
    hidden = np.empty(width, np.float32)
    scales = np.empty(count, np.float32)
    narrow = np.empty((count, dim), np.uint8)
    wide = np.empty((count, width), np.uint8)
    found = np.empty((count, max(dim, width)), np.int32)
    for row in range(count):
        length = np.sqrt(square(sums[row, :dim]))
        factor = root / length if length > _F(0) else _F(0)
        for place in range(dim):
            means[row, place] = sums[row, place] * factor
        scales[row] = quantize(means[row], narrow[row])
    multiply(narrow, inner, inner_begin, found, dim, width)
    for row in range(count):
        _activate(found[row], scales[row], inner_scale, inner_bias, hidden)
        scales[row] = quantize(hidden, wide[row])
    multiply(wide, outer, outer_begin, found, width, dim)
    for row in range(count):
        finish(means[row], share, found[row], scales[row], outer_scale, outer_bias, embeddings[row])
        if not means[row].any():
            embeddings[row, :] = _F(0)


@compiled(nogil=True, error_model="numpy")
def _advance(
    sums: Any, rows: Any, tokens: Any, following: Any, weights: Any, begins: Any, numbers: Any, embeddings: Any
) -> None:
    for session in range(sums.shape[0]):
        row = rows[tokens[session]]
        for place in range(sums.shape[1]):
            following[session, place] = sums[session, place] + row[place]
    _read(following, weights, begins, numbers, embeddings)
