"""Which source a value comes from, and what the errors say of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.settings.toys import Toy, resolved
from typeahead.settings.declaring import ConfigError, declared
from typeahead.settings.sources import Rank, Source, from_json
from typeahead.settings.tokens import read_tokens


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "toys.toml"
    path.write_text('count = 2\nwrapped = true\nnames = ["from file"]\n')
    return path


def test_a_flag_wins_over_the_environment_over_the_file_over_the_default(file: Path) -> None:
    environment = {"TYPEAHEAD_COUNT": "5", "TYPEAHEAD_WRAPPED": "no", "TYPEAHEAD_NAMES": "a, b c,,"}
    settings = resolved("--count", "6", environment=environment, file=file)
    assert (settings.values["count"], settings.sources["count"]) == (6, Source(Rank.FLAG, "--count"))
    assert (settings.values["wrapped"], settings.sources["wrapped"].where) == (False, "TYPEAHEAD_WRAPPED")
    assert settings.values["names"] == ("a", "b c")
    assert settings.values["weight"] == 0.5
    assert settings.is_default("weight")
    assert not settings.is_default("names")
    assert resolved(file=file).make(Toy) == Toy(count=2, wrapped=True, names=("from file",))


def test_a_flag_can_turn_off_what_the_file_turns_on(file: Path) -> None:
    assert resolved("--no-wrapped", file=file).make(Toy).wrapped is False


def test_an_empty_variable_empties_a_list(file: Path) -> None:
    assert resolved(environment={"TYPEAHEAD_NAMES": ""}, file=file).make(Toy).names == ()


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("COUNT", "many", 'TYPEAHEAD_COUNT: count is "many": it must be a whole number'),
        ("COUNT", "", 'TYPEAHEAD_COUNT: count is "": it must be a whole number'),
        ("COUNT", "0", "TYPEAHEAD_COUNT: count is 0: it must be from 1 to 9 (the shelf is short)"),
        ("WRAPPED", "maybe", 'TYPEAHEAD_WRAPPED: wrapped is "maybe": it must be true or false'),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolved(environment={f"TYPEAHEAD_{variable}": value}).make(Toy)
    assert str(caught.value) == message


def test_variables_of_other_things_are_left_alone() -> None:
    assert resolved(environment={"TYPEAHEAD_INNER": "8", "TYPEAHEAD_COMPILED": "0"}).make(Toy) == Toy()


def test_a_contradiction_names_every_place_that_has_a_part_in_it(file: Path) -> None:
    @dataclass(frozen=True)
    class Related(Toy):
        def __post_init__(self) -> None:
            if self.wrapped and self.count > 1:
                raise ConfigError("wrapped", "is for one toy", others=("count", "weight"))

    with pytest.raises(ConfigError) as caught:
        resolved(environment={"TYPEAHEAD_COUNT": "5"}, file=file, kinds=[Related]).make(Related)
    assert str(caught.value) == f"{file}, TYPEAHEAD_COUNT: wrapped is for one toy"


def test_another_process_gets_the_same_values_and_sources_but_no_secret(file: Path) -> None:
    settings = resolved(
        "--folder", "not UTF-8 \udcff", "--weight", "1e-9", environment={"TYPEAHEAD_TOKEN": "s3cret"}, file=file
    )
    text = settings.to_json()
    assert "s3cret" not in text
    file.unlink()
    handed = from_json(text, declared(Toy), {"TYPEAHEAD_TOKEN": "s3cret", "TYPEAHEAD_COUNT": "9"})
    assert handed == settings


@pytest.mark.parametrize(
    ("flag", "variable", "in_environment", "in_file", "expected"),
    [
        (None, None, False, False, None),
        ("flag", "variable", True, True, "flag"),
        (None, "variable", True, True, "variable"),
        (None, "variable", False, True, "variable"),
        (None, None, True, True, "environment"),
        (None, None, False, True, "file"),
    ],
)
def test_a_token_comes_from_the_highest_source_and_a_file_wins_a_tie(
    tmp_path: Path, flag: str | None, variable: str | None, in_environment: bool, in_file: bool, expected: str | None
) -> None:
    for name in ("flag", "environment", "file"):
        (tmp_path / name).write_text(f"{name}\n")
    (tmp_path / "toys.toml").write_text('token_file = "file"' if in_file else "")
    environment = {} if variable is None else {"TYPEAHEAD_TOKEN": variable}
    if in_environment and variable is None:
        environment["TYPEAHEAD_TOKEN_FILE"] = str(tmp_path / "environment")
    flags = [] if flag is None else ["--token-file", str(tmp_path / flag)]
    settings = resolved(*flags, environment=environment, file=tmp_path / "toys.toml")
    assert settings.make(Toy).token == expected
    # A worker that is handed the settings finds the same token.
    assert resolved_by_worker(settings.to_json(), environment) == expected


def resolved_by_worker(text: str, environment: dict[str, str]) -> str | None:
    return read_tokens(from_json(text, declared(Toy), environment)).make(Toy).token


def test_both_ways_to_a_token_in_the_environment_are_decided_for_the_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from file")
    environment = {"TYPEAHEAD_TOKEN": "variable", "TYPEAHEAD_TOKEN_FILE": str(tmp_path / "token")}
    settings = resolved(environment=environment)
    assert settings.make(Toy).token == "from file"
    assert resolved_by_worker(settings.to_json(), environment) == "from file"


@pytest.mark.parametrize(("content", "message"), [(b"\xff", "is not UTF-8"), (b"x" * 100_000, "too large for a token")])
def test_a_token_file_that_is_not_one_is_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        resolved("--token-file", str(tmp_path / "token"))
    assert caught.value.setting == "token_file"


def test_a_replaced_value_counts_as_a_default() -> None:
    settings = resolved("--count", "4").replaced("count", 5)
    assert settings.make(Toy) == replace(Toy(), count=5)
    assert settings.is_default("count")
