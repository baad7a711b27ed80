"""A search among few vectors finds what scoring every row finds, with the same scores as the search among many."""

from __future__ import annotations

import numpy as np
import pytest

from tests.index.test_exact import KINDS, brute_force
from typeahead.index.exact import ExactVectors
from typeahead.index.few import FewVectors


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 65, 3000])
@pytest.mark.parametrize("k", [1, 8, 100])
def test_finds_what_scoring_every_row_finds(kind: object, count: int, k: int) -> None:
    rng = np.random.default_rng(count * 1000 + k)
    assert callable(kind)
    vectors = kind(rng, count, 48)
    queries = np.concatenate([kind(rng, 10, 48), vectors[:3]])
    few, many = FewVectors(vectors), ExactVectors(vectors)
    found = [one.pairs() for one in few.nearest(queries, k)]
    assert [brute_force(vectors, query, k) for query in queries] == found
    assert many.search(queries, k) == found
    rows = rng.permutation(count)
    assert many.scores_of(queries[0], rows).tolist() == few.scores_of(queries[0], rows).tolist()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5])
def test_finds_what_is_admitted_and_nothing_else(share: float) -> None:
    rng = np.random.default_rng(7)
    vectors = KINDS[0](rng, 1000, 32)
    queries = KINDS[0](rng, 20, 32)
    admitted = rng.random(1000) < share
    rows = np.flatnonzero(admitted)
    expected = [[(int(rows[row]), score) for row, score in brute_force(vectors[rows], query, 8)] for query in queries]
    assert [one.pairs() for one in FewVectors(vectors).nearest(queries, 8, admitted)] == expected


def test_no_vectors_find_nothing() -> None:
    (found,) = FewVectors(np.empty((0, 8), np.float32)).nearest(np.ones((1, 8), np.float32), 5)
    assert found.pairs() == []


def test_vectors_too_long_for_a_product_in_float32_are_found_all_the_same() -> None:
    vectors = (KINDS[0](np.random.default_rng(3), 200, 32) * 1e17).astype(np.float32)
    query = vectors[5] * np.float32(1e17)
    (found,) = FewVectors(vectors).nearest(query[None], 8)
    assert brute_force(vectors, query, 8) == found.pairs()
