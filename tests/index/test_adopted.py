"""Adopted FAISS files of any type: a filter never lets another row through, and finds what the index can find."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.index.test_exact import clustered
from typeahead.index import adopted as module
from typeahead.index.adopted import FaissVectors

COUNT, DIM = 1500, 16
VECTORS = clustered(np.random.default_rng(0), COUNT, DIM)
QUERIES = clustered(np.random.default_rng(0), COUNT + 15, DIM)[COUNT:]
METRICS = {"inner product": faiss.METRIC_INNER_PRODUCT, "L2": faiss.METRIC_L2}
#: Those that keep vectors as they are, or nearly so, and that a search looks through far enough.
TRUE = [
    "Flat",
    "SQfp16",
    "HNSW16",
    "HNSW16_SQfp16",
    "IVF8,Flat",
    "L2norm,Flat",
    "RR16,HNSW16",
    "PQ8x4,RFlat",
    "IVF8_HNSW8,Flat",
]
CODED = ["PQ8x4", "PQ4x4fs", "HNSW16_PQ8x4", "IVF8,PQ8x4", "IVF8,PQ4x4fs", "RR16,IVF8,PQ8x4", "IVF8,PQ8x4,RFlat"]
LABELS = {
    "small": np.sort(np.random.default_rng(1).choice(20 * COUNT, COUNT, replace=False)),
    "hashes": np.sort(np.random.default_rng(1).choice(2**60, COUNT, replace=False)),
    "below zero": np.arange(COUNT) - 50,
}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    faiss.omp_set_num_threads(1)


def opened(kind: str, folder: Path, metric: str, labels: NDArray[np.int64] | None = None) -> FaissVectors:
    index: Any = faiss.index_factory(DIM, kind, METRICS[metric])
    index.verbose = False
    index.train(VECTORS)
    if labels is None:
        index.add(VECTORS)
    else:
        # In another order than that of the labels.
        index.add_with_ids(VECTORS[::-1].copy(), labels[::-1].copy())
    if (lists := faiss.try_extract_index_ivf(index)) is not None:
        lists.nprobe = 4
    faiss.write_index(index, str(folder / "v.faiss"))
    return FaissVectors(folder / "v.faiss", labels)


def recall(search: FaissVectors, admitted: NDArray[np.bool_], k: int = 10) -> float:
    shares = []
    for query, found in zip(QUERIES, search.nearest(QUERIES, k, admitted), strict=True):
        assert admitted[found.rows].all()
        assert len(set(found.rows.tolist())) == len(found.rows) <= k
        assert sorted(found.scores.tolist(), reverse=True) == found.scores.tolist()
        scores = np.where(admitted, VECTORS @ query, -np.inf)
        wanted = min(k, np.count_nonzero(admitted))
        shares.append(np.isin(np.argsort(-scores)[:wanted], found.rows).mean())
    return float(np.mean(shares))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", TRUE)
def test_a_filter_finds_the_nearest_admitted_rows(kind: str, metric: str, tmp_path: Path) -> None:
    search = opened(kind, tmp_path, metric)
    for share in (0.5, 0.1, 0.01):
        assert recall(search, np.random.default_rng(2).random(COUNT) < share) >= 0.9


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", CODED)
def test_a_filter_lets_no_other_row_through(kind: str, metric: str, tmp_path: Path) -> None:
    search = opened(kind, tmp_path, metric)
    for share in (0.9, 0.5, 0.1, 0.01):
        admitted = np.random.default_rng(2).random(COUNT) < share
        assert recall(search, admitted) > 0
    assert recall(search, np.ones(COUNT, np.bool_)) > 0


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize(
    "kind", ["IDMap,Flat", "IDMap2,Flat", "IDMap,HNSW16", "IVF8,Flat", "IDMap,PQ8x4", "RR16,IDMap,Flat"]
)
def test_a_filter_is_one_of_rows_whatever_the_labels_are(kind: str, labels: str, tmp_path: Path) -> None:
    if labels == "below zero" and kind.startswith("IVF"):
        pytest.skip("FAISS takes no such labels here")
    search = opened(kind, tmp_path, "inner product", LABELS[labels])
    for share in (0.5, 0.1, 0.01):
        found = recall(search, np.random.default_rng(2).random(COUNT) < share)
        assert found >= (0.3 if "PQ" in kind else 0.9)


def test_an_index_that_takes_no_selector_is_searched_deeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FEW", 0)
    search = opened("PQ8x4", tmp_path, "inner product")
    admitted = np.random.default_rng(2).random(COUNT) < 0.1
    assert all(len(found.rows) == 10 for found in search.nearest(QUERIES, 10, admitted))
    assert not search._selects


def test_rows_far_from_the_query_are_found_in_a_graph_that_can_reconstruct_them(tmp_path: Path) -> None:
    search = opened("HNSW16", tmp_path, "inner product")
    for query in QUERIES:
        admitted = np.argsort(np.argsort(VECTORS @ query)) < 400
        (found,) = search.nearest(query[None], 10, admitted)
        assert set(np.argsort(np.where(admitted, -(VECTORS @ query), np.inf))[:10].tolist()) == set(found.rows.tolist())


def test_an_index_that_cannot_say_more_finds_fewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search = opened("IDMap,HNSW16", tmp_path, "inner product", LABELS["small"])
    monkeypatch.setattr(FaissVectors, "_reconstructed", lambda *_: None)
    for query in QUERIES:
        admitted = np.argsort(np.argsort(VECTORS @ query)) < 20
        (found,) = search.nearest(query[None], 10, admitted)
        assert admitted[found.rows].all()


def test_the_last_filter_is_remembered_by_what_it_admits(tmp_path: Path) -> None:
    search = opened("Flat", tmp_path, "inner product")
    admitted = np.random.default_rng(2).random(COUNT) < 0.5
    assert recall(search, admitted) == 1
    # The same array, changed.
    np.logical_not(admitted, out=admitted)
    assert recall(search, admitted) == 1


def test_a_map_of_labels_scores_rows_by_the_index_inside(tmp_path: Path) -> None:
    search = opened("IDMap,Flat", tmp_path, "inner product", LABELS["hashes"])
    rows = np.array([7, 0, 1499])
    scores = search.scores_of(QUERIES[0], rows)
    assert scores is not None
    np.testing.assert_allclose(VECTORS[rows] @ QUERIES[0], scores, rtol=1e-5)


def test_a_filter_of_other_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="admitted is bool"):
        opened("Flat", tmp_path, "L2").nearest(QUERIES, 5, np.ones(5, np.bool_))


def test_a_filter_that_admits_nothing_finds_nothing(tmp_path: Path) -> None:
    search = opened("Flat", tmp_path, "L2")
    assert all(not len(found.rows) for found in search.nearest(QUERIES, 5, np.zeros(COUNT, np.bool_)))
