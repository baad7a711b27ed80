"""A run is exported by the recipe, and with the teacher, that made it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")
pytest.importorskip("onnx", reason="training needs onnx")

from tests.training.exporting.test_export import trained  # noqa: E402
from tests.training.tiny import write_cocondenser  # noqa: E402
from training.exporting.origin import check_origin  # noqa: E402
from training.recipe import Recipe, TeacherRecipe, read_recipe  # noqa: E402
from training.student_recipes import StaticRecipe  # noqa: E402
from training.students import Student, save_student  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402


@pytest.fixture
def recipe(recipe_path: Path) -> Recipe:
    return dataclasses.replace(read_recipe(recipe_path), student=StaticRecipe())


def run_of(recipe: Recipe, folder: Path, **more: str) -> Student:
    """A run's folder as stage 1 leaves it."""
    folder.mkdir(exist_ok=True)
    student = trained(recipe)
    teacher = TorchTeacher.of(recipe.teacher)
    save_student(
        student, folder / "student.safetensors", metadata={"run": f"{recipe.sha256} {teacher.key()} texts", **more}
    )
    (folder / "LOG.md").write_text(f"# {recipe.name}\n\n- teacher: {teacher.name}\n")
    return student


def check(run: Path, student: Student, recipe: Recipe) -> None:
    check_origin(run, student, recipe, TorchTeacher(recipe.teacher.path(), **recipe.teacher.given()))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_recipe_and_the_teacher_of_a_run_are_accepted(dtype: str, recipe: Recipe, tmp_path: Path) -> None:
    recipe = dataclasses.replace(recipe, teacher=dataclasses.replace(recipe.teacher, dtype=dtype))
    check(tmp_path / "run", run_of(recipe, tmp_path / "run"), recipe)


def test_another_recipe_is_refused_and_both_are_named(recipe: Recipe, tmp_path: Path) -> None:
    student = run_of(recipe, tmp_path / "run")
    path = tmp_path / "other.toml"
    path.write_text(recipe.path.read_text().replace('name = "tiny"', 'name = "other"'))
    with pytest.raises(ValueError, match=r"another recipe .*other\.toml.*recipe 'tiny'"):
        check(tmp_path / "run", student, read_recipe(path))


def test_another_teacher_is_refused_and_both_are_named(recipe: Recipe, tmp_path: Path) -> None:
    student = run_of(recipe, tmp_path / "run")
    folder = write_cocondenser(tmp_path / "someone-else")
    other = dataclasses.replace(recipe, teacher=TeacherRecipe(str(folder)))
    with pytest.raises(ValueError, match=r"another teacher than .*someone-else.*teacher 'tiny-teacher"):
        check(tmp_path / "run", student, other)


def test_a_round_may_be_exported_by_a_recipe_based_on_its_own(recipe: Recipe, tmp_path: Path) -> None:
    student = run_of(recipe, tmp_path / "run", round="final")
    path = tmp_path / "derived.toml"
    path.write_text(f'base = "{recipe.path}"\nseed = 4\n')
    check(tmp_path / "run", student, read_recipe(path))
    student = run_of(recipe, tmp_path / "run")
    with pytest.raises(ValueError, match="another recipe"):
        check(tmp_path / "run", student, read_recipe(path))


def test_a_student_that_does_not_say_who_made_it_must_have_the_teacher_s_sizes(recipe: Recipe, tmp_path: Path) -> None:
    student = trained(recipe)
    save_student(student, tmp_path / "student.safetensors")
    check(tmp_path, student, recipe)
    folder = write_cocondenser(tmp_path / "wide", width=48)
    with pytest.raises(ValueError, match="48: another teacher"):
        check(tmp_path, student, dataclasses.replace(recipe, teacher=TeacherRecipe(str(folder))))
