"""Where an engine keeps what its encoder computed: a state and an embedding in each numbered slot.

:mod:`typeahead.core.prefixes` knows which token prefix has which slot and which go first; here are the arrays behind
them. Encoders whose states are vectors of one size keep them in :class:`ArrayStates`, two matrices of which a step
reads some rows and writes others, so that nothing is allocated, stacked or copied apart for a key. All other encoders'
states are objects, kept in :class:`ObjectStates`.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import IncrementalEncoder, Vectors
from typeahead.errors import EncoderError

#: Steps one batch of states, float32 (n, size), by tokens int64 (n,): the next states, and embeddings float32 (n, dim).
Step = Callable[[Vectors, NDArray[np.int64]], tuple[Vectors, Vectors]]


class States(Protocol):
    """States and embeddings in slots 0 to n - 1; slot 0 holds the start state and no embedding."""

    slot_bytes: int
    #: Whether one of ``parents`` may be one of ``children`` that stands before it in the same step.
    chains: bool

    def step(self, parents: Sequence[int], tokens: Sequence[int], children: Sequence[int]) -> None:
        """Extend the state in each of ``parents`` by one token, and write the results into ``children``.

        Raises :class:`~typeahead.errors.EncoderError` for an embedding that is NaN or infinite, and what the encoder
        raises; what stands in ``children`` then counts for nothing.
        """

    def embeddings(self, slots: Sequence[int]) -> Vectors:
        """Copy the embeddings of ``slots``, with whatever else the encoder reads: float32 (n, readouts x dim)."""

    def forget(self, slot: int) -> None:
        """Give up what a slot holds."""


class ArrayStates:
    """States that are vectors of one size: float32 (slots, size) beside float32 (slots, dim).

    The memory is taken when a slot is first written to.
    """

    chains = False

    def __init__(self, step: Step, start: Vectors, dim: int, slots: int) -> None:
        self._step = step
        self._states = matrix(slots, len(start))
        self._embeddings = matrix(slots, dim)
        self._states[0] = start
        self.slot_bytes = start.nbytes + 4 * dim

    def step(self, parents: Sequence[int], tokens: Sequence[int], children: Sequence[int]) -> None:
        """See :meth:`States.step`."""
        states = self._states
        if len(parents) == 1:
            parent, child = parents[0], children[0]
            following, embeddings = self._step(states[parent : parent + 1], np.array(tokens, np.int64))
            check_vectors(embeddings)
            states[child] = following[0]
            self._embeddings[child] = embeddings[0]
            return
        following, embeddings = self._step(states.take(parents, axis=0), np.array(tokens, np.int64))
        check_vectors(embeddings)
        rows = np.array(children)
        states[rows] = following
        self._embeddings[rows] = embeddings

    def embeddings(self, slots: Sequence[int]) -> Vectors:
        """See :meth:`States.embeddings`."""
        return self._embeddings.take(slots, axis=0)

    def forget(self, slot: int) -> None:
        """Nothing: the slot's memory is written over when it is used again."""


class ObjectStates:
    """States that only their encoder knows, one object a slot."""

    chains = False

    def __init__(self, encoder: IncrementalEncoder, slots: int) -> None:
        self._encoder = encoder
        self._states: list[Any] = [None] * slots
        width = getattr(encoder, "readouts", 1) * encoder.dim
        self._embeddings = matrix(slots, width)
        self._states[0] = encoder.start()
        self.slot_bytes: int = self._states[0].nbytes + 4 * width

    def step(self, parents: Sequence[int], tokens: Sequence[int], children: Sequence[int]) -> None:
        """See :meth:`States.step`."""
        states = self._states
        following, embeddings = self._encoder.step([states[slot] for slot in parents], np.array(tokens, np.int64))
        check_vectors(embeddings)
        for child, state, embedding in zip(children, following, embeddings, strict=True):
            states[child] = state
            self._embeddings[child] = embedding

    def embeddings(self, slots: Sequence[int]) -> Vectors:
        """See :meth:`States.embeddings`."""
        return self._embeddings.take(slots, axis=0)

    def forget(self, slot: int) -> None:
        """Drop the object."""
        self._states[slot] = None


def matrix(rows: int, width: int, dtype: Any = np.float32) -> NDArray[Any]:
    """Make an array (rows, width), zeros, whose memory is taken page by page as rows are written.

    NumPy asks for huge pages. The first key to write into one then waits while the system clears two megabytes, which
    on a virtual machine took 5 ms, ten times a second while the cache of a busy server fills.
    """
    memory = mmap.mmap(-1, max(1, np.dtype(dtype).itemsize * rows * width))
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, dtype, rows * width).reshape(rows, width)


def check_vectors(vectors: Vectors) -> None:
    """Raise :class:`~typeahead.errors.EncoderError` if any of embeddings, float32 (n, dim), is NaN or infinite."""
    # One product over all of them: 0.6 µs for one vector, against 4 for isfinite() and all().
    flat = vectors.reshape(-1)
    if not math.isfinite(flat @ flat):
        raise EncoderError("the encoder gave a vector that is NaN or infinite: its weights or its runtime are broken")
