"""Training texts and recipes: what is wrong is named, and the development split depends on the text alone."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from training.data import Example, is_development, read_examples, split
from training.recipe import read_recipe


def test_lines_without_a_tab_or_a_text_are_counted_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "texts.tsv"
    path.write_bytes(b"a\tone\nno tab\nb\t\nb\ttwo\r\n\nc\tthree\tfour\n")
    with caplog.at_level(logging.WARNING):
        found = list(read_examples(path))
    assert found == [Example("a", "one"), Example("b", "two"), Example("c", "three\tfour")]
    assert "3 lines" in caplog.text
    assert "lines 2, 3, 5" in caplog.text


def test_quotes_that_an_export_doubled_are_single_again(tmp_path: Path) -> None:
    path = tmp_path / "texts.tsv"
    path.write_text('t\t"""What does """"x"""" mean?"""\nt\tthe "x" axis\nt\t""quoted""\n')
    assert [example.text for example in read_examples(path)] == ['What does "x" mean?', 'the "x" axis', "quoted"]


def test_a_limit_takes_the_first(tmp_path: Path) -> None:
    path = tmp_path / "texts.tsv"
    path.write_text("".join(f"s\t{n}\n" for n in range(9)))
    assert [example.text for example in read_examples(path, limit=3)] == ["0", "1", "2"]


def test_bytes_that_are_not_utf8_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "texts.tsv"
    path.write_bytes(b"a\t\xff\n")
    with pytest.raises(UnicodeDecodeError):
        list(read_examples(path))


def test_the_split_depends_on_the_text_alone() -> None:
    examples = [Example("s", f"text {n}") for n in range(4000)]
    training, development = split(iter(examples), 0.1)
    assert 0.08 < len(development) / 4000 < 0.12
    again, _ = split(iter(reversed(examples)), 0.1)
    assert sorted(example.text for example in again) == sorted(example.text for example in training)
    assert all(is_development(example.text, 0.1) for example in development)


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


def test_the_shipped_recipes_can_be_read() -> None:
    folder = Path(__file__).parent.parent.parent / "training" / "recipes"
    for path in folder.glob("*.toml"):
        recipe = read_recipe(path)
        assert recipe.name == path.stem
        assert all(stage.sources() for stage in recipe.stages)
