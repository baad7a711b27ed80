"""The part of a residual GRU's step that all its read-outs share: the next states, and what a read-out reads of them.

The read-outs are in :mod:`~typeahead.encoders.compiled.recurrent` and
:mod:`~typeahead.encoders.compiled.recurrent_layer`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from typeahead.encoders.compiled.caching import compiled
from typeahead.encoders.compiled.kernels import half, multiply, tanh

#: The level that stands for zero, and the levels on either side of it, for values in (-1, 1).
ZERO_POINT, LARGEST = 128, 127

# Numba treats globals as compile-time constants, and a Python float would turn everything into float64.
_F = np.float32


@compiled()
def _quantized(value: np.float32) -> np.uint8:
    """Round a value in (-1, 1) to uint8 centred at 128, half to even: float32 above 2²³ has no fractional bits."""
    rounded = (value * _F(LARGEST) + _F(12_582_912.0)) - _F(12_582_912.0)
    return np.uint8(np.int32(rounded) + ZERO_POINT)


@compiled(inline="never", error_model="numpy", fastmath={"contract"})
def _gates(
    row: Any,
    state: Any,
    sums: Any,
    scale: Any,
    bias: Any,
    following: Any,
    quantized: Any,
    work: Any,
    hidden: int,
    dim: int,
) -> None:
    """The GRU and the running sums of one session, as loops of one operation each, which LLVM can vectorise."""
    weight = half(row[3 * hidden + dim + 1])
    state_at, sum_at = dim + 1, dim + 1 + hidden
    for place in range(dim + 1):
        following[place] = state[place] + half(row[3 * hidden + place])
    for place in range(2 * hidden):
        work[place] = half(row[place]) + _F(sums[place]) * scale[place]
    for place in range(2 * hidden):
        work[place] = _F(0.5) * tanh(_F(0.5) * work[place]) + _F(0.5)
    for place in range(hidden):
        recurrent = _F(sums[2 * hidden + place]) * scale[2 * hidden + place] + bias[place]
        work[place] = half(row[2 * hidden + place]) + work[place] * recurrent
    for place in range(hidden):
        new = tanh(work[place])
        following[state_at + place] = new + work[hidden + place] * (state[state_at + place] - new)
    for place in range(hidden):
        following[sum_at + place] = state[sum_at + place] + following[state_at + place] * weight
    share = _F(1) / following[dim]
    for place in range(hidden):
        quantized[place] = _quantized(following[state_at + place])
    for place in range(hidden):
        quantized[hidden + place] = _quantized(following[sum_at + place] * share)


@compiled(inline="never", error_model="numpy")
def advance(
    states: Any,
    tokens: Any,
    rows: Any,
    recurrent: Any,
    begin: Any,
    scale: Any,
    bias: Any,
    following: Any,
    quantized: Any,
    hidden: int,
    dim: int,
) -> None:
    """Step all states, and round [GRU's state; its weighted mean] of each to uint8 (n, 2 hidden)."""
    count = states.shape[0]
    sums = np.empty((count, 3 * hidden), np.int32)
    work = np.empty(2 * hidden, np.float32)
    for session in range(count):
        for place in range(hidden):
            quantized[session, place] = _quantized(states[session, dim + 1 + place])
    multiply(quantized, recurrent, begin, sums, hidden, 3 * hidden)
    for session in range(count):
        _gates(
            rows[tokens[session]],
            states[session],
            sums[session],
            scale,
            bias,
            following[session],
            quantized[session],
            work,
            hidden,
            dim,
        )
