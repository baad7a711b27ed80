"""sentence-transformers gives the vectors of the student, from a folder that holds no pickle."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")
library = pytest.importorskip("sentence_transformers", reason="the folders are for sentence-transformers")

from tests.training.exporting.test_export import FOLDS, TEXTS, WHOLE, trained  # noqa: E402
from training.exporting import export, sentence_transformers  # noqa: E402
from training.recipe import Recipe, TeacherRecipe, read_recipe  # noqa: E402
from training.student_recipes import CausalRecipe  # noqa: E402
from training.students import Student, save_student  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402
from typeahead.models.golden import cosines  # noqa: E402

CAUSAL = {
    "causal(2)": CausalRecipe(layers=2),
    "causal(2), looking ahead": CausalRecipe(layers=2, ahead=True),
    "causal(2), four bits": CausalRecipe(layers=2, feed_forward_bits=4),
    "causal(2), no mean": CausalRecipe(layers=2, mean=False, pooled=1.0),
    "causal(2), shared table, some of the units": CausalRecipe(layers=2, table="shared", units=48),
}
OWN = {**FOLDS, **CAUSAL, "ST(2) with token vectors": WHOLE["ST(2) with token vectors"]}
NATIVE = {name: student for name, student in WHOLE.items() if not student.residual}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library keeps copies of a folder's code: not beside the user's."""
    from transformers import dynamic_module_utils

    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))


@pytest.fixture(params=["cosine", "dot"])
def recipe(request: pytest.FixtureRequest, recipe_path: Path, dot_teacher_folder: Path) -> Recipe:
    read = read_recipe(recipe_path)
    dot = TeacherRecipe(str(dot_teacher_folder))
    return read if request.param == "cosine" else dataclasses.replace(read, teacher=dot)


def write(recipe: Recipe, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Student:
    """Export by the command; the recipe is one that no file holds."""
    student = trained(recipe)
    run = folder / "run"
    run.mkdir()
    save_student(student, run / "student.safetensors")
    (run / "log.jsonl").write_text(json.dumps({"stage": "start"}) + "\n")
    monkeypatch.setattr(export, "read_recipe", lambda _path: recipe)
    export.main(["sentence-transformers", str(recipe.path), str(run), str(folder / "out")])
    return student


def assert_equal(model: Any, student: Student, recipe: Recipe) -> None:
    expected = export.encode_with_student(student, TorchTeacher.of(recipe.teacher), TEXTS)
    found = model.encode(TEXTS)
    assert cosines(found, expected).min() > 0.99999
    np.testing.assert_allclose(found, expected, atol=1e-4 * float(np.abs(expected).max()))
    np.testing.assert_allclose(found, np.concatenate([model.encode([text]) for text in TEXTS]), atol=1e-4)


def assert_no_pickle(folder: Path) -> None:
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert "model.safetensors" in names
    assert all(name.endswith((".json", ".safetensors", ".md", ".py", ".txt")) for name in names)
    assert len({path.stat().st_mode for path in folder.rglob("*") if path.is_file()}) == 1


@pytest.mark.parametrize("name", NATIVE)
def test_a_transformer_needs_no_code_of_ours(
    name: str, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = dataclasses.replace(recipe, student=NATIVE[name])
    student = write(recipe, tmp_path, monkeypatch)
    model = library.SentenceTransformer(str(tmp_path / "out"), device="cpu")
    assert_equal(model, student, recipe)
    assert_no_pickle(tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.py"))
    too_long = ["egg boil " * 40]
    expected = export.encode_with_student(student, TorchTeacher.of(recipe.teacher), too_long)
    assert cosines(model.encode(too_long), expected).min() > 0.99999
    assert len(model) == (3 if recipe.teacher.id == read_recipe(recipe.path).teacher.id else 2)
    assert "trust_remote_code" not in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_a_prompt_and_every_pooling_are_part_of_the_folder(
    pooling: str, recipe_path: Path, teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = TeacherRecipe(str(teacher_folder), query_prompt="find: ", pooling=pooling)
    recipe = dataclasses.replace(read_recipe(recipe_path), teacher=teacher, student=WHOLE["ST(2)"])
    student = write(recipe, tmp_path, monkeypatch)
    assert_equal(library.SentenceTransformer(str(tmp_path / "out"), device="cpu"), student, recipe)


@pytest.mark.parametrize("name", OWN)
def test_every_other_student_is_a_module_of_its_own(
    name: str, recipe: Recipe, dot_teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = dataclasses.replace(recipe, student=OWN[name])
    if getattr(recipe.student, "pooled", 0) and recipe.teacher.id == str(dot_teacher_folder):
        pytest.skip("that teacher pools [CLS], which no causal student can start with")
    student = write(recipe, tmp_path, monkeypatch)
    model = library.SentenceTransformer(str(tmp_path / "out"), device="cpu", trust_remote_code=True)
    assert_equal(model, student, recipe)
    assert_no_pickle(tmp_path / "out")
    assert "trust_remote_code=True" in (tmp_path / "out" / "README.md").read_text()
    longest, longer = model.encode(["egg " * 30, "egg " * 31])
    np.testing.assert_allclose(longest, longer, atol=1e-6)
    empty = model.encode(["", "egg"])
    assert np.isfinite(empty).all()
    if student.folds:
        assert not empty[0].any()


def test_a_prompt_is_part_of_a_student_of_its_own(
    recipe_path: Path, teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = TeacherRecipe(str(teacher_folder), query_prompt="find: ")
    recipe = dataclasses.replace(read_recipe(recipe_path), teacher=teacher, student=CAUSAL["causal(2)"])
    student = write(recipe, tmp_path, monkeypatch)
    model = library.SentenceTransformer(str(tmp_path / "out"), device="cpu", trust_remote_code=True)
    assert_equal(model, student, recipe)


def test_a_folder_that_the_library_saves_again_is_the_same(
    recipe_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = dataclasses.replace(read_recipe(recipe_path), student=FOLDS["residual GRU"])
    student = write(recipe, tmp_path, monkeypatch)
    model = library.SentenceTransformer(str(tmp_path / "out"), device="cpu", trust_remote_code=True)
    folder = tmp_path / "again"
    folder.mkdir()
    model[0].save(str(folder))
    again = type(model[0]).load(str(folder))
    assert again.get_embedding_dimension() == student.dim
    torch.testing.assert_close(again.state_dict(), model[0].state_dict(), rtol=0, atol=0)


def test_code_of_a_folder_is_not_run_unless_it_is_trusted(
    recipe_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = dataclasses.replace(read_recipe(recipe_path), student=FOLDS["static"])
    write(recipe, tmp_path, monkeypatch)
    with pytest.raises(ValueError, match="trust_remote_code"):
        library.SentenceTransformer(str(tmp_path / "out"), device="cpu")


def test_the_name_of_a_special_token_in_a_text_is_text(
    recipe_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = dataclasses.replace(read_recipe(recipe_path), student=FOLDS["static"])
    write(recipe, tmp_path, monkeypatch)
    model = library.SentenceTransformer(str(tmp_path / "out"), device="cpu", trust_remote_code=True)
    special = TorchTeacher.of(recipe.teacher).tokenizer.sep_token_id
    assert special not in model[0].preprocess(["egg [SEP]"])["input_ids"]


def test_files_of_something_else_are_left_alone(
    recipe_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = dataclasses.replace(read_recipe(recipe_path), student=FOLDS["static"])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="files of something else"):
        write(recipe, tmp_path, monkeypatch)
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"


def test_nothing_is_written_unless_the_vectors_are_the_students(recipe_path: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(read_recipe(recipe_path), student=FOLDS["static"])
    student = trained(recipe)
    save_student(student, tmp_path / "student.safetensors")
    (tmp_path / "log.jsonl").write_text("")
    teacher = TorchTeacher.of(recipe.teacher)
    wrong = export.encode_with_student(student, teacher, TEXTS)[::-1]
    with pytest.raises(ValueError, match="other vectors"):
        sentence_transformers.export_sentences(tmp_path, recipe, teacher, tmp_path / "out", TEXTS, wrong, 30)
    assert not (tmp_path / "out").exists()
