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
from typeahead.encoders.compiled.gru import LARGEST, ZERO_POINT, advance
from typeahead.encoders.compiled.kernels import multiply, square
from typeahead.encoders.compiled.recurrent_layer import LAYER, layer_arrays, step_with_layer
from typeahead.encoders.compiled.vnni import COLUMNS, offsets, pack, supported
from typeahead.encoders.weights import read_tensors
from typeahead.models.config import ModelConfig

# Numba treats globals as compile-time constants, and a Python float would turn everything into float64.
_F = np.float32


def fits(config: ModelConfig) -> bool:
    """Whether this step fits the student in ``config``, and this processor can run it."""
    hidden, dim = config.shape.get("hidden", 0), config.dim
    return (
        config.shape.get("layers", 1) == 1
        and hidden > 0
        and hidden % COLUMNS == dim % COLUMNS == config.shape.get("readout", 0) % COLUMNS == 0
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
        layer = config.shape.get("readout", 0) > 0
        names = ("recurrent", "recurrent.scale", "recurrent.bias")
        tensors = read_tensors(weights, (*names, *(LAYER if layer else ("readout", "readout.scale"))))
        recurrent, scale, bias = (tensors[name] for name in names)
        states = (
            rows.view(np.uint16),
            pack(recurrent),
            offsets(recurrent, ZERO_POINT),
            scale / _F(LARGEST),
            np.ascontiguousarray(bias[2 * self._hidden :]),
        )
        self._run: Any
        if layer:
            self._run, self._arrays = step_with_layer, (*states, *layer_arrays(tensors))
        else:
            readout = tensors["readout"]
            own = (pack(readout), offsets(readout, ZERO_POINT), tensors["readout.scale"] / _F(LARGEST))
            self._run, self._arrays = _step, (*states, *own)

    def __call__(self, states: Vectors, tokens: NDArray[np.int64]) -> tuple[Vectors, Vectors]:
        """Return the next states and the embeddings, float32 (n, dim)."""
        following = np.empty_like(states)
        embeddings = np.empty((len(states), self._dim), np.float32)
        self._run(states, tokens, *self._arrays, following, embeddings, self._hidden, self._dim)
        return following, embeddings


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
    sums = np.empty((count, dim), np.int32)
    advance(states, tokens, rows, recurrent, recurrent_begin, gate_scale, bias, following, quantized, hidden, dim)
    multiply(quantized, readout, readout_begin, sums, 2 * hidden, dim)
    for session in range(count):
        _read(following[session], sums[session], read_scale, embeddings[session], dim)
