"""Reads a collection for the copy of its words: see :class:`typeahead.engines.polling.Source`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from qdrant_client import models

from typeahead.engines.documents import Read
from typeahead.engines.payloads import Row, complete, document_id, read_rows, stamp_of
from typeahead.engines.polling import Piece
from typeahead.engines.qdrant.layout import Layout
from typeahead.engines.qdrant.points import Point, row_of
from typeahead.engines.qdrant.server import Server

#: Points that are read at once.
_POINTS: Final = 1000


class Collection:
    """The points of a collection, as documents."""

    def __init__(self, server: Server, layout: Layout) -> None:
        self._server, self._layout = server, layout

    @property
    def shown(self) -> str:
        """The address for messages."""
        return self._server.shown

    @property
    def stamped(self) -> bool:
        """Whether this package made the collection."""
        return self._layout.made is not None

    async def every(self) -> AsyncIterator[Piece]:
        """Read everything; points of one document follow each other."""
        rest: list[Row] = []
        async for some in self._scroll():
            whole, rest = complete(self._layout, [*rest, *map(row_of, some)])
            yield self._piece(whole)
        yield self._piece(rest)

    async def since(self, time: int) -> AsyncIterator[Mapping[str, str]]:
        """Read the stamps of documents that were written since."""
        condition = models.FieldCondition(key="changed", range=models.Range(gte=time))
        async for some in self._scroll(models.Filter(must=[condition]), payload=["id", "changed"]):
            yield {document_id(self._layout, row): stamp_of(self._layout, row.payload) for row in map(row_of, some)}

    async def ids(self) -> AsyncIterator[Sequence[str]]:
        """Read the ids of all documents."""
        async for some in self._scroll(payload=["id"]):
            yield [document_id(self._layout, row_of(point)) for point in some]

    async def some(self, ids: Sequence[str]) -> Sequence[Read]:
        """Read some documents."""
        condition = models.FieldCondition(key="id", match=models.MatchAny(any=list(ids)))
        rows = [row_of(point) async for some in self._scroll(models.Filter(must=[condition])) for point in some]
        return list(read_rows(self._layout, rows))

    async def count(self, *, documents: bool) -> int:
        """Count points."""
        first = None
        if documents and self._layout.made is not None:
            first = models.Filter(must=[models.FieldCondition(key="passage", match=models.MatchValue(value=0))])
        found: models.CountResult = await self._server.call("count", count_filter=first, exact=True)
        return found.count

    def _piece(self, rows: Sequence[Row]) -> Piece:
        named = self._layout.made is None and self._layout.id is not None
        places: dict[str, Any] = {}
        for row in rows if named else ():
            places.setdefault(document_id(self._layout, row), row.place)
        return Piece(list(read_rows(self._layout, rows)), len(rows), places)

    async def _scroll(
        self, condition: models.Filter | None = None, payload: Any = True
    ) -> AsyncIterator[Sequence[Point]]:
        """Read points in the order of their ids, some at a time."""
        offset: Any = None
        if self._layout.vector:
            there = models.HasVectorCondition(has_vector=self._layout.vector)
            condition = models.Filter(must=[there, *([condition] if condition is not None else [])])
        while True:
            points, offset = await self._server.call(
                "scroll", scroll_filter=condition, limit=_POINTS, offset=offset, with_payload=payload
            )
            yield points
            if offset is None:
                break
