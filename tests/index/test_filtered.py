"""Searches of which only some rows are admitted: exact ones find what brute force finds, graphs nearly all of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.index.test_exact import KINDS, clustered, unit
from typeahead.index import approximate
from typeahead.index.approximate import HnswVectors, build_graph
from typeahead.index.exact import ExactVectors

Matrix = NDArray[np.float32]
Mask = NDArray[np.bool_]
COUNT, DIM, CENTRES = 6000, 32, 60


def brute_force(vectors: NDArray[np.floating], query: Matrix, k: int, admitted: Mask) -> list[tuple[int, float]]:
    scores = np.vecdot(vectors.astype(np.float64), query.astype(np.float64))
    rows = [row for row in np.lexsort((np.arange(len(vectors)), -scores)) if admitted[row]][:k]
    return [(int(row), float(scores[row])) for row in rows]


@given(
    st.integers(0, 2**32),
    st.integers(1, 400),
    st.integers(1, 70),
    st.integers(1, 40),
    st.sampled_from([0, 0.01, 0.1, 0.5, 1]),
    st.booleans(),
)
@settings(max_examples=100)
def test_exact_search_finds_what_scoring_every_admitted_row_finds(
    seed: int, count: int, dim: int, k: int, share: float, together: bool
) -> None:
    rng = np.random.default_rng(seed)
    vectors = KINDS[seed % len(KINDS)](rng, count, dim)
    queries = KINDS[seed // 7 % len(KINDS)](rng, 2, dim)
    queries[~np.isfinite(queries)] = 0
    admitted = np.arange(count) < share * count if together else rng.random(count) < share
    found = ExactVectors(vectors).nearest(queries, k, admitted)
    assert [brute_force(vectors, query, k, admitted) for query in queries] == [one.pairs() for one in found]


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("kind", KINDS)
def test_exact_search_is_exact_at_every_share(kind: Callable[..., Matrix], share: float) -> None:
    rng = np.random.default_rng(11)
    vectors = kind(rng, 3000, 48)
    queries = np.concatenate([kind(rng, 5, 48), vectors[:3]])
    admitted = rng.random(3000) < share
    found = ExactVectors(vectors).nearest(queries, 10, admitted)
    assert [brute_force(vectors, query, 10, admitted) for query in queries] == [one.pairs() for one in found]


def test_admitting_every_row_changes_no_exact_search() -> None:
    rng = np.random.default_rng(1)
    search, queries = ExactVectors(clustered(rng, 2000, DIM)), clustered(rng, 20, DIM)
    every = [found.pairs() for found in search.nearest(queries, 9, np.ones(2000, np.bool_))]
    assert search.search(queries, 9) == every


def test_equal_vectors_come_by_row_number_among_those_admitted() -> None:
    vectors = np.tile(unit(np.random.default_rng(0).normal(size=(1, DIM))), (500, 1))
    admitted = np.arange(500) % 3 == 1
    (found,) = ExactVectors(vectors).nearest(vectors[:1], 5, admitted)
    assert found.rows.tolist() == [1, 4, 7, 10, 13]


@pytest.fixture(scope="module")
def centres() -> Matrix:
    return unit(np.random.default_rng(0).normal(size=(CENTRES, DIM)))


@pytest.fixture(scope="module")
def cluster() -> NDArray[np.int64]:
    return np.random.default_rng(1).integers(0, CENTRES, COUNT)


@pytest.fixture(scope="module")
def vectors(centres: Matrix, cluster: NDArray[np.int64]) -> Matrix:
    return unit(centres[cluster] + 0.1 * np.random.default_rng(2).normal(size=(COUNT, DIM)))


@pytest.fixture(scope="module")
def path(vectors: Matrix, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "graph.faiss"
    build_graph(vectors, path, lambda _: None)
    return path


@pytest.fixture(scope="module")
def queries(vectors: Matrix) -> Matrix:
    rng = np.random.default_rng(3)
    return unit(vectors[rng.choice(COUNT, 40, replace=False)] + 0.05 * rng.normal(size=(40, DIM)))


@pytest.fixture(params=["by the graph", "by the codes", "by the codes without compiled code"])
def graph(request: pytest.FixtureRequest, vectors: Matrix, path: Path, monkeypatch: pytest.MonkeyPatch) -> HnswVectors:
    """The graph and the codes are used where an index is far larger."""
    search = HnswVectors(vectors, path, 64)
    monkeypatch.setattr(approximate, "_FEW", 10)
    if request.param == "by the graph":
        monkeypatch.setattr(approximate, "_SCANNED", 0)
    elif "without" in request.param:
        search._codes._scan = None
    return search


def recall(search: HnswVectors, vectors: Matrix, queries: Matrix, admitted: Callable[[int], Mask]) -> float:
    shares = []
    for place, query in enumerate(queries):
        mask = admitted(place)
        (found,) = search.nearest(query[None], 10, mask)
        assert mask[found.rows].all()
        assert len(set(found.rows.tolist())) == min(10, np.count_nonzero(mask))
        true = brute_force(vectors, query, 10, mask)
        scores = np.vecdot(vectors[found.rows].astype(np.float64), query.astype(np.float64))
        assert scores.tolist() == found.scores.tolist()
        shares.append(np.isin([row for row, _ in true], found.rows).mean())
    return float(np.mean(shares))


@pytest.mark.parametrize("share", [0.99, 0.7, 0.5, 0.1, 0.01, 0.003])
def test_a_graph_finds_nearly_all_that_a_random_filter_admits(
    graph: HnswVectors, vectors: Matrix, queries: Matrix, share: float
) -> None:
    admitted = np.random.default_rng(5).random(COUNT) < share
    assert recall(graph, vectors, queries, lambda _: admitted) >= 0.95


@pytest.mark.parametrize("share", [0.5, 0.1, 0.03])
@pytest.mark.parametrize("kind", ["far", "near", "nearest left out"])
def test_a_graph_finds_nearly_all_that_a_filter_admits_far_from_the_query_or_near_it(
    graph: HnswVectors,
    vectors: Matrix,
    queries: Matrix,
    centres: Matrix,
    cluster: NDArray[np.int64],
    share: float,
    kind: str,
) -> None:
    order = np.argsort(queries @ centres.T, axis=1)
    chosen = max(1, round(share * CENTRES))

    def admitted(query: int) -> Mask:
        near = order[query][::-1]
        which = {"far": near[-chosen:], "near": near[:chosen], "nearest left out": near[1 : 1 + chosen]}[kind]
        return np.isin(cluster, which)

    assert recall(graph, vectors, queries, admitted) >= 0.95


def test_a_graph_finds_all_admitted_rows_if_they_are_fewer_than_asked_for(
    graph: HnswVectors, vectors: Matrix, queries: Matrix
) -> None:
    admitted = np.zeros(COUNT, np.bool_)
    admitted[[5, 77, 4000]] = True
    for query, found in zip(queries, graph.nearest(queries, 10, admitted), strict=True):
        assert brute_force(vectors, query, 10, admitted) == found.pairs()


def test_a_batch_with_a_filter_finds_what_each_query_finds_alone(graph: HnswVectors, queries: Matrix) -> None:
    admitted = np.random.default_rng(6).random(COUNT) < 0.3
    alone = [graph.nearest(query[None], 8, admitted)[0].pairs() for query in queries]
    assert alone == [found.pairs() for found in graph.nearest(queries, 8, admitted)]


def test_a_filter_that_admits_nothing_finds_nothing(graph: HnswVectors, vectors: Matrix, queries: Matrix) -> None:
    nothing = np.zeros(COUNT, np.bool_)
    for search in (graph, ExactVectors(vectors)):
        assert all(not len(found.rows) for found in search.nearest(queries, 5, nothing))


def test_a_filter_of_other_rows_is_refused(graph: HnswVectors, vectors: Matrix, queries: Matrix) -> None:
    for search in (graph, ExactVectors(vectors)):
        with pytest.raises(ValueError, match=rf"admitted is bool \(5,\), it must be bool \({COUNT},\)"):
            search.nearest(queries, 5, np.ones(5, np.bool_))


def test_compiled_and_plain_codes_tell_the_same_rank(vectors: Matrix, path: Path, queries: Matrix) -> None:
    codes = HnswVectors(vectors, path, 64)._codes
    compiled = [codes.rank(query, 17) for query in queries]
    true = (queries @ vectors.T > (queries @ vectors[17])[:, None]).sum(axis=1)
    codes._scan = None
    np.testing.assert_allclose(compiled, [codes.rank(query, 17) for query in queries], atol=5)
    np.testing.assert_allclose(compiled, true, atol=0.03 * COUNT)
