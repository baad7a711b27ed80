"""Drawing: what may be typed, and that a seed decides it alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.evaluate.typed.texts import DOCUMENTS
from typeahead.evaluate.typed import drawing
from typeahead.evaluate.typed.drawing import Query, digest, draw, typed_to
from typeahead.evaluate.typed.slips import FAMILIES
from typeahead.text.document import Document

EVERYTHING: dict[str, Any] = {"names": 100, "words": 100, "seed": 0}


def of(measure: str, queries: list[Query]) -> list[Query]:
    return [query for query in queries if query.measure == measure]


def test_a_seed_draws_the_same_queries_again_and_another_seed_others() -> None:
    drawn = [draw(DOCUMENTS, names=3, words=5, seed=seed) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert digest(drawn[0]) == digest(drawn[1]) != digest(drawn[2])


def test_the_number_of_one_kind_does_not_change_another() -> None:
    few, many = draw(DOCUMENTS, names=1, words=5, seed=0), draw(DOCUMENTS, names=4, words=5, seed=0)
    for measure in (drawing.RARE, drawing.CONTINUITY, drawing.NONSENSE):
        assert of(measure, few) == of(measure, many)
    assert of(drawing.NAMES, many)[:5] == of(drawing.NAMES, few)


def test_only_titles_that_no_other_document_has_are_names() -> None:
    names = of(drawing.NAMES, draw(DOCUMENTS, **EVERYTHING))
    assert {query.wanted for query in names} == {"eggs", "rain", "rebase", "commit"}
    whole = {query.text: query.wanted for query in names if query.kind == drawing.WHOLE}
    assert whole["git rebase"] == "rebase"


def test_titles_that_nobody_types_are_no_names() -> None:
    long = Document("long", "x" * (drawing.LONGEST_NAME + 1))
    assert of(drawing.NAMES, draw([long], **EVERYTHING)) == []


def test_a_name_is_typed_to_each_share_and_only_the_whole_one_is_followed_by_enter() -> None:
    names = [query for query in of(drawing.NAMES, draw(DOCUMENTS, **EVERYTHING)) if query.wanted == "rebase"]
    assert [(query.kind, query.text, query.enter) for query in names] == [
        ("30", "git", False),
        ("50", "git r", False),
        ("70", "git reb", False),
        ("85", "git rebas", False),
        ("100", "git rebase", True),
    ]


@pytest.mark.parametrize(
    ("text", "share", "beginning"), [("abcde", "30", "ab"), ("abcde", "50", "abc"), ("a", "30", "a"), ("éa", "50", "é")]
)
def test_shares_are_rounded_half_up_and_leave_at_least_one_character(text: str, share: str, beginning: str) -> None:
    assert typed_to(text, share) == beginning


def test_slips_are_made_in_the_names_that_are_typed() -> None:
    queries = draw(DOCUMENTS, names=2, words=1, seed=0)
    named = {query.wanted for query in of(drawing.NAMES, queries)}
    for family in FAMILIES:
        slips = [query for query in of(drawing.SLIPS, queries) if query.kind == family]
        assert {query.wanted for query in slips} == named
        assert all(query.enter for query in slips)


def test_a_slip_that_spells_another_title_is_not_drawn() -> None:
    documents = [Document("trial", "trial"), Document("trail", "trail"), Document("triall", "Triall")]
    for seed in range(20):
        slips = of(drawing.SLIPS, draw(documents, names=9, words=1, seed=seed))
        assert slips
        assert not {query.text.casefold() for query in slips} & {"trial", "trail", "triall"}


def test_rare_words_are_letters_of_one_document_alone() -> None:
    rare = {query.text: query.wanted for query in of(drawing.RARE, draw(DOCUMENTS, **EVERYTHING))}
    assert rare["umbrella"] == "rain"
    assert rare["boiled"] == "eggs"
    # Of two documents, twice in one, short, with a digit.
    assert not rare.keys() & {"water", "twice", "rain", "eggs"}
    assert all(len(word) >= 5 and word.isalpha() for word in rare)


def test_a_word_that_stands_twice_in_one_document_is_rare() -> None:
    rare = of(drawing.RARE, draw([Document("a", "Zebra", "A zebra."), Document("b", "b2b4c", "x_yzab")], **EVERYTHING))
    assert [(query.text, query.wanted) for query in rare] == [("zebra", "a")]


def test_parts_of_compounds_and_addresses_are_no_rare_words_and_make_other_words_common() -> None:
    documents = [
        Document("a", "Zebra", "(giraffe), sub[script] https://example.com/camel"),
        Document("b", "Mules", "zebra-crossing at mules"),
    ]
    rare = {query.text: query.wanted for query in of(drawing.RARE, draw(documents, **EVERYTHING))}
    assert rare == {"giraffe": "a", "mules": "b"}


def test_continuity_types_the_five_first_letters_of_longer_words() -> None:
    texts = [query.text for query in of(drawing.CONTINUITY, draw(DOCUMENTS, **EVERYTHING))]
    assert {"umbre", "inter", "boile"} <= set(texts)
    # The whole word has five letters.
    assert not {"water", "twice"} & set(texts)
    assert len(set(texts)) == len(texts)


def test_nonsense_is_one_or_two_strings_of_consonants_that_begin_no_word() -> None:
    consonants = [Document("a", "", " ".join(a + b + "xx" for a in "bcdfghjk" for b in "bcdfghjk"))]
    texts = [query.text for query in of(drawing.NONSENSE, draw(consonants, names=1, words=300, seed=0))]
    assert {len(text.split()) for text in texts} == {1, 2}
    for string in " ".join(texts).split():
        assert 4 <= len(string) <= 9
        assert not set(string) & set("aeiouy")
        assert not any(word.startswith(string) for word in consonants[0].text.split())


def test_judged_queries_are_typed_to_each_share_and_empty_ones_not_at_all() -> None:
    judged = of(drawing.JUDGED, draw(DOCUMENTS, **EVERYTHING, judged={"q1": "wet weather", "q2": " "}))
    assert [query.kind for query in judged] == [*drawing.SHARES, drawing.WHOLE]
    assert {query.subject for query in judged} == {"q1"}
    assert [query.enter for query in judged] == [False] * 4 + [True]
