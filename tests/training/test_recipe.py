"""Recipes: what is wrong with one is named, and those that ship can be read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from training.entries import RecipeError
from training.recipe import check_files, check_teacher, read_recipe
from training.student_recipes import ResidualGRURecipe


@pytest.mark.parametrize(
    ("change", "message"), [("sed = 1", "unknown sed"), ("[teacher]\nid = 'x'\npoling = 'cls'", "unknown poling")]
)
def test_an_entry_that_a_recipe_does_not_have_is_named(tmp_path: Path, change: str, message: str) -> None:
    path = tmp_path / "recipe.toml"
    base = "name = 'x'\nseed = 1\ncache = 'c'\ndevelopment = 0.1\nstages = []\nstudent = {}\n"
    teacher = "" if "[teacher]" in change else "\n[teacher]\nid = 'x'\n"
    path.write_text(base + change + teacher)
    with pytest.raises(ValueError, match=message):
        read_recipe(path)


def test_a_recipe_without_a_teacher_says_so(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("name = 'x'\n")
    with pytest.raises(ValueError, match="teacher"):
        read_recipe(path)


def test_feed_forward_layers_have_four_bits_or_eight(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    entries = "name = 'x'\nseed = 1\ncache = 'c'\ndevelopment = 0.1\nstages = []\nteacher = { id = 'x' }\n"
    path.write_text(entries + "student = { family = 'causal', feed_forward_bits = 6 }\n")
    with pytest.raises(ValueError, match="feed_forward_bits = 6"):
        read_recipe(path)


@pytest.mark.parametrize(
    ("student", "message"),
    [
        (
            "family = 'static', hidden = 8",
            "'static': unknown hidden; known are family, max_tokens, vocabulary, readout",
        ),
        ("family = 'static', readout = 8, readout_bits = 2", "readout_bits = 2 is not between 3 and 8"),
        ("family = 'mamba'", "'mamba' is not one of static, residual-gru"),
    ],
)
def test_an_entry_that_the_family_does_not_read_is_refused(tmp_path: Path, student: str, message: str) -> None:
    path = tmp_path / "recipe.toml"
    entries = "name = 'x'\nseed = 1\ncache = 'c'\ndevelopment = 0.1\nstages = []\nteacher = { id = 'x' }\n"
    path.write_text(entries + f"student = {{ {student} }}\n")
    with pytest.raises(ValueError, match=message):
        read_recipe(path)


def test_the_shipped_recipes_can_be_read() -> None:
    folder = Path(__file__).parent.parent.parent / "training" / "recipes"
    for path in folder.rglob("*.toml"):
        if path.stem == "common":
            continue
        recipe = read_recipe(path)
        assert recipe.name == path.stem
        assert all(stage.sources() for stage in recipe.stages)


BASE = """
seed = 1
cache = "c"
development = 0.1
teacher = { id = "x" }
student = { hidden = 8, layers = 2 }

[[stages]]
name = "first"
files = ["a"]
epochs = 2

[[stages]]
name = "second"
files = ["b"]
epochs = 3
"""


def test_a_recipe_builds_on_another_table_by_table_and_stage_by_stage(tmp_path: Path) -> None:
    (tmp_path / "common.toml").write_text(BASE)
    path = tmp_path / "own.toml"
    path.write_text("base = 'common.toml'\nname = 'own'\nstudent = { layers = 1 }\n[[stages]]\nepochs = 5\n")
    recipe = read_recipe(path)
    assert (recipe.name, recipe.seed) == ("own", 1)
    assert recipe.student == ResidualGRURecipe(hidden=8, layers=1)
    assert [(stage.name, stage.epochs) for stage in recipe.stages] == [("first", 5), ("second", 3)]
    (tmp_path / "common.toml").write_text(BASE.replace("seed = 1", "seed = 2"))
    assert read_recipe(path).sha256 != recipe.sha256


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("[stages.objectives]\ncosin = {}", "cosin.*cosine"),
        ("[stages.objectives]\nscores = { nearst = 3 }", "scores.*nearst"),
        ("warmupp = 3", "warmupp"),
    ],
)
def test_an_objective_or_entry_of_a_stage_that_there_is_not_is_named(tmp_path: Path, stage: str, message: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("name = 'x'\n" + BASE + stage + "\n")
    with pytest.raises(ValueError, match=message):
        read_recipe(path)


def test_nothing_learns_alone_without_a_read_out_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    alone = "[stages.objectives]\nprefix = { alone = true }\n"
    path.write_text("name = 'x'\n" + BASE + alone)
    with pytest.raises(ValueError, match=r"'second'.*ahead = true"):
        read_recipe(path)
    path.write_text("name = 'x'\n" + BASE.replace("hidden = 8", "family = 'causal', ahead = true") + alone)
    assert read_recipe(path).stages[1].objectives["prefix"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed = 1", 'seed = "1"', r"recipe\.toml: seed = '1' is not a whole number, at least 0"),
        ("seed = 1", "seed = true", "seed = true is not a whole number"),
        ("development = 0.1", "development = 1.0", "development = 1.0 is not a number, at least 0 and below 1"),
        ('cache = "c"', "cache = 3", "cache = 3 is not a text"),
        ('cache = "c"', 'cache = "c"\nprecision = "fp16"', "precision = 'fp16' is not one of '', 'no', 'bf16'"),
        (
            'cache = "c"',
            'cache = "c"\ntyped = [0.5, 2]',
            "typed = .* is not a list of numbers, each above 0 and at most 1",
        ),
        ('id = "x"', "id = 7", r"\[teacher\]: id = 7 is not a text"),
        ('id = "x"', 'id = "x", dtype = "int8"', "dtype = 'int8' is not one of 'float32'"),
        ('id = "x"', 'id = "x", max_length = 0', "max_length = 0 is not a whole number, at least 1"),
        ('teacher = { id = "x" }', 'teacher = "x"', r"\[teacher\] is not a table"),
        ("hidden = 8", 'hidden = "8"', r"\[student\]: family 'residual-gru': hidden = '8' is not a whole number"),
        ("layers = 2", "layers = 0", "layers = 0 is not a whole number, at least 1"),
        ("layers = 2", "max_tokens = 0", r"\[student\]: max_tokens = 0 is not at least 1"),
        ('files = ["a"]', 'files = "a"', r"\[\[stages\]\] 'first': files = 'a' is not a list of texts"),
        ('files = ["a"]', "files = []", "'first': files is empty"),
        ('files = ["a"]', 'files = ["a"]\nlimits = [1, 2]', "'first': 2 limits for 1 files"),
        ("epochs = 3", "epochs = 3\nrate = 0.1", "'second': rate = 0.1 is not a list of 2 numbers, each at least 0"),
        ("epochs = 3", "epochs = 3\nrate = [1e-3, -1]", "'second': rate = "),
        ("epochs = 3", "epochs = 3\nshare = 0.0", "share = 0.0 is not a number, above 0 and at most 1"),
        ("epochs = 3", "epochs = 3\nclip = nan", "clip = nan is not a number"),
        (
            "epochs = 3",
            "epochs = 3\nobjectives = { scores = { temperature = 0 } }",
            r"'second' \[objectives.scores\]: temperature = 0 is not a number, above 0",
        ),
        ("epochs = 3", "epochs = 3\nobjectives = 1", "'second': objectives is not a table"),
        ("epochs = 3", "epochs = ", r"recipe\.toml is not TOML: .*line"),
        ("seed = 1", 'seed = 1\nbase = "recipe.toml"', "leads back to itself"),
    ],
)
def test_a_value_of_another_type_or_out_of_range_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "recipe.toml"
    assert old in BASE
    path.write_text('name = "x"\n' + BASE.replace(old, new))
    with pytest.raises(RecipeError, match=message) as caught:
        read_recipe(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_files_and_folders_that_are_not_there_are_named_before_any_work(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    text = 'name = "x"\n' + BASE.replace('["a"]', f'["list:{tmp_path / "queries"}"]')
    path.write_text(text)
    recipe = read_recipe(path)
    with pytest.raises(RecipeError, match=r"recipe\.toml \[\[stages\]\] 'first': files: there is no .*queries"):
        check_files(recipe)
    (tmp_path / "queries").write_text("how\n")
    with pytest.raises(RecipeError, match="'second': files: there is no b"):
        check_files(recipe)
    path.write_text(text.replace('["b"]', f'["{path}"]').replace('id = "x"', f'id = "{tmp_path}/no/"'))
    with pytest.raises(RecipeError, match=r"\[teacher\]: id: there is no folder"):
        check_files(read_recipe(path))
    path.write_text(path.read_text().replace(f"{tmp_path}/no/", "someone/their-model"))
    check_files(read_recipe(path))
    check_teacher(read_recipe(path))


def test_a_program_ends_with_one_line_if_its_recipe_is_wrong(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs PyTorch")
    path = tmp_path / "recipe.toml"
    path.write_text('name = "x"\n' + BASE)
    command = [sys.executable, "-m", "training.stage1.distill", str(path)]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 1
    assert done.stderr == f"{path} [[stages]] 'first': files: there is no a\n"
