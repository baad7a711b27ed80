"""Words with a filter: what is found is admitted, and nothing that is admitted is missed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.index.lexical.corpora import holds, opened
from tests.index.lexical.test_lexical import corpora, terms, word
from typeahead.index.lexical import admitted as module
from typeahead.index.lexical import lexical as lexical_module
from typeahead.index.lexical.admitted import first
from typeahead.index.lexical.lexical import TITLED, Lexical
from typeahead.search.terms import Term
from typeahead.text.document import Document

Mask = NDArray[np.bool_]
COUNT = 2000


@pytest.fixture(params=["weighed", "weighed without compiled code", "searched deeper"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    ratio = 0.0 if request.param == "searched deeper" else 1e9
    for place in (module, lexical_module):
        monkeypatch.setattr(place, "WEIGHED", ratio)
        monkeypatch.setattr(place, "WEIGHED_SLOWLY", ratio)
    return str(request.param)


def prepared(lexical: Lexical, way: str) -> Lexical:
    if "without" in way:
        lexical.forward._compiled = lexical.forward._score = None
    return lexical


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents=corpora, asked=st.lists(terms, max_size=4), without=st.lists(terms, max_size=1), data=st.data())
def test_every_admitted_document_that_holds_a_term_is_found(
    way: str,
    tmp_path_factory: pytest.TempPathFactory,
    documents: list[Document],
    asked: list[Term],
    without: list[Term],
    data: st.DataObject,
) -> None:
    lexical = prepared(opened(tmp_path_factory.mktemp("loop"), documents), way)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(documents), max_size=len(documents))))
    rows, scores = lexical.candidates(asked, len(documents) + 1, without=without, admitted=mask)
    assert sorted(rows.tolist()) == [
        row
        for row, document in enumerate(documents)
        if mask[row]
        and any(holds(document, term) for term in asked)
        and not any(holds(document, term) for term in without)
    ]
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    """Every document has "the"; "egg" is in one of three, mostly in the first half, and "quince" in one of 40."""
    rng = np.random.default_rng(0)
    found = []
    for row in range(COUNT):
        words = ["the"] * int(rng.integers(1, 4))
        words += ["egg"] * int(rng.integers(1, 4)) * (row % 3 == 0 and (row < COUNT // 2 or row % 60 == 0))
        words += ["quince"] * (row % 40 == 7)
        words += [f"word{rng.integers(0, 200)}" for _ in range(int(rng.integers(3, 12)))]
        rng.shuffle(words)
        found.append(Document(str(row), "quince" if row % 400 == 7 else "", " ".join(words)))
    return found


@pytest.fixture
def lexical(way: str, documents: list[Document], tmp_path_factory: pytest.TempPathFactory) -> Lexical:
    return prepared(opened(tmp_path_factory.mktemp("words"), documents), way)


def holding(documents: Sequence[Document], form: str, mask: Mask) -> set[int]:
    return {
        row for row in np.flatnonzero(mask).tolist() if form in f"{documents[row].title} {documents[row].text}".split()
    }


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1, 0.01])
@pytest.mark.parametrize("asked", [["egg"], ["the"], ["quince", "egg"], ["the", "quince"], ["nothing"], []])
def test_as_many_are_found_as_were_asked_for_or_all_there_are(
    lexical: Lexical, documents: list[Document], share: float, asked: list[str]
) -> None:
    mask = np.random.default_rng(1).random(COUNT) < share
    for depth in (1, 10, 300):
        rows, _ = lexical.candidates([word(form) for form in asked], depth, admitted=mask)
        there = set().union(*(holding(documents, form, mask) for form in asked)) if asked else set()
        assert set(rows.tolist()) <= there
        assert len(set(rows.tolist())) == len(rows) <= depth + TITLED
        assert len(rows) >= min(depth, len(there))


def test_a_word_that_is_common_outside_the_filter_and_rare_inside_is_found(
    lexical: Lexical, documents: list[Document]
) -> None:
    mask = np.arange(COUNT) >= COUNT // 2
    rows, _ = lexical.candidates([word("egg")], 10, admitted=mask)
    inside = holding(documents, "egg", mask)
    assert len(inside) == 17
    assert set(rows.tolist()) <= inside
    assert len(rows) == 10


def test_the_best_admitted_documents_come_first(way: str, tmp_path: Path) -> None:
    documents = [Document(str(row), "", "egg " * (1 + row % 3) + "tea " * (3 - row % 3)) for row in range(30)]
    lexical = prepared(opened(tmp_path, documents), way)
    mask = np.arange(30) % 2 == 0
    rows, scores = lexical.candidates([word("egg")], 5, admitted=mask)
    assert rows.tolist() == [2, 8, 14, 20, 26]
    assert len(set(scores.tolist())) == 1


def test_phrases_and_words_to_leave_out_hold_with_a_filter(way: str, tmp_path: Path) -> None:
    texts = ["red egg", "egg red", "red egg tea", "red egg"]
    lexical = prepared(opened(tmp_path, [Document(str(row), "", text) for row, text in enumerate(texts)]), way)
    mask = np.array([True, True, True, False])

    def found(**more: object) -> list[int]:
        return sorted(lexical.candidates([word("egg")], 9, admitted=mask, **more)[0].tolist())  # type: ignore[arg-type]

    assert found() == [0, 1, 2]
    assert found(phrases=[["red", "egg"]]) == [0, 2]
    assert found(without=[word("tea")]) == [0, 1]
    assert found(phrases=[["red", "egg"]], without=[Term({}, "te")]) == [0]


def test_a_title_that_was_typed_is_found_with_a_filter(way: str, tmp_path: Path) -> None:
    documents = [Document(str(row), "sun", "marmalade " * (1 + row % 9)) for row in range(600)]
    documents.insert(300, Document("named", "marmalade", "sun moon " * 100))
    lexical = prepared(opened(tmp_path, documents), way)
    rows, _ = lexical.candidates([word("marmalade")], 20, admitted=np.arange(601) % 2 == 0)
    assert 300 in rows


def test_a_filter_that_admits_all_finds_what_no_filter_finds(lexical: Lexical, way: str) -> None:
    asked = [word("egg"), word("quince")]
    every = lexical.candidates(asked, COUNT, admitted=np.ones(COUNT, np.bool_))[0].tolist()
    none = lexical.candidates(asked, COUNT)[0].tolist()
    assert sorted(every) == sorted(none)
    if way == "searched deeper":
        assert every == none


def test_a_filter_that_admits_nothing_finds_nothing(lexical: Lexical) -> None:
    assert not len(lexical.candidates([word("egg")], 9, admitted=np.zeros(COUNT, np.bool_))[0])


def test_a_filter_of_other_documents_is_refused(lexical: Lexical) -> None:
    with pytest.raises(ValueError, match=r"admitted is bool \(5,\)"):
        lexical.candidates([word("egg")], 9, admitted=np.ones(5, np.bool_))


def test_a_search_gives_up_where_weighing_is_faster(
    documents: list[Document], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lexical = opened(tmp_path, documents)
    searched: list[int] = []
    inner = lexical._inverted.search

    def counting(should: object, must: object, must_not: object, depth: int) -> object:
        searched.append(depth)
        return inner(should, must, must_not, depth)  # type: ignore[arg-type]

    monkeypatch.setattr(lexical._inverted, "search", counting)
    monkeypatch.setattr(lexical_module, "WEIGHED", 0.0)
    mask = np.arange(COUNT) >= 1400
    rows, _ = lexical.candidates([word("egg")], 10, admitted=mask)
    assert len(rows) == 10
    assert searched == [40]


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(0, 12))
def test_the_best_rows_are_those_of_a_sort(scores: list[int], depth: int) -> None:
    rows = np.arange(len(scores), dtype=np.int64)
    found, _ = first(rows, np.array(scores, np.float32), depth)
    assert sorted(range(len(scores)), key=lambda row: (-scores[row], row))[:depth] == found.tolist()
