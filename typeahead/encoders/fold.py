"""What all folds share: encoding whole texts by stepping, and typing sessions.

The siblings :mod:`~typeahead.encoders.static`, :mod:`~typeahead.encoders.recurrent` and
:mod:`~typeahead.encoders.causal` define the state and the step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import State, Vectors
from typeahead.core.states import ArrayStates
from typeahead.core.tokens import IncrementalTokenizer, check_texts
from typeahead.models.config import ModelConfig

if TYPE_CHECKING:
    from typeahead.core.engine import Engine
    from typeahead.core.session import Session

#: Tokens per batch when the rows of the vocabulary are computed at loading.
_FOLD_BATCH = 1024


class FoldEncoder(ABC):
    """An incremental encoder over the files of ``folder``."""

    #: Number of texts that :meth:`encode` steps together.
    _encode_batch: ClassVar[int]
    #: 2 if the encoder also predicts where unfinished text is going; see :meth:`encode_ahead`.
    readouts = 1

    def __init__(self, config: ModelConfig, folder: Path) -> None:
        self.config = config
        self.tokenizer = IncrementalTokenizer.from_file(
            folder / "tokenizer.json", max_chars=config.shape.get("max_chars")
        )
        self.max_tokens = config.max_tokens

    @property
    def dim(self) -> int:
        """Dimension of the embedding."""
        return self.config.dim

    @abstractmethod
    def start(self) -> State:
        """Return the state before the first token of the text."""

    @abstractmethod
    def step(self, states: Sequence[State], tokens: NDArray[np.int64]) -> tuple[Sequence[State], Vectors]:
        """Extend each state by one token; see :class:`~typeahead.core.encoder.IncrementalEncoder`."""

    @abstractmethod
    def _begin(self, count: int) -> Any:
        """Return ``count`` start states in the form that :meth:`_advance` accepts; a slice gives the first n."""

    @abstractmethod
    def _advance(self, states: Any, tokens: NDArray[np.int64]) -> tuple[Any, Vectors]:
        """Do the same as :meth:`step`, but on whole batches."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode whole texts to float32 (n, dim), without the cache.

        A text without tokens, such as "", has no embedding: its row is zero. Texts of more than ``max_tokens`` tokens
        are truncated, as the teacher does. Raises :class:`~typeahead.errors.TextError`.
        """
        return self._encode(texts)[:, : self.dim]

    def encode_ahead(self, texts: Sequence[str]) -> Vectors:
        """Encode unfinished texts to where they are going: float32 (n, dim), otherwise like :meth:`encode`.

        An encoder that does not predict returns the same as :meth:`encode`.
        """
        return self._encode(texts)[:, -self.dim :]

    def _encode(self, texts: Sequence[str]) -> Vectors:
        """Return all readouts of the texts, side by side."""
        check_texts(texts)
        ids = [self.tokenizer.encode(text)[: self.max_tokens] for text in texts]
        vectors = np.zeros((len(ids), self.readouts * self.dim), np.float32)
        # Sort by length, longest first: the texts that have a token at a given position are then the first rows.
        order = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
        for first in range(0, len(order), self._encode_batch):
            rows = order[first : first + self._encode_batch]
            vectors[rows] = self._encode_ids([ids[row] for row in rows])
        return vectors

    def _encode_ids(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """Encode token ids, the longest first, to float32 (n, readouts x dim); zeros for a text without tokens."""
        vectors = np.zeros((len(ids), self.readouts * self.dim), np.float32)
        states = self._begin(len(ids))
        alive = len(ids)
        for position in range(len(ids[0])):
            while len(ids[alive - 1]) <= position:
                alive -= 1
            tokens = np.array([row[position] for row in ids[:alive]], np.int64)
            states, embeddings = self._advance(states[:alive], tokens)
            vectors[:alive] = embeddings
        return vectors

    @cached_property
    def _engine(self) -> Engine:
        from typeahead.core.engine import Engine

        return Engine(self)

    def session(self, *, max_chars: int = 512) -> Session:
        """Start a typing session on this encoder's own engine; all its sessions share only the cache's size limit."""
        return self._engine.session(max_chars=max_chars)


class VectorFold(FoldEncoder):
    """A fold whose states are vectors of one size that start as zeros."""

    #: Length of a state.
    state_size: int

    def start(self) -> Vectors:
        """Return the state before any token: zeros, float32 (state_size,)."""
        return np.zeros(self.state_size, np.float32)

    def step(self, states: Sequence[Vectors], tokens: NDArray[np.int64]) -> tuple[Sequence[Vectors], Vectors]:
        """Extend each state, float32 (state_size,), by one token; see :meth:`FoldEncoder.step`."""
        if len(states) == 1:
            next_states, embeddings = self._advance(states[0][None], tokens)
            return (next_states[0],), embeddings
        next_states, embeddings = self._advance(np.stack(states), tokens)
        # Copies: a view would keep the whole batch in memory.
        return [state.copy() for state in next_states], embeddings

    def states(self, slots: int) -> ArrayStates:
        """Make storage for ``slots`` states and embeddings."""
        return ArrayStates(self._advance, self.start(), self.dim, slots)

    def _begin(self, count: int) -> Vectors:
        return np.zeros((count, self.state_size), np.float32)


def rows_of_vocabulary(fold: Any, vocabulary: int, width: int) -> NDArray[np.float16]:
    """Run a graph that depends only on the token for the whole vocabulary: float16 (vocabulary, width)."""
    rows = np.empty((vocabulary, width), np.float16)
    for first in range(0, vocabulary, _FOLD_BATCH):
        tokens = np.arange(first, min(first + _FOLD_BATCH, vocabulary))
        rows[tokens] = fold.run(None, {"token": tokens})[0]
    return rows
