"""Prepares queries for the vectors of an index: checked, brought to length 1 and projected as those are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.index.projection import project

_LARGEST_HALF: Final = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Preparation:
    """What happens to queries before a search."""

    #: Dimension of queries.
    dim: int
    #: Whether the similarity is the cosine, not the inner product.
    cosine: bool
    #: float32 (dim, dimensions), if the vectors were reduced (:mod:`typeahead.index.projection`).
    projection: Vectors | None = None
    #: Whether the vectors are float16 in files.
    half: bool = False

    def prepared(self, queries: Vectors) -> tuple[NDArray[np.bool_] | None, Vectors]:
        """Convert queries (m, dim) for a search by inner product.

        Also returns a mask of the queries other than zero, bool (m,), if some are zero; these are left out, as they
        find nothing. Raises ``ValueError`` for a wrong shape or a non-finite value.
        """
        queries = np.asarray(queries, np.float32)
        if queries.ndim != 2 or queries.shape[1] != self.dim:
            raise ValueError(f"queries have the shape {queries.shape}; it must be (n, {self.dim})")
        wide = queries.astype(np.float64)
        lengths = np.sqrt(np.vecdot(wide, wide))
        # Both are NaN if any length is.
        shortest, longest = lengths.min(initial=1.0), lengths.max(initial=1.0)
        if not longest < np.inf:
            raise ValueError("a query has a non-finite value")
        asked = None if shortest > 0 else lengths > 0
        if asked is not None:
            queries, wide, lengths = queries[asked], wide[asked], lengths[asked]
        if self.cosine:
            queries = (wide / lengths[:, None]).astype(np.float32)
        if self.projection is not None:
            queries = project(queries, self.projection, cosine=self.cosine)
        return asked, queries

    def stored(self, vectors: Vectors) -> Vectors:
        """Convert vectors of passages, float32 (n, dim), to what is searched, without bringing them to length 1.

        They are rounded as they will be in files, so that a compaction changes no score.
        """
        if self.projection is not None:
            vectors = project(vectors, self.projection, cosine=self.cosine)
        if self.half:
            vectors = np.clip(vectors, -_LARGEST_HALF, _LARGEST_HALF).astype(np.float16).astype(np.float32)
        return vectors
