"""Flags of settings: their help, and what they refuse."""

from __future__ import annotations

import argparse

import pytest

from tests.settings.toys import Toy, resolved
from typeahead.settings.declaring import declared
from typeahead.settings.flags import add_flags


def test_help_has_the_text_and_the_default_of_each_setting_but_not_of_secrets() -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser, declared(Toy))
    told = " ".join(parser.format_help().split())
    assert "shop: What the shop has." in told
    assert "--count N Toys on the shelf. (default: 3)" in told
    assert "--wrapped, --no-wrapped Wrap 100% of the toys. (default: off)" in told
    assert "--colour {red,blue} Colour of the toys. (default: red)" in told
    assert "--name TEXT Name of a toy. May be given more than once." in told
    assert "--token " not in told
    assert "--inner" not in told


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--count", "many"], 'argument --count: the value is "many": it must be a whole number'),
        (["--weight", "much"], "it must be a number"),
        (["--colour", "bleu"], "it must be one of red, blue: did you mean blue?"),
        (["--owner", ""], "the value is empty"),
        (["--inner", "7"], "unrecognized arguments"),
    ],
)
def test_a_flag_of_the_wrong_type_is_bad_usage(
    flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        resolved(*flags)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_flags_give_values_of_the_declared_types() -> None:
    flags = ["--count", "4", "--weight", "1", "--wrapped", "--name", "a, b", "--name", "c"]
    toy = resolved(*flags).make(Toy)
    assert toy == Toy(count=4, weight=1.0, wrapped=True, names=("a, b", "c"))
    assert type(toy.weight) is float
