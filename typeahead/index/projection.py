"""Fewer dimensions for an index: a projection that keeps each vector's neighbours, found from the vectors alone.

An encoder whose dimensions were not trained to be cut (Matryoshka) loses much when they are. But a collection's own
vectors fill their space unevenly. Where a projection begins: the eigenvectors of the largest eigenvalues of their
second moment, Σ x xᵀ, span the subspace of ``dimensions`` in which inner products change least in the mean (principal
components without centring; the Eckart-Young theorem). What a search needs, however, is not the mean of all products
but the order of the large ones. So under cosine similarity the matrix then descends the KL divergence between the
softmax of a vector's scores with some others as they are and as they are projected: near neighbours count most
(:func:`keep_neighbours`). It takes some seconds whatever the size of the collection, and its seed is fixed.

The index keeps this matrix and the vectors in it; a query comes in the encoder's dimension and is projected by the
index, so every encoder of the teacher searches it, and nothing is encoded again. Under cosine similarity vectors and
queries have length 1 after it as before.
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
#: Descent: its steps, vectors of a step and how many of them ask, Adam's first rate, and what scores are divided by.
#: Chosen on the tldr pages; ``python -m benchmarks.dimensions`` has what it gains.
_STEPS, _BATCH, _ASKING, _RATE, _TEMPERATURE = 600, 1024, 256, 3e-3, 0.05


def check_dimensions(dimensions: int | None, dim: int) -> None:
    """Raise :class:`~typeahead.errors.TypeaheadError` unless vectors of ``dim`` can be brought to ``dimensions``."""
    if dimensions is not None and not 1 <= dimensions <= dim:
        raise TypeaheadError(f"an index of {dimensions} dimensions cannot be made of vectors of {dim}")


def reduce_vectors(folder: Path, dimensions: int, *, cosine: bool) -> None:
    """Write what becomes of ``vectors.npy`` in ``folder`` in ``dimensions``, and the projection, beside it."""
    vectors = map_vectors(folder / VECTORS)
    projection = projection_of(vectors, dimensions, cosine=cosine)
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


def projection_of(vectors: NDArray[np.floating], dimensions: int, *, cosine: bool) -> Vectors:
    """The projection of an index: float32 (dim, dimensions)."""
    axes = principal_axes(vectors, dimensions)
    # A rotation loses nothing, and of two vectors neither has a neighbour to choose.
    if not cosine or dimensions == vectors.shape[1] or len(vectors) < 3:
        return axes
    return keep_neighbours(vectors, axes)


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


def keep_neighbours(vectors: NDArray[np.floating], projection: Vectors, *, steps: int = _STEPS) -> Vectors:
    """Descend a projection float32 (dim, dimensions) until vectors (n, dim) of length 1 keep their neighbours better.

    Adam over batches of the vectors themselves, in ``steps`` steps whose rate falls to zero.
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
    """How much a projection disturbs neighbours, and the gradient: a number and float32 (dim, dimensions).

    Mean KL divergence, over the first ``asking`` of float32 ``vectors`` (n, dim), of the softmax of their scores with
    all others over the temperature, between those as they are and as they are projected, both by cosine.
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
    """Of each row over what is ``counted``; far below zero elsewhere."""
    scores = np.where(counted, scores, np.float32(-1e4))
    scores -= scores.max(axis=1, keepdims=True)
    found: Vectors = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return found


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
