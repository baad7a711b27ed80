"""The step of a residual GRU whose embedding is read by a layer, from the mean and the states.

:mod:`~typeahead.encoders.recurrent` defines the computation. The GRU's part is in
:mod:`~typeahead.encoders.compiled.gru`, and the layer has the parts of :mod:`~typeahead.encoders.compiled.hidden`. The
mean is rounded with a scale of its own for each row, and the states, which stay inside (-1, 1), with 1/127. So the
layer's first product is the sum of two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.encoders.compiled.caching import compiled
from typeahead.encoders.compiled.gru import LARGEST, ZERO_POINT, advance
from typeahead.encoders.compiled.hidden import finish, gelu, quantize
from typeahead.encoders.compiled.kernels import multiply, square
from typeahead.encoders.compiled.vnni import aligned, offsets, pack

_PRODUCTS = ("inner", "inner.states", "outer")
#: The layer's tensors.
LAYER = (*_PRODUCTS, *(f"{name}.scale" for name in _PRODUCTS), "inner.bias", "outer.bias")

# Numba treats globals as compile-time constants, and a Python float would turn everything into float64.
_F = np.float32


def layer_arrays(tensors: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The layer's arguments of :func:`step_with_layer`: weights, first values of the sums, and scales and biases.

    All matrices share an array, as do the vectors: Numba has an overhead for each argument.
    """
    numbers = (
        tensors["inner.scale"],
        tensors["inner.states.scale"] / _F(LARGEST),
        tensors["inner.bias"],
        tensors["outer.scale"],
        tensors["outer.bias"],
    )
    return (
        aligned(np.concatenate([pack(tensors[name]) for name in _PRODUCTS])),
        np.concatenate([offsets(tensors[name], ZERO_POINT) for name in _PRODUCTS]),
        np.concatenate(numbers),
    )


@compiled(inline="never", error_model="numpy", fastmath={"contract"})
def _activate(sums: Any, row_scale: np.float32, scale: Any, more: Any, more_scale: Any, bias: Any, values: Any) -> None:
    """The layer's units of one session, as loops of one operation each, which LLVM can vectorise."""
    for place in range(values.shape[0]):
        values[place] = _F(sums[place]) * (row_scale * scale[place]) + bias[place]
    for place in range(values.shape[0]):
        values[place] += _F(more[place]) * more_scale[place]
    gelu(values)


@compiled(nogil=True, error_model="numpy")
def step_with_layer(
    states: Any,
    tokens: Any,
    rows: Any,
    recurrent: Any,
    recurrent_begin: Any,
    gate_scale: Any,
    bias: Any,
    weights: Any,
    begins: Any,
    numbers: Any,
    following: Any,
    embeddings: Any,
    hidden: int,
    dim: int,
) -> None:
    """Step states, float32 (n, state), by tokens int64 (n,), into ``following`` and ``embeddings`` float32 (n, dim)."""
    count = states.shape[0]
    units = (begins.shape[0] - dim) // 2
    first, second = dim * units, (dim + 2 * hidden) * units
    quantized = np.empty((count, 2 * hidden), np.uint8)
    means = np.empty((count, dim), np.float32)
    narrow = np.empty((count, dim), np.uint8)
    values = np.empty(units, np.float32)
    wide = np.empty((count, units), np.uint8)
    scales = np.empty(count, np.float32)
    sums = np.empty((count, max(units, dim)), np.int32)
    more = np.empty((count, units), np.int32)
    root = np.sqrt(_F(dim))
    share = _F(1) / root
    advance(states, tokens, rows, recurrent, recurrent_begin, gate_scale, bias, following, quantized, hidden, dim)
    for session in range(count):
        # The sum of the weighted vectors has the mean's direction.
        length = np.sqrt(square(following[session, :dim]))
        factor = root / length if length > _F(0) else _F(0)
        for place in range(dim):
            means[session, place] = following[session, place] * factor
        scales[session] = quantize(means[session], narrow[session])
    multiply(narrow, weights[:first], begins[:units], sums, dim, units)
    multiply(quantized, weights[first:second], begins[units : 2 * units], more, 2 * hidden, units)
    for session in range(count):
        _activate(
            sums[session],
            scales[session],
            numbers[:units],
            more[session],
            numbers[units : 2 * units],
            numbers[2 * units : 3 * units],
            values,
        )
        scales[session] = quantize(values, wide[session])
    multiply(wide, weights[second:], begins[2 * units :], sums, units, dim)
    outer_scale, outer_bias = numbers[3 * units : 3 * units + dim], numbers[3 * units + dim :]
    for session in range(count):
        finish(means[session], share, sums[session], scales[session], outer_scale, outer_bias, embeddings[session])
