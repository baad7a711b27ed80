"""Whether adopted vectors are those of their documents: a sample is encoded and compared.

Right vectors agree with the passage encoder at a median cosine of 0.999, ones made without the title at 0.98, those of
other documents at 0.1 and those of another model at 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Encoder, Vectors
from typeahead.errors import ModelError
from typeahead.index.adopt.recall import Search

SAMPLE = 16
#: Median cosines below which vectors are refused, and warned of.
LEAST, USUAL = 0.9, 0.99
#: Coarse codes are further off than that when they are right. Then so many of the sampled documents must be among the
#: first 10 that their own embeddings find.
_FOUND, _AMONG = 0.75, 10


@dataclass(frozen=True)
class Agreement:
    """How far vectors agree with their documents."""

    agrees: bool
    #: Median cosine, ``None`` where FAISS does not give its vectors back.
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
    """Compare what ``encoder`` makes of ``passages`` with the ``vectors`` (n, dim) stored in their ``rows`` (n,).

    ``search`` is that of an index of inexact vectors, or of ones that are not given back (``None``).
    """
    encoded = np.asarray(encoder.encode(passages), np.float64)
    if encoded.shape != (len(passages), encoder.dim):
        raise ModelError(
            f"encoder {encoder.config.name!r} gave the shape {encoded.shape}, not {(len(passages), encoder.dim)}"
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
