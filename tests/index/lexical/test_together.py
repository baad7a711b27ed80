"""What divided documents hold together: the same by compiled code, by NumPy, and by looking at every passage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.encoders.compiled.importing import VARIABLE
from typeahead.index.lexical.forward import Forward
from typeahead.index.lexical.lookup import Form, Known, LookedUp
from typeahead.index.lexical.together import Together
from typeahead.index.parts import WordEvidence
from typeahead.search.terms import FIELDS

#: Documents, each with its title and its passages; words are the numbers of forms.
words = st.lists(st.integers(0, 9), max_size=6)
divided = st.lists(st.tuples(words, st.lists(words, min_size=1, max_size=4)), min_size=1, max_size=5)
#: Of a term: forms with weights, and a range of forms that begin alike, with its weight.
weights = st.sampled_from([0.5, 0.6, 1.0])
terms = st.lists(
    st.tuples(st.dictionaries(st.integers(0, 9), weights, max_size=3), st.integers(0, 9), st.integers(0, 3), weights),
    min_size=1,
    max_size=5,
)
#: Some terms are as rare as others.
shares = st.sampled_from([1.0, 2.0, 0.3])


def forward(rows: list[tuple[list[int], list[int]]]) -> Forward:
    """The forms of some rows, by their fields."""
    fields = [np.unique(field, return_counts=True) for row in rows for field in row]
    starts = np.cumsum([0, *(len(ids) for ids, _ in fields)])
    ids = np.concatenate([ids for ids, _ in fields]).astype(np.uint32)
    counts = np.concatenate([counts for _, counts in fields]).astype(np.uint8)
    lengths = np.array([[len(field) for field in row] for row in rows], np.uint32)
    return Forward(len(rows), starts, ids, counts, lengths)


def looked_up(asked: list[tuple[dict[int, float], int, int, float]]) -> LookedUp:
    """Terms as an index knows them."""
    return LookedUp(
        [
            Known(
                [Form(str(one), one, weight, 1) for one, weight in forms.items()], "b", beginning, first, first + n, 1
            )
            for forms, first, n, beginning in asked
        ]
    )


def best(every: Vectors, telling: NDArray[np.float64]) -> Vectors:
    """The first row with most of the terms."""
    totals = [0.0] * len(every)
    for term in sorted(range(len(telling)), key=lambda one: -telling[one]):
        totals = [total + telling[term] * row[term] for total, row in zip(totals, every, strict=True)]
    found: Vectors = every[totals.index(max(totals))]
    return found


@pytest.mark.parametrize("compiled", ["1", "0"])
@given(divided, terms, st.data())
@settings(deadline=None, max_examples=150)
def test_it_is_what_the_title_holds_and_the_passage_with_most_of_the_terms(
    compiled: str,
    documents: list[tuple[list[int], list[list[int]]]],
    asked: list[tuple[dict[int, float], int, int, float]],
    data: st.DataObject,
) -> None:
    known = looked_up(asked)
    telling = np.array([data.draw(shares) for _ in asked])
    passages = forward([(title, text) for title, texts in documents for text in texts])
    whole = forward([(title, [word for text in texts for word in text]) for title, texts in documents])
    sizes = np.array([len(texts) for _, texts in documents])
    ends = np.cumsum(sizes)
    evidence = WordEvidence(
        *whole.weigh(np.arange(whole.count), known.spans, len(asked)), whole.lengths.astype(np.float32)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, compiled)
        found = Together(passages).weigh(ends - sizes, ends, known, telling, evidence)
    held = passages.weigh(np.arange(passages.count), known.spans, len(asked))[1].max(axis=1)
    expected = [best(held[end - size : end], telling) for size, end in zip(sizes.tolist(), ends.tolist(), strict=True)]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.stack(expected))


def test_without_passages_a_document_holds_everything_together() -> None:
    whole = np.ones((1, len(FIELDS), 2), np.float32) * 0.5
    evidence = WordEvidence(whole, whole, np.ones((1, len(FIELDS)), np.float32))
    known = looked_up([({1: 1.0}, 0, 0, 1.0), ({2: 1.0}, 0, 0, 1.0)])
    found = Together(None).weigh(np.array([0]), np.array([2]), known, np.ones(2), evidence)
    assert found.tolist() == [[0.5, 0.5]]


def test_a_passage_that_does_not_exist_is_refused() -> None:
    passages = forward([([], [1]), ([], [2])])
    whole = np.zeros((1, len(FIELDS), 1), np.float32)
    evidence = WordEvidence(whole, whole, np.zeros((1, len(FIELDS)), np.float32))
    for begin, end in ((0, 3), (-1, 2)):
        with pytest.raises(IndexError, match="passages go from"):
            Together(passages).weigh(
                np.array([begin]), np.array([end]), looked_up([({1: 1.0}, 0, 0, 1.0)]), np.ones(1), evidence
            )
