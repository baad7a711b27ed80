"""The causal student: int8 transformer layers with causal attention, stepped one token at a time.

The layers are the teacher's, fine-tuned with a causal mask, so a new token changes nothing about earlier ones. The
state keeps the keys and values of each token in every layer, and a step computes only the new token, which attends to
all of them. From the last layer's outputs h₁…hₙ, the embedding is the L2-normalised sum of the weighted mean of token
vectors Σ wᵢ E[tᵢ] / Σ wᵢ and a correction U [hₙ ; Σ wᵢ hᵢ / Σ wᵢ]. The sibling :mod:`~typeahead.encoders.recurrent` has
the same readout over a GRU; a GRU step costs a tenth of six layers and does not grow with the text.

A student may have a second readout of the same two inputs, which predicts where an unfinished text is going
(:meth:`~typeahead.encoders.fold.FoldEncoder.encode_ahead`).

A state stores only its own token's data and refers to the previous state for the rest. So texts share their common
prefixes, wherever they branch.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.core.states import ObjectStates, States
from typeahead.encoders.compiled.importing import import_compiled, warn_of_other_vectors
from typeahead.encoders.fold import FoldEncoder, rows_of_vocabulary
from typeahead.encoders.onnx import open_graph
from typeahead.models.config import ModelConfig
from typeahead.models.golden import agreements

#: Activations of feed-forward layers. A configuration states the number of one that is not the first, counted from 1.
ACTIVATIONS = ("gelu", "gelu_tanh", "relu")
#: Required agreement of the compiled step with the graph. Even with equal products, some values are rounded to int8
#: differently, and twelve layers amplify this to 0.997 (all-mpnet-base-v2). A wrong step gives wholly other vectors.
_LEAST_AGREEMENT = 0.99


class CausalState:
    """The state after a token: its keys and values, the sums so far, and the previous state."""

    __slots__ = ("before", "kept", "length", "sums")

    def __init__(self, before: CausalState | None, kept: bytes, sums: Vectors, length: int) -> None:
        self.before = before
        #: float16 (layers, 2, heads, width / heads).
        self.kept = kept
        #: float32 (1, 1, dim + width + 1).
        self.sums = sums
        #: Tokens up to and including this one, with those of the start.
        self.length = length

    @property
    def nbytes(self) -> int:
        """Size of this state alone."""
        return sys.getsizeof(self) + sys.getsizeof(self.kept) + self.sums.nbytes + 2 * 112


class CausalEncoder(FoldEncoder):
    """An incremental encoder over the graphs ``step.onnx`` (``step-float32.onnx`` for that variant) and ``fold.onnx``.

    ``fold.onnx`` computes what a step looks up for its token: word embedding, weighted vector and weight. It runs for
    the whole vocabulary when the model is loaded; the result is 47 MB as float16. The step's inputs are described with
    the code that writes it, ``training/exporting/graphs_causal.py``. The configuration's ``prefix_ids`` ([CLS], a
    prompt) come before every text; tokens attend to them, but they are not part of the sums. ``compiled`` allows a
    compiled function to replace the graph where possible (:attr:`compiled` tells whether it does). :meth:`step` may be
    called from several threads; a session must stay on one.
    """

    # A batch would keep the states of all its tokens in memory; the compiled step runs several tokens of one text
    # together.
    _encode_batch = 1

    def __init__(self, config: ModelConfig, folder: Path, *, variant: str = "", compiled: bool = True) -> None:
        super().__init__(config, folder)
        shape = config.shape
        self.readouts = shape.get("readouts", 1)
        self._run = open_graph(folder / f"step{variant}.onnx", fuse=False).run
        fold = open_graph(folder / "fold.onnx")
        self._rows = rows_of_vocabulary(fold, self.tokenizer.vocabulary_size, shape["width"] + config.dim + 1)
        self._entry = (2 * shape["layers"] * shape["heads"], shape["width"] // shape["heads"])
        # Made once: creating a one-element array takes longer than running a node of the graph.
        self._lengths = np.arange(config.max_tokens + len(config.prefix_ids) + 1, dtype=np.int32).reshape(-1, 1, 1)
        self._totals = self._lengths.reshape(-1) + 1
        self._compiled: Any = None
        self._start = self._begin_anew()
        step = _compiled(config, folder, self._rows) if compiled and not variant else None
        if step is not None and self._agrees(step):
            self._compiled = step
            self._start = self._begin_anew()

    @property
    def compiled(self) -> bool:
        """Whether :mod:`typeahead.encoders.compiled.causal` runs the steps."""
        return self._compiled is not None

    def _begin_anew(self) -> CausalState:
        """Step the tokens that come before every text."""
        zeros = np.zeros((1, 1, self.dim + self.config.shape["width"] + 1), np.float32)
        # This state has no token; its ``kept`` is only there for its size.
        state = CausalState(None, bytes(4 * self.config.shape["layers"] * self.config.shape["width"]), zeros, 0)
        for token in self.config.prefix_ids:
            state, _ = self._step(state, token)
        state.sums = zeros
        return state

    def _agrees(self, step: Any) -> bool:
        """Whether a step agrees with the graph up to rounding; warns if not."""
        state = self._start
        for token in range(self.tokenizer.vocabulary_size // 16, self.tokenizer.vocabulary_size, 1 << 12):
            _, _, found = self._run_compiled(step, state, token)
            state, expected = self._run_graph(state, token)
            if not agreements(found[None], expected)[0] > _LEAST_AGREEMENT:
                warn_of_other_vectors(f"{self.config.name}: the compiled step", "ONNX Runtime")
                return False
        return True

    def start(self) -> CausalState:
        """Return the state before the first token of the text."""
        return self._start

    def states(self, slots: int) -> States:
        """Make storage for ``slots`` states and embeddings."""
        if self._compiled is None:
            return ObjectStates(self, slots)
        states: States = self._compiled.states(_matrix(self._start), slots)
        return states

    def step(self, states: Sequence[CausalState], tokens: NDArray[np.int64]) -> tuple[Sequence[CausalState], Vectors]:
        """Extend each state by one token; see :class:`~typeahead.core.encoder.IncrementalEncoder`.

        The graph runs the states one by one. Its products differ in the last bits between one row and several, int8
        rounding amplifies the difference (cosine 0.9997), and eight rows together are only 1.2 to 1.6 times as fast. An
        engine steps with the storage from :meth:`states`, which runs compiled steps together.
        """
        stepped = [self._step(state, int(token)) for state, token in zip(states, tokens, strict=True)]
        return [state for state, _ in stepped], np.concatenate([embedding for _, embedding in stepped])

    def _step(self, state: CausalState, token: int) -> tuple[CausalState, Vectors]:
        """Extend one state; the embedding is float32 (1, dim)."""
        if self._compiled is None:
            return self._run_graph(state, token)
        kept, sums, embedding = self._run_compiled(self._compiled, state, token)
        return CausalState(state, kept.tobytes(), sums.reshape(1, 1, -1), state.length + 1), embedding[None]

    def _run_compiled(self, step: Any, state: CausalState, token: int) -> tuple[NDArray[np.uint16], Vectors, Vectors]:
        result: tuple[NDArray[np.uint16], Vectors, Vectors]
        result = step(_matrix(state), np.arange(state.length), token, state.sums.reshape(-1))
        return result

    def _run_graph(self, state: CausalState, token: int) -> tuple[CausalState, Vectors]:
        length = state.length
        kept, sums, embedding = self._run(
            None,
            {
                "rows": self._rows,
                "token": np.array([[token]], np.int64),
                "length": self._lengths[length],
                "total": self._totals[length, ...],
                "sums": state.sums,
                "past": _matrix(state).view(np.float16).reshape(1, length, *self._entry),
            },
        )
        return CausalState(state, kept.tobytes(), sums, length + 1), embedding[0]

    def _encode_ids(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """See :meth:`~typeahead.encoders.fold.FoldEncoder._encode_ids`; here a batch is a single text."""
        if self._compiled is None or not ids[0]:
            return super()._encode_ids(ids)
        vector: Vectors = self._compiled.encode(_matrix(self._start), ids[0])
        return vector[None]

    def _begin(self, count: int) -> Sequence[CausalState]:
        return [self._start] * count

    def _advance(
        self, states: Sequence[CausalState], tokens: NDArray[np.int64]
    ) -> tuple[Sequence[CausalState], Vectors]:
        return self.step(states, tokens)


def _matrix(state: CausalState) -> NDArray[np.uint16]:
    """Return keys and values of all tokens up to a state, in text order: bits of float16 (length, …)."""
    path: list[bytes] = []
    while state.before is not None:
        path.append(state.kept)
        state = state.before
    path.reverse()
    entries = len(state.kept) // 2
    return np.frombuffer(b"".join(path), np.uint16).reshape(len(path), entries)


def _compiled(config: ModelConfig, folder: Path, rows: NDArray[np.float16]) -> Any | None:
    """Compile the step if Numba is installed, and the student and the processor are supported."""
    module = import_compiled("causal", "the step")
    return None if module is None else module.CompiledStep.of(config, folder, rows)
