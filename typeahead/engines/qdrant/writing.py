"""Writes documents into a collection that this package made.

Qdrant has no transactions. New points replace old ones first, and points that are left over go after that, so a search
meanwhile finds each document, perhaps in both versions. Points of one call go in one request.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from qdrant_client import models

from typeahead.engines.payloads import payloads_of
from typeahead.engines.polling import PolledCopy
from typeahead.engines.qdrant.points import passage_point
from typeahead.engines.qdrant.server import Server
from typeahead.errors import SearchError
from typeahead.index.changes.records import check_entry
from typeahead.index.kinds import FieldKinds
from typeahead.search.filters import Filter, is_text
from typeahead.search.port import Entry
from typeahead.search.space import Space


class CollectionWrites:
    """The capability to change documents: see :class:`~typeahead.search.port.Writes`."""

    def __init__(self, server: Server, copy: PolledCopy, space: Space, vector: str) -> None:
        self._server, self._copy, self._space, self._vector = server, copy, space, vector
        self._lock = asyncio.Lock()
        self._changed = 0

    @property
    def divides(self) -> bool:
        """See :attr:`~typeahead.search.port.Writes.divides`."""
        return True

    async def upsert(self, entries: Sequence[Entry]) -> int:
        """See :meth:`~typeahead.search.port.Writes.upsert`."""
        self._server.check()
        if not entries:
            return self._copy.version
        async with self._lock:
            kinds = FieldKinds(await self.kinds())
            for entry in entries:
                check_entry(entry, self._space.dim)
                kinds.add(entry.document)
                if not is_text(entry.document.id + entry.document.title + entry.document.text + entry.document.url):
                    raise SearchError(f"document {ascii(entry.document.id)[:60]} has a lone surrogate: leave it out")
            self._changed = max(time.time_ns() // 1000, self._changed + 1)
            points = [point for entry in entries for point in points_of(entry, self._changed, self._vector)]
            left = models.Filter(
                must=[_of([entry.document.id for entry in entries])],
                must_not=[_changed_at(self._changed)],
            )
            await self._server.call(
                "batch_update_points",
                update_operations=[
                    models.UpsertOperation(upsert=models.PointsList(points=points)),
                    models.DeleteOperation(delete=models.FilterSelector(filter=left)),
                ],
                wait=True,
            )
            await self._copy.refresh()
        return self._copy.version

    async def delete(self, ids: Sequence[str]) -> tuple[int, int]:
        """See :meth:`~typeahead.search.port.Writes.delete`."""
        self._server.check()
        possible = [key for key in dict.fromkeys(ids) if key and is_text(key)]
        if not possible:
            return 0, self._copy.version
        first = models.FieldCondition(key="passage", match=models.MatchValue(value=0))
        async with self._lock:
            counted: models.CountResult = await self._server.call(
                "count", count_filter=models.Filter(must=[_of(possible), first]), exact=True
            )
            if counted.count:
                gone = models.FilterSelector(filter=models.Filter(must=[_of(possible)]))
                await self._server.call("delete", points_selector=gone, wait=True)
                await self._copy.refresh()
        return counted.count, self._copy.version

    async def matching(self, tree: Filter, most: int) -> Sequence[str]:
        """See :meth:`~typeahead.search.port.Writes.matching`."""
        self._server.check()
        contents = self._copy.contents
        return [contents.id(row) for row in contents.live_rows(contents.masks(tree))[:most].tolist()]

    async def kinds(self) -> Mapping[str, str]:
        """See :meth:`~typeahead.search.port.Writes.kinds`."""
        self._server.check()
        return self._copy.contents.kinds


def _of(ids: Sequence[str]) -> models.FieldCondition:
    return models.FieldCondition(key="id", match=models.MatchAny(any=list(ids)))


def _changed_at(time: int) -> models.FieldCondition:
    return models.FieldCondition(key="changed", match=models.MatchValue(value=time))


def points_of(entry: Entry, changed: int, vector: str = "") -> list[models.PointStruct]:
    """Return the points of a document, one for each passage."""
    return [
        models.PointStruct(
            id=passage_point(entry.document.id, number),
            vector={vector: one.tolist()} if vector else one.tolist(),
            payload=payload,
        )
        for number, (payload, one) in enumerate(zip(payloads_of(entry, changed), entry.vectors, strict=True))
    ]
