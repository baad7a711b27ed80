"""A family that neither package knows: the embedding is the vector of the last token, times a scale.

Everything that a new family has to bring is here; :mod:`tests.training.test_families` adds its two records.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn

from training.exporting.writers.parts import Target, Words, Written, as_array
from training.families import Family
from training.student_recipes import StudentRecipe
from training.students import Student
from training.students.base import last_of
from training.teacher.torch_teacher import TorchTeacher
from typeahead.core.encoder import Vectors
from typeahead.encoders.families import Family as RunTimeFamily
from typeahead.encoders.fold import VectorFold
from typeahead.models.config import ModelConfig

_HERE = "tests.training.toy_family"

TRAINING = Family(
    "last-token",
    runs_as="last-token",
    recipe=f"{_HERE}:LastTokenRecipe",
    student=f"{_HERE}:LastToken",
    writer=f"{_HERE}:write",
    words=f"{_HERE}:words",
)
RUN_TIME = RunTimeFamily("last-token", f"{_HERE}:LastTokenEncoder", graphs=(), incremental=True, float32_variant=False)


@dataclass(frozen=True)
class LastTokenRecipe(StudentRecipe):
    """Its entries in ``[student]``."""

    family: str = "last-token"
    scale: float = 1.0


class LastToken(Student):
    """The student."""

    family = "last-token"
    folds = True

    def __init__(self, *, vocabulary: int, dim: int, scale: float, similarity: str) -> None:
        super().__init__()
        self.dim, self.similarity, self._scale = dim, similarity, scale
        self.table = nn.Embedding(vocabulary, dim)

    def prefixes(self, ids: Tensor, lengths: Tensor) -> Tensor:  # noqa: ARG002
        return self.finish(self.table(ids) * self._scale)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        return last_of(self.prefixes(ids, lengths), lengths)

    @property
    def settings(self) -> dict[str, Any]:
        vocabulary, dim = self.table.weight.shape
        return {"vocabulary": vocabulary, "dim": dim, "scale": self._scale, "similarity": self.similarity}

    @classmethod
    def start(cls, recipe: StudentRecipe, teacher: TorchTeacher, counts: np.ndarray) -> Self:  # noqa: ARG003
        assert isinstance(recipe, LastTokenRecipe)
        vectors = teacher.token_vectors()
        vocabulary, dim = vectors.shape
        student = cls(vocabulary=vocabulary, dim=dim, scale=recipe.scale, similarity=teacher.similarity)
        with torch.no_grad():
            student.table.weight.copy_(vectors)
        return student


def write(student: LastToken, target: Target) -> Written:
    """Write the table."""
    save_file({"table": as_array(student.table.weight)}, target.folder / "weights.safetensors")
    (target.folder / "scale.json").write_text(json.dumps(student.settings["scale"]))
    return Written()


def words(student: LastTokenRecipe, teacher: str) -> Words:
    """What its card says."""
    return Words(f"The last token's vector in the space of {teacher}, times {student.scale}.", "float32, run by NumPy")


class LastTokenEncoder(VectorFold):
    """What runs it: its state is the embedding."""

    _encode_batch = 8

    def __init__(self, config: ModelConfig, folder: Path) -> None:
        super().__init__(config, folder)
        self.state_size = config.dim
        tensors: Mapping[str, Vectors] = load_file(folder / "weights.safetensors")
        self._table = tensors["table"] * np.float32(json.loads((folder / "scale.json").read_text()))
        if config.unit:
            self._table /= np.linalg.norm(self._table, axis=1, keepdims=True)

    def _advance(self, states: Vectors, tokens: NDArray[np.int64]) -> tuple[Vectors, Vectors]:  # noqa: ARG002
        found: Vectors = self._table[tokens]
        return found, found
