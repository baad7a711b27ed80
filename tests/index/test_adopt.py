"""Adopting: somebody's vectors become an index as they are, or an error says why they cannot."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.index.hashing import HashingEncoder, config, documents
from typeahead.errors import IndexCorrupt, MissingExtra, SourceError, TypeaheadError
from typeahead.index import Document, Guard, Index, Manifest, Teacher, adopt_index, build_index, open_index
from typeahead.storage.sealed import seal

TEACHER = Teacher("hash-teacher", "r1")
COUNT = 400


def adopt(
    source: Path, given: Iterable[Document], out: Path, *, similarity: str = "cosine", **options: Any
) -> Manifest:
    """Adopt what the hashing encoder made, or is said to have made."""
    encoder = HashingEncoder(config(similarity=similarity))
    return adopt_index(source, given, out, teacher=TEACHER, encoder=encoder, similarity=similarity, **options)


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    return HashingEncoder().encode([document.passage for document in documents(COUNT)])


@pytest.fixture
def queries() -> NDArray[np.float32]:
    return HashingEncoder().encode([f"query {i}" for i in range(20)])


def found(index: Index, queries: NDArray[np.float32], k: int = 6) -> list[list[str]]:
    with index:
        return [[hit.id for hit in hits] for hits in index.search(queries, k)]


@pytest.fixture
def expected(tmp_path: Path, queries: NDArray[np.float32]) -> list[list[str]]:
    build_index(documents(COUNT), tmp_path / "built", HashingEncoder(), batch=COUNT)
    return found(open_index(tmp_path / "built"), queries)


def test_an_array_searches_like_the_index_that_made_it(
    tmp_path: Path, vectors: NDArray[np.float32], queries: NDArray[np.float32], expected: list[list[str]]
) -> None:
    np.save(tmp_path / "v.npy", vectors)
    manifest = adopt(tmp_path / "v.npy", iter(documents(COUNT)), tmp_path / "index", dim=16)
    assert (manifest.count, manifest.dim, manifest.teacher) == (COUNT, 16, TEACHER)
    index = open_index(tmp_path / "index")
    index.check_teacher(config())
    assert expected == found(index, queries)
    assert np.array_equal(np.load(tmp_path / "index" / "generation-1" / "vectors.npy"), vectors)


@pytest.mark.parametrize(("given", "kept"), [("<f2", "<f2"), (">f4", "<f4"), ("<f8", "<f4")])
def test_an_array_of_another_type_or_order_is_read(
    tmp_path: Path, vectors: NDArray[np.float32], given: str, kept: str
) -> None:
    np.save(tmp_path / "v.npy", np.asfortranarray(vectors.astype(given)))
    adopt(tmp_path / "v.npy", documents(COUNT), tmp_path / "index")
    stored = np.load(tmp_path / "index" / "generation-1" / "vectors.npy")
    assert np.dtype(kept) == stored.dtype
    assert np.array_equal(stored, vectors.astype(given).astype(kept))


@pytest.mark.parametrize("kind", ["txt", "json", "npy", "npz"])
def test_ids_say_which_vector_belongs_to_which_document(
    tmp_path: Path,
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    expected: list[list[str]],
    kind: str,
) -> None:
    keys = [document.id for document in documents(COUNT)]
    path: Path | None = tmp_path / f"ids.{kind}"
    source = tmp_path / "v.npy"
    if kind == "npz":
        path, source = None, tmp_path / "v.npz"
        np.savez(source, vectors=vectors, ids=np.array(keys))
    else:
        np.save(source, vectors)
        (tmp_path / "ids.txt").write_text("\n".join(keys) + "\n")
        (tmp_path / "ids.json").write_text(json.dumps(keys))
        np.save(tmp_path / "ids.npy", np.array(keys))
    adopt(source, documents(COUNT)[::-1], tmp_path / "index", ids=path)
    assert expected == found(open_index(tmp_path / "index"), queries)


def flat_ip(vectors: NDArray[np.float32]) -> Any:
    index = faiss.IndexFlatIP(16)
    index.add(vectors)
    return index


def flat_l2(vectors: NDArray[np.float32]) -> Any:
    index = faiss.IndexFlatL2(16)
    index.add(vectors)
    return index


def ivf_l2(vectors: NDArray[np.float32]) -> Any:
    index: Any = faiss.index_factory(16, "IVF4,Flat")
    index.train(vectors)
    index.add(vectors)
    index.nprobe = 4
    return index


def hnsw_ip(vectors: NDArray[np.float32]) -> Any:
    index = faiss.IndexHNSWFlat(16, 16, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efSearch = 400
    index.add(vectors)
    return index


def id_map(vectors: NDArray[np.float32]) -> Any:
    """Labels that are not row numbers, in no order."""
    index = faiss.IndexIDMap2(faiss.IndexFlatIP(16))
    index.add_with_ids(vectors[::-1].copy(), 1000 + 7 * np.arange(COUNT)[::-1])
    return index


@pytest.mark.parametrize(
    ("make", "backend"), [(flat_ip, "exact"), (flat_l2, "exact"), (ivf_l2, "faiss"), (hnsw_ip, "faiss")]
)
def test_a_faiss_index_searches_like_the_index_of_its_vectors(
    tmp_path: Path,
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    expected: list[list[str]],
    make: Any,
    backend: str,
) -> None:
    faiss.write_index(make(vectors), str(tmp_path / "v.index"))
    manifest = adopt(tmp_path / "v.index", documents(COUNT), tmp_path / "index")
    assert manifest.backend == backend
    with open_index(tmp_path / "index") as index:
        ((best, *_),) = index.search(vectors[:1], 2)
    assert best.score == pytest.approx(1, abs=1e-5), "L2 distances become inner products"
    assert expected == found(open_index(tmp_path / "index"), queries)


def test_labels_of_a_faiss_index_are_the_ids_of_its_documents(
    tmp_path: Path, vectors: NDArray[np.float32], queries: NDArray[np.float32], expected: list[list[str]]
) -> None:
    faiss.write_index(id_map(vectors), str(tmp_path / "v.index"))
    labelled = [
        Document(str(1000 + 7 * row), document.title, document.text, document.id)
        for row, document in enumerate(documents(COUNT))
    ]
    adopt(tmp_path / "v.index", labelled, tmp_path / "index")
    with open_index(tmp_path / "index") as index:
        assert expected == [[hit.url for hit in hits] for hits in index.search(queries, 6)]


def test_ids_stand_in_the_order_of_the_vectors_whatever_their_labels(
    tmp_path: Path, vectors: NDArray[np.float32], queries: NDArray[np.float32], expected: list[list[str]]
) -> None:
    faiss.write_index(id_map(vectors), str(tmp_path / "v.index"))
    ids = tmp_path / "ids.json"
    ids.write_text(json.dumps([document.id for document in documents(COUNT)[::-1]]))
    adopt(tmp_path / "v.index", documents(COUNT), tmp_path / "index", ids=ids)
    assert expected == found(open_index(tmp_path / "index"), queries)


def test_dot_products_take_vectors_of_any_length(tmp_path: Path, vectors: NDArray[np.float32]) -> None:
    lengths = np.linspace(0, 9, COUNT, dtype=np.float32)[:, None]
    np.save(tmp_path / "v.npy", lengths * vectors)
    adopt(tmp_path / "v.npy", documents(COUNT), tmp_path / "index", similarity="dot")
    with open_index(tmp_path / "index") as index:
        (hits,) = index.search(vectors[-1:], 1)
    assert hits[0].score == pytest.approx(9, abs=1e-4)


def bad_row(vectors: NDArray[np.float32], value: float) -> NDArray[np.float32]:
    changed = vectors.copy()
    changed[123] *= value
    return changed


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda v: bad_row(v, 3.0), r"vector 123 has length 3, but cosine similarity.*--normalize"),
        (lambda v: bad_row(v, 0.0), r"vector 123 has length 0, but cosine similarity"),
        (lambda v: bad_row(v, np.nan), r"vector 123 has a value that is not finite"),
        (lambda v: bad_row(v, np.inf), r"vector 123 has a value that is not finite"),
        (lambda v: v[:-1], r"there are only 399 vectors"),
        (lambda v: np.concatenate([v, v[:1]]), r"401 vectors, but 400 documents"),
        (lambda v: v[:, :15], r"15 dimensions, but those of hash-teacher have 16"),
        (lambda v: v[0], r"not a matrix"),
        (lambda v: (v * 127).astype(np.int8), r"int8.*not a matrix of floats"),
        (lambda v: v.astype(object), r"without pickle"),
    ],
)
def test_vectors_that_are_not_the_teachers_are_refused(
    tmp_path: Path, vectors: NDArray[np.float32], make: Any, message: str
) -> None:
    np.save(tmp_path / "v.npy", make(vectors), allow_pickle=True)
    with pytest.raises(SourceError, match=message) as caught:
        adopt(tmp_path / "v.npy", documents(COUNT), tmp_path / "index", dim=16)
    assert caught.value.path == tmp_path / "v.npy"


@pytest.mark.parametrize("name", ["v.npy", "v.npz", "v.index"])
@pytest.mark.parametrize("content", ["nothing", "half", "pickle", "text"])
def test_a_file_of_vectors_that_is_none_is_refused(
    tmp_path: Path, vectors: NDArray[np.float32], name: str, content: str
) -> None:
    path = tmp_path / name
    np.save(tmp_path / "v.npy", vectors)
    np.savez(tmp_path / "v.npz", vectors=vectors)
    faiss.write_index(flat_ip(vectors), str(tmp_path / "v.index"))
    half = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes({"nothing": b"", "half": half, "pickle": pickle.dumps(vectors), "text": b"hello\n" * 99}[content])
    with pytest.raises(SourceError, match=name):
        adopt(path, documents(COUNT), tmp_path / "index")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"v\.npy"):
        adopt(tmp_path / "v.npy", documents(3), tmp_path / "index")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["d0", "d1"], "2 ids for 3 vectors"),
        (["d0", "d1", "d1"], "two vectors have the id 'd1'"),
        (["d0", "d1", "d9"], "no vector for document 'd2'"),
    ],
)
def test_ids_that_do_not_match_are_refused(
    tmp_path: Path, vectors: NDArray[np.float32], keys: list[str], message: str
) -> None:
    np.save(tmp_path / "v.npy", vectors[:3])
    (tmp_path / "ids.txt").write_text("\n".join(keys))
    with pytest.raises(SourceError, match=message):
        adopt(tmp_path / "v.npy", documents(3), tmp_path / "index", ids=tmp_path / "ids.txt")


def test_a_vector_without_a_document_is_named(tmp_path: Path, vectors: NDArray[np.float32]) -> None:
    np.savez(tmp_path / "v.npz", vectors=vectors[:3], ids=np.array(["d0", "dx", "d1"]))
    with pytest.raises(SourceError, match=r"3 vectors, but 2 documents.*'dx'"):
        adopt(tmp_path / "v.npz", documents(2), tmp_path / "index")


def test_l2_is_no_order_for_dot_products(tmp_path: Path, vectors: NDArray[np.float32]) -> None:
    faiss.write_index(flat_l2(vectors), str(tmp_path / "v.index"))
    with pytest.raises(SourceError, match="L2"):
        adopt(tmp_path / "v.index", documents(COUNT), tmp_path / "i", similarity="dot")


def test_a_faiss_index_of_vectors_that_are_not_unit_is_refused(tmp_path: Path, vectors: NDArray[np.float32]) -> None:
    faiss.write_index(hnsw_ip(3 * vectors), str(tmp_path / "v.index"))
    with pytest.raises(SourceError, match="length 3"):
        adopt(tmp_path / "v.index", documents(COUNT), tmp_path / "i")


def test_a_failure_leaves_the_index_that_was_there(tmp_path: Path, vectors: NDArray[np.float32]) -> None:
    np.save(tmp_path / "v.npy", vectors)
    adopt(tmp_path / "v.npy", documents(COUNT), tmp_path / "index")
    with pytest.raises(SourceError):
        adopt(tmp_path / "v.npy", documents(3), tmp_path / "index")
    with open_index(tmp_path / "index") as index:
        assert len(index) == COUNT
    assert sorted(path.name for path in (tmp_path / "index").iterdir()) == [
        "build.lock",
        "generation-1",
        "manifest.json",
    ]


def test_a_large_array_is_given_a_graph_on_request(
    tmp_path: Path, vectors: NDArray[np.float32], queries: NDArray[np.float32], expected: list[list[str]]
) -> None:
    np.save(tmp_path / "v.npy", vectors)
    adopt(tmp_path / "v.npy", documents(COUNT), tmp_path / "index", backend="hnsw")
    assert expected[0] == found(open_index(tmp_path / "index"), queries)[0]


def test_an_array_needs_no_faiss_and_a_faiss_file_names_the_extra(
    tmp_path: Path, vectors: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    faiss.write_index(flat_ip(vectors), str(tmp_path / "v.index"))
    np.save(tmp_path / "v.npy", vectors)
    monkeypatch.setitem(sys.modules, "faiss", None)
    adopt(tmp_path / "v.npy", documents(COUNT), tmp_path / "index")
    with pytest.raises(MissingExtra, match="index"):
        adopt(tmp_path / "v.index", documents(COUNT), tmp_path / "index")


def mixed(vectors: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Vectors at some distance from the right ones, as if something had been left out of each text."""
    other = HashingEncoder().encode([f"something else {i}" for i in range(COUNT)])
    changed = (1 - share) * vectors + share * other
    result: NDArray[np.float32] = changed / np.linalg.norm(changed, axis=1, keepdims=True)
    return result


def test_what_was_measured_is_in_the_manifest(tmp_path: Path, vectors: NDArray[np.float32]) -> None:
    np.save(tmp_path / "v.npy", vectors)
    encoder = HashingEncoder()
    adopt_index(tmp_path / "v.npy", documents(COUNT), tmp_path / "index", teacher=TEACHER, encoder=encoder)
    with open_index(tmp_path / "index") as index:
        adoption = index.manifest.adoption
    assert adoption is not None
    assert adoption.cosine == pytest.approx(1)
    assert (adoption.verified, adoption.recall, adoption.nprobe) == (True, 1.0, None)
    assert str(adoption) == "vectors checked against the encoder (median cosine 1.000), recall@10 1.000"
    assert len(encoder.encoded) == 16


@pytest.mark.parametrize("change", [lambda v: v[::-1], lambda v: mixed(v, 0.9), lambda v: -v])
def test_vectors_of_other_documents_or_models_are_refused(
    tmp_path: Path, vectors: NDArray[np.float32], change: Any
) -> None:
    np.save(tmp_path / "v.npy", change(vectors))
    with pytest.raises(SourceError, match=r"do not belong to their documents.*median cosine .*another order"):
        adopt(tmp_path / "v.npy", documents(COUNT), tmp_path / "index")
    assert not (tmp_path / "index" / "manifest.json").exists()


def test_vectors_that_are_a_little_off_are_warned_of(tmp_path: Path, vectors: NDArray[np.float32]) -> None:
    np.save(tmp_path / "v.npy", mixed(vectors, 0.2))
    with pytest.warns(UserWarning, match=r"median cosine to the encoder's own vectors is 0.9\d\d: was the title"):
        adopt(tmp_path / "v.npy", documents(COUNT), tmp_path / "index")


def test_without_an_encoder_adoption_has_to_be_asked_for_and_is_told(
    tmp_path: Path, vectors: NDArray[np.float32]
) -> None:
    np.save(tmp_path / "v.npy", vectors)
    with pytest.raises(SourceError, match=r"no passage encoder of hash-teacher.*--unverified"):
        adopt_index(tmp_path / "v.npy", documents(COUNT), tmp_path / "index", teacher=TEACHER)
    told: list[str] = []
    adopt(tmp_path / "v.npy", documents(COUNT), tmp_path / "index", unverified=True, warn=told.append)
    assert told == ["these vectors were never compared with hash-teacher's vectors of these documents"]
    with open_index(tmp_path / "index") as index:
        assert index.manifest.adoption is not None
        assert not index.manifest.adoption.verified
        assert "unverified" in (index.manifest.warning or "")


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (HashingEncoder(config(teacher="other")), "has the teacher other"),
        (HashingEncoder(config(revision="r2")), "has the teacher hash-teacher@r2"),
        (HashingEncoder(config(similarity="dot")), "hash-teacher compares by dot"),
        (HashingEncoder(replace(config(), role="query")), "encodes queries"),
    ],
)
def test_an_encoder_that_cannot_tell_is_refused(
    tmp_path: Path, vectors: NDArray[np.float32], encoder: HashingEncoder, message: str
) -> None:
    np.save(tmp_path / "v.npy", vectors)
    with pytest.raises(TypeaheadError, match=message):
        adopt_index(tmp_path / "v.npy", documents(COUNT), tmp_path / "index", teacher=TEACHER, encoder=encoder)


def test_lengths_are_divided_by_where_that_is_meant(tmp_path: Path, vectors: NDArray[np.float32]) -> None:
    longer = (vectors * np.linspace(0.1, 9, COUNT)[:, None]).astype(np.float16)
    np.save(tmp_path / "v.npy", longer)
    adopt(tmp_path / "v.npy", documents(COUNT), tmp_path / "index", normalize=True)
    stored = np.load(tmp_path / "index" / "generation-1" / "vectors.npy")
    assert stored.dtype == np.float16
    np.testing.assert_allclose(np.linalg.norm(stored.astype(np.float32), axis=1), 1, atol=1e-3)
    np.save(tmp_path / "v.npy", bad_row(vectors, 0.0))
    with pytest.raises(SourceError, match="vector 123 has length 0, so it has no direction"):
        adopt(tmp_path / "v.npy", documents(COUNT), tmp_path / "index", normalize=True)
    with pytest.raises(TypeaheadError, match="--normalize requires cosine"):
        adopt(tmp_path / "v.npy", documents(COUNT), tmp_path / "index", normalize=True, similarity="dot")


def test_dimensions_that_lose_neighbours_are_warned_of(
    tmp_path: Path, vectors: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Descending takes seconds, and three dimensions are too few in any case.
    monkeypatch.setattr("typeahead.index.projection.keep_neighbours", lambda _, axes: axes)
    np.save(tmp_path / "v.npy", vectors)
    with pytest.warns(UserWarning, match=r"of the 10 nearest vectors: more --dimensions find more"):
        adopt(tmp_path / "v.npy", documents(COUNT), tmp_path / "index", dimensions=3)
    assert not (tmp_path / "index" / "generation-1" / "vectors.npy").exists()


def test_nothing_is_adopted_too(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.zeros((0, 16), np.float32))
    manifest = adopt(tmp_path / "v.npy", [], tmp_path / "index", guard=Guard(allow_empty=True))
    assert manifest.adoption is not None
    assert manifest.adoption.recall is None


@pytest.mark.parametrize(
    ("field", "value"), [("verified", 1), ("nprobe", 0), ("recall", "1"), ("cosine", True), ("verified", None)]
)
def test_a_manifest_of_damaged_figures_is_damaged(
    tmp_path: Path, vectors: NDArray[np.float32], field: str, value: object
) -> None:
    np.save(tmp_path / "v.npy", vectors)
    adopt(tmp_path / "v.npy", documents(COUNT), tmp_path / "index")
    path = tmp_path / "index" / "manifest.json"
    data = json.loads(path.read_text())
    data["adoption"][field] = value
    path.write_text(seal(data))
    with pytest.raises(IndexCorrupt, match=r"manifest\.json is damaged"):
        open_index(tmp_path / "index")
