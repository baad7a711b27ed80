"""A model folder's weights, back in PyTorch, give the vectors that the folder gives."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")
pytest.importorskip("onnx", reason="training needs onnx")

from tests.training.exporting.test_export import FOLDS, TEXTS, exported, trained  # noqa: E402
from training.exporting import export  # noqa: E402
from training.families import student_recipe  # noqa: E402
from training.guided.starting import student_entries  # noqa: E402
from training.recipe import TeacherRecipe, read_recipe  # noqa: E402
from training.students import build  # noqa: E402
from training.students.shipped import load_weights  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402
from typeahead.models.golden import agreements  # noqa: E402

OURS = [name for name in FOLDS if not name.startswith("RNN")]


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("name", OURS)
def test_what_was_exported_can_be_trained_on(
    name: str, similarity: str, recipe_path: Path, teacher_folder: Path, dot_teacher_folder: Path, tmp_path: Path
) -> None:
    folder = teacher_folder if similarity == "cosine" else dot_teacher_folder
    recipe = dataclasses.replace(read_recipe(recipe_path), teacher=TeacherRecipe(str(folder)), student=FOLDS[name])
    encoder = exported(trained(recipe), recipe, tmp_path)
    again = student_recipe(student_entries(tmp_path / "model", encoder.config))
    assert dataclasses.replace(again, max_tokens=recipe.student.max_tokens) == FOLDS[name]
    teacher = TorchTeacher.of(recipe.teacher)
    student = build(again, teacher, np.ones(teacher.model.config.vocab_size, np.int64))
    load_weights(student, tmp_path / "model")
    found = export.encode_with_student(student.eval(), teacher, TEXTS)
    assert agreements(found, encoder.encode(TEXTS)).min() > 0.998
