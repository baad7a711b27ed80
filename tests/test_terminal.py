"""The terminal's line: keys in, text out, and nothing of a document can command the terminal."""

from __future__ import annotations

import pytest

from typeahead.terminal import Line, clean, columns, fit, keys


def typed(sent: str) -> Line:
    line = Line()
    for key in keys(iter(sent)):
        line.press(key)
    return line


@pytest.mark.parametrize(
    ("sent", "text", "at"),
    [
        ("egg", "egg", 3),
        ("egg\x7f", "eg", 2),
        ("egg\x1b[D\x1b[Dx", "exgg", 2),
        ("egg\x1bOD\x7f", "eg", 1),
        ("egg\x1b[H\x1b[3~", "gg", 0),
        ("egg\x01x\x05y", "xeggy", 5),
        ("boil an egg\x17", "boil an ", 8),
        ("boil an egg \x17", "boil an ", 8),
        ("boil\x15egg", "egg", 3),
        ("東京\x7f", "東", 1),
        ("a\x1b[200~b\x1b[A\x00c", "abc", 3),
        ("\x7f\x1b[D\x1b[3~", "", 0),
        ("a\x1bbc", "abc", 3),
        ("ab\x1b\x7fc", "ac", 2),
        ("ab\x1b\x1b[Dc", "acb", 2),
    ],
)
def test_keys_edit_the_line(sent: str, text: str, at: int) -> None:
    line = typed(sent)
    assert (line.text, line.at) == (text, at)


def test_a_key_that_changes_nothing_says_so() -> None:
    line = typed("egg")
    assert not line.press("left")
    assert line.press("x")
    assert not line.press("")


def test_a_lone_escape_swallows_no_key() -> None:
    assert list(keys(iter("\x1b\x03\x1b\r"))) == ["close", "enter"]


def test_an_endless_escape_sequence_does_not_hold_the_line() -> None:
    assert typed("\x1b[1;1;1;1;1;1;ab").text.endswith("ab")


def test_documents_cannot_command_the_terminal() -> None:
    assert clean("a\x1b[2Jb\x07\u202ec\u2028d\ud800") == "a [2Jb  c d "


def test_text_is_cut_by_columns_not_characters() -> None:
    assert fit("東京の天気", 5) == "東京"
    assert fit("e\u0301e\u0301e\u0301", 2) == "e\u0301e\u0301"
    assert columns("東a\u0301") == 3
