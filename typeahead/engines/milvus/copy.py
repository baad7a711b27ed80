"""Reads a collection for the copy of its words: see :class:`typeahead.engines.polling.Source`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from typeahead.engines.documents import Read
from typeahead.engines.milvus.filters import listed, literal
from typeahead.engines.milvus.layout import Layout, everything
from typeahead.engines.milvus.server import Server
from typeahead.engines.payloads import Row, complete, document_id, read_rows, stamp_of
from typeahead.engines.polling import Piece

#: Rows that are read at once.
ROWS: Final = 1000
#: The clients' own iterators ask for rows in the order of their primary keys so, before 2.4 and since.
_IN_ORDER: Final[Mapping[str, Any]] = {"reduce_stop_for_best": "True", "iterator": "True"}


class Collection:
    """The rows of a collection, as documents."""

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
        """Read everything; rows of one document follow each other."""
        rest: list[Row] = []
        async for some in self._rows():
            whole, rest = complete(self._layout, [*rest, *some])
            yield self._piece(whole)
        yield self._piece(rest)

    async def since(self, time: int) -> AsyncIterator[Mapping[str, str]]:
        """Read the stamps of documents that were written since."""
        async for some in self._rows(f"changed >= {time}", ["id", "changed"]):
            yield {document_id(self._layout, row): stamp_of(self._layout, row.payload) for row in some}

    async def ids(self) -> AsyncIterator[Sequence[str]]:
        """Read the ids of all documents."""
        async for some in self._rows(fields=["id"]):
            yield [document_id(self._layout, row) for row in some]

    async def some(self, ids: Sequence[str]) -> Sequence[Read]:
        """Read some documents."""
        rows = [row async for some in self._rows(f"id in {listed(list(ids))}") for row in some]
        return list(read_rows(self._layout, rows))

    async def rows_of(self, condition: str) -> list[Row]:
        """Read the places of the rows that a condition admits, and which passages they are: all that was written."""
        return [row async for some in self._rows(condition, ["passage"]) for row in some]

    async def count(self, *, documents: bool) -> int:
        """Count rows."""
        first = "passage == 0" if documents and self._layout.made is not None else ""
        found = await self._server.call("query", filter=first, output_fields=["count(*)"], consistency_level="Strong")
        return int(found[0]["count(*)"])

    def _piece(self, rows: Sequence[Row]) -> Piece:
        named = self._layout.made is None and self._layout.id is not None
        places: dict[str, Any] = {}
        for row in rows if named else ():
            places.setdefault(document_id(self._layout, row), row.place)
        return Piece(list(read_rows(self._layout, rows)), len(rows), places)

    async def _rows(self, condition: str = "", fields: Sequence[str] | None = None) -> AsyncIterator[Sequence[Row]]:
        """Read rows in the order of their primary keys, some at a time."""
        key, last = self._layout.key, None
        told = self._layout.payload if fields is None else [key, *fields]
        # The first waits for all that was written before; whatever follows is as new.
        level = "Strong"
        while True:
            after = everything(self._layout) if last is None else f"{key} > {literal(last)}"
            entities = await self._server.call(
                "query",
                filter=f"({condition}) and {after}" if condition else after,
                output_fields=told,
                limit=ROWS,
                consistency_level=level,
                **_IN_ORDER,
            )
            rows = [self._layout.row(entity) for entity in entities]
            yield rows
            if len(rows) < ROWS:
                break
            last, level = rows[-1].place, "Eventually"
