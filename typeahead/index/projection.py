"""Fewer dimensions for an index: its vectors in the subspace that holds most of them, found from the vectors alone.

An encoder whose dimensions were not trained to be cut (Matryoshka) loses much when they are. But a collection's own
vectors fill their space unevenly: the eigenvectors of the largest eigenvalues of their second moment, Σ x xᵀ, span the
subspace of ``dimensions`` in which inner products change least in the mean (principal components without centring; the
Eckart-Young theorem). The index keeps this matrix and the vectors in it; a query comes in the encoder's dimension and
is projected by the index, so every encoder of the teacher searches it, and nothing is trained or encoded again. Under
cosine similarity vectors and queries have length 1 after it as before.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from typeahead.encoders.base import Vectors
from typeahead.errors import TypeaheadError
from typeahead.index.vectors import VECTORS, VectorWriter, map_vectors

REDUCED, PROJECTION = "reduced.npy", "projection.npy"

_CHUNK = 8192


def check_dimensions(dimensions: int | None, dim: int) -> None:
    """Raise :class:`~typeahead.errors.TypeaheadError` unless vectors of ``dim`` can be brought to ``dimensions``."""
    if dimensions is not None and not 1 <= dimensions <= dim:
        raise TypeaheadError(f"an index of {dimensions} dimensions cannot be made of vectors of {dim}")


def reduce_vectors(folder: Path, dimensions: int, *, cosine: bool) -> None:
    """Write what becomes of ``vectors.npy`` in ``folder`` in ``dimensions``, and the projection, beside it."""
    vectors = map_vectors(folder / VECTORS)
    projection = principal_axes(vectors, dimensions)
    # What a killed build left is of no use: its projection may be another.
    (folder / REDUCED).unlink(missing_ok=True)
    writer = VectorWriter(folder / REDUCED, dimensions, vectors.dtype.str)
    try:
        for first in range(0, len(vectors), _CHUNK):
            writer.write(project(np.asarray(vectors[first : first + _CHUNK], np.float32), projection, cosine=cosine))
        writer.finish()
    finally:
        writer.close()
    np.save(folder / PROJECTION, projection, allow_pickle=False)


def principal_axes(vectors: NDArray[np.floating], dimensions: int) -> Vectors:
    """The axes of the largest second moments of ``vectors`` (n, dim): float32 (dim, dimensions), orthonormal."""
    dim = vectors.shape[1]
    moment = np.zeros((dim, dim))
    for first in range(0, len(vectors), _CHUNK):
        part = np.asarray(vectors[first : first + _CHUNK], np.float32)
        # In float32, as its products are twice as fast; summed up in float64.
        moment += part.T @ part
    _, axes = np.linalg.eigh(moment)
    return np.ascontiguousarray(axes[:, ::-1][:, :dimensions], np.float32)


def project(vectors: Vectors, projection: Vectors, *, cosine: bool) -> Vectors:
    """Bring float32 (n, dim) into the subspace, float32 (n, dimensions); of length 1 under ``cosine``."""
    projected: Vectors = vectors @ projection
    if cosine:
        lengths = np.sqrt(np.vecdot(projected, projected))[:, None]
        projected /= np.where(lengths > 0, lengths, np.float32(1))
    return projected


def read_projection(folder: Path, dim: int, dimensions: int) -> Vectors:
    """Read the projection of a generation; ``ValueError`` says how it is wrong."""
    try:
        projection = np.load(folder / PROJECTION, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{PROJECTION} is no readable .npy file: {error}") from error
    if not isinstance(projection, np.ndarray) or projection.shape != (dim, dimensions):
        raise ValueError(f"{PROJECTION} has not the shape {(dim, dimensions)}")
    if projection.dtype != np.float32 or not np.isfinite(projection).all():
        raise ValueError(f"{PROJECTION} does not hold float32 numbers")
    return projection
