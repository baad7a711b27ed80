"""The last results stand only where the embedding points almost where it pointed when they were searched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from typeahead.core.encoder import Vectors
from typeahead.search.reuse import may_stand


def unit(*values: float) -> Vectors:
    vector = np.array(values, np.float32)
    scaled: Vectors = vector / np.linalg.norm(vector)
    return scaled


def at(degrees: float) -> Vectors:
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], np.float32)


def test_nothing_stands_before_the_first_search() -> None:
    assert not may_stand(None, unit(1, 2), -1)


def test_nothing_stands_for_a_text_without_a_token() -> None:
    assert not may_stand(unit(1, 2), None, -1)


def test_results_stand_up_to_the_threshold_and_not_beyond() -> None:
    limit = float(np.cos(np.radians(10)))
    assert may_stand(at(0), at(9.9), limit)
    assert not may_stand(at(0), at(10.1), limit)


@given(st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=50).filter(lambda v: np.linalg.norm(v) > 1e-3))
def test_the_same_embedding_stands_at_a_threshold_of_one(values: list[float]) -> None:
    vector = np.array(values, np.float32)
    assert may_stand(vector, vector.copy(), 1.0)


def test_one_step_of_the_last_bit_does_not_stand_at_a_threshold_of_one_where_it_turns_the_vector() -> None:
    assert not may_stand(at(0), at(0.1), 1.0)


def test_nothing_stands_above_a_threshold_of_one() -> None:
    assert not may_stand(unit(1, 2), unit(1, 2), 1.0001)


def test_lengths_do_not_matter() -> None:
    assert may_stand(100 * at(0), 0.01 * at(5), 0.99)
    assert not may_stand(100 * at(0), 100 * at(30), 0.99)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -np.inf, 3e38])
def test_what_has_no_direction_never_stands(value: float) -> None:
    bad = np.full(4, value, np.float32)
    good = np.ones(4, np.float32)
    with np.errstate(all="ignore"):
        assert not may_stand(bad, good, 0.5)
        assert not may_stand(good, bad, 0.5)
        assert not may_stand(bad, bad, 0.5)


def test_small_turns_add_up_since_they_are_taken_from_the_last_search() -> None:
    searches = []
    searched = None
    for degrees in range(0, 91, 3):
        if not may_stand(searched, at(degrees), float(np.cos(np.radians(10)))):
            searched = at(degrees)
            searches.append(degrees)
    assert list(range(0, 91, 12)) == searches
