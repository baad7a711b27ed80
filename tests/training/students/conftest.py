"""A teacher that compares by cosine, and one that compares by dot product."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from training.teacher.torch_teacher import TorchTeacher


@pytest.fixture(scope="module")
def teacher(teacher_folder: Path) -> TorchTeacher:
    """Mean pooling, normalised."""
    from training.teacher.torch_teacher import TorchTeacher

    return TorchTeacher(str(teacher_folder))


@pytest.fixture(scope="module")
def dot_teacher(dot_teacher_folder: Path) -> TorchTeacher:
    """coCondenser's form: [CLS], not normalised."""
    from training.teacher.torch_teacher import TorchTeacher

    return TorchTeacher(str(dot_teacher_folder))
