"""Takes over an index that somebody already has: the teacher's vectors stay as they are, nothing is encoded.

``build`` makes the same folder by encoding. Vectors come as a NumPy array (``.npy``, or ``.npz`` that may hold their
ids too) or as a FAISS index file of any type that searches by inner product, or by L2 distance on vectors of length 1.
They are checked, never mended.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from typeahead.errors import SourceError
from typeahead.index.approximate import build_graph, import_faiss, read_faiss
from typeahead.index.documents import Document, DocumentWriter
from typeahead.index.guard import CAREFUL, Guard
from typeahead.index.manifest import FORMAT_VERSION, SIMILARITIES, Manifest, Teacher
from typeahead.index.projection import REDUCED, check_dimensions, reduce_vectors
from typeahead.index.sources import read_ids
from typeahead.index.staging import DOCUMENTS, Progress, Staging, no_progress
from typeahead.index.vectors import ADOPTED, GRAPH, LABELS, VECTORS, VectorWriter, choose_backend, map_vectors

#: How far a length may be from 1: float16 and the teachers' own arithmetic stay within 0.001.
_LENGTH_TOLERANCE = 0.01
#: The same for vectors that FAISS decodes from its codes, of which so many are looked at.
_DECODED_TOLERANCE, _DECODED_SAMPLE = 0.25, 1000
_CHUNK = 8192
_BATCH = 1000


def adopt_index(
    vectors: Path,
    documents: Iterable[Document],
    out: Path,
    *,
    teacher: Teacher,
    similarity: str = "cosine",
    dim: int | None = None,
    ids: Path | None = None,
    backend: str = "auto",
    dimensions: int | None = None,
    progress: Progress | None = None,
    source: str = "",
    guard: Guard = CAREFUL,
) -> Manifest:
    """Put the teacher's ``vectors`` with their ``documents`` in force as the index ``out``.

    A vector belongs to the document whose id stands in the same place of ``ids`` (a text file with one id a line, a
    JSON array, or a ``.npy`` array; an ``.npz`` file may hold them as its array ``ids``). Without ``ids``, the i-th
    vector is that of the i-th document, or, where FAISS labels its vectors (``IndexIDMap``), a vector's label is the
    id of its document. Every vector must have a document, and every document a vector.

    An array keeps its type if it is float32 or float16; float64 becomes float32. A flat FAISS index is stored as the
    array that it is, and searched faster for it; any other is copied byte for byte and searched by FAISS.

    Args:
        vectors: ``.npy`` or ``.npz`` (array ``vectors``, or its only matrix), anything else is read as a FAISS index.
        documents: read once.
        out: as for :func:`~typeahead.index.build.build_index`; what was there before stays in force until the end.
        teacher: whose vectors they are; searches are refused to encoders of another.
        similarity: how the teacher compares: "cosine" needs vectors of length 1, "dot" takes any.
        dim: the teacher's dimension, checked if given.
        ids: the documents' ids in the order of the vectors.
        backend: "auto", "exact" or "hnsw", for arrays and flat FAISS indexes; other FAISS indexes stay what they are.
        dimensions: of the index, if fewer than the vectors', for the same: see :mod:`typeahead.index.projection`.
        progress: as for :func:`~typeahead.index.build.build_index`.
        source: where it comes from, kept in the manifest for people.
        guard: says how few documents may replace the index in force.

    Raises:
        ReplacementRefused: ``guard`` does not let so few documents through.
        SourceError: a file cannot be read; dimension, count, values or lengths are not what they must be; ids and
            documents do not match.
        IndexFolderError: as :func:`~typeahead.index.build.build_index`.
        MissingExtra: FAISS is needed and not installed.
    """
    choose_backend(backend, 0)
    if similarity not in SIMILARITIES:
        raise ValueError(f"similarity {similarity!r} is none of {SIMILARITIES}")
    if not teacher.name:
        raise ValueError("the teacher's name is empty: name the model that made the vectors")
    tell = progress or no_progress
    found = _load(vectors, similarity)
    if dim is not None and found.dim != dim:
        raise SourceError(f"vectors have {found.dim} dimensions, those of {teacher.name} have {dim}", path=vectors)
    check_dimensions(dimensions, found.dim)
    if dimensions is not None and found.matrix is None:
        raise SourceError("only arrays and flat indexes can be brought to fewer dimensions", path=vectors)
    keys = read_ids(ids) if ids is not None else found.ids
    if keys is not None and len(keys) != found.count:
        raise SourceError(f"{len(keys)} ids for {found.count} vectors", path=ids or vectors)
    if ids is not None and keys is not None and found.order is not None:
        keys = [keys[place] for place in found.order]
    guard.check(out, found.count)
    with Staging(out, {"format_version": FORMAT_VERSION, "kind": "adopt"}, resume=False, guard=guard) as staging:
        try:
            _store_documents(documents, keys, found.count, staging.folder / DOCUMENTS, vectors, tell)
            chosen = _store_vectors(found, vectors, similarity, backend, dimensions, staging.folder, tell)
        except BaseException:
            # Nothing of it is worth going on with, and it may be large.
            staging.discard()
            raise
        return staging.commit(
            teacher=teacher,
            dim=found.dim,
            similarity=similarity,
            count=found.count,
            backend=chosen,
            source=source,
            dimensions=dimensions,
        )


@dataclass(frozen=True)
class _Found:
    """What a file of vectors holds: a matrix, or else a FAISS index that stays one."""

    count: int
    dim: int
    matrix: NDArray[np.floating] | None
    #: Ids of the vectors' documents by row, if the file tells.
    ids: Sequence[str] | None = None
    #: FAISS labels by row, ascending; ``None`` if labels are row numbers.
    labels: NDArray[np.int64] | None = None
    #: Which of the file's vectors each row is; ``None`` if rows stand as in the file.
    order: NDArray[np.int64] | None = None


def _load(path: Path, similarity: str) -> _Found:
    if not path.is_file():
        raise SourceError("there is no such file of vectors", path=path)
    if path.suffix == ".npy":
        return _from_array(path, _numpy(path, path))
    if path.suffix == ".npz":
        # NumPy leaves a file that it opened itself open when it fails.
        with path.open("rb") as file:
            return _from_npz(path, _numpy(path, file))
    return _from_faiss(path, similarity)


def _numpy(path: Path, file: Path | BinaryIO) -> Any:
    try:
        return np.load(file, mmap_mode="r" if file is path else None, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise SourceError(f"no NumPy file that can be read without pickle: {error}", path=path) from error


def _from_array(path: Path, array: Any, ids: Sequence[str] | None = None) -> _Found:
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind != "f" or not array.shape[1]:
        what = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else "no array"
        raise SourceError(f"holds {what}, not a matrix of floats with one row a document", path=path)
    return _Found(array.shape[0], array.shape[1], array, ids=ids)


def _from_npz(path: Path, archive: Any) -> _Found:
    if not isinstance(archive, np.lib.npyio.NpzFile):
        return _from_array(path, archive)
    try:
        arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise SourceError(f"an array cannot be read without pickle: {error}", path=path) from error
    finally:
        archive.close()
    matrices = [name for name, array in arrays.items() if array.ndim == 2]
    name = "vectors" if "vectors" in arrays else matrices[0] if len(matrices) == 1 else None
    if name is None:
        raise SourceError(f"holds the arrays {sorted(arrays)}: name the matrix 'vectors'", path=path)
    ids = None
    if "ids" in arrays:
        if arrays["ids"].ndim != 1 or arrays["ids"].dtype.kind not in "Uiu":
            raise SourceError("its array 'ids' is no list of strings or integers", path=path)
        ids = [str(key) for key in arrays["ids"].tolist()]
    return _from_array(path, arrays[name], ids)


def _from_faiss(path: Path, similarity: str) -> _Found:
    faiss = import_faiss()
    try:
        index = read_faiss(path)
    except ValueError as error:
        raise SourceError(str(error), path=path) from error
    if index.metric_type not in (faiss.METRIC_INNER_PRODUCT, faiss.METRIC_L2):
        raise SourceError(f"the index measures by FAISS metric {index.metric_type}, not inner product or L2", path=path)
    l2 = index.metric_type == faiss.METRIC_L2
    if l2 and similarity == "dot":
        raise SourceError(
            "the index orders by L2 distance, which is the teacher's order only for vectors of length 1: "
            "adopt the vectors themselves as an array",
            path=path,
        )
    if type(index) in (faiss.IndexFlat, faiss.IndexFlatIP, faiss.IndexFlatL2):
        # A view of FAISS's own memory; the copy outlives the index.
        flat = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d).reshape(index.ntotal, index.d)
        return _Found(index.ntotal, index.d, np.array(flat))
    labels = _labels(faiss, index)
    inner = faiss.downcast_index(index.index) if labels is not None else index
    _check_decoded(inner, similarity, path)
    if labels is None:
        return _Found(index.ntotal, index.d, None)
    order = np.argsort(labels, kind="stable")
    if len(labels) and (labels[order[0]] < 0 or (np.diff(labels[order]) == 0).any()):
        raise SourceError("two vectors have the same FAISS label, or one is negative", path=path)
    ids = [str(label) for label in labels[order].tolist()]
    return _Found(index.ntotal, index.d, None, ids, labels[order], order)


def _labels(faiss: Any, index: Any) -> NDArray[np.int64] | None:
    """The labels of an ``IndexIDMap`` in the order of its vectors."""
    if not isinstance(index, faiss.IndexIDMap | faiss.IndexIDMap2):
        return None
    labels: NDArray[np.int64] = faiss.vector_to_array(index.id_map)
    return labels


def _check_decoded(index: Any, similarity: str, path: Path) -> None:
    """Check a sample of the vectors that a FAISS index gives back; not every type does."""
    count = min(index.ntotal, _DECODED_SAMPLE)
    try:
        if hasattr(index, "make_direct_map"):
            index.make_direct_map()
        sample = index.reconstruct_n(0, count) if count else np.zeros((0, index.d), np.float32)
    except RuntimeError:
        return
    _check(sample, 0, similarity, path, _DECODED_TOLERANCE)


def _store_vectors(
    found: _Found,
    vectors: Path,
    similarity: str,
    backend: str,
    dimensions: int | None,
    folder: Path,
    tell: Progress,
) -> str:
    """Store them in ``folder``; returns the back end that is to search them."""
    if found.matrix is None:
        shutil.copyfile(vectors, folder / ADOPTED)
        if found.labels is not None:
            np.save(folder / LABELS, found.labels, allow_pickle=False)
        return "faiss"
    chosen = choose_backend(backend, found.count)
    _store_matrix(found.matrix, similarity, vectors, folder / VECTORS, tell)
    searched = folder / VECTORS
    if dimensions is not None:
        reduce_vectors(folder, dimensions, cosine=similarity == "cosine")
        searched.unlink()
        searched = folder / REDUCED
    if chosen == "hnsw":
        build_graph(map_vectors(searched), folder / GRAPH, lambda done: tell("graph", done, found.count))
    return chosen


def _store_matrix(matrix: NDArray[np.floating], similarity: str, source: Path, target: Path, tell: Progress) -> None:
    dtype = "<f2" if matrix.dtype.itemsize == 2 else "<f4"
    count = len(matrix)
    writer = VectorWriter(target, matrix.shape[1], dtype)
    try:
        for start in range(0, count, _CHUNK):
            part = np.asarray(matrix[start : start + _CHUNK])
            _check(part, start, similarity, source, _LENGTH_TOLERANCE)
            writer.write(part)
            tell("copy", min(start + _CHUNK, count), count)
        writer.finish()
    finally:
        writer.close()


def _check(part: NDArray[np.floating], first: int, similarity: str, path: Path, tolerance: float) -> None:
    lengths = np.linalg.norm(part.astype(np.float64), axis=1)
    # float32 searches, and squares of values beyond 1e18 are no float32.
    if not (usable := lengths < 1e18).all():
        raise SourceError(
            f"vector {first + int(np.argmin(usable))} has a value that is not finite or beyond 1e18", path=path
        )
    if similarity == "cosine" and not (unit := abs(lengths - 1) <= tolerance).all():
        row = int(np.argmin(unit))
        raise SourceError(
            f"vector {first + row} has length {lengths[row]:.4g}, but under cosine similarity vectors have length 1: "
            "give similarity 'dot' if that is how the teacher compares, or divide each vector by its length",
            path=path,
        )


def _store_documents(
    documents: Iterable[Document], keys: Sequence[str] | None, count: int, target: Path, vectors: Path, tell: Progress
) -> None:
    """Store each document in the row of its vector."""
    rows = None
    if keys is not None:
        rows = {key: row for row, key in enumerate(keys)}
        if len(rows) != len(keys):
            seen: set[str] = set()
            twice = next(key for key in keys if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise SourceError(f"two vectors have the id {twice!r}", path=vectors)
    store = DocumentWriter(target)
    try:
        done = 0
        part: list[tuple[int, Document]] = []
        for document in documents:
            row = done + len(part) if rows is None else rows.get(document.id)
            if row is None or row >= count:
                why = f"{count} vectors" if rows is None else "no vector of that id"
                raise SourceError(f"document {document.id!r} is one too many: there are {why}", path=vectors)
            part.append((row, document))
            if len(part) == _BATCH:
                store.put(part)
                done += len(part)
                part = []
                tell("documents", done, count)
        store.put(part)
        done += len(part)
        tell("documents", done, count)
        if done != count:
            missing = ""
            if keys is not None:
                stored = {document.id for document in store}
                missing = f"; the first without a document is {next(key for key in keys if key not in stored)!r}"
            raise SourceError(f"{count} vectors, but {done} documents{missing}", path=vectors)
        store.finish()
    finally:
        store.close()
