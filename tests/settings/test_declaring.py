"""Checks that follow from a declaration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.settings.toys import SHOP, Toy
from typeahead.settings.declaring import ConfigError, declared, setting


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("count", 0, "count is 0: it must be from 1 to 9 (the shelf is short)"),
        ("count", 10, "count is 10: it must be from 1 to 9 (the shelf is short)"),
        ("weight", 0, "weight is 0: it must be a positive number of kilograms"),
        ("weight", float("inf"), "weight is inf: it must be a positive number of kilograms, and finite"),
        ("weight", float("nan"), "weight is nan: it must be a positive number of kilograms, and finite"),
        ("colour", "green", "colour is 'green': it must be one of red, blue"),
    ],
)
def test_a_value_that_the_declaration_does_not_allow_is_refused_in_words(name: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Toy(**{name: value})
    assert str(caught.value) == message
    assert caught.value.setting == name


def test_bounds_themselves_are_allowed_unless_said_otherwise() -> None:
    assert (Toy(count=1).count, Toy(count=9).count) == (1, 9)


def test_secrets_are_not_shown() -> None:
    assert "s3cret" not in repr(Toy(token="s3cret"))


def test_a_type_that_no_flag_could_have_is_a_mistake_of_the_programmer() -> None:
    @dataclass(frozen=True)
    class Wrong:
        table: dict[str, int] | None = setting(None, "A table.", group=SHOP)  # noqa: RUF009

    with pytest.raises(TypeError, match="table"):
        declared(Wrong)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("folder", Path("toys"), Path("FOLDER/toys")),
        ("folder", Path("/toys"), Path("/toys")),
        ("index", "toys", "FOLDER/toys"),
        ("index", "postgresql://host/toys", "postgresql://host/toys"),
        ("model", "plain", "plain"),
        ("model", "models/mine", "FOLDER/models/mine"),
        ("model", "here", "FOLDER/here"),
        ("owner", "a/b", "a/b"),
        ("folder", None, None),
    ],
)
def test_relative_paths_start_at_a_folder_and_names_stay(tmp_path: Path, name: str, value: Any, expected: Any) -> None:
    (tmp_path / "here").mkdir()
    (one,) = (each for each in declared(Toy) if each.name == name)
    found = one.anchored(value, tmp_path)
    assert found == (None if expected is None else type(expected)(str(expected).replace("FOLDER", str(tmp_path))))
