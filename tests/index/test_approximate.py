"""Graphs and adopted FAISS files: mapped rather than read, searched alike in batches, by no more threads than ask."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.index.hashing import HashingEncoder, config, documents
from typeahead.errors import IndexCorrupt
from typeahead.index import Guard, Manifest, build_index, open_index
from typeahead.index.approximate import HnswVectors, build_graph, map_faiss, read_faiss, search_candidates
from typeahead.storage.sealed import seal

Matrix = NDArray[np.float32]

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture(scope="module")
def vectors() -> Matrix:
    """Points round centres: where all are far from each other, no graph finds much."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(60, 32))
    near = centres[rng.integers(0, 60, 3000)] + 0.5 * rng.normal(size=(3000, 32))
    scaled: Matrix = (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32)
    return scaled


@pytest.fixture(scope="module")
def graph(vectors: Matrix, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "graph.faiss"
    build_graph(vectors, path, lambda _: None)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build_index(documents(500), tmp_path / "index", HashingEncoder(), backend="hnsw")
    return tmp_path / "index"


@linux
def test_the_graph_is_mapped_into_memory(folder: Path) -> None:
    with open_index(folder):
        assert str(folder / "generation-1" / "graph.faiss") in Path("/proc/self/maps").read_text()


def test_a_mapped_graph_finds_what_one_that_was_read_finds(graph: Path, vectors: Matrix) -> None:
    mapped, read = map_faiss(graph), read_faiss(graph)
    for expected, found in zip(read.search(vectors[:50], 10), mapped.search(vectors[:50], 10), strict=True):
        np.testing.assert_array_equal(expected, found)


@pytest.mark.parametrize("kind", ["SQ8", "SQfp16", "HNSW16", "IVF8,Flat", "IVF8,PQ8x4fs", "PCA16,Flat", "IDMap,Flat"])
def test_any_faiss_index_finds_the_same_mapped(kind: str, vectors: Matrix, tmp_path: Path) -> None:
    index = faiss.index_factory(32, kind, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors)
    index.add_with_ids(vectors, np.arange(3000)[::-1].copy()) if kind.startswith("IDMap") else index.add(vectors)
    path = tmp_path / "v.faiss"
    faiss.write_index(index, str(path))
    mapped, read = map_faiss(path), read_faiss(path)
    for expected, found in zip(read.search(vectors[:20], 5), mapped.search(vectors[:20], 5), strict=True):
        np.testing.assert_array_equal(expected, found)


def test_a_faiss_that_cannot_map_reads(graph: Path, vectors: Matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(faiss, "IO_FLAG_MMAP_IFC")
    assert map_faiss(graph).ntotal == len(vectors)


@pytest.mark.parametrize("left", [0.0, 0.3, 0.6, 0.999])
def test_a_graph_that_was_cut_short_is_refused(left: float, graph: Path, tmp_path: Path) -> None:
    raw = graph.read_bytes()
    path = tmp_path / "graph.faiss"
    path.write_bytes(raw[: int(left * len(raw))])
    with pytest.raises(ValueError, match=r"graph\.faiss is not a FAISS index that this FAISS can read"):
        map_faiss(path)


def test_no_file_is_no_index(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.faiss"):
        map_faiss(tmp_path / "none.faiss")


def test_an_index_outlives_its_files(folder: Path) -> None:
    queries = HashingEncoder().encode(["a", "b"])
    with open_index(folder) as index:
        before = index.search(queries, 5)
        build_index(documents(20), folder, HashingEncoder(), backend="hnsw", guard=Guard(max_shrink=1))
        assert not (folder / "generation-1").exists()
        assert before == index.search(queries, 5)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("k", [1, 8, 100])
def test_a_batch_finds_what_each_query_finds_alone(graph: Path, vectors: Matrix, dtype: type, k: int) -> None:
    search = HnswVectors(vectors.astype(dtype), graph, 128)
    queries = vectors[:21] + np.float32(0.01)
    assert [search.search(query[None], k)[0] for query in queries] == search.search(queries, k)


@pytest.mark.parametrize("k", [1, 8, 100])
def test_scores_are_those_of_the_stored_vectors_best_first(graph: Path, vectors: Matrix, k: int) -> None:
    (found,) = HnswVectors(vectors, graph, 128).search(vectors[7:8], k)
    rows = [row for row, _ in found]
    true = np.vecdot(vectors[rows].astype(np.float64), vectors[7].astype(np.float64))
    assert true.tolist() == [score for _, score in found]
    assert sorted(true.tolist(), reverse=True) == true.tolist()
    assert (7, k) == (rows[0], len(set(rows)))


def test_what_the_graph_does_not_reach_is_left_out() -> None:
    class Blind:
        """Finds one row, and names -1 for the others, as FAISS does."""

        ntotal, d = 10, 4

        def search(self, queries: Matrix, wanted: int, **options: object) -> tuple[Matrix, NDArray[np.int64]]:
            del options
            labels = np.full((len(queries), wanted), -1, np.int64)
            labels[0, 1] = 3
            return np.zeros(labels.shape, np.float32), labels

    search = object.__new__(HnswVectors)
    search._faiss, search._graph, search._candidates = faiss, Blind(), 128
    search._vectors, search._usual = np.eye(10, 4, dtype=np.float32), None
    assert search.search(np.array([[0, 0, 0, 1], [1, 0, 0, 0]], np.float32), 5) == [[(3, 1.0)], []]


def test_more_candidates_find_more(graph: Path, vectors: Matrix) -> None:
    queries = vectors[:100] + np.float32(0.3) * np.random.default_rng(1).normal(size=(100, 32)).astype(np.float32)
    true = np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :8]

    def share(candidates: int) -> float:
        found = HnswVectors(vectors, graph, candidates).search(queries, 8)
        return np.mean([row in rows for rows, pairs in zip(true, found, strict=True) for row, _ in pairs])  # type: ignore[return-value]

    assert share(24) < share(400) > 0.97


def test_the_manifest_tells_how_many_candidates_a_search_holds(folder: Path) -> None:
    assert search_candidates(500) == Manifest.read(folder).search_candidates
    assert search_candidates(1_000_000) > search_candidates(100_000)


def test_only_a_graph_has_candidates(tmp_path: Path) -> None:
    assert build_index(documents(5), tmp_path, HashingEncoder()).search_candidates is None


def rewrite(folder: Path, candidates: object) -> None:
    path = folder / "manifest.json"
    data = json.loads(path.read_text())
    if candidates is None:
        del data["search_candidates"]
    else:
        data["search_candidates"] = candidates
    path.write_text(seal(data))


def test_a_manifest_from_before_candidates_were_recorded_is_read(folder: Path) -> None:
    rewrite(folder, None)
    with open_index(folder) as index:
        assert index.manifest.search_candidates is None
        assert len(index.search(HashingEncoder().encode(["a"]), 5)[0]) == 5


@pytest.mark.parametrize("candidates", [0, -1, 10**9, "128", 1.5, True])
def test_candidates_that_make_no_sense_are_damage(folder: Path, candidates: object) -> None:
    rewrite(folder, candidates)
    with pytest.raises(IndexCorrupt, match=r"manifest\.json"):
        open_index(folder)


@pytest.mark.parametrize("candidates", [0, 100_001])
def test_candidates_beyond_their_bounds_are_refused(folder: Path, candidates: int) -> None:
    with pytest.raises(ValueError, match=f"search_candidates is {candidates}"):
        open_index(folder, search_candidates=candidates)


def test_candidates_may_be_chosen_when_an_index_is_opened(tmp_path: Path) -> None:
    build_index(documents(3000), tmp_path, HashingEncoder(config(dim=64)), backend="hnsw", batch=3000)
    queries = HashingEncoder(config(dim=64)).encode([str(i) for i in range(50)])
    with open_index(tmp_path, search_candidates=1) as few, open_index(tmp_path, search_candidates=500) as many:
        scores = [[hit.score for (hit,) in index.search(queries, 1)] for index in (few, many)]
    assert np.mean(scores[0]) < np.mean(scores[1])


@linux
def test_a_search_starts_no_threads(folder: Path) -> None:
    """More than one would spin on the cores of the others; a batch is what OpenMP would divide."""
    code = """
import os, pathlib, sys, threading
import faiss, numpy
from typeahead.index import open_index

index = open_index(pathlib.Path(sys.argv[1]))
queries = numpy.random.default_rng(0).normal(size=(64, 16)).astype("float32")

def search():
    before = len(os.listdir("/proc/self/task"))
    found = len(index.search(queries, 3))
    # Counted in the thread itself: those that OpenMP starts wait for more work until it ends.
    print(found, len(os.listdir("/proc/self/task")) - before)

search()
thread = threading.Thread(target=search)
thread.start()
thread.join()
"""
    finished = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert finished.stdout.split() == ["64", "0", "64", "0"]
