"""Makes students from recipes, and writes and reads them: ``student.safetensors``.

The file holds the student's state dict. Its metadata say which family it is of, and the settings that make an empty one
(``student``, JSON), and may hold more that a run wants to remember. Files without metadata are of the residual GRU, as
the first version wrote them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from training.students.base import Student
from training.students.recurrent import PaperRNN, ResidualGRU
from training.students.static import Static
from training.students.transformer import Causal, TruncatedTransformer

if TYPE_CHECKING:
    from training.recipe import StudentRecipe
    from training.teacher.torch_teacher import TorchTeacher

#: The file of a run that holds its student.
STUDENT = "student.safetensors"

FAMILIES: dict[str, type[Student]] = {
    kind.family: kind for kind in (Static, ResidualGRU, PaperRNN, Causal, TruncatedTransformer)
}


def _family(name: str) -> type[Student]:
    if name not in FAMILIES:
        raise ValueError(f"student family {name!r} is none of {', '.join(FAMILIES)}")
    return FAMILIES[name]


def build(recipe: StudentRecipe, teacher: TorchTeacher, counts: np.ndarray) -> Student:
    """The student of a recipe before training; ``counts`` int64 (vocabulary,) are the tokens' in the training texts."""
    return _family(recipe.family).start(recipe, teacher, counts)


def save_student(student: Student, path: Path, *, metadata: Mapping[str, str] | None = None) -> None:
    """Write a student so that the file is there whole or not at all."""
    described = {"student": json.dumps({"family": student.family, **student.settings}), **(metadata or {})}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in student.state_dict().items()}
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata=described)
    partial.replace(path)


def read_metadata(path: Path) -> dict[str, str]:
    """What a student's file says beside its weights."""
    with safe_open(path, framework="numpy") as file:
        return dict(file.metadata() or {})


def load_student(path: Path) -> Student:
    """Read a student, in evaluation mode, from ``student.safetensors`` or the folder of a run that holds it."""
    path = path / STUDENT if path.is_dir() else path
    state = load_file(path)
    described = json.loads(read_metadata(path).get("student", "{}"))
    if described:
        student = _family(described.pop("family")).empty(described)
    else:
        student = ResidualGRU(
            state["table.weight"], state["log_weights.weight"], hidden=state["gru.weight_hh_l0"].shape[1]
        )
    student.load_state_dict(state)
    return student.eval()
