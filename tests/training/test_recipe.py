"""Recipes: what is wrong with one is named, and those that ship can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.recipe import read_recipe
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
        ("family = 'static', hidden = 8", "'static': unknown hidden; known are family, max_tokens, readout"),
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
