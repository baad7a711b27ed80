"""The sheet hides which side is which, and the key and the verdicts give it back."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.blind import read_verdicts, score, sheet
from typeahead.errors import TypeaheadError


def answers(side: str, *, weak: bool = False, count: int = 20) -> dict[str, Any]:
    hit = {"id": side, "title": f"{side} title", "text": "some\n\n## text `here`"}
    return {"flags": side, "queries": [{"query": f"query {row}", "weak": weak, "hits": [hit]} for row in range(count)]}


def test_the_key_says_which_list_is_which_and_the_order_varies() -> None:
    text, key = sheet(answers("old"), answers("new"), seed=3)
    sections = text.split("\n## ")[1:]
    assert len(sections) == len(key["queries"]) == 20
    for section, one in zip(sections, key["queries"], strict=True):
        assert f"`{one['query']}`" in section
        shown = {"before": "old", "after": "new"}
        assert section.index(f"{shown[one['A']]} title") < section.index(f"{shown[one['B']]} title")
    assert {one["A"] for one in key["queries"]} == {"before", "after"}
    assert sheet(answers("old"), answers("new"), seed=3) == (text, key)


def test_the_sheet_says_nothing_of_flags_and_weak_replies() -> None:
    same, marked = (sheet(answers("same"), answers("same", weak=weak), seed=0) for weak in (False, True))
    assert same[0] == marked[0]
    assert marked[1]["queries"][0]["weak"] == {"before": False, "after": True}


def test_a_list_without_hits_is_on_the_sheet() -> None:
    empty = {"queries": [{"query": "a`b", "weak": False, "hits": []}]}
    text, _ = sheet(empty, empty, seed=0)
    assert text.count("No results.") == 2
    assert "`` a`b ``" in text


def test_answers_to_different_queries_are_refused() -> None:
    with pytest.raises(TypeaheadError, match="different queries"):
        sheet(answers("old"), answers("new", count=19), seed=0)


def test_wrong_lists_are_counted_for_the_side_that_made_them() -> None:
    key = {
        "queries": [
            {"query": "one", "A": "before", "B": "after", "weak": {"before": False, "after": False}},
            {"query": "two", "A": "after", "B": "before", "weak": {"before": False, "after": True}},
            {"query": "three", "A": "after", "B": "before", "weak": {"before": False, "after": True}},
        ]
    }
    rows = score([("wrong", "fine"), ("wrong", "wrong"), ("fine", "wrong")], key)
    assert [tuple(row.values()) for row in rows] == [
        ("before", 3, 3, 3, "one, two, three"),
        ("after", 3, 1, 0, "two"),
    ]


def test_verdicts_are_read_in_any_order_with_comments() -> None:
    assert read_verdicts("2 fine wrong # close\n\n# note\n1  wrong fine\n", 2) == [("wrong", "fine"), ("fine", "wrong")]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("1 wrong", "line 1 is no verdict"),
        ("1 bad fine", "line 1 is no verdict"),
        ("3 fine fine", "line 1 is no verdict"),
        ("0 fine fine", "line 1 is no verdict"),
        ("1 fine fine\n1 fine fine", "line 2 judges query 1 again"),
        ("2 fine fine", "query 1 is not judged"),
    ],
)
def test_verdicts_that_are_malformed_repeated_or_missing_are_refused(text: str, match: str) -> None:
    with pytest.raises(TypeaheadError, match=match):
        read_verdicts(text, 2)
