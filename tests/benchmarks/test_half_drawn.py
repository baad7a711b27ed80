"""Half-typed queries are drawn from names, summaries and words alone, and each is a beginning of something."""

from __future__ import annotations

import re
from typing import Any

import pytest

from benchmarks.half_drawn import KINDS, draw
from typeahead.errors import TypeaheadError


def record(kind: str, home: str, name: str, doc: str = "") -> dict[str, Any]:
    return {"kind": kind, "home": home, "name": name, "doc": doc}


VERBS = ("Remove", "Append", "Returns", "Called")
RECORDS = [
    *(record("module", f"module{number:02}", "") for number in range(20)),
    *(record("class", f"module{number:02}", f"Wrapper{number:02}") for number in range(20)),
    *(record("method", "module00", f"Wrapper00.method{number:02}") for number in range(20)),
    *(
        record(
            "function", f"module{number:02}", f"{verb.lower()}_rows", f"{verb} chosen rows from table {verb}.\n\nMore."
        )
        for number in range(20)
        for verb in VERBS
    ),
]


def test_a_seed_draws_the_same_distinct_queries_of_each_kind_every_time() -> None:
    drawn = draw(RECORDS, 12, seed=7)
    assert draw(RECORDS, 12, seed=7) == drawn
    assert draw(RECORDS, 12, seed=8) != drawn
    assert len({one.query for one in drawn}) == 12
    assert [one.kind for one in drawn] == [kind for kind in KINDS for _ in range(4)]


def test_names_are_beginnings_that_are_not_whole() -> None:
    whole = {one["home"] for one in RECORDS} | {
        name for one in RECORDS if one["kind"] != "method" for name in (one["name"], f"{one['home']}.{one['name']}")
    }
    names = [one.query for seed in range(30) for one in draw(RECORDS, 12, seed=seed) if one.kind == "name"]
    for name in names:
        longer = [full for full in whole if full.lower().startswith(name.lower()) and len(full) > len(name)]
        assert longer, name
        assert name[-1].isalnum()
        assert any(0.35 <= len(name) / len(full) <= 0.95 for full in longer), name
    assert any("." in name for name in names)
    assert any(name.startswith("Wrap") for name in names)
    assert any(name.startswith("wrap") for name in names)


def test_questions_are_pieces_of_summaries_cut_in_a_word() -> None:
    questions = [one.query for seed in range(30) for one in draw(RECORDS, 12, seed=seed) if one.kind == "question"]
    summaries = [f"{verb} chosen rows from table {verb}".lower() for verb in VERBS]
    for question in questions:
        piece = question.removeprefix("how to ")
        assert 2 <= len(piece.split()) <= 5
        assert any(re.search(rf"(?:^| ){re.escape(piece)}\w", summary) for summary in summaries), question
    asked = {question.split()[2] for question in questions if question.startswith("how to ")}
    # "How to returns" is nothing that anybody asks.
    assert asked == {"remove", "append"}


def test_words_are_three_to_five_letters_of_words_that_several_documents_use() -> None:
    rare = record("function", "module00", "rare", "Xylophone")
    words = [one.query for seed in range(10) for one in draw([*RECORDS, rare], 12, seed=seed) if one.kind == "word"]
    assert {len(word) for word in words} == {3, 4, 5}
    common = ("remove", "append", "returns", "called", "chosen")
    assert all(any(whole.startswith(word) for whole in common) for word in words)


@pytest.mark.parametrize("records", [[], RECORDS])
def test_more_than_there_is_cannot_be_drawn(records: list[dict[str, Any]]) -> None:
    with pytest.raises(TypeaheadError, match="ask for fewer"):
        draw(records, 3000, seed=0)
