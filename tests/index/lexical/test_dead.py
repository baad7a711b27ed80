"""Dead documents: they no longer count, and marking more of them copies no more than the counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.index.lexical.corpora import counted, holds, opened
from tests.index.lexical.test_lexical import corpora, terms, word
from typeahead.index.lexical.lexical import Lexical
from typeahead.search.terms import Term
from typeahead.text.document import Document


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents=corpora, asked=st.lists(terms, max_size=4), data=st.data())
def test_only_live_documents_count(
    tmp_path_factory: pytest.TempPathFactory, documents: list[Document], asked: list[Term], data: st.DataObject
) -> None:
    lexical = whole = opened(tmp_path_factory.mktemp("dead"), documents)
    before = whole.document_frequencies(asked).tolist()
    rows = st.lists(st.integers(0, len(documents) - 1), max_size=5)
    dead: set[int] = set()
    for more in data.draw(st.lists(rows, max_size=3)):
        # Some are dead already, and one may be named twice.
        dead |= set(more)
        lexical = lexical.without(np.array(more, np.int64))
    live = [document for row, document in enumerate(documents) if row not in dead]

    assert len(live) == lexical.live_count
    for form, number in zip(lexical.vocabulary, range(len(lexical.vocabulary)), strict=True):
        held = sum(any(form in field for field in counted(document)) for document in live)
        assert held == lexical.live_frequencies[number]
        assert [held] == lexical.document_frequencies([word(form)]).tolist()
    lengths = [[field.total() for field in counted(document)] for document in live]
    assert np.sum(lengths, axis=0, initial=0).tolist() in (lexical.total_lengths.tolist(), 0)
    np.testing.assert_allclose(lexical.average_lengths, np.mean(lengths, axis=0) if live else [0, 0])
    for term, found in zip(asked, lexical.document_frequencies(asked).tolist(), strict=True):
        assert found <= len(live)
        if not term.words:
            assert found >= sum(holds(document, term) for document in live)

    # What was there before has not changed.
    assert before == whole.document_frequencies(asked).tolist()
    assert len(documents) == whole.live_count


@pytest.fixture
def lexical(tmp_path_factory: pytest.TempPathFactory) -> Lexical:
    documents = [Document(str(row), "egg", f"egg eggnog word{row}") for row in range(20)]
    return opened(tmp_path_factory.mktemp("dead"), documents)


def test_a_long_beginning_is_counted_by_its_live_forms(lexical: Lexical) -> None:
    asked = [Term({}, "eggn"), Term({}, "word"), Term({}, "egg")]
    assert lexical.document_frequencies(asked).tolist() == [20, 20, 20]
    assert lexical.without(np.arange(15)).document_frequencies(asked).tolist() == [5, 5, 5]


def test_forms_without_a_live_document_can_be_told(lexical: Lexical) -> None:
    left = lexical.without(np.array([3, 7]))
    gone = [form for form, live in zip(left.vocabulary, left.live_frequencies, strict=True) if not live]
    assert gone == ["3", "7", "word3", "word7"]


def test_what_is_dead_shares_all_arrays_but_the_counts(lexical: Lexical) -> None:
    left = lexical.without(np.array([1]))
    assert left._forward is lexical._forward
    assert left.vocabulary is lexical.vocabulary
    assert left._inverted is lexical._inverted
    assert left._dead_counts is not None
    assert left._dead_counts.dtype == np.int32


def test_a_set_that_grows_may_be_given_whole_each_time(lexical: Lexical) -> None:
    left = lexical.without(np.array([5])).without(np.array([9, 5])).without(np.array([2, 5, 9]))
    assert left.live_count == 17
    assert left.live_frequencies.tolist() == lexical.without(np.array([2, 5, 9])).live_frequencies.tolist()


def test_evidence_of_dead_documents_is_still_there(lexical: Lexical) -> None:
    left = lexical.without(np.array([4]))
    for one, other in zip(lexical.evidence([4], [word("egg")]), left.evidence([4], [word("egg")]), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("row", [-1, 20])
def test_dead_rows_that_do_not_exist_are_refused(lexical: Lexical, row: int) -> None:
    with pytest.raises(IndexError, match="20 documents"):
        lexical.without(np.array([row]))
