"""The static student: a weighted mean of token vectors, with or without a hidden layer after it.

It ignores the order of the tokens, and is what every other student has to beat. The layer lets a combination of tokens
mean something else than each token, as in a *deep averaging network* (Iyyer et al. 2015). The state kept while a text
is typed is still the sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

from training.student_recipes import StaticRecipe, StudentRecipe
from training.students.base import TokenMean, running_mean, start_weights, whole_mean

if TYPE_CHECKING:
    from training.teacher.torch_teacher import TorchTeacher


class Static(TokenMean):
    """``normalise( m + W2·GELU(W1·√dim·m/|m| + b1) + b2 )``, where m = Σ wᵢ E[tᵢ] / Σ wᵢ.

    If vectors are compared by cosine, m has length 1 in the sum as well. Without ``hidden`` units the embedding is m.
    """

    family = "static"
    folds = True

    def __init__(
        self, table: Tensor, log_weights: Tensor, *, hidden: int = 0, bits: int = 8, similarity: str = "cosine"
    ) -> None:
        super().__init__()
        self.similarity = similarity
        self.set_tokens(table, log_weights)
        self.hidden, self.bits = hidden, bits
        if hidden:
            self.add_layer(hidden, bits=bits)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """See :meth:`~training.students.base.Student.forward`."""
        tokens, weights = self.weigh(ids, lengths)
        return self._read(whole_mean(weights, tokens))

    def prefixes(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """See :meth:`~training.students.base.Student.prefixes`."""
        tokens, weights = self.weigh(ids, lengths)
        return self._read(running_mean(weights, tokens))

    def _read(self, mean: Tensor) -> Tensor:
        """The embedding of means (…, dim)."""
        return self.read_by_layer(mean) if self.hidden else self.finish(mean)

    @property
    def settings(self) -> dict[str, Any]:
        """See :attr:`~training.students.base.Student.settings`."""
        return {
            "vocabulary": len(self.log_weights.weight),
            "dim": self.dim,
            "hidden": self.hidden,
            "bits": self.bits,
            "similarity": self.similarity,
        }

    @classmethod
    def empty(cls, settings: Mapping[str, Any]) -> Self:
        """See :meth:`~training.students.base.Student.empty`."""
        others = dict(settings)
        vocabulary, dim = others.pop("vocabulary"), others.pop("dim")
        return cls(torch.zeros(vocabulary, dim), torch.zeros(vocabulary), **others)

    @classmethod
    def start(cls, recipe: StudentRecipe, teacher: TorchTeacher, counts: np.ndarray) -> Self:
        """The teacher's vectors of single tokens, weighted by token counts."""
        assert isinstance(recipe, StaticRecipe)
        return cls(
            teacher.token_vectors(),
            start_weights(counts),
            hidden=recipe.readout,
            bits=recipe.readout_bits,
            similarity=teacher.similarity,
        )
