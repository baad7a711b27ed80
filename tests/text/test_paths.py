"""Members of nested records by dotted paths."""

from __future__ import annotations

from typing import Any

import pytest

from typeahead.text.paths import MISSING, find

RECORD = {
    "a": {"b": 1, "b.c": 2, "b2": {"c": 3}, "null": None},
    "a.b": 4,
    "x.y": {"z": 5},
    "list": [{"t": "one"}, {"t": ["two", "three"]}, {}, 7],
    "n": 6,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("n", 6),
        ("a.b", 4),
        ("a.b.c", 2),
        ("a.b2.c", 3),
        ("x.y.z", 5),
        ("a.null", None),
        ("list.t", ["one", "two", "three"]),
        ("a.none", MISSING),
        ("n.none", MISSING),
        ("list.none", MISSING),
        ("", MISSING),
        (".", MISSING),
    ],
)
def test_a_path_finds_its_member(path: str, value: Any) -> None:
    assert find(RECORD, path) == value
