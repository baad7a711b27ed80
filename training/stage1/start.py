"""What a student continues from: a finished run, or an exported model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from training.recipe import Recipe
from training.student_recipes import StudentRecipe
from training.students import Student, build, load_student
from training.students.files import STUDENT
from training.students.shipped import load_weights
from training.teacher.about import revision_of
from training.teacher.torch_teacher import TorchTeacher
from typeahead.errors import TrainingError
from typeahead.models.config import ModelConfig
from typeahead.models.folder import find, open_config


def start_of(given: Path, recipe: Recipe) -> Callable[[TorchTeacher], Student]:
    """How to make the student of a finished run or of a model, once the teacher of a recipe is there.

    Raises:
        ModelError: ``given`` is neither, or the model is damaged.
    """
    if (given / STUDENT).is_file():
        return lambda _teacher: load_student(given)
    folder = find(given)
    config, _ = open_config(folder)
    return lambda teacher: start_from(folder, config, teacher, recipe.student)


def start_from(folder: Path, config: ModelConfig, teacher: TorchTeacher, recipe: StudentRecipe) -> Student:
    """A student with the weights of a model folder.

    Raises:
        TrainingError: the model has another teacher.
        ValueError: its weights do not fit the teacher's sizes.
    """
    revision = revision_of(teacher)
    if config.teacher.revision and config.teacher.revision != revision:
        raise TrainingError(
            f"--start {folder} was made for {config.teacher.name} with the weights {config.teacher.revision[:12]}, and "
            f"{teacher.name} has {revision[:12]}: they are not the same teacher"
        )
    student = build(recipe, teacher, np.ones(teacher.model.config.vocab_size, np.int64))
    load_weights(student, folder)
    return student
