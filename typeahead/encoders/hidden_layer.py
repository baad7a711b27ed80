"""The hidden layer after a static model's mean: tokens together may mean something else than each of them alone.

From a mean m, the embedding is normalise(m' + W2·GELU(W1·√dim·m/|m| + b1) + b2), as in a deep averaging network (Iyyer
et al. 2015, plus a skip connection for the mean); m' is m/|m| if the teacher's vectors have length 1, otherwise m. The
state of a typing session is still the sum: the layer only reads it.

``weights.safetensors`` holds ``inner`` int8 (dim, hidden) and ``outer`` int8 (hidden, dim), each with ``….scale``
float32 per column and ``….bias`` float32. Their inputs are int8, too, with one scale per row, so a row gets the same
bits in every batch. :class:`HiddenLayer` needs only NumPy; :mod:`~typeahead.encoders.compiled.hidden` is used if Numba
is installed (the extra "fast") and the processor has AVX-512 VNNI.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.encoders.compiled.importing import import_compiled, warn_of_other_vectors
from typeahead.errors import ModelCorrupt

_LARGEST = np.float32(127)
#: float32 adds integers up to this without rounding.
_EXACT = 1 << 24
#: Constants of GELU's tanh form.
_SHARE, _CUBE = np.float32(math.sqrt(2 / math.pi)), np.float32(0.044715)


class Layer(Protocol):
    """Computes embeddings float32 (n, dim) from sums of vectors and of weights, float32 (n, dim + 1)."""

    def __call__(self, sums: Vectors) -> Vectors:
        """Compute the embeddings of sums; zeros if no token has counted."""

    def advance(self, sums: Vectors, rows: Vectors, tokens: NDArray[np.int64]) -> tuple[Vectors, Vectors]:
        """Add the rows of ``tokens`` int64 (n,) to sums; return the new sums and their embeddings."""


class HiddenLayer:
    """Computes embeddings from sums with NumPy. May be called from several threads."""

    def __init__(self, tensors: Mapping[str, NDArray[Any]], dim: int, *, normalized: bool, folder: Path) -> None:
        hidden = tensors["inner"].shape[-1]
        shapes = {"inner": (dim, hidden), "inner.scale": (hidden,), "inner.bias": (hidden,)}
        shapes |= {"outer": (hidden, dim), "outer.scale": (dim,), "outer.bias": (dim,)}
        for name, shape in shapes.items():
            if name not in tensors or tensors[name].shape != shape or not np.isfinite(tensors[name]).all():
                raise ModelCorrupt(f"{folder}: {name} of the hidden layer is missing or not {shape}", folder=folder)
        if tensors["inner"].dtype != np.int8 or tensors["outer"].dtype != np.int8:
            raise ModelCorrupt(f"{folder}: the hidden layer is not int8", folder=folder)
        self._normalized = normalized
        # Integers, so that products are exact in any order of summation.
        self._inner, self._outer = (_whole(tensors[name]) for name in ("inner", "outer"))
        self._inner_scale, self._inner_bias = tensors["inner.scale"], tensors["inner.bias"]
        self._outer_scale, self._outer_bias = tensors["outer.scale"], tensors["outer.bias"]
        self._root = np.float32(math.sqrt(dim))

    def __call__(self, sums: Vectors) -> Vectors:
        """See :class:`Layer`."""
        vectors, weights = sums[:, :-1], sums[:, -1:]
        length = np.sqrt(np.vecdot(vectors, vectors))[:, None]
        unit = (vectors / np.where(length == 0, np.float32(1), length)).astype(np.float32)
        inner = _product(unit * self._root, self._inner, self._inner_scale) + self._inner_bias
        hidden = np.float32(0.5) * inner * (1 + np.tanh(_SHARE * (inner + _CUBE * inner * inner * inner)))
        mean = unit if self._normalized else vectors / np.where(weights == 0, np.float32(1), weights)
        found = mean + _product(hidden, self._outer, self._outer_scale) + self._outer_bias
        if self._normalized:
            found /= np.sqrt(np.vecdot(found, found))[:, None]
        found[length[:, 0] == 0] = 0
        result: Vectors = found
        return result

    def advance(self, sums: Vectors, rows: Vectors, tokens: NDArray[np.int64]) -> tuple[Vectors, Vectors]:
        """See :class:`Layer`."""
        following: Vectors = rows.take(tokens, axis=0) + sums
        return following, self(following)


def _whole(weights: NDArray[np.int8]) -> NDArray[Any]:
    return weights.astype(np.float32 if len(weights) * 127 * 127 < _EXACT else np.float64)


def _product(rows: Vectors, weights: NDArray[Any], scale: Vectors) -> Vectors:
    """Multiply rows, each rounded to int8 with its own scale, by int8 columns: float32."""
    largest = np.maximum(np.abs(rows).max(axis=1, keepdims=True), np.float32(1e-12)) / _LARGEST
    sums = np.rint(rows / largest).astype(weights.dtype) @ weights
    found: Vectors = sums.astype(np.float32) * (largest * scale)
    return found


def open_layer(
    tensors: Mapping[str, NDArray[Any]], dim: int, *, normalized: bool, folder: Path, compiled: bool = True
) -> Layer:
    """Open a model's layer, compiled if that is possible and agrees with NumPy up to rounding."""
    layer = HiddenLayer(tensors, dim, normalized=normalized, folder=folder)
    module = import_compiled("hidden", "the hidden layer") if compiled and normalized else None
    if module is None or not module.fits(dim, tensors["inner"].shape[1]):
        return layer
    fast: Layer = module.CompiledLayer(tensors, dim)
    probe = np.random.default_rng(0).standard_normal((5, dim + 1)).astype(np.float32)
    if not np.allclose(fast(probe), layer(probe), atol=2e-3):
        warn_of_other_vectors("the compiled hidden layer", "NumPy")
        return layer
    return fast
