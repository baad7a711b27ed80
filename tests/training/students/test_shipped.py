"""A model folder's weights, back in PyTorch, give the vectors that the folder gives."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")
pytest.importorskip("onnx", reason="training needs onnx")

from tests.training.conftest import WORDS  # noqa: E402
from tests.training.exporting.test_export import FOLDS, TEXTS, exported, trained  # noqa: E402
from training.exporting import export  # noqa: E402
from training.families import student_recipe  # noqa: E402
from training.guided.sizes import student_entries  # noqa: E402
from training.recipe import TeacherRecipe, read_recipe  # noqa: E402
from training.stage1.start import start_of  # noqa: E402
from training.student_recipes import CausalRecipe  # noqa: E402
from training.students import build, save_student  # noqa: E402
from training.students.base import TokenMean  # noqa: E402
from training.students.files import STUDENT  # noqa: E402
from training.students.shipped import load_weights  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402
from typeahead.errors import ModelNotFound  # noqa: E402
from typeahead.models.golden import agreements  # noqa: E402

OURS = {
    **{name: recipe for name, recipe in FOLDS.items() if not name.startswith("RNN")},
    "causal": CausalRecipe(layers=2, ahead=True, feed_forward_bits=4),
    "causal, no mean": CausalRecipe(layers=2, mean=False, pooled=1.0),
    "causal, shared table": CausalRecipe(layers=1, table="shared", units=48),
}


@pytest.mark.parametrize(
    ("name", "similarity"),
    # The teacher of dot products pools [CLS], and a student without a mean starts with the teacher's pooling.
    [
        (name, similarity)
        for name in OURS
        for similarity in ("cosine", "dot")
        if (name, similarity) != ("causal, no mean", "dot")
    ],
)
def test_what_was_exported_can_be_trained_on(
    name: str, similarity: str, recipe_path: Path, teacher_folder: Path, dot_teacher_folder: Path, tmp_path: Path
) -> None:
    folder = teacher_folder if similarity == "cosine" else dot_teacher_folder
    recipe = dataclasses.replace(read_recipe(recipe_path), teacher=TeacherRecipe(str(folder)), student=OURS[name])
    encoder = exported(trained(recipe), recipe, tmp_path)
    again = student_recipe(student_entries(tmp_path / "model", encoder.config))
    assert dataclasses.replace(again, max_tokens=recipe.student.max_tokens) == OURS[name]
    teacher = TorchTeacher.of(recipe.teacher)
    student = build(again, teacher, np.ones(teacher.model.config.vocab_size, np.int64))
    load_weights(student, tmp_path / "model")
    found = export.encode_with_student(student.eval(), teacher, TEXTS)
    # Activations are rounded, too, where steps are compiled, and how finely depends on the processor.
    assert agreements(found, encoder.encode(TEXTS)).min() > 0.995


@pytest.mark.parametrize(
    ("plain", "layered"),
    [
        ({"family": "static"}, {"family": "static", "readout": 64}),
        # Two units for each dimension of the read-out, and some more.
        ({"family": "residual-gru", "hidden": 16}, {"family": "residual-gru", "hidden": 16, "readout": 96}),
    ],
)
def test_a_layer_continues_from_a_model_without_one(
    plain: dict[str, Any], layered: dict[str, Any], recipe_path: Path, teacher_folder: Path, tmp_path: Path
) -> None:
    read = dataclasses.replace(read_recipe(recipe_path), teacher=TeacherRecipe(str(teacher_folder)))
    recipe = dataclasses.replace(read, student=student_recipe(plain))
    student = trained(recipe)
    assert isinstance(student, TokenMean)
    assert student.table is not None
    with torch.no_grad():
        # The mean of a text of one token is then as long as the layer takes every mean to be.
        student.table.weight.copy_(torch.nn.functional.normalize(student.table.weight))
    encoder = exported(student, recipe, tmp_path)
    wanted = dataclasses.replace(recipe, student=student_recipe(layered))
    teacher = TorchTeacher.of(recipe.teacher)
    texts = [text for text in WORDS if len(teacher.text_ids([text])[0]) == 1]
    found = export.encode_with_student(start_of(tmp_path / "model", wanted)(teacher).eval(), teacher, texts)
    assert agreements(found, encoder.encode(texts)).min() > 0.99


def test_a_run_is_continued_too_and_anything_else_is_refused(
    recipe_path: Path, teacher_folder: Path, tmp_path: Path
) -> None:
    recipe = dataclasses.replace(read_recipe(recipe_path), teacher=TeacherRecipe(str(teacher_folder)))
    student = trained(recipe)
    save_student(student, tmp_path / STUDENT)
    again = start_of(tmp_path, recipe)(TorchTeacher.of(recipe.teacher))
    assert all(torch.equal(weight, again.state_dict()[name]) for name, weight in student.state_dict().items())
    with pytest.raises(ModelNotFound):
        start_of(tmp_path / "nothing", recipe)
