"""Terms are counted by one rule, and so are phrases and words to leave out."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.texts import texts
from typeahead.search.terms import (
    FIELDS,
    Term,
    Words,
    admits,
    document_frequencies,
    forms,
    parts,
    weigh,
    weight_of,
)
from typeahead.text.analysis import analyse
from typeahead.text.document import Document

JOIN = Document("join", "os.path.join", "Joins a path, and another path.")


@given(texts)
def test_forms_and_parts_are_those_of_the_analysis(text: str) -> None:
    words = analyse(text).words
    assert forms(text) == [form for word in words for form in word.forms]
    assert parts(text) == [part for word in words for part in (word.forms if len(word.forms) == 1 else word.forms[1:])]


def test_a_word_has_its_whole_and_its_parts_as_forms() -> None:
    assert forms("os.path.join") == ["ospathjoin", "os", "path", "join"]
    assert parts("os.path.join") == ["os", "path", "join"]
    assert forms("") == parts("") == []


def test_terms_are_counted_by_field() -> None:
    terms = [Term({"path": 1.0}), Term({"paths": 1.0}), Term({}, "jo", 0.5), Term({"ospathjoin": 1.0})]
    weighed = weigh([JOIN, Document("empty")], terms)
    assert FIELDS == ("title", "text")
    assert weighed.frequencies.tolist() == [[[1, 0, 1, 1], [2, 0, 1, 0]], [[0] * 4, [0] * 4]]
    assert weighed.weights.tolist() == [[[1, 0, 0.5, 1], [1, 0, 0.5, 0]], [[0] * 4, [0] * 4]]
    # All forms: the whole word, and its parts.
    assert weighed.lengths.tolist() == [[4, len(forms(JOIN.text))], [0, 0]]


def test_words_of_one_term_are_counted_together_and_the_best_of_them_weighs() -> None:
    weighed = weigh(
        [Document("d", "", "path join join")], [Term({"path": 0.6, "join": 0.4}), Term({"join": 1.0}, "jo", 0.5)]
    )
    assert weighed.frequencies[0, 1].tolist() == [3, 2]
    assert weighed.weights[0, 1].tolist() == pytest.approx([0.6, 1.0])


def test_nothing_is_weighed_for_nothing() -> None:
    assert weigh([], [Term({"path": 1.0})]).frequencies.shape == (0, 2, 1)
    assert weigh([JOIN], []).weights.shape == (1, 2, 0)
    assert weigh([JOIN], []).lengths.shape == (1, 2)


@pytest.mark.parametrize(
    ("term", "weight"),
    [
        (Term({"path": 0.8}), 0.8),
        (Term({"join": 1.0}), 0.0),
        (Term({}, "pa"), 1.0),
        (Term({}, "path", 0.5), 0.5),
        (Term({}, "paths"), 0.0),
        (Term({"path": 0.8}, "pa", 0.5), 0.8),
        (Term({"path": 0.3}, "pa", 0.5), 0.5),
        # No beginning is not the beginning of everything.
        (Term({}, ""), 0.0),
    ],
)
def test_a_form_counts_as_a_word_or_by_its_beginning_whichever_is_more(term: Term, weight: float) -> None:
    assert weight_of("path", term) == weight


def test_the_frequency_of_words_is_that_of_the_commonest_and_of_a_beginning_the_sum_of_its_continuations() -> None:
    counts = {"path": 5, "paths": 3, "join": 2}
    terms = [
        Term({"path": 1.0}),
        Term({"join": 0.6, "path": 0.6}),
        Term({}, "pa"),
        Term({"paths": 1.0}, "pa"),
        Term({"pat": 1.0}, "pat"),
        Term({"nothing": 1.0}),
    ]
    found = document_frequencies(counts, 10, terms)
    assert found.dtype == np.float64
    assert found.tolist() == [5, 5, 8, 3, 8, 0]
    # In no more documents than there are.
    assert document_frequencies(counts, 6, terms).tolist() == [5, 5, 6, 3, 6, 0]
    assert document_frequencies(Counter(), 0, terms).tolist() == [0] * 6


@pytest.mark.parametrize(
    ("words", "admitted"),
    [
        (Words(()), True),
        (Words((), [("os", "path")]), True),
        (Words((), [("path", "join")]), True),
        (Words((), [("os", "join")]), False),
        (Words((), [("another", "path")]), True),
        (Words((), [("path", "another")]), False),
        (Words((), [["path", "and", "another", "path"]]), True),
        (Words((), [("ospathjoin", "joins")]), False),
        # Not from the title into the text.
        (Words((), [("join", "joins")]), False),
        (Words((), [("os", "path"), ("another", "path")]), True),
        (Words((), [("os", "path"), ("no", "path")]), False),
        (Words((), (), ["paths"]), True),
        (Words((), (), ["another"]), False),
        (Words((), (), ["ospathjoin"]), False),
        (Words((), [("os", "path")], ["another"]), False),
    ],
    ids=str,
)
def test_phrases_must_be_in_one_field_and_words_to_leave_out_in_none(words: Words, admitted: bool) -> None:
    assert admits(JOIN, words) is admitted


@given(texts, st.data())
def test_every_run_of_parts_of_a_field_is_a_phrase_in_it(text: str, data: st.DataObject) -> None:
    held = parts(text)
    start = data.draw(st.integers(0, len(held)))
    phrase = held[start : data.draw(st.integers(start, len(held)))]
    assert admits(Document("d", "", text), Words((), [phrase]))
