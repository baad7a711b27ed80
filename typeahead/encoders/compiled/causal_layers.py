"""The parts of a causal student's layers and readouts, each as a compiled function.

The products are in :mod:`~typeahead.encoders.compiled.vnni_blocks`, and the inner loops of attention in
:mod:`~typeahead.encoders.compiled.attention`. :mod:`~typeahead.encoders.compiled.causal` combines the parts into a step
and defines the storage. Products process up to four tokens at once, everything else one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from typeahead.encoders.compiled.attention import add_shares, scores_of
from typeahead.encoders.compiled.caching import compiled
from typeahead.encoders.compiled.kernels import erf, exp, half, largest, square, tanh
from typeahead.encoders.compiled.vnni import LANES
from typeahead.encoders.compiled.vnni_blocks import (
    blocks_of_four,
    blocks_of_one,
    blocks_of_three,
    blocks_of_two,
    half_bytes_of_four,
    half_bytes_of_one,
    half_bytes_of_three,
    half_bytes_of_two,
)

# Numba treats globals as compile-time constants, and a Python float would turn everything into float64.
_F = np.float32
_ROOT_HALF = _F(0.5**0.5)
# Of GELU's tanh form.
_SHARE, _CUBE = _F(math.sqrt(2 / math.pi)), _F(0.044715)


@compiled(inline="never", error_model="numpy", fastmath={"contract"})
def _quantize(values: Any, block: int, zero: int, quantized: Any, scales: Any, begins: Any) -> None:
    """Round float32 (n,) to int8, each block scaled by its largest entry; ``begins`` correct for ``zero``."""
    for number in range(values.shape[0] // block):
        part, found = values[number * block : (number + 1) * block], quantized[number * block : (number + 1) * block]
        bound = largest(part)
        share = _F(127) / bound
        for place in range(block):
            # Rounds half to even: float32 values above 2²³ have no fractional bits.
            rounded = (part[place] * share + _F(12_582_912.0)) - _F(12_582_912.0)
            found[place] = np.int8(np.int32(rounded))
        total = np.int32(0)
        for place in range(block):
            total += np.int32(found[place])
        scales[number] = bound / _F(127)
        begins[number] = np.int32(-zero) * total


@compiled(inline="never", error_model="numpy", fastmath={"reassoc", "contract"})
def add_and_norm(values: Any, other: Any, norm: Any, epsilon: np.float32, result: Any) -> None:
    """LayerNorm of the sum of two float32 (n,); ``norm`` (2n,) holds weight and bias."""
    count = result.shape[0]
    total = _F(0)
    for place in range(count):
        result[place] = values[place] + other[place]
        total += result[place]
    mean = total / _F(count)
    for place in range(count):
        result[place] -= mean
    scale = _F(1) / np.sqrt(square(result) / _F(count) + epsilon)
    for place in range(count):
        result[place] = result[place] * scale * norm[place] + norm[count + place]


@compiled(inline="never", error_model="numpy", fastmath={"reassoc", "contract"})
def layer_norm(values: Any, norm: Any, epsilon: np.float32, result: Any) -> None:
    """LayerNorm of float32 (n,); ``norm`` (2n,) holds weight and bias."""
    count = result.shape[0]
    total = _F(0)
    for place in range(count):
        total += values[place]
    mean = total / _F(count)
    for place in range(count):
        result[place] = values[place] - mean
    scale = _F(1) / np.sqrt(square(result) / _F(count) + epsilon)
    for place in range(count):
        result[place] = result[place] * scale * norm[place] + norm[count + place]


@compiled(inline="never", error_model="numpy", fastmath={"contract"})
def add(values: Any, result: Any) -> None:
    """Add float32 (n,) to ``result``."""
    for place in range(result.shape[0]):
        result[place] += values[place]


@compiled(inline="never", error_model="numpy", fastmath={"contract"})
def gate(values: Any, result: Any) -> None:
    """Multiply both halves of float32 (2n,)."""
    count = result.shape[0]
    for place in range(count):
        result[place] = values[place] * values[count + place]


@compiled(inline="never", error_model="numpy", fastmath={"contract"})
def turn(packed: Any, table: Any, heads: int, pairs: int) -> None:
    """Apply rotary positions to ``heads`` of 2 ``pairs`` float32 each, in place.

    Entries k and k + ``pairs`` are a point; ``table`` starts with the cosines of its angles, and their sines follow.
    """
    for head in range(heads):
        first, second = packed[2 * head * pairs :], packed[(2 * head + 1) * pairs :]
        for place in range(pairs):
            one, other = first[place], second[place]
            first[place] = one * table[place] - other * table[pairs + place]
            second[place] = other * table[place] + one * table[pairs + place]


@compiled(inline="never", error_model="numpy", fastmath={"contract"})
def activate(values: Any, kind: int) -> None:
    """Apply an activation to float32 (n,), in place: GELU (1), its tanh form (2) or ReLU (3)."""
    if kind == 1:
        for place in range(values.shape[0]):
            value = values[place]
            values[place] = _F(0.5) * value * (_F(1) + erf(value * _ROOT_HALF))
    elif kind == 2:
        for place in range(values.shape[0]):
            value = values[place]
            values[place] = _F(0.5) * value * (_F(1) + tanh(_SHARE * (value + _CUBE * value * value * value)))
    else:
        for place in range(values.shape[0]):
            values[place] = max(values[place], _F(0))


@compiled(inline="never", error_model="numpy", fastmath={"contract"})
def attend(
    packed: Any, past: Any, path: Any, kept: Any, first: int, heads: int, relative: Any, room: Any, result: Any
) -> None:
    """Attention of one token over the rows ``path`` of ``past`` and over itself, with its own row in ``kept``.

    In each row, the keys start at ``first`` and the values follow; ``packed`` starts with the token's query.
    ``relative`` holds what is added to the scores of all heads at a distance of 0, 1, …; it may be empty. ``room``
    (n + 3, heads) is scratch space for the scores, their maximum and their sum.
    """
    width, before = result.shape[0], path.shape[0]
    chunks = np.int64(width // heads // LANES)
    query, key, value = packed.ctypes.data, np.int64(2 * first), np.int64(2 * (first + width))
    shares, greatest, total = room[: before + 1], room[before + 1], room[before + 2]
    for row in range(before):
        scores_of(query, past[path[row]].ctypes.data + key, shares[row].ctypes.data, heads, chunks)
    scores_of(query, kept.ctypes.data + key, shares[before].ctypes.data, heads, chunks)
    if relative.shape[0]:
        for row in range(before + 1):
            biases = relative[(before - row) * heads :]
            for head in range(heads):
                shares[row, head] += biases[head]
    for head in range(heads):
        greatest[head] = shares[before, head]
        total[head] = _F(0)
    for row in range(before):
        for head in range(heads):
            greatest[head] = max(greatest[head], shares[row, head])
    root = _F(1) / np.sqrt(_F(width // heads))
    for row in range(before + 1):
        for head in range(heads):
            shares[row, head] = (shares[row, head] - greatest[head]) * root
    flat = shares.reshape(-1)
    for place in range(flat.shape[0]):
        flat[place] = exp(flat[place])
    for row in range(before + 1):
        for head in range(heads):
            total[head] += shares[row, head]
    for place in range(width):
        result[place] = _F(0)
    for row in range(before):
        add_shares(shares[row].ctypes.data, past[path[row]].ctypes.data + value, result.ctypes.data, heads, chunks)
    add_shares(shares[before].ctypes.data, kept.ctypes.data + value, result.ctypes.data, heads, chunks)
    for head in range(heads):
        share = _F(1) / total[head]
        for place in range(head * (width // heads), (head + 1) * (width // heads)):
            result[place] *= share


@compiled(inline="never", error_model="numpy")
def dense(
    values: Any, count: int, block: int, bits: int, weights: Any, scales: Any, bias: Any, result: Any, room: Any
) -> None:
    """Multiply ``count`` rows of float32 (1 to 4, n) by the matrix at the start of ``weights`` and ``scales``.

    A weight has 8 or 4 ``bits``.
    """
    quantized, own, begins = room
    for row in range(count):
        _quantize(values[row], block, 1 << bits - 1, quantized[row], own[row], begins[row])
    vectors, step = quantized.ctypes.data, np.int64(quantized.strides[0])
    blocks, width, columns = np.int64(values.shape[1] // block), np.int64(block), np.int64(result.shape[1])
    matrix, theirs, start, found = weights.ctypes.data, scales.ctypes.data, bias.ctypes.data, result.ctypes.data
    scale, begin, apart = own.ctypes.data, begins.ctypes.data, np.int64(own.strides[0])
    arguments = (vectors, step, scale, begin, apart, matrix, theirs, start, found, 4 * columns, blocks, width, columns)
    if bits == 8:
        if count == 1:
            blocks_of_one(*arguments)
        elif count == 2:
            blocks_of_two(*arguments)
        elif count == 3:
            blocks_of_three(*arguments)
        else:
            blocks_of_four(*arguments)
    elif count == 1:
        half_bytes_of_one(*arguments)
    elif count == 2:
        half_bytes_of_two(*arguments)
    elif count == 3:
        half_bytes_of_three(*arguments)
    else:
        half_bytes_of_four(*arguments)


@compiled(inline="never", error_model="numpy", fastmath={"contract"})
def sum_up(row: Any, sums: Any, hidden: Any, following: Any, read: Any) -> None:
    """Add a token's vector, output and weight to the sums; ``read`` receives the inputs of the readout."""
    width = hidden.shape[0]
    dim = following.shape[0] - width - 1
    weight = half(row[width + dim])
    for place in range(dim):
        following[place] = sums[place] + half(row[width + place])
    for place in range(width):
        following[dim + place] = sums[dim + place] + hidden[place] * weight
    total = sums[dim + width] + weight
    following[dim + width] = total
    # Only the direction counts here, so sums work as well as means.
    for place in range(width):
        read[place] = hidden[place] * total
        read[width + place] = following[dim + place]


@compiled(inline="never", error_model="numpy", fastmath={"contract"})
def finish(following: Any, normalize: bool, embedding: Any) -> None:
    """Add the sum of token vectors to the readout in place, and divide by its length or by the sum of weights."""
    dim = embedding.shape[0]
    for place in range(dim):
        embedding[place] += following[place]
    share = _F(1) / (np.sqrt(square(embedding)) if normalize else following[following.shape[0] - 1])
    for place in range(dim):
        embedding[place] *= share
