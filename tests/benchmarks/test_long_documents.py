"""Facts near the ends of long documents are drawn so that each has one answer."""

from __future__ import annotations

import types
from typing import Any, cast

import pytest

from benchmarks.long_documents import LONG, Fact, ask, draw, plain, sentences
from typeahead.index import Document
from typeahead.search.ranking import Found, Hit


def long_document(key: str, fact: str) -> Document:
    filler = "A sentence that stands in every document, and so is no fact at all. "
    return Document(key, key, filler * (LONG // len(filler) + 1) + fact + " And an end.")


FACTS = {f"d{row}": f"The wire number {row} carries exactly {row} parcels of green light." for row in range(9)}
DOCUMENTS = [long_document(key, fact) for key, fact in FACTS.items()]


def test_a_fact_is_a_sentence_of_the_last_tenth_that_no_other_document_has() -> None:
    assert {fact.document: fact.sentence for fact in draw(DOCUMENTS, 20, seed=0)} == FACTS


def test_a_draw_is_the_same_for_a_seed_and_another_for_another() -> None:
    first = draw(DOCUMENTS, 4, seed=1)
    assert len(first) == 4
    assert draw(reversed(DOCUMENTS), 4, seed=1) == first
    assert {fact.document for fact in draw(DOCUMENTS, 4, seed=2)} != {fact.document for fact in first}


def test_short_documents_are_not_asked_for_but_can_take_a_sentence_away() -> None:
    short = Document("short", "", FACTS["d0"])
    assert "d0" not in {fact.document for fact in draw([*DOCUMENTS, short], 20, seed=0)}


@pytest.mark.parametrize(
    "tail",
    [
        "Too short by far.",
        "A heading of nine words that has no full stop",
        " ".join(["word"] * 40) + ".",
        " ".join(["extraordinarily-long-words-indeed"] * 9) + ".",
        "This sentence goes on\nover a line break and so it is not one.",
    ],
)
def test_what_is_no_good_sentence_is_not_taken(tail: str) -> None:
    assert tail not in sentences("x. " * 3000 + "\n" + tail)


def test_the_query_has_all_words_of_the_sentence() -> None:
    assert Fact("a", "It's “os.path” (v2), isn't it?").query == "it's os path v2 isn't it"


@pytest.mark.parametrize(("place", "expected"), [(0, (True, True)), (2, (True, True)), (3, (False, False))])
def test_a_document_counts_as_found_among_the_first_three(place: int, expected: tuple[bool, bool]) -> None:
    fact = Fact("d3", FACTS["d3"])
    others = [Hit(f"o{row}", 0.5, "", "other", "") for row in range(3)]
    hit = Hit("d3", 0.9, "d3", DOCUMENTS[3].text, "")
    box = types.SimpleNamespace(search=lambda _, k: Found([*others[:place], hit, *others[place:]][:k], "1"))
    assert ask(cast("Any", box), fact) == expected


def test_a_sentence_outside_the_snippet_is_found_but_not_shown() -> None:
    box = types.SimpleNamespace(search=lambda _, k: Found([Hit("d3", 0.9, "", "another passage", "")][:k], "1"))
    assert ask(cast("Any", box), Fact("d3", FACTS["d3"])) == (True, False)


def test_white_space_does_not_matter() -> None:
    assert plain(" a\n b\t") == "a b"
