"""Reads vectors in NumPy files; ``faiss_file`` reads those of FAISS."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from typeahead.errors import SourceError

Array = NDArray[np.floating]


def read_array(path: Path) -> tuple[Array, Sequence[str] | None]:
    """Read a ``.npy`` or ``.npz`` file: the matrix (n, dim), and its documents' ids if the file has them.

    Raises :class:`~typeahead.errors.SourceError`.
    """
    if path.suffix == ".npy":
        return _matrix(path, _numpy(path, path)), None
    # When NumPy fails, it does not close a file that it opened itself.
    with path.open("rb") as file:
        archive = _numpy(path, file)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            return _matrix(path, archive), None
        return _from_npz(path, archive)


def _numpy(path: Path, file: Path | BinaryIO) -> Any:
    try:
        return np.load(file, mmap_mode="r" if file is path else None, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise SourceError(f"not a NumPy file that can be read without pickle: {error}", path=path) from error


def _matrix(path: Path, array: Any) -> Array:
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind != "f" or not array.shape[1]:
        what = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else "no array"
        raise SourceError(f"holds {what}, not a matrix of floats with one row per document", path=path)
    return array


def _from_npz(path: Path, archive: Any) -> tuple[Array, Sequence[str] | None]:
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
            raise SourceError("its array 'ids' is not a list of strings or integers", path=path)
        ids = [str(key) for key in arrays["ids"].tolist()]
    return _matrix(path, arrays[name]), ids
