"""Where an engine keeps what its encoder computed: a state and an embedding in each numbered slot.

:mod:`typeahead.core.prefixes` maps token prefixes to slots and decides which to evict; this module holds the arrays
behind the slots. Encoders whose states are vectors of one size use :class:`ArrayStates`: two matrices, where a step
reads some rows and writes others without any allocation, stacking or copying per keystroke. All other encoders have
objects as states, which :class:`ObjectStates` holds.
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

#: Advances a batch of states float32 (n, size) by tokens int64 (n,): returns next states and embeddings float32 (n,
#: dim).
Step = Callable[[Vectors, NDArray[np.int64]], tuple[Vectors, Vectors]]


class States(Protocol):
    """States and embeddings in slots 0 to n - 1; slot 0 holds the start state and no embedding."""

    slot_bytes: int
    #: Whether a parent may itself be an earlier child of the same step.
    chains: bool

    def step(self, parents: Sequence[int], tokens: Sequence[int], children: Sequence[int]) -> None:
        """Extend the state in each of ``parents`` by one token, and write the results into ``children``.

        Raises :class:`~typeahead.errors.EncoderError` if an embedding is NaN or infinite, and passes on the encoder's
        own errors; the content of ``children`` is then undefined.
        """

    def embeddings(self, slots: Sequence[int]) -> Vectors:
        """Copy the embeddings of ``slots``, including any second readout: float32 (n, readouts x dim)."""

    def forget(self, slot: int) -> None:
        """Discard the content of a slot."""


class ArrayStates:
    """States that are vectors of one size: float32 (slots, size), with embeddings float32 (slots, dim).

    Memory is allocated when a slot is first written.
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
        """Do nothing: the next use of the slot overwrites it."""


class ObjectStates:
    """States that only their encoder understands, one object per slot."""

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
    """Make a zero array (rows, width) whose memory is allocated page by page as rows are written.

    NumPy asks for huge pages. The first keystroke to write into one then waits while the system clears two megabytes.
    On a virtual machine that took 5 ms, ten times a second while the cache of a busy server fills.
    """
    memory = mmap.mmap(-1, max(1, np.dtype(dtype).itemsize * rows * width))
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, dtype, rows * width).reshape(rows, width)


def check_vectors(vectors: Vectors) -> None:
    """Raise :class:`~typeahead.errors.EncoderError` if any embedding in float32 (n, dim) is NaN or infinite."""
    # One dot product over all of them: 0.6 µs for one vector, against 4 µs for isfinite() and all().
    flat = vectors.reshape(-1)
    if not math.isfinite(flat @ flat):
        raise EncoderError("the encoder returned a NaN or infinite vector: its weights or its runtime are broken")
