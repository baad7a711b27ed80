"""The fast exact search finds what scoring every row finds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from typeahead.encoders.compiled.importing import VARIABLE
from typeahead.index import int8
from typeahead.index.exact import ExactVectors

Matrix = NDArray[np.float32]


def brute_force(vectors: NDArray[np.floating], query: Matrix, k: int) -> list[tuple[int, float]]:
    scores = np.vecdot(vectors.astype(np.float64), query.astype(np.float64))
    rows = np.lexsort((np.arange(len(vectors)), -scores))[:k]
    return [(int(row), float(scores[row])) for row in rows]


def unit(vectors: NDArray[np.floating]) -> Matrix:
    scaled: Matrix = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def clustered(rng: np.random.Generator, count: int, dim: int) -> Matrix:
    centres = rng.normal(size=(max(1, count // 50), dim))
    return unit(centres[rng.integers(0, len(centres), count)] + 0.5 * rng.normal(size=(count, dim)))


def near_duplicates(rng: np.random.Generator, count: int, dim: int) -> Matrix:
    """Rows nearer to each other than int8 can tell apart, many of them equal."""
    nearly = rng.normal(size=(1, dim)) + 1e-6 * rng.integers(-1, 2, size=(count, 1)) * rng.normal(size=(1, dim))
    return unit(nearly)


def of_many_lengths(rng: np.random.Generator, count: int, dim: int) -> Matrix:
    return (rng.normal(size=(count, dim)) * 10.0 ** rng.uniform(-6, 6, (count, 1))).astype(np.float32)


def with_loud_dimensions(rng: np.random.Generator, count: int, dim: int) -> Matrix:
    """As BERT's: a few dimensions a hundred times as large as the others."""
    scale = np.where(np.arange(dim) % 29 == 0, 100.0, 1.0)
    return (rng.normal(size=(count, dim)) * scale).astype(np.float32)


def sparse_with_zero_rows(rng: np.random.Generator, count: int, dim: int) -> Matrix:
    return (rng.normal(size=(count, dim)) * (rng.random((count, dim)) < 0.02)).astype(np.float32)


KINDS = [clustered, near_duplicates, of_many_lengths, with_loud_dimensions, sparse_with_zero_rows]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 65, 3000])
@pytest.mark.parametrize("k", [1, 8, 100])
@pytest.mark.parametrize("compiled", ["0", "1"])
def test_finds_what_scoring_every_row_finds(
    kind: object, count: int, k: int, compiled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, compiled)
    rng = np.random.default_rng(count * 1000 + k)
    assert callable(kind)
    vectors = kind(rng, count, 48)
    queries = np.concatenate([kind(rng, 10, 48), vectors[:3]])
    found = ExactVectors(vectors).search(queries, k)
    assert [brute_force(vectors, query, k) for query in queries] == found


@given(st.integers(0, 2**32), st.integers(1, 400), st.integers(1, 70), st.integers(1, 40))
@settings(max_examples=60)
def test_finds_what_scoring_every_row_finds_in_any_shape(seed: int, count: int, dim: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = KINDS[seed % len(KINDS)](rng, count, dim)
    query = KINDS[seed // 7 % len(KINDS)](rng, 1, dim)
    query[~np.isfinite(query)] = 0
    assert [brute_force(vectors, query[0], k)] == ExactVectors(vectors).search(query, k)


def test_equal_vectors_come_by_row_number() -> None:
    vectors = np.tile(unit(np.random.default_rng(0).normal(size=(1, 32))), (500, 1))
    (found,) = ExactVectors(vectors).search(vectors[:1], 20)
    assert list(range(20)) == [row for row, _ in found]


def test_no_vectors_find_nothing() -> None:
    assert ExactVectors(np.empty((0, 8), np.float32)).search(np.ones((2, 8), np.float32), 5) == [[], []]


def test_no_queries_find_nothing() -> None:
    assert ExactVectors(np.ones((3, 8), np.float32)).search(np.empty((0, 8), np.float32), 5) == []


def test_half_precision_vectors_are_scored_as_they_are() -> None:
    rng = np.random.default_rng(1)
    vectors = clustered(rng, 2000, 32).astype(np.float16)
    queries = clustered(rng, 5, 32)
    assert [brute_force(vectors, query, 8) for query in queries] == ExactVectors(vectors).search(queries, 8)


def test_only_few_rows_are_scored_in_full() -> None:
    rng = np.random.default_rng(2)
    vectors = clustered(rng, 5000, 384)
    search = ExactVectors(vectors)
    scored: list[int] = []
    inner = search.scores

    def counting(rows: NDArray[np.int64], query: NDArray[np.float64]) -> NDArray[np.float64]:
        scored.append(len(rows))
        return inner(rows, query)

    search.scores = counting  # type: ignore[method-assign]
    search.search(unit(vectors[:20] + 0.02 * rng.normal(size=(20, 384))), 8)
    assert np.mean(scored) < 100


def test_a_query_does_not_depend_on_those_beside_it() -> None:
    rng = np.random.default_rng(3)
    vectors, queries = clustered(rng, 1000, 32), clustered(rng, 40, 32)
    search = ExactVectors(vectors)
    assert [search.search(query[None], 5)[0] for query in queries] == search.search(queries, 5)


def test_threads_find_the_same() -> None:
    rng = np.random.default_rng(4)
    vectors, queries = clustered(rng, 2000, 32), clustered(rng, 64, 32)
    search = ExactVectors(vectors)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda query: search.search(query[None], 5)[0], queries))
    assert search.search(queries, 5) == found


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_a_value_that_is_not_finite_or_too_large_is_refused(value: float) -> None:
    vectors = np.ones((5000, 8), np.float32)
    vectors[4500, 3] = value
    with pytest.raises(ValueError, match="vector 4500 "):
        ExactVectors(vectors)


@pytest.mark.parametrize("compiled", ["0", "1"])
def test_the_product_is_exact_at_its_extremes(compiled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sums that saturate 16 bits on processors without VNNI, if queries had 8 bits."""
    monkeypatch.setenv(VARIABLE, compiled)
    rows = np.stack([np.full(256, 127), np.full(256, -128), np.tile([127, -128], 128)]).astype(np.int8)
    queries = np.stack([np.full(256, 63), np.full(256, -63), np.tile([63, -63], 128)])
    found = int8.Int8Rows(rows).dot((queries + int8.ZERO).astype(np.uint8))
    assert (queries @ rows.T.astype(np.int64)).tolist() == found.tolist()


def test_the_product_is_the_same_in_several_blocks_without_compiled_code(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    rows = rng.integers(-127, 128, (1000, 24)).astype(np.int8)
    queries = rng.integers(1, 128, (3, 24)).astype(np.uint8)
    whole = int8.Int8Rows(rows).dot(queries)
    monkeypatch.setenv(VARIABLE, "0")
    monkeypatch.setattr(int8, "_BLOCK_BYTES", 24 * 70)
    assert whole.tolist() == int8.Int8Rows(rows).dot(queries).tolist()
