"""Makes the searches that are sent for plans, and reads what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from qdrant_client import models

from typeahead.core.encoder import Vectors
from typeahead.engines.payloads import document_id, stamp_of
from typeahead.engines.planning import Plan
from typeahead.engines.qdrant.filters import only
from typeahead.engines.qdrant.layout import Layout
from typeahead.engines.qdrant.paths import json_path
from typeahead.engines.qdrant.points import PointId, point_of, row_of
from typeahead.search.filters import is_text

#: Points that a search of some documents returns at most, where a document may have several.
_MOST: Final = 10_000


class Searches:
    """Searches in a collection of some layout; ``ef`` is how many candidates a search of the graph keeps.

    In ``local`` mode all searches compare all vectors, and the client warns of parameters.
    """

    def __init__(self, layout: Layout, ef: int | None, *, local: bool) -> None:
        self.layout = layout
        self._params = self._exact = None
        if not local:
            # Vectors that were quantised are compared as they were.
            rescored = models.QuantizationSearchParams(rescore=True)
            self._params = models.SearchParams(hnsw_ef=ef, quantization=rescored)
            self._exact = models.SearchParams(hnsw_ef=ef, quantization=rescored, exact=not layout.inexact)
        self._payload: Any = self._keys()

    def documents(self, ids: Sequence[str], points: Mapping[str, PointId]) -> models.Filter:
        """Admit the points of some documents; ``points`` are those that are known."""
        if self.layout.made is None:
            known = [points.get(key) if self.layout.id is not None else point_of(key) for key in ids]
            return only([point for point in known if point is not None])
        return self.by_key(ids)

    def by_key(self, ids: Sequence[str]) -> models.Filter:
        """Admit the points whose payload has one of some ids."""
        possible = [key for key in ids if key and is_text(key)]
        if not possible:
            return only([])
        assert self.layout.id is not None
        key = json_path(self.layout.id) or ""
        conditions = [models.FieldCondition(key=key, match=models.MatchAny(any=possible))]
        if self.layout.made is None:
            numbers = [int(one) for one in possible if one.removeprefix("-").isdecimal() and len(one) < len("1" * 19)]
            if numbers:
                conditions.append(models.FieldCondition(key=key, match=models.MatchAny(any=numbers)))
        return models.Filter(should=list(conditions))

    def nearest(self, one: Plan, condition: models.Filter | None, *, exact: bool) -> models.QueryRequest:
        """Find the nearest points of a plan that pass a condition."""
        assert one.vector is not None
        return self._search(one.vector, condition, one.limit, exact=exact)

    def others(
        self, one: Plan, points: Mapping[str, PointId], condition: models.Filter | None
    ) -> models.QueryRequest | None:
        """Compare what the words of a plan found; None if that is nothing."""
        if one.vector is None or not one.matched:
            return None
        these = self.documents(one.matched, points)
        both = these if condition is None else models.Filter(must=[these, condition])
        limit = len(one.matched) if self.layout.made is None else _MOST
        return self._search(one.vector, both, limit, exact=True)

    def rows(self, one: Plan, points: Sequence[models.ScoredPoint], *, near: bool) -> list[tuple[Any, ...]]:
        """Read what a search found, as :func:`~typeahead.engines.weighing.outcome_of` takes it."""
        assert one.vector is not None
        length = float(np.dot(one.vector, one.vector))
        found = []
        for point in points:
            if key := document_id(self.layout, row_of(point)):
                passage = (point.payload or {}).get("passage", 0) if self.layout.made is not None else 0
                found.append(
                    (
                        near,
                        key,
                        passage,
                        stamp_of(self.layout, point.payload or {}),
                        self._similarity(point.score, length),
                    )
                )
        return found

    def _search(
        self, vector: Vectors, condition: models.Filter | None, limit: int, *, exact: bool
    ) -> models.QueryRequest:
        return models.QueryRequest(
            query=vector.tolist(),
            using=self.layout.vector or None,
            filter=condition,
            limit=limit,
            params=self._exact if exact else self._params,
            with_payload=self._payload,
            with_vector=False,
        )

    def _similarity(self, score: float, length: float) -> float:
        # From a distance, for vectors of length 1: |a - b|² = 1 + |b|² - 2ab.
        return score if self.layout.distance != "Euclid" else (1.0 + length - score * score) / 2

    def _keys(self) -> list[str] | bool:
        if self.layout.made is not None:
            return ["id", "passage", "changed"]
        return False if self.layout.id is None else [json_path(self.layout.id) or ""]
