"""FAISS indexes of every make: each of their vectors finds its own document, or a line says why it is not adopted."""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.index.hashing import HashingEncoder, documents
from typeahead.errors import SourceError
from typeahead.index import Document, Manifest, Teacher, adopt_index, open_index
from typeahead.index.adopt import inspection

TEACHER = Teacher("hash-teacher", "r1")
COUNT, DIM, LISTS = 320, 16, 8
ORDER = np.random.default_rng(5).permutation(COUNT)
REMOVED = np.arange(3, COUNT, 5)
KEPT = np.setdiff1d(np.arange(COUNT), REMOVED)
Labels = NDArray[np.int64]


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    return HashingEncoder().encode([document.passage for document in documents(COUNT)])


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """More would spin over indexes that are this small."""
    faiss.omp_set_num_threads(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares the start of a process for each of many files that FAISS is known to survive."""

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        inspection.run(command[-1])
        return subprocess.CompletedProcess(command, 0, b"", b"")

    monkeypatch.setattr("typeahead.index.adopt.faiss_file.subprocess.run", run)


def empty(kind: str, vectors: NDArray[np.float32], metric: int = faiss.METRIC_INNER_PRODUCT) -> Any:
    index: Any = faiss.index_factory(DIM, kind, metric)
    if kind.startswith("OPQ"):
        turned: Any = index if hasattr(index, "chain") else faiss.downcast_index(index.base_index)
        opq: Any = faiss.downcast_VectorTransform(turned.chain.at(0))
        opq.niter = opq.niter_pq = opq.niter_pq_0 = 1
    index.train(vectors)
    return index


#: How an index is filled: the label of each document, ``None`` for those that FAISS gives.
FILLINGS: dict[str, Callable[[], Labels | None]] = {
    "added": lambda: None,
    "counted from one": lambda: np.arange(1, COUNT + 1),
    "permuted": lambda: ORDER.copy(),
    "own ids": lambda: 1000 + 7 * ORDER,
    "hashes": lambda: np.random.default_rng(1).integers(1, 2**62, COUNT),
    "own ids, some removed": lambda: 1000 + 7 * ORDER,
}


def filled(kind: str, how: str, vectors: NDArray[np.float32], metric: int = faiss.METRIC_INNER_PRODUCT) -> Any:
    index = empty(kind, vectors, metric)
    labels = FILLINGS[how]()
    index.add(vectors) if labels is None else index.add_with_ids(vectors, labels)
    if "removed" in how:
        assert labels is not None
        index.remove_ids(labels[REMOVED])
    return index


def named(how: str, ids: str) -> list[Document]:
    """The documents, whose ids are names, or the labels; a document's url stays what tells it from others."""
    given = documents(COUNT)
    labels = FILLINGS[how]()
    if ids == "labels":
        assert labels is not None
        given = [replace(document, id=str(label)) for document, label in zip(given, labels, strict=True)]
        # The order must not matter.
        return [given[place] for place in ORDER[::-1] if "removed" not in how or place in KEPT]
    if ids == "names in the order of labels":
        assert labels is not None
        return [given[place] for place in np.argsort(labels)]
    return given


def adopt(index: Any, given: Sequence[Document], folder: Path, **options: Any) -> Manifest:
    faiss.write_index(index, str(folder / "v.index"))
    options = {"encoder": HashingEncoder()} | options
    return adopt_index(folder / "v.index", given, folder / "index", teacher=TEACHER, **options)


def assert_each_finds_itself(folder: Path, vectors: NDArray[np.float32], first: int = 1) -> None:
    with open_index(folder / "index") as index:
        rows = KEPT if len(index) == len(KEPT) else np.arange(COUNT)
        for row, hits in zip(rows, index.search(vectors[rows], first), strict=True):
            assert documents(COUNT)[row].url in [hit.url for hit in hits]


RIGHT = [
    *[("added", kind, "names") for kind in ("IVF8,Flat", "HNSW8", "SQfp16", "SQ8", "IVF8,SQ8", "HNSW8_SQ8", "PQ8x4")],
    *[("added", kind, "names") for kind in ("IVF8,PQ8x4,RFlat", "IVF8,PQ8x4fs,RFlat", "OPQ8,IVF8,PQ8x4,RFlat")],
    *[("added", kind, "names") for kind in ("RR16,IVF8,Flat", "OPQ8,IVF8,PQ8x4", "L2norm,HNSW8", "IVF8_HNSW8,Flat")],
    *[
        (how, kind, "labels")
        for how in ("counted from one", "own ids", "hashes", "own ids, some removed")
        for kind in ("IVF8,Flat", "RR16,IVF8,Flat", "IDMap,Flat")
    ],
    *[("own ids", kind, "labels") for kind in ("OPQ8,IVF8,PQ8x4", "IDMap2,Flat", "IDMap,HNSW8", "IDMap2,IVF8,Flat")],
    *[("own ids", kind, "labels") for kind in ("RR16,IDMap,Flat", "RR16,IDMap2,HNSW8", "IDMap,IVF8,PQ8x4,RFlat")],
    *[("permuted", kind, "names in the order of labels") for kind in ("IVF8,Flat", "IDMap,Flat", "IDMap,HNSW8")],
    *[("permuted", kind, "labels") for kind in ("IVF8,Flat", "IDMap,Flat", "IDMap,HNSW8")],
]


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize(("how", "kind", "ids"), RIGHT)
def test_each_vector_finds_its_document(
    tmp_path: Path, vectors: NDArray[np.float32], how: str, kind: str, ids: str
) -> None:
    nprobe = LISTS if "IVF" in kind else None
    told: list[str] = []
    manifest = adopt(filled(kind, how, vectors), named(how, ids), tmp_path, nprobe=nprobe, warn=told.append)
    assert manifest.adoption is not None
    assert manifest.adoption.verified
    coarse = "PQ" in kind
    assert_each_finds_itself(tmp_path, vectors, 10 if coarse else 1)
    assert manifest.adoption.recall is not None
    assert coarse or (manifest.adoption.recall > 0.95 and not told)


WRONG = [
    ("counted from one", "IVF8,Flat", "names", r"no vector for document 'd0'.*labels its vectors 1, 2, 3, …"),
    ("hashes", "RR16,IVF8,Flat", "names", r"no vector for document 'd0'.*--ids"),
    ("own ids", "IDMap,Flat", "names", r"no vector for document 'd0'.*labels its vectors 1000, 1007"),
    ("own ids, some removed", "IVF8,Flat", "names", r"no vector for document 'd0'.*labels its vectors"),
    ("permuted", "IVF8,Flat", "names", r"do not belong to their documents"),
    ("permuted", "OPQ8,IVF8,PQ8x4", "names", r"do not belong to their documents"),
    ("added", "PCAW16,Flat", "names", r"PCAMatrix does more than rotate the space"),
    ("added", "PCAR16,HNSW8", "names", r"subtracts a mean"),
    ("added", "IVF8,FlatDedup", "names", r"type IndexIVFFlatDedup cannot be checked"),
]


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize(("how", "kind", "ids", "message"), WRONG)
def test_what_cannot_be_right_is_refused(
    tmp_path: Path, vectors: NDArray[np.float32], how: str, kind: str, ids: str, message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        adopt(filled(kind, how, vectors), named(how, ids), tmp_path, warn=print)


def test_a_rotation_around_labels_around_vectors_is_unrolled(tmp_path: Path, vectors: NDArray[np.float32]) -> None:
    """``PCAR,IDMap,Flat``, at which FAISS ends its process if it is asked for its vectors."""
    index = filled("PCAR16,IDMap,Flat", "own ids", vectors, faiss.METRIC_L2)
    manifest = adopt(index, named("own ids", "labels"), tmp_path)
    assert manifest.backend == "exact"
    assert_each_finds_itself(tmp_path, vectors)


@pytest.mark.usefixtures("in_this_process")
def test_packed_lists_that_cannot_be_read_back_are_checked_by_searching(
    tmp_path: Path, vectors: NDArray[np.float32]
) -> None:
    told: list[str] = []
    manifest = adopt(filled("IVF8,PQ8x4fs", "added", vectors), documents(COUNT), tmp_path, nprobe=8, warn=told.append)
    assert manifest.adoption is not None
    assert (manifest.adoption.verified, manifest.adoption.recall) == (True, None)
    assert "lengths and recall could not be measured" in told[0]
    with pytest.raises(SourceError, match="do not belong to their documents"):
        adopt(filled("IVF8,PQ8x4fs", "added", vectors[::-1].copy()), documents(COUNT), tmp_path, nprobe=8)


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("how", ["added", "permuted"])
def test_labels_that_are_row_numbers_and_other_documents_ids_are_told_apart_by_encoding(
    tmp_path: Path, vectors: NDArray[np.float32], how: str
) -> None:
    index = filled("IVF8,Flat", how, vectors)
    given = [replace(document, id=str(key)) for document, key in zip(documents(COUNT), ORDER, strict=True)]
    with pytest.raises(SourceError, match=rf"the label 0 may be .* '{ORDER[0]}', or of the document with the id '0'"):
        adopt(index, given, tmp_path, encoder=None, unverified=True)
    adopt(index, given, tmp_path, nprobe=LISTS)
    assert_each_finds_itself(tmp_path, vectors)


@pytest.mark.usefixtures("in_this_process")
def test_ids_follow_ascending_labels_where_lists_keep_no_order(tmp_path: Path, vectors: NDArray[np.float32]) -> None:
    ids = tmp_path / "ids.txt"
    labels = FILLINGS["hashes"]()
    assert labels is not None
    ids.write_text("\n".join(f"d{place}" for place in np.argsort(labels)))
    adopt(filled("IVF8,Flat", "hashes", vectors), documents(COUNT), tmp_path, ids=ids, nprobe=LISTS)
    assert_each_finds_itself(tmp_path, vectors)


@pytest.mark.usefixtures("in_this_process")
def test_few_lists_are_warned_of_and_more_are_named(tmp_path: Path, vectors: NDArray[np.float32]) -> None:
    index = filled("IVF8,Flat", "added", vectors)
    told: list[str] = []
    before = adopt(index, documents(COUNT), tmp_path, warn=told.append).adoption
    (message,) = told
    assert "probes 1 of 8 lists, and --nprobe 8 finds 1.000" in message
    after = adopt(index, documents(COUNT), tmp_path, nprobe=8).adoption
    assert before is not None
    assert after is not None
    assert before.recall < 0.9 < after.recall  # type: ignore[operator]


@pytest.mark.usefixtures("in_this_process")
def test_a_search_finds_what_faiss_finds(tmp_path: Path, vectors: NDArray[np.float32]) -> None:
    index = filled("RR16,IVF8,Flat", "own ids", vectors)
    adopt(index, named("own ids", "labels"), tmp_path, nprobe=3, warn=print)
    faiss.extract_index_ivf(index).nprobe = 3
    queries = HashingEncoder().encode([f"query {i}" for i in range(30)])
    with open_index(tmp_path / "index") as opened:
        found = [[int(hit.id) for hit in hits] for hits in opened.search(queries, 10)]
    assert index.search(queries, 10)[1].tolist() == found


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize(("kind", "nprobe", "message"), [("IVF8,Flat", 9, "from 1 to 8"), ("HNSW8", 2, "IVF")])
def test_lists_that_are_not_there_are_refused(
    tmp_path: Path, vectors: NDArray[np.float32], kind: str, nprobe: int, message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        adopt(filled(kind, "added", vectors), documents(COUNT), tmp_path, nprobe=nprobe)


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("kind", ["IVF8,Flat", "HNSW8", "Flat", "IVF8,PQ8x4,RFlat", "IDMap,Flat"])
@pytest.mark.parametrize("row", [0, COUNT - 1])
def test_lengths_are_checked_to_the_last_row(tmp_path: Path, vectors: NDArray[np.float32], kind: str, row: int) -> None:
    longer = vectors.copy()
    longer[row] *= 1.02
    index = empty(kind, vectors)
    index.add_with_ids(longer, np.arange(COUNT)) if "IDMap" in kind else index.add(longer)
    with pytest.raises(SourceError, match=rf"vector {row} has length 1.02, but cosine similarity") as caught:
        adopt(index, documents(COUNT), tmp_path)
    assert "dot" not in str(caught.value)


@pytest.mark.usefixtures("in_this_process")
def test_flat_vectors_are_normalized_where_that_is_meant_and_structures_are_not(
    tmp_path: Path, vectors: NDArray[np.float32]
) -> None:
    longer = vectors * np.linspace(0.5, 3, COUNT, dtype=np.float32)[:, None]
    index = empty("IDMap,Flat", vectors)
    index.add_with_ids(longer, np.arange(COUNT))
    adopt(index, documents(COUNT), tmp_path, normalize=True)
    assert_each_finds_itself(tmp_path, vectors)
    graph = empty("HNSW8", vectors)
    graph.add(longer)
    with pytest.raises(SourceError, match="--normalize works for arrays and flat indexes"):
        adopt(graph, documents(COUNT), tmp_path, normalize=True)


@pytest.mark.usefixtures("in_this_process")
def test_lists_in_another_file_are_copied_in(
    tmp_path: Path, vectors: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    index = filled("IVF8,Flat", "own ids", vectors)
    lists = faiss.OnDiskInvertedLists(index.nlist, index.code_size, "lists.ivfdata")
    lists.merge_from_1(index.invlists)
    index.replace_invlists(lists, False)
    faiss.write_index(index, "v.index")
    del index, lists
    path = Path("lists.ivfdata")
    path.chmod(0o444)
    before = path.read_bytes(), path.stat().st_mtime_ns
    given = named("own ids", "labels")
    adopt_index(Path("v.index"), given, Path("index"), teacher=TEACHER, encoder=HashingEncoder(), nprobe=LISTS)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    path.unlink()
    assert_each_finds_itself(tmp_path, vectors)
    with pytest.raises(SourceError, match=r"could not open lists\.ivfdata"):
        adopt_index(Path("v.index"), given, Path("index"), teacher=TEACHER, encoder=HashingEncoder())


@pytest.mark.usefixtures("in_this_process")
def test_lists_in_another_file_are_refused_where_they_cannot_be_copied(
    tmp_path: Path, vectors: NDArray[np.float32]
) -> None:
    """Those of an index that finds the lists of another one."""
    index = empty("IVF16(IVF4,Flat),Flat", vectors)
    inner: Any = faiss.downcast_index(index.quantizer)
    lists = faiss.OnDiskInvertedLists(inner.nlist, inner.code_size, str(tmp_path / "lists.ivfdata"))
    lists.merge_from_1(inner.invlists)
    inner.replace_invlists(lists, False)
    index.add(vectors)
    with pytest.raises(SourceError, match="its lists are OnDiskInvertedLists"):
        adopt(index, documents(COUNT), tmp_path)


def test_a_process_that_faiss_ends_is_a_refusal(
    tmp_path: Path, vectors: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faiss.py").write_text("import os\nos.abort()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(SourceError, match=r"v\.index: FAISS crashed the process .*SIGABRT"):
        adopt(filled("Flat", "added", vectors), documents(COUNT), tmp_path)


def test_labels_beyond_what_is_relabelled_are_refused(tmp_path: Path, vectors: NDArray[np.float32]) -> None:
    """FAISS would read beyond its own memory."""
    inner = empty("IVF8,Flat", vectors)
    index = faiss.IndexIDMap(inner)
    inner.add_with_ids(vectors, 1000 + np.arange(COUNT))
    faiss.copy_array_to_vector(np.arange(COUNT), index.id_map)
    index.ntotal = COUNT
    with pytest.raises(SourceError, match="labels of its IndexIDMap do not match the IndexIVFFlat inside it"):
        adopt(index, documents(COUNT), tmp_path)


@pytest.mark.parametrize("make", [lambda: faiss.IndexLSH(DIM, 32), lambda: faiss.IndexBinaryFlat(DIM * 8)])
def test_what_measures_otherwise_is_refused(tmp_path: Path, vectors: NDArray[np.float32], make: Any) -> None:
    index = make()
    if isinstance(index, faiss.IndexBinary):
        index.add(np.zeros((COUNT, DIM), np.uint8))
        faiss.write_index_binary(index, str(tmp_path / "v.index"))
    else:
        index.add(vectors)
        faiss.write_index(index, str(tmp_path / "v.index"))
    with pytest.raises(SourceError, match=r"v\.index"):
        adopt_index(tmp_path / "v.index", documents(COUNT), tmp_path / "i", teacher=TEACHER, encoder=HashingEncoder())


@pytest.mark.parametrize("kind", ["IVF8,Flat", "HNSW8", "IDMap,IVF8,PQ8x4,RFlat"])
def test_a_damaged_file_never_ends_this_process(tmp_path: Path, vectors: NDArray[np.float32], kind: str) -> None:
    how = "own ids" if kind.startswith("IDMap") else "added"
    faiss.write_index(filled(kind, how, vectors), str(tmp_path / "v.index"))
    raw = bytearray((tmp_path / "v.index").read_bytes())
    random = np.random.default_rng(3)
    for place in random.integers(33, min(len(raw) - 8, 600), 3).tolist():
        damaged = raw.copy()
        damaged[place : place + 8] = struct.pack("<q", int(random.integers(-5, 2**40)))
        (tmp_path / "v.index").write_bytes(damaged)
        given = named(how, "labels" if how == "own ids" else "names")
        with contextlib.suppress(SourceError):
            adopt_index(
                tmp_path / "v.index", given, tmp_path / "i", teacher=TEACHER, encoder=HashingEncoder(), warn=print
            )
