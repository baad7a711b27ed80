"""The residual recurrent student: one GRU step a token, in int8.

After tokens t₁…tₙ the embedding is the L2-normalised sum of two parts: the weighted mean of token vectors
Σ wᵢ E[tᵢ] / Σ wᵢ, and a correction U [hₙ ; Σ wᵢ hᵢ / Σ wᵢ] read from a GRU that ran over the same vectors. The state
holds both weighted sums, the sum of weights and hₙ, so it is a fold, and a step is one run of a small ONNX graph. The
sibling :mod:`~typeahead.encoders.transformer` has no state and reads whole texts.

The GRU's hidden state is a convex mix of tanh outputs and stays inside (-1, 1), so its int8 scale is the constant
1/127: no row's result depends on the other rows of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from typeahead.encoders.base import Vectors
from typeahead.encoders.onnx import open_graph
from typeahead.models import ModelConfig, check_texts
from typeahead.tokens import IncrementalTokenizer

if TYPE_CHECKING:
    from typeahead.engine import Engine
    from typeahead.session import Session

#: Texts that are stepped together by :meth:`RecurrentEncoder.encode`.
_ENCODE_BATCH = 256
#: Tokens whose rows are computed together when a model is loaded.
_FOLD_BATCH = 1024


class RecurrentEncoder:
    """An incremental encoder over the graphs ``step.onnx`` and ``fold.onnx`` (``…-float32.onnx`` for that variant).

    The step takes ``state`` float32 (n, state_size) and ``token`` int64 (n,) and gives ``next_state`` and ``embedding``
    float32 (n, dim). The GRU's input gates and the weighted vector depend on the token alone: ``fold.onnx`` computes
    them for the whole vocabulary at loading, 94 MB as float16, which spares each step a third of its weights.
    :meth:`step` may be called from several threads; a session belongs to one.
    """

    def __init__(self, config: ModelConfig, folder: Path, *, variant: str = "") -> None:
        self.config = config
        self.tokenizer = IncrementalTokenizer.from_file(folder / "tokenizer.json")
        self.max_tokens = config.max_tokens
        self._state_size = config.shape["state"]
        self._run = open_graph(folder / f"step{variant}.onnx").run
        fold = open_graph(folder / f"fold{variant}.onnx").run
        vocabulary = self.tokenizer.vocabulary_size
        self._rows = np.empty((vocabulary, 3 * config.shape["hidden"] + config.dim + 2), np.float16)
        for first in range(0, vocabulary, _FOLD_BATCH):
            tokens = np.arange(first, min(first + _FOLD_BATCH, vocabulary))
            self._rows[tokens] = fold(None, {"token": tokens})[0]

    @property
    def dim(self) -> int:
        """Dimension of the embedding."""
        return self.config.dim

    @property
    def state_size(self) -> int:
        """Length of a state: weighted sum of vectors, sum of weights, hidden state, weighted sum of hidden states."""
        return self._state_size

    def start(self) -> Vectors:
        """Return the state before any token: zeros, float32 (state_size,)."""
        return np.zeros(self._state_size, np.float32)

    def step(self, states: Vectors, tokens: NDArray[np.int64]) -> tuple[Vectors, Vectors]:
        """Extend each state by one token; see :class:`~typeahead.encoders.base.IncrementalEncoder`."""
        next_states, embeddings = self._run(None, {"state": states, "token": tokens, "rows": self._rows})
        return next_states, embeddings

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode whole texts to float32 (n, dim), without the cache.

        A text without a token, such as "", has no embedding: its row is zero. Texts beyond ``max_tokens`` tokens are
        cut there, as the teacher cuts them. Raises :class:`~typeahead.errors.TextError`.
        """
        check_texts(texts)
        ids = [self.tokenizer.encode(text)[: self.max_tokens] for text in texts]
        vectors = np.zeros((len(ids), self.dim), np.float32)
        # The longest first: the texts that still have a token at a position are then the first rows.
        order = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
        for first in range(0, len(order), _ENCODE_BATCH):
            rows = order[first : first + _ENCODE_BATCH]
            states = np.zeros((len(rows), self._state_size), np.float32)
            for position in range(len(ids[rows[0]])):
                alive = sum(len(ids[row]) > position for row in rows)
                tokens = np.array([ids[row][position] for row in rows[:alive]], np.int64)
                states, embeddings = self.step(states[:alive], tokens)
                vectors[rows[:alive]] = embeddings
        return vectors

    @cached_property
    def _engine(self) -> Engine:
        from typeahead.engine import Engine

        return Engine(self)

    def session(self, *, max_chars: int = 512) -> Session:
        """Start a typing session on this encoder's own engine, whose tree all its sessions share."""
        return self._engine.session(max_chars=max_chars)
