"""The static student: a weighted mean of token vectors, and nothing else.

What every other student has to beat: the order of the tokens does not matter to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

from training.students.base import TokenMean, running_mean, start_weights, whole_mean

if TYPE_CHECKING:
    from training.recipe import StudentRecipe
    from training.teachers import Teacher


class Static(TokenMean):
    """``normalise( Σ wᵢ E[tᵢ] / Σ wᵢ )``."""

    family = "static"
    folds = True

    def __init__(self, table: Tensor, log_weights: Tensor, *, similarity: str = "cosine") -> None:
        super().__init__()
        self.similarity = similarity
        self.set_tokens(table, log_weights)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """See :meth:`~training.students.base.Student.forward`."""
        tokens, weights = self.weigh(ids, lengths)
        return self.finish(whole_mean(weights, tokens))

    def prefixes(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """See :meth:`~training.students.base.Student.prefixes`."""
        tokens, weights = self.weigh(ids, lengths)
        return self.finish(running_mean(weights, tokens))

    @property
    def settings(self) -> dict[str, Any]:
        """Sizes and similarity."""
        return {"vocabulary": len(self.table.weight), "dim": self.dim, "similarity": self.similarity}

    @classmethod
    def empty(cls, settings: Mapping[str, Any]) -> Self:
        """Weights of zero."""
        vocabulary, dim = settings["vocabulary"], settings["dim"]
        return cls(torch.zeros(vocabulary, dim), torch.zeros(vocabulary), similarity=settings["similarity"])

    @classmethod
    def start(cls, recipe: StudentRecipe, teacher: Teacher, counts: np.ndarray) -> Self:  # noqa: ARG003
        """The teacher's single-token outputs under weights from token counts."""
        return cls(teacher.token_vectors(), start_weights(counts), similarity=teacher.similarity)
