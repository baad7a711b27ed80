"""Vectors on disk: written row by row so that a kill loses no finished batch, and memory-mapped afterwards.

The file is a normal ``.npy``. This module chooses the class that searches it; ``exact`` and ``approximate`` do the
search.
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
from typeahead.index.adopted import FaissVectors
from typeahead.index.approximate import HnswVectors, search_candidates
from typeahead.index.exact import ExactVectors, Nearest

#: Rows and scores, best first.
Ranking = Sequence[tuple[int, float]]

VECTORS, GRAPH, ADOPTED, LABELS = "vectors.npy", "graph.faiss", "adopted.faiss", "labels.npy"

#: Up to this number of vectors, exact search is as fast as the graph.
EXACT_UP_TO = 50_000


class VectorSearch(Protocol):
    """The interface of all back ends."""

    def search(self, queries: Vectors, k: int) -> list[list[tuple[int, float]]]:
        """Return row numbers and inner products, best first, for each of ``queries`` float32 (m, dim)."""

    def nearest(self, queries: Vectors, k: int, admitted: NDArray[np.bool_] | None = None) -> list[Nearest]:
        """Return the same as arrays, of the rows that ``admitted`` bool (n,) admits, None for all.

        No other row is ever returned. Raises ``ValueError`` if ``admitted`` has another shape.
        """

    def scores_of(self, query: Vectors, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Return inner products of ``query`` float32 (dim,) with some rows: float64 (n,).

        None if the vectors are not available.
        """


def choose_backend(backend: str, count: int) -> str:
    """Resolve "auto" by the number of vectors; raises ``ValueError`` for an unknown name."""
    if backend == "auto":
        return "exact" if count <= EXACT_UP_TO else "hnsw"
    if backend not in ("exact", "hnsw"):
        raise ValueError(f"backend {backend!r} is not one of 'auto', 'exact', 'hnsw'")
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
    """Open the vectors of a generation; raises ``ValueError`` with the file and the reason if one is invalid.

    ``name`` is the file with vectors of ``dim``, unless FAISS holds them. ``candidates`` is the number that a search of
    the graph keeps, ``None`` for the default for ``count``. ``nprobe`` applies to an adopted index.
    """
    if backend == "faiss":
        labels = None
        if (folder / LABELS).exists():
            labels = _map(folder / LABELS)
            if labels.shape != (count,) or labels.dtype != np.int64:
                raise ValueError(f"{LABELS} has {labels.dtype} {labels.shape}, not int64 ({count},)")
        adopted = FaissVectors(folder / ADOPTED, labels, nprobe)
        if (adopted.index.ntotal, adopted.index.d) != (count, dim):
            raise ValueError(f"{ADOPTED} has {adopted.index.ntotal} vectors of {adopted.index.d} dimensions")
        return adopted
    vectors = map_vectors(folder / name)
    if vectors.shape != (count, dim):
        raise ValueError(f"{name} has the shape {vectors.shape}, not {(count, dim)}")
    if backend == "exact":
        return ExactVectors(vectors)
    return HnswVectors(vectors, folder / GRAPH, candidates or search_candidates(count))


def map_vectors(path: Path) -> NDArray[np.floating]:
    """Map a float32 or float16 ``.npy`` matrix; raises ``ValueError`` for anything else."""
    vectors = _map(path)
    if vectors.ndim != 2 or vectors.dtype not in (np.dtype("<f4"), np.dtype("<f2")):
        raise ValueError(f"{path.name} has {vectors.dtype} {vectors.shape}, not a float32 or float16 matrix")
    return vectors


def _map(path: Path) -> NDArray[Any]:
    try:
        mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{path.name} is not a readable .npy file: {error}") from error
    return mapped


class VectorWriter:
    """Appends rows to a ``.npy`` file whose header gets the number of rows only when it is finished.

    Until then the header describes an empty matrix, and the owner keeps track of the number of valid rows:
    :meth:`truncate` removes what a kill left behind.
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
        # NumPy reserves room for a first axis of up to 21 digits, so every header has the same length.
        buffer = BytesIO()
        descr = np.lib.format.dtype_to_descr(self._dtype)
        np.lib.format.write_array_header_1_0(
            buffer, {"descr": descr, "fortran_order": False, "shape": (rows, self._dim)}
        )
        return buffer.getvalue()

    def truncate(self, rows: int) -> None:
        """Keep the first ``rows`` rows, which must exist."""
        if rows > self.rows:
            raise ValueError(f"cannot keep {rows} rows of {self.rows}")
        self._file.seek(0)
        self._file.write(self._npy_header(0))
        self._file.truncate(self._start + rows * self._dim * self._dtype.itemsize)
        self.rows = rows

    def append(self, vectors: NDArray[np.floating]) -> None:
        """Append rows (n, dim); they are on disk when this returns."""
        self.write(vectors)
        self.sync()

    def write(self, vectors: NDArray[np.floating]) -> None:
        """Append rows (n, dim); until :meth:`sync`, a power failure may lose them."""
        self._file.seek(0, os.SEEK_END)
        self._file.write(np.ascontiguousarray(vectors, self._dtype).tobytes())
        self.rows += len(vectors)

    def sync(self) -> None:
        """Wait until everything is on disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def finish(self) -> None:
        """Write the number of rows into the header, and close the file."""
        self._file.seek(0)
        self._file.write(self._npy_header(self.rows))
        self.sync()
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
