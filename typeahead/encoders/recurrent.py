"""The folds whose state has one size: one small ONNX graph a token, in int8.

What ships is the residual GRU: after tokens t₁…tₙ the embedding is the L2-normalised sum of two parts, the weighted
mean of token vectors Σ wᵢ E[tᵢ] / Σ wᵢ, and a correction U [hₙ ; Σ wᵢ hᵢ / Σ wᵢ] read from a GRU that ran over the same
vectors. The state holds both weighted sums, the sum of weights and hₙ, so it is a fold. GRUs on top of one another,
RNN(l, f) of *Extremely efficient online query encoding* and a static table are folds of the same form: what is in their
states is their graphs' affair. The sibling :mod:`~typeahead.encoders.causal` keeps what attention needs of each token
instead of one state, :mod:`~typeahead.encoders.transformer` has no state and reads whole texts.

A GRU's hidden state is a convex mix of tanh outputs and stays inside (-1, 1), so its int8 scale is the constant 1/127,
and what is not bounded like it has a scale for each row: no row's result depends on the other rows of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from typeahead.encoders.base import Vectors
from typeahead.encoders.fold import FoldEncoder, rows_of_vocabulary
from typeahead.encoders.onnx import open_graph
from typeahead.models import ModelConfig
from typeahead.states import ArrayStates


class RecurrentEncoder(FoldEncoder):
    """An incremental encoder over the graphs ``step.onnx`` and ``fold.onnx`` (``…-float32.onnx`` for that variant).

    The step takes ``state`` float32 (n, state_size) and ``token`` int64 (n,) and gives ``next_state`` and ``embedding``
    float32 (n, dim). The GRU's input gates and the weighted vector depend on the token alone: ``fold.onnx`` computes
    them for the whole vocabulary at loading (for the student that ships 94 MB as float16), which spares each step a
    third of its weights. The configuration's ``shape`` states the length of a ``state`` and of a ``row`` of these.
    :meth:`step` may be called from several threads; a session belongs to one.
    """

    _encode_batch = 256

    def __init__(self, config: ModelConfig, folder: Path, *, variant: str = "") -> None:
        super().__init__(config, folder)
        self._state_size = config.shape["state"]
        self._run = open_graph(folder / f"step{variant}.onnx").run
        fold = open_graph(folder / f"fold{variant}.onnx")
        # The first models state no "row": a residual GRU of one layer.
        width = config.shape.get("row") or 3 * config.shape["hidden"] + config.dim + 2
        self._rows = rows_of_vocabulary(fold, self.tokenizer.vocabulary_size, width)

    @property
    def state_size(self) -> int:
        """Length of a state."""
        return self._state_size

    def start(self) -> Vectors:
        """Return the state before any token: zeros, float32 (state_size,)."""
        return np.zeros(self._state_size, np.float32)

    def step(self, states: Sequence[Vectors], tokens: NDArray[np.int64]) -> tuple[Sequence[Vectors], Vectors]:
        """Extend each state, float32 (state_size,), by one token; see :meth:`FoldEncoder.step`."""
        if len(states) == 1:
            next_states, embeddings = self._advance(states[0][None], tokens)
            return (next_states[0],), embeddings
        next_states, embeddings = self._advance(np.stack(states), tokens)
        # Copies: a row of the batch would keep the whole batch in memory.
        return [state.copy() for state in next_states], embeddings

    def states(self, slots: int) -> ArrayStates:
        """Make a place for ``slots`` states and embeddings."""
        return ArrayStates(self._advance, self.start(), self.dim, slots)

    def _begin(self, count: int) -> Vectors:
        return np.zeros((count, self._state_size), np.float32)

    def _advance(self, states: Vectors, tokens: NDArray[np.int64]) -> tuple[Vectors, Vectors]:
        next_states, embeddings = self._run(None, {"state": states, "token": tokens, "rows": self._rows})
        return next_states, embeddings
