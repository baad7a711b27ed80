"""The fold that is a look-up: each token adds a vector and a weight, and the embedding is their quotient.

As in *SwiftEmbed* (section 3.2), pynife and model2vec, the embedding after tokens t₁…tₙ is Σ wᵢ E[tᵢ] / Σ wᵢ, divided
by its length if the teacher's vectors have length 1. A model may have a hidden layer that computes the embedding from
this mean (:mod:`~typeahead.encoders.hidden_layer`). The model ignores word order, and costs next to nothing to run. The
siblings :mod:`~typeahead.encoders.recurrent` and :mod:`~typeahead.encoders.causal` also read the order. This module
needs only NumPy.

``weights.safetensors`` of a static model's folder holds ``table`` (vocabulary, dim), the vector that a token adds to
the sum, already multiplied by its weight: float32, float16, or int8 with ``table.scale`` float32 (vocabulary, 1); and
``weight`` float32 (vocabulary,), which a token adds to the sum of weights. A token whose row and weight are zero is
ignored; some models do this with unknown words. A model whose vectors have length 1 may lack ``weight``, because the
direction of a sum does not depend on it. The configuration's ``shape`` may state ``max_chars``: longer texts are
truncated to this many code points before tokenization.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.encoders.fold import VectorFold
from typeahead.encoders.hidden_layer import Layer, open_layer
from typeahead.encoders.weights import read_tensors
from typeahead.errors import ModelCorrupt
from typeahead.models.config import ModelConfig


class StaticEncoder(VectorFold):
    """An incremental encoder over a table. A state is float32 (dim + 1,): the sums of vectors and of their weights.

    :meth:`step` may be called from several threads; a session must stay on one.
    """

    _encode_batch = 1024

    def __init__(self, config: ModelConfig, folder: Path, *, compiled: bool = True) -> None:
        super().__init__(config, folder)
        self.state_size = config.dim + 1
        tensors = read_tensors(folder / "weights.safetensors")
        self._normalize = config.unit
        if self._normalize and "table" in tensors:
            tensors.setdefault("weight", np.ones(len(tensors["table"]), np.float32))
        self._rows = _rows(tensors, folder, self.dim, self.tokenizer.vocabulary_size)
        self._layer: Layer | None = None
        if "inner" in tensors:
            self._layer = open_layer(tensors, self.dim, normalized=self._normalize, folder=folder, compiled=compiled)

    def _advance(self, states: Vectors, tokens: NDArray[np.int64]) -> tuple[Vectors, Vectors]:
        if self._layer is not None:
            return self._layer.advance(states, self._rows, tokens)
        if len(tokens) == 1:
            # The same sums without NumPy's overhead for a batch: half the time.
            following = self._rows[tokens[0]] + states[0]
            vector = following[:-1]
            divisor = math.sqrt(vector.dot(vector)) if self._normalize else float(following[-1])
            return following[None], (vector / np.float32(divisor or 1.0))[None]
        following = self._rows.take(tokens, axis=0)
        following += states
        return following, self._read(following)

    def _encode_ids(self, ids: Sequence[Sequence[int]]) -> Vectors:
        # Steps would compute embeddings for all tokens but the last for nothing.
        if len(ids) == 1:
            # Row by row, in the same order as steps, for the same bits.
            return self._read(np.add.reduce(self._rows.take(ids[0], axis=0), axis=0, keepdims=True))
        sums = self._begin(len(ids))
        alive = len(ids)
        for position in range(len(ids[0])):
            while len(ids[alive - 1]) <= position:
                alive -= 1
            sums[:alive] += self._rows.take([row[position] for row in ids[:alive]], axis=0)
        return self._read(sums)

    def _read(self, sums: Vectors) -> Vectors:
        """Return the embeddings of states; zeros if no token has counted."""
        if self._layer is not None:
            return self._layer(sums)
        vectors, weights = sums[:, :-1], sums[:, -1:]
        if self._normalize:
            # The quotient and the sum have the same direction.
            weights = np.sqrt(np.vecdot(vectors, vectors))[:, None]
        if not weights.all():
            weights = np.where(weights == 0, np.float32(1), weights)
        quotient: Vectors = vectors / weights
        return quotient


def _rows(tensors: Mapping[str, NDArray[Any]], folder: Path, dim: int, vocabulary: int) -> Vectors:
    """Return a static model's table: float32 (vocabulary, dim + 1), with the weight in the last column.

    Raises :class:`~typeahead.errors.ModelCorrupt` if table, weights, configuration and tokenizer do not fit together.
    """
    try:
        table, weight = tensors["table"], tensors["weight"]
        scale = tensors["table.scale"] if table.dtype == np.int8 else None
    except KeyError as error:
        raise ModelCorrupt(f"{folder / 'weights.safetensors'} has no tensor {error}", folder=folder) from None
    if table.shape != (vocabulary, dim) or weight.shape != (vocabulary,):
        raise ModelCorrupt(
            f"{folder}: a table of {table.shape} and {weight.shape} weights for a tokenizer of {vocabulary} tokens and "
            f"{dim} dimensions: they do not belong together",
            folder=folder,
        )
    rows = np.empty((vocabulary, dim + 1), np.float32)
    rows[:, :dim] = table
    if scale is not None:
        rows[:, :dim] *= scale
    rows[:, dim] = weight
    if not np.isfinite(rows).all():
        token = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
        raise ModelCorrupt(f"{folder}: the row of token {token} is NaN or infinite", folder=folder)
    return rows
