"""Vectors on disk: written row by row so that a kill loses no finished batch, then mapped into memory.

The file is an ordinary ``.npy``. Which class searches it is told here; how, in ``exact`` and ``approximate``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.index.approximate import FaissVectors, HnswVectors, search_candidates
from typeahead.index.exact import ExactVectors

#: Rows and scores, best first.
Ranking = Sequence[tuple[int, float]]

VECTORS, GRAPH, ADOPTED, LABELS = "vectors.npy", "graph.faiss", "adopted.faiss", "labels.npy"

#: Up to so many vectors the exact search is as fast as the graph.
EXACT_UP_TO = 50_000


class VectorSearch(Protocol):
    """What every back end does."""

    def search(self, queries: Vectors, k: int) -> list[list[tuple[int, float]]]:
        """Row numbers and inner products, best first, for each of ``queries`` float32 (m, dim)."""

    def scores_of(self, query: Vectors, rows: Sequence[int]) -> list[float] | None:
        """Inner products of ``query`` float32 (dim,) and some rows; None where the vectors cannot be had."""


def choose_backend(backend: str, count: int) -> str:
    """Resolve "auto" by the number of vectors; ``ValueError`` for a name that is none."""
    if backend == "auto":
        return "exact" if count <= EXACT_UP_TO else "hnsw"
    if backend not in ("exact", "hnsw"):
        raise ValueError(f"backend {backend!r} is none of 'auto', 'exact', 'hnsw'")
    return backend


def open_vectors(
    folder: Path,
    backend: str,
    count: int,
    dim: int,
    candidates: int | None,
    *,
    name: str = VECTORS,
    nprobe: int | None = None,
) -> VectorSearch:
    """Open the vectors of a generation; ``ValueError`` says which file is wrong and how.

    ``name`` is that of the file of vectors of ``dim``, where they are not in FAISS's. ``candidates`` are those that a
    search of the graph holds, ``None`` as many as are usual for ``count``. ``nprobe`` is that of an adopted index.
    """
    if backend == "faiss":
        labels = None
        if (folder / LABELS).exists():
            labels = _map(folder / LABELS)
            if labels.shape != (count,) or labels.dtype != np.int64:
                raise ValueError(f"{LABELS} holds {labels.dtype} {labels.shape}, not int64 ({count},)")
        adopted = FaissVectors(folder / ADOPTED, labels, nprobe)
        if (adopted.index.ntotal, adopted.index.d) != (count, dim):
            raise ValueError(f"{ADOPTED} holds {adopted.index.ntotal} vectors of {adopted.index.d} dimensions")
        return adopted
    vectors = map_vectors(folder / name)
    if vectors.shape != (count, dim):
        raise ValueError(f"{name} has the shape {vectors.shape}, not {(count, dim)}")
    if backend == "exact":
        return ExactVectors(vectors)
    return HnswVectors(vectors, folder / GRAPH, candidates or search_candidates(count))


def map_vectors(path: Path) -> NDArray[np.floating]:
    """Map a float32 or float16 ``.npy`` matrix; ``ValueError`` for anything else."""
    vectors = _map(path)
    if vectors.ndim != 2 or vectors.dtype not in (np.dtype("<f4"), np.dtype("<f2")):
        raise ValueError(f"{path.name} holds {vectors.dtype} {vectors.shape}, not a float32 or float16 matrix")
    return vectors


def _map(path: Path) -> NDArray[Any]:
    try:
        mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{path.name} is no readable .npy file: {error}") from error
    return mapped


class VectorWriter:
    """Appends rows to a ``.npy`` file whose header states the number of rows only when it is finished.

    Until then the header is that of an empty matrix, and the rows behind it are those that its owner has counted:
    :meth:`truncate` cuts off what a kill left behind.
    """

    def __init__(self, path: Path, dim: int, dtype: str = "<f4") -> None:
        self._dim = dim
        self._dtype = np.dtype(dtype)
        self._file = path.open("r+b" if path.exists() else "w+b")
        self._start = len(self._npy_header(0))
        beyond = os.fstat(self._file.fileno()).st_size - self._start
        self.rows = max(0, beyond) // (dim * self._dtype.itemsize)
        self.truncate(self.rows)

    def _npy_header(self, rows: int) -> bytes:
        # NumPy leaves room for the first axis to grow to 21 digits, so that every header has the same length.
        buffer = BytesIO()
        descr = np.lib.format.dtype_to_descr(self._dtype)
        np.lib.format.write_array_header_1_0(
            buffer, {"descr": descr, "fortran_order": False, "shape": (rows, self._dim)}
        )
        return buffer.getvalue()

    def truncate(self, rows: int) -> None:
        """Keep the first ``rows`` rows, which must be there."""
        if rows > self.rows:
            raise ValueError(f"{rows} rows are to be kept of {self.rows}")
        self._file.seek(0)
        self._file.write(self._npy_header(0))
        self._file.truncate(self._start + rows * self._dim * self._dtype.itemsize)
        self.rows = rows

    def append(self, vectors: NDArray[np.floating]) -> None:
        """Append rows (n, dim); they are on disk when this returns."""
        self.write(vectors)
        self.sync()

    def write(self, vectors: NDArray[np.floating]) -> None:
        """Append rows (n, dim) that may be lost in a power failure before :meth:`sync`."""
        self._file.seek(0, os.SEEK_END)
        self._file.write(np.ascontiguousarray(vectors, self._dtype).tobytes())
        self.rows += len(vectors)

    def sync(self) -> None:
        """Wait until everything is on disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def finish(self) -> None:
        """State the number of rows in the header, and close."""
        self._file.seek(0)
        self._file.write(self._npy_header(self.rows))
        self.sync()
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
