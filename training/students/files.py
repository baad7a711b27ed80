"""Makes students from recipes, and writes and reads their file, ``student.safetensors``.

The file holds the student's state dict. Its metadata (``student``, JSON) name the family and the settings of an empty
student, and may hold more that a run wants to remember. A file without metadata is a residual GRU: the first version
wrote those.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from training.families import family_of, resolve
from training.students.base import Student
from training.students.recurrent import ResidualGRU

if TYPE_CHECKING:
    from training.student_recipes import StudentRecipe
    from training.teacher.torch_teacher import TorchTeacher

#: The file of a run that holds its student.
STUDENT = "student.safetensors"


def student_class(family: str) -> type[Student]:
    """The class of a family's students. ``ValueError`` for a family that does not exist."""
    found: type[Student] = resolve(family_of(family).student)
    return found


def build(recipe: StudentRecipe, teacher: TorchTeacher, counts: np.ndarray) -> Student:
    """The student of a recipe before training. ``counts`` int64 (vocabulary,) counts tokens in the training texts."""
    return student_class(recipe.family).start(recipe, teacher, counts)


def save_student(student: Student, path: Path, *, metadata: Mapping[str, str] | None = None) -> None:
    """Write a student. The file appears whole or not at all."""
    described = {"student": json.dumps({"family": student.family, **student.settings}), **(metadata or {})}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in student.state_dict().items()}
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata=described)
    partial.replace(path)


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a student's file."""
    with safe_open(path, framework="numpy") as file:
        return dict(file.metadata() or {})


def load_student(path: Path) -> Student:
    """Read a student, in evaluation mode, from its file or from the folder of its run."""
    path = path / STUDENT if path.is_dir() else path
    state = load_file(path)
    described = json.loads(read_metadata(path).get("student", "{}"))
    if described:
        student = student_class(described.pop("family")).empty(described)
    else:
        student = ResidualGRU(
            state["table.weight"], state["log_weights.weight"], hidden=state["gru.weight_hh_l0"].shape[1]
        )
    student.load_state_dict(state)
    return student.eval()
