"""Folds whose state has a fixed size: one small int8 ONNX graph per token.

The shipped model is a residual GRU. After tokens t₁…tₙ, its embedding is the L2-normalised sum of two parts: the
weighted mean of token vectors m = Σ wᵢ E[tᵢ] / Σ wᵢ, and a correction. A linear read-out of a GRU over the same vectors
gives the correction, U [hₙ ; Σ wᵢ hᵢ / Σ wᵢ]. If the configuration's ``shape`` states ``readout`` units, a layer like
that of :mod:`~typeahead.encoders.hidden_layer` gives it, from [√dim·m/|m| ; hₙ ; Σ wᵢ hᵢ / Σ wᵢ], and the first part is
m/|m| where vectors have length 1. The state holds both weighted sums, the sum of weights and hₙ, so the model is a
fold. Stacked GRUs, RNN(l, f) of *Extremely efficient online query encoding*, are folds of the same form; only their
graphs know what is in the state.

The sibling :mod:`~typeahead.encoders.static` has only the mean, and no graph; :mod:`~typeahead.encoders.causal` keeps
the keys and values of each token instead of a fixed-size state; :mod:`~typeahead.encoders.transformer` has no state and
encodes whole texts.

A GRU's hidden state is a convex mix of tanh outputs and stays inside (-1, 1), so its int8 scale is the constant 1/127.
Everything without such a bound has one scale per row. So no row's result depends on the other rows of a batch.
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

    The step takes ``state`` float32 (n, state_size) and ``token`` int64 (n,), and returns ``next_state`` and
    ``embedding`` float32 (n, dim). The GRU's input gates and the weighted vector depend only on the token, so
    ``fold.onnx`` computes them for the whole vocabulary at loading (94 MB as float16 for the shipped student), and each
    step needs a third fewer weights. The configuration's ``shape`` states the length of a ``state`` and of such a
    ``row``. ``compiled`` allows a compiled function to replace the graph where possible (:attr:`compiled` tells whether
    it does). :meth:`step` may be called from several threads; a session must stay on one.
    """

    _encode_batch = 256

    def __init__(self, config: ModelConfig, folder: Path, *, variant: str = "", compiled: bool = True) -> None:
        super().__init__(config, folder)
        self.state_size = config.shape["state"]
        self._run = open_graph(folder / f"step{variant}.onnx").run
        fold = open_graph(folder / f"fold{variant}.onnx")
        # The first models have no "row"; they are residual GRUs of one layer.
        width = config.shape.get("row") or 3 * config.shape["hidden"] + config.dim + 2
        self._rows = rows_of_vocabulary(fold, self.tokenizer.vocabulary_size, width)
        step = _compiled(config, folder / "weights.safetensors", self._rows) if compiled and not variant else None
        #: Whether :mod:`typeahead.encoders.compiled.recurrent` runs the steps.
        self.compiled = step is not None and self._agrees(step)
        self._take: Step = step if step is not None and self.compiled else self._run_graph

    def _agrees(self, step: Step) -> bool:
        """Whether a step agrees with the graph up to rounding; warns if not."""
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
    """Compile the step if Numba is installed, and the student and the processor are supported."""
    module = import_compiled("recurrent", "the step")
    return module.CompiledStep(config, weights, rows) if module is not None and module.fits(config) else None
