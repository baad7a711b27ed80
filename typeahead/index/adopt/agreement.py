"""Checks whether adopted vectors belong to their documents, by encoding and comparing a sample.

The median cosine with the passage encoder is 0.999 for correct vectors, 0.98 for vectors made without the title, 0.1
for vectors of other documents, and 0 for vectors of another model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Encoder, Vectors
from typeahead.errors import ModelError, TypeaheadError
from typeahead.index.adopt.recall import Search
from typeahead.index.manifest import Teacher
from typeahead.models.teacher import same_teacher

SAMPLE = 16
#: Below the first median cosine, vectors are refused; below the second, there is a warning.
LEAST, USUAL = 0.9, 0.99
#: With coarse codes, correct vectors may be further off. Then this share of the sampled documents must be among the
#: first 10 results for their own embeddings.
_FOUND, _AMONG = 0.75, 10


@dataclass(frozen=True)
class Agreement:
    """How well vectors agree with their documents."""

    agrees: bool
    #: Median cosine, ``None`` if FAISS does not reconstruct its vectors.
    cosine: float | None

    def __str__(self) -> str:
        return "documents do not find themselves" if self.cosine is None else f"median cosine {self.cosine:.3f}"


def compare(
    encoder: Encoder,
    passages: Sequence[str],
    rows: NDArray[np.int64],
    vectors: Vectors | None,
    search: Search | None,
) -> Agreement:
    """Compare ``encoder``'s embeddings of ``passages`` with the ``vectors`` (n, dim) stored in their ``rows`` (n,).

    ``search`` searches an index of inexact vectors, or of vectors that cannot be reconstructed (``None``).
    """
    encoded = np.asarray(encoder.encode(passages), np.float64)
    if encoded.shape != (len(passages), encoder.dim):
        raise ModelError(
            f"encoder {encoder.config.name!r} returned the shape {encoded.shape}, not {(len(passages), encoder.dim)}"
        )
    encoded /= np.maximum(np.linalg.norm(encoded, axis=1, keepdims=True), 1e-30)
    cosine = None
    if vectors is not None:
        lengths = np.maximum(np.linalg.norm(vectors.astype(np.float64), axis=1), 1e-30)
        cosine = float(np.median(np.vecdot(encoded, vectors.astype(np.float64)) / lengths))
        if cosine >= LEAST or search is None:
            return Agreement(cosine >= LEAST, cosine)
    assert search is not None
    found = search(encoded.astype(np.float32), _AMONG)
    own = [row in [hit for hit, _ in pairs] for row, pairs in zip(rows.tolist(), found, strict=True)]
    return Agreement(bool(np.mean(own) >= _FOUND), cosine)


def check_encoder(encoder: Encoder, teacher: Teacher, similarity: str) -> None:
    """Raise :class:`~typeahead.errors.TypeaheadError` for an encoder that cannot check vectors of ``teacher``."""
    config = encoder.config
    own = Teacher(config.teacher.name, config.teacher.revision or None)
    if not same_teacher(own, teacher):
        raise TypeaheadError(f"encoder {config.name} has the teacher {own}, but the vectors are from {teacher}")
    if config.role == "query":
        raise TypeaheadError(f"encoder {config.name} encodes queries: pass a passage encoder such as minilm-doc")
    if config.similarity != similarity:
        raise TypeaheadError(
            f"{teacher.name} compares by {config.similarity}: its encoders could not search an index by {similarity}"
        )
