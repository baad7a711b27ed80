"""What an encoder is: the protocols that sessions, engine, index and server build on.

An *incremental encoder* is a fold over tokens: it has a start state, a step and a readout. A *passage encoder* accepts
only whole texts. Both implement :meth:`Encoder.encode`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from typeahead.core.tokens import IncrementalTokenizer
    from typeahead.models.config import ModelConfig

Vectors = NDArray[np.float32]

#: What an incremental encoder keeps for a token prefix. Only the encoder looks inside, except at ``nbytes``: the
#: state's size without the earlier states that it shares. All states of an encoder have the same ``nbytes``.
State: TypeAlias = Any


@runtime_checkable
class Encoder(Protocol):
    """Turns texts into vectors in the teacher's space."""

    config: ModelConfig

    @property
    def dim(self) -> int:
        """Dimension of the embedding."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode whole texts to float32 (n, dim), L2-normalised if the teacher's vectors are.

        Raises :class:`~typeahead.errors.TextError` for a text that is not valid Unicode.
        """


@runtime_checkable
class IncrementalEncoder(Encoder, Protocol):
    """An encoder that extends the state of a token prefix by the next token in one step.

    A state may refer to the state it extends, provided it never changes that state: the cache keeps a prefix at least
    as long as its extensions. An encoder with ``readouts`` = 2 makes two embeddings for each prefix: one for the text
    as it is, and one that predicts the finished text. :meth:`step` then returns both side by side, float32 (n, 2 dim),
    the prediction second.
    """

    tokenizer: IncrementalTokenizer
    max_tokens: int

    def start(self) -> State:
        """Return the state before the first token."""

    def step(self, states: Sequence[Any], tokens: NDArray[np.int64]) -> tuple[Sequence[State], Vectors]:
        """Extend each of n states by one token.

        ``tokens`` is int64 (n,). Returns the new states and their embeddings, float32 (n, dim). No new state keeps
        another one of the batch in memory. The arguments are not modified, and a row's result does not depend on the
        other rows.
        """
