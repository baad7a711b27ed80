"""Indexes of fewer dimensions: they keep neighbours, and every encoder of the teacher searches them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.index.hashing import HashingEncoder, config
from typeahead.cli import main
from typeahead.errors import IndexCorrupt, IndexTooNew, SourceError, TypeaheadError
from typeahead.index import Document, Guard, Teacher, adopt_index, build_index, open_index
from typeahead.index import build as build_module
from typeahead.index.manifest import MANIFEST, Manifest
from typeahead.index.projection import divergence, keep_neighbours, principal_axes, project, projection_of
from typeahead.storage.sealed import seal

TEXTS = [f"passage {number}" for number in range(300)]
DOCUMENTS = [Document(str(row), "", text) for row, text in enumerate(TEXTS)]


def low_rank(count: int, dim: int, rank: int) -> np.ndarray:
    """Vectors of length 1 that lie in a subspace."""
    rng = np.random.default_rng(5)
    vectors = rng.standard_normal((count, rank)) @ rng.standard_normal((rank, dim))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def test_the_axes_are_those_of_the_singular_value_decomposition() -> None:
    vectors = low_rank(500, 20, 20)
    axes = principal_axes(vectors, 6)
    np.testing.assert_allclose(axes.T @ axes, np.eye(6), atol=1e-5)
    _, _, rows = np.linalg.svd(vectors, full_matrices=False)
    np.testing.assert_allclose(abs(np.sum(axes.T * rows[:6], axis=1)), 1, atol=1e-3)


def test_vectors_of_a_subspace_lose_nothing_in_it() -> None:
    vectors = low_rank(200, 32, 5)
    axes = principal_axes(vectors, 5)
    ours = project(vectors, axes, cosine=True)
    np.testing.assert_allclose(ours @ ours.T, vectors @ vectors.T, atol=1e-4)


def test_the_gradient_is_that_of_the_divergence() -> None:
    rng = np.random.default_rng(2)
    vectors = low_rank(12, 8, 8)
    projection = rng.standard_normal((8, 3)).astype(np.float32)
    _, gradient = divergence(vectors, projection, 5)
    direction = rng.standard_normal((8, 3)).astype(np.float32)
    step = np.float32(1e-3)
    above, _ = divergence(vectors, projection + step * direction, 5)
    below, _ = divergence(vectors, projection - step * direction, 5)
    assert float(np.sum(gradient * direction)) == pytest.approx((above - below) / (2 * step), rel=0.02)


def test_a_rotation_disturbs_no_neighbour() -> None:
    vectors = low_rank(30, 8, 8)
    value, gradient = divergence(vectors, principal_axes(vectors, 8), 10)
    assert value == pytest.approx(0, abs=1e-4)
    assert abs(gradient).max() < 1e-3


def test_neighbours_that_the_largest_axes_leave_out_are_kept() -> None:
    # Four directions in which all vectors differ much, and one by which each has one near neighbour.
    rng = np.random.default_rng(4)
    vectors = rng.standard_normal((400, 12)) * np.array([3.0] * 4 + [1.0] * 8)
    vectors = np.repeat(vectors, 2, axis=0) + rng.standard_normal((800, 12)) * 0.2
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    def kept(projection: np.ndarray) -> float:
        """The share of vectors whose nearest other one is still that."""
        reduced = project(vectors, projection, cosine=True)
        nearest = [np.argmax(one @ one.T - 2 * np.eye(800), axis=1) for one in (vectors, reduced)]
        return float(np.mean(nearest[0] == nearest[1]))

    axes = principal_axes(vectors, 5)
    found = keep_neighbours(vectors, axes)
    assert kept(found) > kept(axes) + 0.02
    np.testing.assert_array_equal(keep_neighbours(vectors, axes, steps=20), keep_neighbours(vectors, axes, steps=20))
    # Vectors of an older index, and fewer than a batch.
    np.testing.assert_allclose(projection_of(vectors[:2], 1, cosine=True), principal_axes(vectors[:2], 1))
    assert projection_of(vectors[:50].astype(np.float16), 3, cosine=True).shape == (12, 3)


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("backend", ["exact", "hnsw"])
def test_a_query_of_the_encoders_dimension_finds_what_its_projection_finds(
    tmp_path: Path, similarity: str, backend: str
) -> None:
    encoder = HashingEncoder(config(similarity=similarity))
    manifest = build_index(DOCUMENTS, tmp_path / "index", encoder, dimensions=6, backend=backend)
    assert (manifest.dim, manifest.dimensions, manifest.format_version) == (16, 6, 4)
    vectors = encoder.encode(TEXTS)
    cosine = similarity == "cosine"
    axes = projection_of(vectors, 6, cosine=cosine)
    with open_index(tmp_path / "index") as index:
        index.check_teacher(encoder.config)
        queries = encoder.encode(["passage 7", "rain"])
        scores = project(queries, axes, cosine=cosine) @ project(vectors, axes, cosine=cosine).T
        for hits, expected in zip(index.search(queries, 5), scores, strict=True):
            assert [int(hit.id) for hit in hits] == np.argsort(-expected)[:5].tolist()
            np.testing.assert_allclose([hit.score for hit in hits], np.sort(expected)[::-1][:5], rtol=1e-4)
    names = {path.name for path in (tmp_path / "index" / manifest.generation).iterdir()}
    names -= {name for name in names if name.startswith("words")}
    names -= {"documents.sqlite", "fields.safetensors", "forms.safetensors", "graph.faiss"}
    assert names == {"projection.npy", "reduced.npy"}


def test_all_dimensions_are_a_rotation(tmp_path: Path) -> None:
    encoder = HashingEncoder()
    build_index(DOCUMENTS, tmp_path / "whole", encoder)
    build_index(DOCUMENTS, tmp_path / "turned", encoder, dimensions=16)
    queries = encoder.encode(["rain", "passage 3"])
    with open_index(tmp_path / "whole") as whole, open_index(tmp_path / "turned") as turned:
        for one, other in zip(whole.search(queries, 5), turned.search(queries, 5), strict=True):
            assert [hit.id for hit in one] == [hit.id for hit in other]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_vectors_that_exist_are_adopted_in_fewer_dimensions(tmp_path: Path, dtype: Any) -> None:
    vectors = low_rank(300, 32, 5).astype(dtype)
    np.save(tmp_path / "vectors.npy", vectors)
    adopt_index(
        tmp_path / "vectors.npy",
        DOCUMENTS,
        tmp_path / "index",
        teacher=Teacher("t"),
        unverified=True,
        dimensions=5,
        warn=print,
    )
    with open_index(tmp_path / "index") as index:
        queries = vectors[:4].astype(np.float32)
        assert [hits[0].id for hits in index.search(queries, 1)] == ["0", "1", "2", "3"]
        assert index.search(queries, 1)[0][0].score == pytest.approx(1, abs=2e-3)


def test_a_build_that_is_killed_after_the_projection_goes_on_with_its_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = HashingEncoder()

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(build_module, "build_graph", killed)
        with pytest.raises(KeyboardInterrupt):
            build_index(DOCUMENTS, tmp_path / "index", encoder, dimensions=4, backend="hnsw")
    assert len(encoder.encoded) == 300
    manifest = build_index(DOCUMENTS, tmp_path / "index", encoder, dimensions=6)
    assert len(encoder.encoded) == 300
    assert manifest.dimensions == 6
    with open_index(tmp_path / "index") as index:
        assert index.search(encoder.encode(["passage 7"]), 1)[0][0].id == "7"
    # And without: nothing of what was projected is left.
    manifest = build_index(DOCUMENTS, tmp_path / "plain", encoder)
    assert "projection.npy" not in manifest.files


def test_an_index_of_nothing_may_have_fewer_dimensions(tmp_path: Path) -> None:
    build_index([], tmp_path / "index", HashingEncoder(), dimensions=4, guard=Guard(allow_empty=True))
    with open_index(tmp_path / "index") as index:
        assert index.search(HashingEncoder().encode(["rain"]), 3) == [[]]


@pytest.mark.parametrize("dimensions", [0, 17])
def test_dimensions_that_cannot_be_are_refused(tmp_path: Path, dimensions: int) -> None:
    with pytest.raises(TypeaheadError, match=f"cannot be reduced to {dimensions} dimensions"):
        build_index(DOCUMENTS, tmp_path / "index", HashingEncoder(), dimensions=dimensions)
    assert not (tmp_path / "index").exists()


def test_a_faiss_index_that_stays_one_keeps_its_dimensions(tmp_path: Path) -> None:
    faiss = pytest.importorskip("faiss", reason="FAISS is an optional dependency")
    index = faiss.IndexHNSWFlat(8, 4, faiss.METRIC_INNER_PRODUCT)
    index.add(low_rank(20, 8, 8))
    faiss.write_index(index, str(tmp_path / "i.faiss"))
    with pytest.raises(SourceError, match="only arrays and flat indexes"):
        adopt_index(
            tmp_path / "i.faiss",
            DOCUMENTS[:20],
            tmp_path / "index",
            teacher=Teacher("t"),
            unverified=True,
            dimensions=4,
        )


def test_damage_is_named(tmp_path: Path) -> None:
    manifest = build_index(DOCUMENTS, tmp_path / "index", HashingEncoder(), dimensions=4)
    data = json.loads((tmp_path / "index" / MANIFEST).read_text())
    for values, message in (
        ({"dimensions": 17}, "17"),
        ({"dimensions": 0}, "0"),
        ({"dimensions": 5}, "does not have the shape"),
        ({"format_version": 5}, "index format 5"),
    ):
        (tmp_path / "index" / MANIFEST).write_text(seal(data | values))
        with pytest.raises((IndexCorrupt, IndexTooNew), match=message):
            open_index(tmp_path / "index")
    (tmp_path / "index" / MANIFEST).write_text(seal(data))
    (tmp_path / "index" / manifest.generation / "projection.npy").unlink()
    with pytest.raises(IndexCorrupt, match=r"projection\.npy cannot be read"):
        open_index(tmp_path / "index")


def test_the_command_says_how_many_dimensions_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "documents.jsonl").write_text('{"id": "1", "text": "boil an egg"}\n')
    out = tmp_path / "index"
    assert main(["index", str(tmp_path / "documents.jsonl"), "--out", str(out), "--dimensions", "128"]) == 0
    assert "1 documents, 128 dimensions" in capsys.readouterr().out
    assert Manifest.read(out).dimensions == 128
    assert main(["index", str(tmp_path / "documents.jsonl"), "--out", str(out), "--dimensions", "385"]) == 1
    assert "385 dimensions" in capsys.readouterr().err
