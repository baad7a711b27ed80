"""An export replaces an earlier export and nothing else."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")
pytest.importorskip("onnx", reason="training needs onnx")

import typeahead
from tests.training.exporting.test_export import exported, trained
from training.exporting import export
from training.exporting.replacing import EXPORTED, files_of_model, files_of_sentences, replace
from training.recipe import Recipe, read_recipe
from training.student_recipes import StaticRecipe


@pytest.fixture
def recipe(recipe_path: Path) -> Recipe:
    return dataclasses.replace(read_recipe(recipe_path), student=StaticRecipe())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_model_is_replaced_and_files_of_the_user_stay(recipe: Recipe, tmp_path: Path) -> None:
    exported(trained(recipe), recipe, tmp_path)
    out = tmp_path / "model"
    (out / "notes").mkdir()
    (out / "notes" / "mine.txt").write_text("keep")
    export.export_student(tmp_path / "run", dataclasses.replace(recipe, name="again"), out, ())
    assert typeahead.load(out).config.name == "again"
    assert (out / "notes" / "mine.txt").read_text() == "keep"


@pytest.mark.parametrize("kind", ["teacher", "texts", "a file"])
def test_whatever_is_no_model_stays_as_it_is(kind: str, recipe: Recipe, tmp_path: Path, teacher_folder: Path) -> None:
    out = tmp_path / "out"
    if kind == "teacher":
        # This folder has a config.json and a modules.json as well.
        shutil.copytree(teacher_folder, out)
    elif kind == "texts":
        out.mkdir()
        (out / "thesis.txt").write_text("the only copy")
    else:
        out.write_text("a file")
    before = out.read_bytes() if out.is_file() else contents(out)
    for write in (
        lambda: exported(trained(recipe), recipe, tmp_path, "out"),
        lambda: export.export_teacher(recipe, "doc", out, ()),
        lambda: export.main(["sentence-transformers", str(recipe.path), str(tmp_path / "run"), str(out)]),
    ):
        with pytest.raises(ValueError, match="choose"):
            write()
    assert (out.read_bytes() if out.is_file() else contents(out)) == before


def test_a_file_of_the_user_is_not_written_over(tmp_path: Path) -> None:
    new, out = tmp_path / "new", tmp_path / "out"
    for folder in (new, out):
        folder.mkdir()
        (folder / EXPORTED).write_text('{"files": []}')
    (new / "README.md").write_text("card")
    (out / "README.md").write_text("mine")
    with pytest.raises(ValueError, match=r"README.md is not from an earlier export"):
        replace(new, out, files_of_sentences)
    assert (out / "README.md").read_text() == "mine"


def test_a_list_that_leaves_the_folder_is_no_list(tmp_path: Path) -> None:
    (tmp_path / EXPORTED).write_text('{"files": ["../thesis.txt"]}')
    with pytest.raises(ValueError, match=EXPORTED):
        files_of_sentences(tmp_path)
    with pytest.raises(ValueError, match=r"config\.json"):
        files_of_model(tmp_path)
