"""What an encoder is: the protocols that sessions, engine, index and server build on.

An *incremental encoder* is a fold over tokens: a start state, a step, a read-out. A *passage encoder* takes whole
texts only. Both answer :meth:`Encoder.encode`.
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

#: What an incremental encoder keeps for a token prefix. Opaque to all but the encoder, but for one attribute:
#: ``nbytes``, what it takes beside the earlier states that it shares; the same for all states of an encoder.
State: TypeAlias = Any


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

    A state may refer to the state that it extends, as long as it never changes it: the cache keeps a prefix longer than
    what extends it. One with ``readouts`` = 2 says two things of each prefix: what it means as it is, and what the
    text that it may become will mean; :meth:`step` gives the second behind the first, float32 (n, 2 dim).
    """

    tokenizer: IncrementalTokenizer
    max_tokens: int

    def start(self) -> State:
        """Return the state before any token of the text."""

    def step(self, states: Sequence[Any], tokens: NDArray[np.int64]) -> tuple[Sequence[State], Vectors]:
        """Extend each of n states by one token.

        ``tokens`` int64 (n,) give the new states, none of which keeps another of them in memory, and their embeddings
        float32 (n, dim). The arguments are left as they are, and a row's result does not depend on the other rows.
        """
