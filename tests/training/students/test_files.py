"""A saved student loads again without its teacher."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
transformers = pytest.importorskip("transformers", reason="training needs transformers")

from safetensors.torch import save_file  # noqa: E402

from tests.training.students.making import RECIPES, some_ids, trained  # noqa: E402
from training.student_recipes import StudentRecipe  # noqa: E402
from training.students import ResidualGRU, build, load_student, save_student  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402


@pytest.mark.parametrize("name", RECIPES)
def test_a_saved_student_is_the_same_without_its_teacher(name: str, teacher: TorchTeacher, tmp_path: Path) -> None:
    student = trained(RECIPES[name], teacher)
    save_student(student, tmp_path / "student.safetensors", metadata={"run": "of today"})
    again = load_student(tmp_path)
    assert type(again) is type(student)
    assert again.settings == student.settings
    ids, lengths = some_ids(teacher)
    with torch.inference_mode():
        torch.testing.assert_close(again(ids, lengths), student(ids, lengths), rtol=0, atol=0)
    names = [[id(parameter) for parameter in one.sparse_parameters()] for one in (student, again)]
    assert len(names[0]) == len(names[1])


def test_the_first_version_s_files_without_metadata_are_of_the_residual_gru(
    teacher: TorchTeacher, tmp_path: Path
) -> None:
    student = trained(RECIPES["residual GRU"], teacher)
    names = ["table.weight", "log_weights.weight", "readout.weight"]
    names += [f"gru.{kind}_{side}_l0" for kind in ("weight", "bias") for side in ("ih", "hh")]
    state = student.state_dict()
    assert sorted(state) == sorted(names)
    save_file(state, tmp_path / "student.safetensors")
    ids, lengths = some_ids(teacher)
    with torch.inference_mode():
        assert torch.equal(load_student(tmp_path)(ids, lengths), student(ids, lengths))


# What each family starts from.


def test_an_unknown_family_is_named(teacher: TorchTeacher) -> None:
    with pytest.raises(ValueError, match="mamba"):
        build(StudentRecipe(family="mamba"), teacher, np.ones(1))


# RNN(l, f) against the equations of the paper.


def test_the_settings_are_json(teacher: TorchTeacher) -> None:
    for recipe in RECIPES.values():
        settings = trained(recipe, teacher).settings
        assert json.loads(json.dumps(settings)) == settings


def test_the_shipped_student_s_class_takes_what_it_took() -> None:
    student = ResidualGRU(torch.randn(11, 8), torch.zeros(11), hidden=6)
    assert student(torch.tensor([[1, 2]]), torch.tensor([2])).shape == (1, 8)
    assert student.input_weight.shape == (18, 8)
