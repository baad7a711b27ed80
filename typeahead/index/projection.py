"""Fewer dimensions for an index: a projection that keeps each vector's neighbours, computed from the vectors alone.

An encoder that was not trained for truncated dimensions (Matryoshka) loses much when they are cut. But the vectors of
one collection fill their space unevenly. The projection starts from the eigenvectors with the largest eigenvalues of
the second moment, Σ x xᵀ. They span the subspace of ``dimensions`` in which inner products change least on average
(principal components without centring; the Eckart-Young theorem). However, a search does not need the average of all
products, but the order of the large ones. So under cosine similarity, gradient descent then refines the matrix. Its
loss is the KL divergence between two softmax distributions of a vector's scores with some others: before and after
projection. Near neighbours count most (:func:`keep_neighbours`). It takes a few seconds for any collection size, and
its seed is fixed.

The index stores this matrix and the projected vectors. A query arrives in the encoder's dimension and the index
projects it, so every encoder of the teacher can search it, and nothing is encoded again. Under cosine similarity,
vectors and queries are rescaled to length 1 after projection.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.errors import TypeaheadError
from typeahead.index.vectors import VECTORS, VectorWriter, map_vectors

REDUCED, PROJECTION = "reduced.npy", "projection.npy"

_CHUNK = 8192
#: Gradient descent: steps, vectors per step and how many of them act as queries, Adam's initial rate, and the
#: temperature of the scores. Chosen on the tldr pages; ``python -m benchmarks.dimensions`` measures the gain.
_STEPS, _BATCH, _ASKING, _RATE, _TEMPERATURE = 600, 1024, 256, 3e-3, 0.05


def check_dimensions(dimensions: int | None, dim: int) -> None:
    """Raise :class:`~typeahead.errors.TypeaheadError` unless ``dimensions`` is a valid reduction of ``dim``."""
    if dimensions is not None and not 1 <= dimensions <= dim:
        raise TypeaheadError(f"vectors of {dim} dimensions cannot be reduced to {dimensions} dimensions")


def reduce_vectors(folder: Path, dimensions: int, *, cosine: bool) -> None:
    """Write the projection of ``vectors.npy`` in ``folder`` to ``dimensions``, and the projected vectors, beside it."""
    vectors = map_vectors(folder / VECTORS)
    projection = projection_of(vectors, dimensions, cosine=cosine)
    # Delete what a killed build left: it may have used another projection.
    (folder / REDUCED).unlink(missing_ok=True)
    writer = VectorWriter(folder / REDUCED, dimensions, vectors.dtype.str)
    try:
        for first in range(0, len(vectors), _CHUNK):
            writer.write(project(np.asarray(vectors[first : first + _CHUNK], np.float32), projection, cosine=cosine))
        writer.finish()
    finally:
        writer.close()
    np.save(folder / PROJECTION, projection, allow_pickle=False)


def projection_of(vectors: NDArray[np.floating], dimensions: int, *, cosine: bool) -> Vectors:
    """Compute the projection of an index: float32 (dim, dimensions)."""
    axes = principal_axes(vectors, dimensions)
    # A rotation loses nothing, and two vectors have no neighbours to choose from.
    if not cosine or dimensions == vectors.shape[1] or len(vectors) < 3:
        return axes
    return keep_neighbours(vectors, axes)


def principal_axes(vectors: NDArray[np.floating], dimensions: int) -> Vectors:
    """Return the axes of the largest second moments of ``vectors`` (n, dim): float32 (dim, dimensions), orthonormal."""
    dim = vectors.shape[1]
    moment = np.zeros((dim, dim))
    for first in range(0, len(vectors), _CHUNK):
        part = np.asarray(vectors[first : first + _CHUNK], np.float32)
        # Products in float32 are twice as fast; the sum is float64.
        moment += part.T @ part
    _, axes = np.linalg.eigh(moment)
    return np.ascontiguousarray(axes[:, ::-1][:, :dimensions], np.float32)


def keep_neighbours(vectors: NDArray[np.floating], projection: Vectors, *, steps: int = _STEPS) -> Vectors:
    """Refine a projection float32 (dim, dimensions) so that vectors (n, dim) of length 1 keep their neighbours better.

    Runs ``steps`` steps of Adam over batches of the vectors, with a rate that falls to zero.
    """
    random = np.random.default_rng(0)
    found = projection.astype(np.float32)
    first, second = np.zeros_like(found), np.zeros_like(found)
    size = min(_BATCH, len(vectors))
    for step in range(steps):
        rows = np.sort(random.choice(len(vectors), size, replace=False) if len(vectors) > size else np.arange(size))
        part = np.asarray(vectors[rows], np.float32)
        random.shuffle(part)
        _, gradient = divergence(part, found, min(_ASKING, size))
        first = 0.9 * first + np.float32(0.1) * gradient
        second = 0.999 * second + np.float32(0.001) * gradient * gradient
        rate = _RATE * (1 + np.cos(np.pi * step / steps)) / 2 / (1 - 0.9 ** (step + 1))
        length = np.sqrt(second / np.float32(1 - 0.999 ** (step + 1))) + np.float32(1e-8)
        found = (found - np.float32(rate) * first / length).astype(np.float32)
    return np.ascontiguousarray(found)


def divergence(vectors: Vectors, projection: Vectors, asking: int) -> tuple[float, Vectors]:
    """Measure how much a projection disturbs neighbours: a number, and the gradient float32 (dim, dimensions).

    This is the mean KL divergence between softmax distributions before and after projection, both by cosine. Each
    distribution is over the scores of one of the first ``asking`` of float32 ``vectors`` (n, dim) with all others,
    divided by the temperature.
    """
    others = ~np.eye(asking, len(vectors), dtype=bool)
    raw = vectors @ projection
    length = np.maximum(np.sqrt(np.vecdot(raw, raw))[:, None], np.float32(1e-12))
    unit = raw / length
    aim = _log_softmax(vectors[:asking] @ vectors.T / np.float32(_TEMPERATURE), others)
    scores = _log_softmax(unit[:asking] @ unit.T / np.float32(_TEMPERATURE), others)
    share = np.exp(aim)
    value = float(np.sum(share * (aim - scores), where=others)) / asking
    of_scores = (np.exp(scores) - share) / np.float32(asking * _TEMPERATURE)
    of_unit = of_scores.T @ unit[:asking]
    of_unit[:asking] += of_scores @ unit
    of_raw = (of_unit - np.vecdot(of_unit, unit)[:, None] * unit) / length
    gradient: Vectors = vectors.T @ of_raw
    return value, gradient


def _log_softmax(scores: Vectors, counted: NDArray[np.bool_]) -> Vectors:
    """Log-softmax of each row over the ``counted`` entries; far below zero elsewhere."""
    scores = np.where(counted, scores, np.float32(-1e4))
    scores -= scores.max(axis=1, keepdims=True)
    found: Vectors = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return found


def project(vectors: Vectors, projection: Vectors, *, cosine: bool) -> Vectors:
    """Project float32 (n, dim) to float32 (n, dimensions), rescaled to length 1 under ``cosine``."""
    projected: Vectors = vectors @ projection
    if cosine:
        lengths = np.sqrt(np.vecdot(projected, projected))[:, None]
        projected /= np.where(lengths > 0, lengths, np.float32(1))
    return projected


def read_projection(folder: Path, dim: int, dimensions: int) -> Vectors:
    """Read a generation's projection; raises ``ValueError`` with the reason if it is invalid."""
    try:
        projection = np.load(folder / PROJECTION, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{PROJECTION} is not a readable .npy file: {error}") from error
    if not isinstance(projection, np.ndarray) or projection.shape != (dim, dimensions):
        raise ValueError(f"{PROJECTION} does not have the shape {(dim, dimensions)}")
    if projection.dtype != np.float32 or not np.isfinite(projection).all():
        raise ValueError(f"{PROJECTION} does not contain float32 numbers")
    return projection
