"""Words are found and counted as a loop over all documents would do it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.index.lexical.corpora import counted, holds, matching, opened, sequence
from tests.texts import texts
from typeahead.index.lexical.lexical import Lexical
from typeahead.search.terms import Term
from typeahead.text.document import Document

DOCUMENTS = [
    Document("boil", "Boiling", "How to boil an egg: boil water, then add the egg."),
    Document("boiler", "", "A boiler heats water for a house."),
    Document("café", "Café", "The café serves Crème brûlée and eggs."),
    Document("path", "os.path", "Call os.path.join(a, b), and then os.walk."),
    Document("code", "NullPointerException", "thrown by java.util.Map"),
    Document("empty", "", ""),
]
WORDS = ["egg", "eggs", "egret", "tea", "teapot", "useEffect", "AB-12", "os.path", "a", "東京"]
#: Few words, so that documents share them.
corpora = st.lists(
    st.tuples(*(st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join) for _ in range(2))), min_size=1, max_size=12
).map(lambda pairs: [Document(str(row), *pair) for row, pair in enumerate(pairs)])
FORMS = ["egg", "eggs", "tea", "useeffect", "use", "ab12", "12", "path", "a", "東", "none"]
weights = st.sampled_from([0.25, 0.5, 1.0])
terms = st.builds(
    Term,
    st.dictionaries(st.sampled_from(FORMS), weights, max_size=3),
    st.sampled_from(["", "e", "eg", "egg", "eggs", "te", "teap", "東", "zz"]),
    weights,
)


@pytest.fixture(scope="module")
def lexical(tmp_path_factory: pytest.TempPathFactory) -> Lexical:
    return opened(tmp_path_factory.mktemp("lexical"), DOCUMENTS)


def found(lexical: Lexical, *asked: Term, depth: int = 10, **more: object) -> list[str]:
    rows, _ = lexical.candidates(asked, depth, **more)  # type: ignore[arg-type]
    return [DOCUMENTS[row].id for row in rows]


def word(form: str) -> Term:
    return Term({form: 1.0})


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ([word("boil")], ["boil"]),
        ([Term({}, "boil")], ["boil", "boiler"]),
        ([word("creme")], ["café"]),
        ([word("ospathjoin")], ["path"]),
        ([word("join")], ["path"]),
        ([Term({}, "nullp")], ["code"]),
        ([word("nothing")], []),
        ([], []),
        ([Term({"egg": 1.0, "eggs": 0.5})], ["boil", "café"]),
    ],
)
def test_documents_are_found_by_words_parts_and_beginnings(lexical: Lexical, asked: list[Term], ids: list[str]) -> None:
    assert sorted(found(lexical, *asked)) == sorted(ids)


@pytest.mark.parametrize(
    ("phrase", "ids"),
    [
        (["add", "the", "egg"], ["boil"]),
        (["the", "add"], []),
        (["os", "path", "join"], ["path"]),
        (["join", "a", "b"], ["path"]),
        (["os", "path", "call"], []),  # across title and text
        (["boil"], ["boil"]),
    ],
)
def test_a_phrase_is_a_sequence_of_parts_within_a_field(lexical: Lexical, phrase: list[str], ids: list[str]) -> None:
    assert found(lexical, phrases=[phrase]) == ids
    assert found(lexical, word("boil"), word("then"), phrases=[phrase]) == ids


def test_documents_with_words_that_must_not_occur_are_left_out(lexical: Lexical) -> None:
    assert found(lexical, word("water"), without=[word("house")]) == ["boil"]
    assert found(lexical, word("water"), without=[Term({}, "boil")]) == []
    assert sorted(found(lexical, word("water"), without=[word("nothing")])) == ["boil", "boiler"]


def test_words_of_titles_count_more(tmp_path: Path) -> None:
    documents = [Document("0", "tea", "egg"), Document("1", "egg", "tea"), Document("2", "", "sun moon")]
    rows, scores = opened(tmp_path, documents).candidates([word("egg")], 5)
    assert rows.tolist() == [1, 0]
    assert scores[0] > scores[1]


def test_the_best_come_first_and_ties_by_row(tmp_path: Path) -> None:
    documents = [Document(str(row), "", "egg boil" if row % 3 == 0 else "egg tea") for row in range(20)]
    rows, scores = opened(tmp_path, documents).candidates([word("boil"), word("egg")], 9)
    assert rows.tolist() == [0, 3, 6, 9, 12, 15, 18, 1, 2]
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)


def test_evidence_of_rows_that_do_not_exist_is_refused(lexical: Lexical) -> None:
    for row in (-1, len(DOCUMENTS)):
        with pytest.raises(IndexError, match="6 documents"):
            lexical.evidence([0, row], [word("egg")])


def test_average_lengths_are_those_of_each_field(lexical: Lexical, tmp_path: Path) -> None:
    lengths = lexical.evidence(range(len(DOCUMENTS)), []).lengths
    np.testing.assert_allclose(lexical.average_lengths, lengths.mean(axis=0))
    nothing = opened(tmp_path, [])
    assert nothing.average_lengths.tolist() == [0, 0]
    assert nothing.candidates([word("egg")], 3)[0].tolist() == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents=corpora, asked=st.lists(terms, max_size=4), block=st.sampled_from([1, 7, 1000]))
def test_everything_is_as_a_loop_finds_it(
    tmp_path_factory: pytest.TempPathFactory, documents: list[Document], asked: list[Term], block: int
) -> None:
    lexical = opened(tmp_path_factory.mktemp("loop"), documents, block)
    counts = [counted(document) for document in documents]

    rows, scores = lexical.candidates(asked, len(documents) + 1)
    assert sorted(rows.tolist()) == [
        row for row, document in enumerate(documents) if any(holds(document, term) for term in asked)
    ]
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)

    every = {form for fields in counts for field in fields for form in field}
    assert list(lexical.vocabulary) == sorted(every)
    for form in every:
        held = sum(any(form in field for field in fields) for fields in counts)
        assert lexical.vocabulary.document_frequency(form) == held

    order = list(range(len(documents)))[::-1]
    compiled = lexical.evidence(order, asked)
    lexical.forward._compiled = None
    plain = lexical.evidence(order, asked)
    for one, other in zip(compiled, plain, strict=True):
        np.testing.assert_array_equal(one, other)
    for place, row in enumerate(order):
        for number, field in enumerate(counts[row]):
            for column, term in enumerate(asked):
                hits = {form: matching(term, form) for form in field if matching(term, form) >= 0}
                assert plain.frequencies[place, number, column] == sum(field[form] for form in hits)
                assert plain.weights[place, number, column] == max(hits.values(), default=0)

    for term, found_in in zip(asked, lexical.document_frequencies(asked).tolist(), strict=True):
        if term.beginning and len(term.beginning) <= 3 and not term.words:
            assert found_in == sum(holds(document, term) for document in documents)
        assert 0 <= found_in <= len(documents)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=4))
def test_any_text_is_found_by_its_forms_and_its_phrases(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    documents = [Document(str(row), *pair) for row, pair in enumerate(pairs)]
    lexical = opened(tmp_path_factory.mktemp("texts"), documents)
    for row, document in enumerate(documents):
        for form in {form for field in counted(document) for form in field}:
            assert row in lexical.candidates([word(form)], 9)[0]
        for text in (document.title, document.text):
            if phrase := sequence(text)[:4]:
                assert row in lexical.candidates([], 9, [phrase])[0]


def test_counts_above_255_are_255_and_tell_no_more(tmp_path: Path) -> None:
    lexical = opened(tmp_path, [Document("0", "", "egg " * 300)])
    assert lexical.evidence([0], [word("egg")]).frequencies[0, 1, 0] == 255


def test_a_common_word_is_left_out_beside_a_rarer_one_and_fills_up(tmp_path: Path) -> None:
    documents = [Document(str(row), "", "the egg" if row < 2 else "the tea") for row in range(30)]
    lexical = opened(tmp_path, documents)
    asked = [word("the"), word("egg")]
    assert lexical.candidates(asked, 2)[0].tolist() == [0, 1]
    rows, scores = lexical.candidates(asked, 5)
    assert rows.tolist() == [0, 1, 2, 3, 4]
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)
    assert math.isfinite(scores.sum())


NAMED = ["teapot", "egret", "marmalade", "quince", "saffron"]


@settings(max_examples=12, deadline=None)
@given(
    title=st.lists(st.sampled_from(NAMED), min_size=1, max_size=3, unique=True),
    often=st.integers(1, 9),
    shared=st.booleans(),
    cut=st.integers(1, 8),
)
def test_a_title_that_was_typed_is_found_however_much_other_texts_say_about_its_words(
    tmp_path_factory: pytest.TempPathFactory, title: list[str], often: int, shared: bool, cut: int
) -> None:
    name, long = " ".join(title), "sun moon " * 100
    # Some of the others have a part of the name in their titles.
    others = [f"{title[0]} sun moon" if shared and row % 3 == 0 and len(title) > 1 else "sun" for row in range(400)]
    documents = [Document(str(row), other, f"{name} " * often) for row, other in enumerate(others)]
    documents.insert(200, Document("named", name, long))
    lexical = opened(tmp_path_factory.mktemp("titles"), documents)
    typed = [word(form) for form in title]
    slip = Term({"nothing": 0.7, title[-1]: 0.56})
    half = Term({}, title[-1][:cut], 0.7)
    for asked in (typed, [*typed[:-1], slip], [*typed[:-1], half]):
        rows, _ = lexical.candidates(asked, 100)
        assert 200 in rows
        assert len(set(rows.tolist())) == len(rows)
