"""Search over shards: equal to sorting all scores, whatever the shards, the threads and the order of rows."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from typeahead.errors import MissingExtra, SourceError
from typeahead.evaluate.vectors import best_rows
from typeahead.evaluate.vectors import search as module
from typeahead.evaluate.vectors.search import NO_ROW, Backend, search

Floats = NDArray[np.floating[Any]]
BACKENDS: list[Backend] = ["exact", "faiss"]


class Shards:
    """Vectors in memory, cut before the given rows."""

    def __init__(self, vectors: Floats, cuts: Sequence[int] = ()) -> None:
        self.vectors = vectors
        self.count, self.dim = vectors.shape
        self.bounds = [0, *cuts, len(vectors)]

    def shards(self) -> Iterator[tuple[int, Floats]]:
        for first, last in itertools.pairwise(self.bounds):
            yield first, self.vectors[first:last]


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes at which a few thousand rows pass through every branch."""
    for where in (module, best_rows):
        monkeypatch.setattr(where, "BLOCK_QUERIES", 32)
    monkeypatch.setattr(best_rows, "_BLOCK_ROWS", 256)
    monkeypatch.setattr(best_rows, "_FIRST_ROWS", 640)
    monkeypatch.setattr(module, "_SLAB_ROWS", 1000)


@pytest.fixture(params=["as BLAS is here", "as if its bits depended on places"])
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores of this processor's BLAS where they will do, and those that are summed again everywhere."""
    if "if" in request.param:
        monkeypatch.setattr(best_rows, "depends_on_place", lambda *_: True)


def whole(rng: np.random.Generator, count: int, dim: int) -> NDArray[np.float32]:
    """Vectors of small whole numbers: their products are exact in float32, in any order, and often tie."""
    return rng.integers(-3, 4, (count, dim)).astype(np.float32)


def by_sorting(queries: Floats, vectors: Floats, depth: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The oracle: all scores in float64, sorted, ties by row."""
    scores = queries.astype(np.float64) @ vectors.astype(np.float64).T
    order = np.lexsort((np.broadcast_to(np.arange(len(vectors)), scores.shape), -scores), axis=1)[:, :depth]
    return order, np.take_along_axis(scores, order, 1)


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("cuts", [(), (1, 600, 601, 2500), (1000, 2000), tuple(range(64, 3000, 64))])
@pytest.mark.parametrize("depth", [1, 10, 200])
def test_search_equals_sorting_all_scores_with_ties_by_row(depth: int, cuts: Sequence[int], threads: int) -> None:
    rng = np.random.default_rng(depth)
    queries, vectors = whole(rng, 75, 12), whole(rng, 3001, 12)
    rows, scores = search(queries, Shards(vectors, cuts), depth, threads=threads)
    expected_rows, expected_scores = by_sorting(queries, vectors, depth)
    np.testing.assert_array_equal(rows, expected_rows)
    np.testing.assert_array_equal(scores, expected_scores)
    assert (rows.dtype.name, scores.dtype.name) == ("int64", "float32")


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("rising", [True, False])
def test_the_order_of_rows_does_not_change_what_is_found(rising: bool) -> None:
    """In rising order every row beats those before it, and all of them pass through the buffers."""
    rng = np.random.default_rng(0)
    queries = np.abs(whole(rng, 40, 4)) + 1
    vectors = np.sort(np.abs(whole(rng, 5000, 1)) * 100 + rng.integers(0, 100, (5000, 1)), axis=0).repeat(4, axis=1)
    ordered = vectors[:: 1 if rising else -1].astype(np.float32)
    rows, _ = search(queries, Shards(ordered, [700, 3000]), 50, threads=2)
    np.testing.assert_array_equal(rows, by_sorting(queries, ordered, 50)[0])


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("value", [0.0, 1.0, -1.0])
def test_of_vectors_that_are_all_the_same_the_first_rows_are_found(value: float) -> None:
    queries = np.ones((3, 4), np.float32)
    rows, scores = search(queries, Shards(np.full((3000, 4), value, np.float32)), 20, threads=2)
    np.testing.assert_array_equal(rows, np.tile(np.arange(20), (3, 1)))
    assert (scores == 4 * value).all()


def test_keys_are_ordered_as_scores_and_where_those_tie_as_rows_backwards() -> None:
    scores = np.array([-3e38, -1, -1e-45, -0.0, 0.0, -0.0, 1e-45, 1, 1, 3e38], np.float32)
    rows = np.array([5, 2**32 - 1, 0, 6, 7, 8, 1, 2**31, 9, 3])
    keys = best_rows.ranking_keys(scores, rows)
    assert np.argsort(keys)[::-1].tolist() == np.lexsort((rows, -scores)).tolist()
    np.testing.assert_array_equal(best_rows._scores(keys), scores)


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("dim", [12, 64])
def test_equal_vectors_have_equal_scores_wherever_they_stand(dim: int) -> None:
    rng = np.random.default_rng(1)
    different = rng.normal(size=(300, dim)).astype(np.float32)
    which = rng.integers(0, 300, 4001)
    queries = rng.normal(size=(37, dim)).astype(np.float32)
    rows, scores = search(queries, Shards(different[which], [77, 1999]), 400, threads=2)
    for found, values in zip(rows, scores, strict=True):
        for passage in np.unique(which[found]):
            copies = found[which[found] == passage]
            assert len(np.unique(values[which[found] == passage])) == 1
            # All copies but those that the last place cut off, in the order of rows.
            assert copies.tolist() == np.flatnonzero(which == passage)[: len(copies)].tolist()


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("dim", [12, 64])
@pytest.mark.parametrize("cuts", [(1,), (100, 101, 1700), tuple(range(64, 3000, 64))])
def test_scores_are_the_same_bits_for_any_threads_shards_and_other_queries(cuts: Sequence[int], dim: int) -> None:
    rng = np.random.default_rng(6)
    queries = rng.normal(size=(70, dim)).astype(np.float32)
    vectors = rng.normal(size=(3000, dim)).astype(np.float32)
    rows, scores = search(queries, Shards(vectors), 50, threads=1)
    for threads, asked in [(1, 70), (2, 70), (3, 70), (2, 1), (2, 33)]:
        again_rows, again_scores = search(queries[:asked], Shards(vectors, cuts), 50, threads=threads)
        np.testing.assert_array_equal(again_rows, rows[:asked])
        np.testing.assert_array_equal(again_scores, scores[:asked])


def test_what_goes_wrong_in_a_thread_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(best_rows.Block, "scan", fail)
    with pytest.raises(MemoryError, match="no room"):
        search(np.ones((200, 2), np.float32), Shards(np.ones((500, 2), np.float32)), 3, threads=2)


@pytest.mark.parametrize("backend", BACKENDS)
def test_search_of_real_numbers_finds_what_sorting_finds(backend: Backend) -> None:
    rng = np.random.default_rng(2)
    queries = rng.normal(size=(50, 24)).astype(np.float32)
    vectors = rng.normal(size=(4000, 24)).astype(np.float32)
    rows, scores = search(queries, Shards(vectors, [1500, 1600]), 100, backend=backend, threads=2)
    expected_rows, expected_scores = by_sorting(queries, vectors, 100)
    # Neighbours whose float64 scores differ by less than float32 resolves may change places.
    assert (rows == expected_rows).mean() > 0.995
    np.testing.assert_allclose(scores, expected_scores, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_float16_vectors_are_searched_as_the_numbers_that_they_are(backend: Backend) -> None:
    rng = np.random.default_rng(3)
    vectors = whole(rng, 900, 8) + rng.permutation(900)[:, None] / 1024
    half = vectors.astype(np.float16)
    queries = whole(rng, 9, 8)
    _, scores = search(queries, Shards(half), 30, backend=backend, threads=1)
    np.testing.assert_allclose(scores, by_sorting(queries, half, 30)[1], rtol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_places_that_nothing_fills_hold_no_row(backend: Backend) -> None:
    rows, scores = search(np.eye(2, dtype=np.float32), Shards(np.eye(2, dtype=np.float32)), 4, backend=backend)
    assert rows.tolist() == [[0, 1, NO_ROW, NO_ROW], [1, 0, NO_ROW, NO_ROW]]
    assert scores.tolist() == [[1, 0, -np.inf, -np.inf]] * 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_query_without_a_token_finds_nothing(backend: Backend) -> None:
    queries = np.array([[0, 0], [1, 0], [0, 0]], np.float32)
    rows, scores = search(queries, Shards(np.ones((9, 2), np.float32)), 3, backend=backend, threads=2)
    assert rows.tolist() == [[NO_ROW] * 3, [0, 1, 2], [NO_ROW] * 3]
    assert np.isneginf(scores[[0, 2]]).all()


def test_neither_queries_nor_passages_are_needed() -> None:
    empty, vectors = np.zeros((0, 3), np.float32), np.ones((5, 3), np.float32)
    assert search(empty, Shards(vectors), 2)[0].shape == (0, 2)
    assert (search(vectors, Shards(empty), 2)[0] == NO_ROW).all()


def test_more_queries_than_the_buffers_hold_take_several_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    queries, vectors = whole(rng, 70, 6), whole(rng, 900, 6)
    once = search(queries, Shards(vectors), 20)
    monkeypatch.setattr(module, "_BUFFER_BYTES", 1)
    seen: list[tuple[int, int | None]] = []
    again = search(queries, Shards(vectors), 20, progress=lambda _, done, total: seen.append((done, total)))
    np.testing.assert_array_equal(once[0], again[0])
    assert seen[-1] == (2700, 2700)
    assert seen == sorted(seen)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_what_is_not_a_finite_number_is_refused_with_its_place(backend: Backend, value: float) -> None:
    good = np.ones((30, 2), np.float32)
    bad = good.copy()
    bad[17, 1] = value
    with pytest.raises(SourceError, match=r"query 17 .*not finite"):
        search(bad, Shards(good), 2, backend=backend)
    with pytest.raises(SourceError, match=r"row 17 .*not finite"):
        search(good, Shards(bad, [10]), 2, backend=backend)


def test_queries_of_another_dimension_are_refused() -> None:
    with pytest.raises(SourceError, match=r"7 x 3, .* 2 dimensions"):
        search(np.ones((7, 3), np.float32), Shards(np.ones((4, 2), np.float32)), 1)


def test_a_depth_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="depth is 0"):
        search(np.ones((1, 2), np.float32), Shards(np.ones((4, 2), np.float32)), 0)


def test_shards_that_do_not_hold_all_rows_are_refused() -> None:
    short = Shards(np.ones((10, 2), np.float32), [6])
    short.bounds = [0, 6, 9]
    with pytest.raises(SourceError, match="9 vectors of 10"):
        search(np.ones((1, 2), np.float32), short, 1)
    short.bounds = [6, 10]
    with pytest.raises(SourceError, match=r"from row 0 on, got one of shape .* from row 6"):
        search(np.ones((1, 2), np.float32), short, 1)


@pytest.mark.parametrize(("package", "backend"), [("threadpoolctl", "exact"), ("faiss", "faiss")])
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, package: str, backend: Backend) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=package):
        search(np.ones((1, 2), np.float32), Shards(np.ones((4, 2), np.float32)), 1, backend=backend)
