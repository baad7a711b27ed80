"""Configuration files, good and bad."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.settings.toys import Toy, resolved
from typeahead.settings.declaring import ConfigError, declared
from typeahead.settings.file import MAX_BYTES, read_file
from typeahead.settings.values import BadValue, accept


def test_a_file_gives_values_and_its_relative_paths_start_at_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "toys.toml"
    file.write_text('count = 4\nweight = 2\nwrapped = true\nnames = ["a b", "c,d"]\nindex = "list"\nfolder = "shelf"\n')
    toy = resolved(file=file).make(Toy)
    assert toy == Toy(
        count=4,
        weight=2.0,
        wrapped=True,
        names=("a b", "c,d"),
        index=str(tmp_path / "list"),
        folder=tmp_path / "shelf",
    )
    assert type(toy.weight) is float


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("coutn = 4", "FILE: coutn is not a setting: did you mean count?"),
        ("xyzzy = 4", "FILE: xyzzy is not a setting"),
        ('"a\\nb" = 4', r"FILE: 'a\nb' is not a setting"),
        ("[count]\nleast = 4", "FILE: count is a table: it must be a whole number"),
        ("[shop]\ncount = 4", "FILE: shop is not a setting: write settings without [tables]"),
        ("inner = 4", "FILE: inner is not a setting: did you mean owner?"),
        ('count = "4"', 'FILE: count is "4": it must be a whole number'),
        ("count = true", "FILE: count is true: it must be a whole number"),
        ("count = 4.0", "FILE: count is 4.0: it must be a whole number"),
        ("count = 10", "FILE: count is 10: it must be from 1 to 9 (the shelf is short)"),
        ("weight = nan", "FILE: weight is nan: it must be a positive number of kilograms, and finite"),
        ("weight = 1" + "0" * 400, f"FILE: weight is 1{'0' * 58}…: it must be a number"),
        ("wrapped = 1", "FILE: wrapped is 1: it must be true or false"),
        ('colour = "bleu"', 'FILE: colour is "bleu": it must be one of red, blue: did you mean blue?'),
        ('names = "a"', 'FILE: names is "a": it must be a list of strings'),
        ("names = [1]", "FILE: names is [1]: it must be a list of strings"),
        ('owner = ""', "FILE: owner is empty: give a value, or leave it out"),
        ('folder = "a\\u0000b"', "FILE: folder holds a null character, which no path or name can have"),
        ("owner = 2001-01-01", 'FILE: owner is "2001-01-01": it must be a string'),
        ("names = " + "[" * 20_000, "config FILE is not valid TOML: it is nested too deeply"),
        (b"\xffcount = 4", "config FILE is not UTF-8 (byte 0): save it as UTF-8"),
        (b"#" * (MAX_BYTES + 1), "config FILE is larger than 1 MiB: is it the right file?"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line_that_names_file_and_key(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    file = tmp_path / "toys.toml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigError) as caught:
        resolved(file=file).make(Toy)
    assert str(caught.value) == message.replace("FILE", str(file))


@pytest.mark.parametrize("content", ["count = ", "count = 4\ncount = 5", "count = 1" + "0" * 5000])
def test_broken_toml_is_told_from_other_errors(tmp_path: Path, content: str) -> None:
    file = tmp_path / "toys.toml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=f"^config {file} is not valid TOML: .") as caught:
        read_file(file, declared(Toy))
    assert "\n" not in str(caught.value)


def test_a_secret_in_a_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "toys.toml"
    file.write_text('token = "s3cret"')
    with pytest.raises(ConfigError, match=r"give its path as token_file, or set .* TYPEAHEAD_TOKEN$") as caught:
        read_file(file, declared(Toy))
    assert "s3cret" not in str(caught.value)


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "toys.toml", declared(Toy))


@pytest.mark.parametrize("value", [{}, [], [[]], 1e400, None])
def test_no_value_of_a_file_passes_for_a_text(value: Any) -> None:
    (owner,) = (each for each in declared(Toy) if each.name == "owner")
    with pytest.raises(BadValue):
        accept(owner, value)
