"""The folds whose state has one size: one small ONNX graph a token, in int8.

What ships is the residual GRU: after tokens t₁…tₙ the embedding is the L2-normalised sum of two parts, the weighted
mean of token vectors Σ wᵢ E[tᵢ] / Σ wᵢ, and a correction U [hₙ ; Σ wᵢ hᵢ / Σ wᵢ] read from a GRU that ran over the same
vectors. The state holds both weighted sums, the sum of weights and hₙ, so it is a fold. GRUs on top of one another,
RNN(l, f) of *Extremely efficient online query encoding* are folds of the same form: what is in their states is their
graphs' affair. The sibling :mod:`~typeahead.encoders.static` has the mean alone, and no graph;
:mod:`~typeahead.encoders.causal` keeps what attention needs of each token instead of one state;
:mod:`~typeahead.encoders.transformer` has no state and reads whole texts.

A GRU's hidden state is a convex mix of tanh outputs and stays inside (-1, 1), so its int8 scale is the constant 1/127,
and what is not bounded like it has a scale for each row: no row's result depends on the other rows of a batch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.core.states import Step
from typeahead.encoders.compiled.importing import import_compiled, warn_of_other_vectors
from typeahead.encoders.fold import VectorFold, rows_of_vocabulary
from typeahead.encoders.onnx import open_graph
from typeahead.models.config import ModelConfig


class RecurrentEncoder(VectorFold):
    """An incremental encoder over the graphs ``step.onnx`` and ``fold.onnx`` (``…-float32.onnx`` for that variant).

    The step takes ``state`` float32 (n, state_size) and ``token`` int64 (n,) and gives ``next_state`` and ``embedding``
    float32 (n, dim). The GRU's input gates and the weighted vector depend on the token alone: ``fold.onnx`` computes
    them for the whole vocabulary at loading (for the student that ships 94 MB as float16), which spares each step a
    third of its weights. The configuration's ``shape`` states the length of a ``state`` and of a ``row`` of these.
    ``compiled`` lets the step be a compiled function instead of a graph, where that can be (:attr:`compiled` tells).
    :meth:`step` may be called from several threads; a session belongs to one.
    """

    _encode_batch = 256

    def __init__(self, config: ModelConfig, folder: Path, *, variant: str = "", compiled: bool = True) -> None:
        super().__init__(config, folder)
        self.state_size = config.shape["state"]
        self._run = open_graph(folder / f"step{variant}.onnx").run
        fold = open_graph(folder / f"fold{variant}.onnx")
        # The first models state no "row": a residual GRU of one layer.
        width = config.shape.get("row") or 3 * config.shape["hidden"] + config.dim + 2
        self._rows = rows_of_vocabulary(fold, self.tokenizer.vocabulary_size, width)
        step = _compiled(config, folder / "weights.safetensors", self._rows) if compiled and not variant else None
        #: Whether steps are run by :mod:`typeahead.encoders.compiled.recurrent`.
        self.compiled = step is not None and self._agrees(step)
        self._take: Step = step if step is not None and self.compiled else self._run_graph

    def _agrees(self, step: Step) -> bool:
        """Whether a step gives what the graph gives, but for rounding; a warning where it does not."""
        tokens = np.arange(len(self._rows))[:: max(1, len(self._rows) // 16)][:9]
        states = self._begin(len(tokens))
        for _ in range(2):
            expected, embeddings = self._run_graph(states, tokens)
            stepped, found = step(states, tokens)
            if not (np.allclose(stepped, expected, atol=1e-3) and np.allclose(found, embeddings, atol=1e-3)):
                warn_of_other_vectors(f"{self.config.name}: the compiled step", "ONNX Runtime")
                return False
            states = expected
        return True

    def _advance(self, states: Vectors, tokens: NDArray[np.int64]) -> tuple[Vectors, Vectors]:
        return self._take(states, tokens)

    def _run_graph(self, states: Vectors, tokens: NDArray[np.int64]) -> tuple[Vectors, Vectors]:
        next_states, embeddings = self._run(None, {"state": states, "token": tokens, "rows": self._rows})
        return next_states, embeddings


def _compiled(config: ModelConfig, weights: Path, rows: NDArray[np.float16]) -> Step | None:
    """Compile the step, if Numba is there and the student and the processor are of the kind."""
    module = import_compiled("recurrent", "the step")
    return module.CompiledStep(config, weights, rows) if module is not None and module.fits(config) else None
