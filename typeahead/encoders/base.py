"""What an encoder is: the protocols that sessions, engine, index and server build on.

An *incremental encoder* is a fold over tokens: a start state, a step, a read-out. A *passage encoder* takes whole
texts only. Both answer :meth:`Encoder.encode`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from typeahead.models import ModelConfig
    from typeahead.session import Session
    from typeahead.tokens import IncrementalTokenizer

Vectors = NDArray[np.float32]


@runtime_checkable
class Encoder(Protocol):
    """Texts in, vectors in the teacher's space out."""

    config: ModelConfig

    @property
    def dim(self) -> int:
        """Dimension of the embedding."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode whole texts to float32 (n, dim), L2-normalised where the teacher's vectors are.

        Raises :class:`~typeahead.errors.TextError` for a text that is not valid Unicode.
        """


@runtime_checkable
class IncrementalEncoder(Encoder, Protocol):
    """An encoder whose state after a token prefix extends to the next token in one step.

    A state is a row of float32 of length :attr:`state_size`; what it holds is the encoder's own business.
    """

    tokenizer: IncrementalTokenizer
    max_tokens: int

    @property
    def state_size(self) -> int:
        """Length of a state."""

    def start(self) -> Vectors:
        """Return the state before any token: float32 (state_size,)."""

    def step(self, states: Vectors, tokens: NDArray[np.int64]) -> tuple[Vectors, Vectors]:
        """Extend each state by one token.

        ``states`` float32 (n, state_size) and ``tokens`` int64 (n,) give the new states float32 (n, state_size)
        and their embeddings float32 (n, dim). The arguments are left as they are, and a row's result does not
        depend on the other rows.
        """

    def session(self, *, max_chars: int = 512) -> Session:
        """Start a typing session on this encoder's own engine."""
