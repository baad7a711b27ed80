"""The causal student: transformer layers that look back, one token a step, in int8.

The layers are the teacher's, fine-tuned under a causal mask, so that nothing of an earlier token changes when one is
added: of each token, its keys and values in every layer are kept, and a step computes the new token alone, which
attends to all of them. With the last layer's outputs h₁…hₙ the embedding is the L2-normalised sum of the weighted mean
of token vectors Σ wᵢ E[tᵢ] / Σ wᵢ and a correction U [hₙ ; Σ wᵢ hᵢ / Σ wᵢ]. The sibling
:mod:`~typeahead.encoders.recurrent` has the same read-out over a GRU, whose step costs a third and does not grow with
the text.

A state holds what its own token adds, and refers to the state before it for the rest; so prefixes share what they have
in common, wherever they branch.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from typeahead.encoders.base import Vectors
from typeahead.encoders.fold import FoldEncoder, rows_of_vocabulary
from typeahead.encoders.onnx import open_graph
from typeahead.models import ModelConfig


class CausalState:
    """What is kept of a token: its keys and values, the sums up to it, and the state before it."""

    __slots__ = ("before", "kept", "length", "sums")

    def __init__(self, before: CausalState | None, kept: bytes, sums: Vectors, length: int) -> None:
        self.before = before
        #: float16 (layers, 2, heads, width / heads).
        self.kept = kept
        #: float32 (1, 1, dim + width + 1).
        self.sums = sums
        #: Tokens up to this one, those of the start included.
        self.length = length

    @property
    def nbytes(self) -> int:
        """What this state takes by itself."""
        return sys.getsizeof(self) + sys.getsizeof(self.kept) + self.sums.nbytes + 2 * 112


class CausalEncoder(FoldEncoder):
    """An incremental encoder over the graphs ``step.onnx`` (``step-float32.onnx`` for that variant) and ``fold.onnx``.

    ``fold.onnx`` gives what the step looks up for a token: word embedding, weighted vector and weight. It is run for
    the whole vocabulary at loading, 47 MB as float16. The step's inputs are described where it is written, in
    ``training/graphs_causal.py``. The configuration's ``prefix_ids`` ([CLS], a prompt) stand before every text; they
    are attended to and are in no sum. :meth:`step` may be called from several threads; a session belongs to one.
    """

    # A batch is not faster, and would keep what is kept of all its tokens.
    _encode_batch = 1

    def __init__(self, config: ModelConfig, folder: Path, *, variant: str = "") -> None:
        super().__init__(config, folder)
        shape = config.shape
        self._run = open_graph(folder / f"step{variant}.onnx", fuse=False).run
        fold = open_graph(folder / "fold.onnx")
        self._rows = rows_of_vocabulary(fold, self.tokenizer.vocabulary_size, shape["width"] + config.dim + 1)
        self._entry = (2 * shape["layers"] * shape["heads"], shape["width"] // shape["heads"])
        # Made once, since to make an array of one number takes longer than a node of the graph.
        self._lengths = np.arange(config.max_tokens + len(config.prefix_ids) + 1, dtype=np.int32).reshape(-1, 1, 1)
        self._totals = self._lengths.reshape(-1) + 1
        zeros = np.zeros((1, 1, config.dim + shape["width"] + 1), np.float32)
        # It has no entry: what it keeps is there for its size alone.
        state = CausalState(None, bytes(4 * shape["layers"] * shape["width"]), zeros, 0)
        for token in config.prefix_ids:
            state = self.step((state,), np.array((token,), np.int64))[0][0]
        state.sums = zeros
        self._start = state

    def start(self) -> CausalState:
        """Return the state before any token of the text."""
        return self._start

    def step(self, states: Sequence[CausalState], tokens: NDArray[np.int64]) -> tuple[Sequence[CausalState], Vectors]:
        """Extend each state by one token; see :class:`~typeahead.encoders.base.IncrementalEncoder`.

        One after the other: the products' kernel gives other bits for several rows than for one, which int8 rounding
        makes larger (cosine 0.9997), and is but 1.2 to 1.6 times as fast for eight.
        """
        if len(states) == 1:
            state, embedding = self._step(states[0], tokens)
            return (state,), embedding
        stepped = [self._step(state, tokens[row : row + 1]) for row, state in enumerate(states)]
        return [state for state, _ in stepped], np.concatenate([embedding for _, embedding in stepped])

    def _step(self, state: CausalState, token: NDArray[np.int64]) -> tuple[CausalState, Vectors]:
        length = state.length
        kept, sums, embedding = self._run(
            None,
            {
                "rows": self._rows,
                "token": token[None],
                "length": self._lengths[length],
                "total": self._totals[length, ...],
                "sums": state.sums,
                "past": np.frombuffer(b"".join(_path(state)), np.float16).reshape(1, length, *self._entry),
            },
        )
        return CausalState(state, kept.tobytes(), sums, length + 1), embedding[0]

    def _begin(self, count: int) -> Sequence[CausalState]:
        return [self._start] * count

    def _advance(
        self, states: Sequence[CausalState], tokens: NDArray[np.int64]
    ) -> tuple[Sequence[CausalState], Vectors]:
        return self.step(states, tokens)


def _path(state: CausalState) -> list[bytes]:
    """What is kept of every token up to a state, the first token first."""
    path: list[bytes] = []
    while state.before is not None:
        path.append(state.kept)
        state = state.before
    path.reverse()
    return path
