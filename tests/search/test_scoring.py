"""One score of exact evidence: its parts grow with it, and nothing else counts."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from typeahead.core.encoder import Vectors
from typeahead.search.port import Candidates, Key
from typeahead.search.scoring import UNCALIBRATED, WEIGHTS, Scale, Weights, score
from typeahead.search.terms import FIELDS

DOCUMENTS = 1000
TITLE, TEXT = FIELDS.index("title"), FIELDS.index("text")
SCALE = Scale(0.2, 0.7)


def candidates(seed: int, n: int, terms: int) -> Candidates:
    """Evidence as a back end may give it: terms weigh where they occur, and fields are as long as their words."""
    draw = np.random.default_rng(seed)
    frequencies = (draw.integers(0, 4, (n, 2, terms)) * draw.integers(0, 2, (n, 2, terms))).astype(np.float32)
    weights = ((frequencies > 0) * draw.choice([0.5, 0.6, 0.7, 1.0], (n, 2, terms))).astype(np.float32)
    lengths = frequencies.sum(axis=2) + draw.integers(0, 60, (n, 2)).astype(np.float32)
    return Candidates(
        [Key(str(row)) for row in range(n)],
        {},
        draw.uniform(-0.2, 1, n).astype(np.float32),
        frequencies,
        weights,
        lengths.astype(np.float32),
        draw.integers(1, DOCUMENTS, terms).astype(np.float64),
        40.0,
    )


def rows(found: Candidates, chosen: Sequence[int]) -> Candidates:
    """Some of the candidates."""
    arrays = {name: getattr(found, name)[chosen] for name in ("similarities", "frequencies", "weights", "lengths")}
    return replace(found, keys=[found.keys[row] for row in chosen], **arrays)


def changed(found: Candidates, name: str, place: tuple[int, ...], value: float) -> Candidates:
    """The same candidates with one number of one array set."""
    array = getattr(found, name).copy()
    array[place] = value
    return replace(found, **{name: array})


def scores(found: Candidates, scale: Scale = SCALE, weights: Weights = WEIGHTS) -> Vectors:
    total = score(found, DOCUMENTS, scale, weights)
    assert total.shape == (len(found.keys),)
    assert total.dtype == np.float32
    assert np.isfinite(total).all()
    return total


evidence = st.builds(candidates, st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 32))
chosen = st.randoms(use_true_random=False)


@given(evidence, chosen)
def test_a_candidate_has_the_same_score_whatever_stands_beside_it(found: Candidates, draw: random.Random) -> None:
    together = scores(found)
    for row in range(len(found.keys)):
        assert scores(rows(found, [row]))[0] == together[row]
    order = draw.sample(range(len(found.keys)), len(found.keys))
    np.testing.assert_array_equal(scores(rows(found, order)), together[order])


@given(evidence)
def test_the_layout_of_arrays_does_not_matter(found: Candidates) -> None:
    turned = replace(
        found,
        frequencies=np.asfortranarray(found.frequencies),
        weights=np.asfortranarray(found.weights),
        lengths=np.asfortranarray(found.lengths),
    )
    np.testing.assert_array_equal(scores(turned), scores(found))


@given(evidence)
def test_candidates_of_equal_evidence_have_equal_scores(found: Candidates) -> None:
    twice = scores(rows(found, [0, *range(len(found.keys)), 0]))
    assert twice[0] == twice[1] == twice[-1]


@given(evidence, chosen, st.floats(0, 0.5))
def test_a_larger_similarity_is_better(found: Candidates, draw: random.Random, more: float) -> None:
    row = draw.randrange(len(found.keys))
    nearer = changed(found, "similarities", (row,), float(found.similarities[row]) + more + 1e-3)
    assert scores(nearer)[row] > scores(found)[row]


@given(evidence, chosen)
def test_a_word_that_is_there_is_better_than_one_that_is_not_and_more_often_is_no_worse(
    found: Candidates, draw: random.Random
) -> None:
    row, term = draw.randrange(len(found.keys)), draw.randrange(len(found.document_frequencies))
    for field in (TITLE, TEXT):
        place = (row, field, term)
        # As one of the words of the field, whose length stays.
        without = changed(changed(found, "frequencies", place, 0), "weights", place, 0)
        once = changed(changed(found, "frequencies", place, 1), "weights", place, 1)
        often = changed(once, "frequencies", place, 5)
        without, once, often = (changed(one, "lengths", (row, field), 200) for one in (without, once, often))
        assert scores(without)[row] < scores(once)[row] <= scores(often)[row]


@given(evidence, chosen, st.floats(0.01, 0.5))
def test_a_word_as_it_was_typed_is_no_worse_than_one_that_it_may_stand_for(
    found: Candidates, draw: random.Random, weight: float
) -> None:
    row, term = draw.randrange(len(found.keys)), draw.randrange(len(found.document_frequencies))
    place = (row, draw.randrange(len(FIELDS)), term)
    once = changed(found, "frequencies", place, 1)
    assert scores(changed(once, "weights", place, weight))[row] <= scores(changed(once, "weights", place, 1))[row]


@given(evidence, chosen, st.integers(1, 100))
def test_a_shorter_document_with_the_same_words_is_no_worse(
    found: Candidates, draw: random.Random, longer: int
) -> None:
    place = (draw.randrange(len(found.keys)), draw.randrange(len(FIELDS)))
    padded = changed(found, "lengths", place, float(found.lengths[place]) + longer)
    assert scores(padded)[place[0]] <= scores(found)[place[0]]


@given(evidence, chosen)
def test_a_word_in_the_title_is_no_worse_than_the_same_word_in_the_text(found: Candidates, draw: random.Random) -> None:
    row, term = draw.randrange(len(found.keys)), draw.randrange(len(found.document_frequencies))
    bare = found
    for field in (TITLE, TEXT):
        bare = changed(changed(bare, "frequencies", (row, field, term), 0), "weights", (row, field, term), 0)
    titled, told = (
        changed(changed(bare, "frequencies", (row, field, term), 1), "weights", (row, field, term), 1)
        for field in (TITLE, TEXT)
    )
    assert scores(titled)[row] >= scores(told)[row]


def two(first: Sequence[float], second: Sequence[float], frequencies: Sequence[float]) -> Candidates:
    """Two passages whose texts hold each term so often, of equal length and without a similarity."""
    counts = np.array([[[0] * len(first), first], [[0] * len(second), second]], np.float32)
    lengths = np.full((2, 2), 20, np.float32)
    nothing = np.full(2, np.nan, np.float32)
    weights = (counts > 0).astype(np.float32)
    keys = [Key("a"), Key("b")]
    return Candidates(keys, {}, nothing, counts, weights, lengths, np.array(frequencies, np.float64), 40.0)


def test_a_rarer_word_counts_more() -> None:
    rare, common = scores(two([1, 0], [0, 1], [3, 300]))
    assert rare > common


def test_both_words_are_better_than_one_of_them_often() -> None:
    both, one = scores(two([1, 1], [9, 0], [30, 30]))
    assert both > one


def test_a_title_that_is_the_text_is_better_than_one_that_holds_it() -> None:
    found = two([0], [0], [10])
    for row in (0, 1):
        found = changed(changed(found, "frequencies", (row, TITLE, 0), 1), "weights", (row, TITLE, 0), 1)
    # As long together: only the shares of title and text differ.
    for row, title in ((0, 1), (1, 8)):
        found = changed(changed(found, "lengths", (row, TITLE), title), "lengths", (row, TEXT), 30 - title)
    name, longer = scores(found)
    assert name > longer


@given(evidence)
def test_words_add_no_more_than_their_parts_can_be(found: Candidates) -> None:
    meaning = scores(replace(found, document_frequencies=np.zeros(0), frequencies=found.frequencies[:, :, :0]))
    added = scores(found) - meaning
    most = sum(weight for part, weight in asdict(WEIGHTS).items() if part not in {"k1", "b"})
    assert (added >= -1e-5).all()
    assert (added <= most + 1e-5).all()


@given(evidence)
def test_a_document_that_holds_its_words_together_scores_as_one_that_is_not_divided(found: Candidates) -> None:
    np.testing.assert_array_equal(scores(replace(found, together=found.weights.max(axis=1))), scores(found))


@given(evidence, chosen)
def test_a_word_that_stands_apart_from_the_rest_counts_against_a_document(
    found: Candidates, draw: random.Random
) -> None:
    together = found.weights.max(axis=1)
    row, term = draw.randrange(len(together)), draw.randrange(together.shape[1])
    apart = together.copy()
    apart[row, term] = 0
    before, after = scores(replace(found, together=together)), scores(replace(found, together=apart))
    assert (after[row] < before[row]) == (together[row, term] > 0)
    np.testing.assert_array_equal(np.delete(after, row), np.delete(before, row))


@given(evidence)
def test_without_terms_the_order_is_that_of_the_similarities(found: Candidates) -> None:
    none = np.zeros((len(found.keys), 2, 0), np.float32)
    bare = replace(found, frequencies=none, weights=none, document_frequencies=np.zeros(0))
    np.testing.assert_array_equal(
        np.argsort(scores(bare), kind="stable"), np.argsort(found.similarities, kind="stable")
    )
    for similarity, expected in ((SCALE.low, 0.0), (SCALE.high, 1.0)):
        one = changed(rows(bare, [0]), "similarities", (0,), similarity)
        assert scores(one)[0] == pytest.approx(expected, abs=1e-6)


@given(evidence)
def test_a_candidate_without_a_vector_counts_as_one_that_is_like_nothing(found: Candidates) -> None:
    blind = replace(found, similarities=np.full(len(found.keys), np.nan, np.float32))
    nothing = replace(found, similarities=np.full(len(found.keys), SCALE.low, np.float32))
    np.testing.assert_allclose(scores(blind), scores(nothing), atol=1e-6)


@pytest.mark.parametrize("terms", [0, 3])
def test_no_candidates_have_no_scores(terms: int) -> None:
    assert scores(candidates(1, 0, terms)).tolist() == []


def test_frequencies_beyond_the_number_of_documents_and_an_average_of_none_are_borne() -> None:
    found = candidates(2, 5, 3)
    # A document may have gone since they were counted.
    scores(replace(found, document_frequencies=np.full(3, 2.0 * DOCUMENTS), average_length=0.0))
    assert score(found, 0, SCALE).shape == (5,)


def test_an_average_of_numpy_keeps_the_type() -> None:
    scores(replace(candidates(3, 4, 2), average_length=np.float64(40.0)))


scales = st.builds(Scale, low=st.just(0.0), middle=st.floats(-2, 2), slope=st.floats(0.5, 10))


@given(scales, st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_a_score_is_from_0_to_1_and_has_the_order_of_the_sums(scale: Scale, totals: list[float]) -> None:
    units = [scale.unit(total) for total in sorted(totals)]
    assert all(0 <= one <= 1 for one in units)
    assert units == sorted(units)


def test_sums_of_usual_size_that_differ_have_scores_that_differ() -> None:
    units = [UNCALIBRATED.unit(total) for total in np.linspace(-1, 4, 501).tolist()]
    assert all(math.isfinite(one) and 0 < one < 1 for one in units)
    assert all(one < other for one, other in pairwise(units))
