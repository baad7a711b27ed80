"""The step of the residual GRU as one compiled function; in a graph, thirty nodes cost more than the products.

ONNX Runtime has an overhead for each call and each node, whatever the node does. ``benchmarks/results/tried.md``
records what was tried, and ``python -m benchmarks.keystroke`` prints the figures. Numba compiles this step when a model
is loaded and caches it on disk for the next time. It is used if Numba is installed (the extra "fast") and the processor
has AVX-512 VNNI, unless ``TYPEAHEAD_COMPILED=0`` is set (:mod:`typeahead.encoders.compiled.importing`); otherwise a
graph runs the step, see :mod:`typeahead.encoders.recurrent`. The products are in
:mod:`typeahead.encoders.compiled.vnni`.

Each row is computed alone, and integers are exact, so a row has the same bits in every batch. Compared with the graph,
the last bits of tanh differ, and occasionally how an entry is rounded to int8.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.encoders.compiled.caching import compiled
from typeahead.encoders.compiled.kernels import half, multiply, square, tanh
from typeahead.encoders.compiled.vnni import COLUMNS, offsets, pack, supported
from typeahead.encoders.weights import read_tensors
from typeahead.models.config import ModelConfig

_ZERO_POINT = 128
_LARGEST = 127

# Numba treats globals as compile-time constants, and a Python float would turn everything into float64.
_F = np.float32


def fits(config: ModelConfig) -> bool:
    """Whether this step fits the student in ``config``, and this processor can run it."""
    hidden, dim = config.shape.get("hidden", 0), config.dim
    return (
        config.shape.get("layers", 1) == 1
        and hidden > 0
        and hidden % COLUMNS == dim % COLUMNS == 0
        and config.shape["state"] == dim + 1 + 2 * hidden
        and config.unit
        and supported()
    )


class CompiledStep:
    """Steps states, float32 (n, state), by tokens int64 (n,), like :meth:`RecurrentEncoder.step`.

    ``rows`` float16 (vocabulary, row) hold what depends only on the token. May be called from several threads.
    """

    def __init__(self, config: ModelConfig, weights: Path, rows: NDArray[np.float16]) -> None:
        self._dim, self._hidden = config.dim, config.shape["hidden"]
        names = ("recurrent", "recurrent.scale", "recurrent.bias", "readout", "readout.scale")
        tensors = read_tensors(weights, names)
        recurrent, gate_scale, bias, readout, read_scale = (tensors[name] for name in names)
        self._arrays = (
            rows.view(np.uint16),
            pack(recurrent),
            offsets(recurrent, _ZERO_POINT),
            gate_scale / _F(_LARGEST),
            np.ascontiguousarray(bias[2 * self._hidden :]),
            pack(readout),
            offsets(readout, _ZERO_POINT),
            read_scale / _F(_LARGEST),
        )

    def __call__(self, states: Vectors, tokens: NDArray[np.int64]) -> tuple[Vectors, Vectors]:
        """Return the next states and the embeddings, float32 (n, dim)."""
        following = np.empty_like(states)
        embeddings = np.empty((len(states), self._dim), np.float32)
        _step(states, tokens, *self._arrays, following, embeddings, self._hidden, self._dim)
        return following, embeddings


@compiled()
def _quantized(value: np.float32) -> np.uint8:
    """Round a value in (-1, 1) to uint8 centred at 128, half to even: float32 above 2²³ has no fractional bits."""
    rounded = (value * _F(_LARGEST) + _F(12_582_912.0)) - _F(12_582_912.0)
    return np.uint8(np.int32(rounded) + _ZERO_POINT)


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


@compiled(inline="never", error_model="numpy", fastmath={"contract"})
def _read(state: Any, sums: Any, scale: Any, embedding: Any, dim: int) -> None:
    """Compute the embedding of one session, scaled to length 1."""
    share = _F(1) / state[dim]
    for place in range(dim):
        embedding[place] = state[place] * share + _F(sums[place]) * scale[place]
    length = _F(1) / np.sqrt(square(embedding))
    for place in range(dim):
        embedding[place] *= length


@compiled(nogil=True, error_model="numpy")
def _step(
    states: Any,
    tokens: Any,
    rows: Any,
    recurrent: Any,
    recurrent_begin: Any,
    gate_scale: Any,
    bias: Any,
    readout: Any,
    readout_begin: Any,
    read_scale: Any,
    following: Any,
    embeddings: Any,
    hidden: int,
    dim: int,
) -> None:
    count = states.shape[0]
    quantized = np.empty((count, 2 * hidden), np.uint8)
    sums = np.empty((count, max(3 * hidden, dim)), np.int32)
    work = np.empty(2 * hidden, np.float32)
    for session in range(count):
        for place in range(hidden):
            quantized[session, place] = _quantized(states[session, dim + 1 + place])
    multiply(quantized, recurrent, recurrent_begin, sums, hidden, 3 * hidden)
    for session in range(count):
        _gates(
            rows[tokens[session]],
            states[session],
            sums[session],
            gate_scale,
            bias,
            following[session],
            quantized[session],
            work,
            hidden,
            dim,
        )
    multiply(quantized, readout, readout_begin, sums, 2 * hidden, dim)
    for session in range(count):
        _read(following[session], sums[session], read_scale, embeddings[session], dim)
