"""Writes documents into a collection that this package made.

Milvus has no transactions. New rows replace old ones first, and rows that are left over go after that, so a search
meanwhile finds each document, perhaps in both versions. Rows are deleted by their primary keys alone: a server that
looks for what a condition admits may miss rows of a moment ago, or take a row for that which it has just replaced.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from typeahead.engines.milvus.copy import ROWS, Collection
from typeahead.engines.milvus.creating import LONGEST, VECTOR, point_of
from typeahead.engines.milvus.filters import listed, literal
from typeahead.engines.milvus.server import Server
from typeahead.engines.payloads import payloads_of
from typeahead.engines.polling import PolledCopy
from typeahead.errors import SearchError
from typeahead.index.changes.records import check_entry
from typeahead.index.kinds import FieldKinds
from typeahead.search.filters import Filter, is_text
from typeahead.search.port import Entry
from typeahead.search.space import Space


class CollectionWrites:
    """The capability to change documents: see :class:`~typeahead.search.port.Writes`."""

    def __init__(self, server: Server, source: Collection, copy: PolledCopy, space: Space) -> None:
        self._server, self._source, self._copy, self._space = server, source, copy, space
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
            self._changed = max(time.time_ns() // 1000, self._changed + 1)
            # All are checked before any is written.
            rows = [row for entry in entries for row in rows_of(entry, self._changed)]
            await self._server.call("upsert", data=rows)
            ids = listed([entry.document.id for entry in entries])
            old = await self._source.rows_of(f"id in {ids} and changed != {self._changed}")
            written = {row["point"] for row in rows}
            await self._delete([row.place for row in old if row.place not in written])
            await self._copy.refresh()
        return self._copy.version

    async def delete(self, ids: Sequence[str]) -> tuple[int, int]:
        """See :meth:`~typeahead.search.port.Writes.delete`."""
        self._server.check()
        possible = [key for key in dict.fromkeys(ids) if key and is_text(key) and literal(key) is not None]
        if not possible:
            return 0, self._copy.version
        async with self._lock:
            rows = await self._source.rows_of(f"id in {listed(possible)}")
            if rows:
                await self._delete([row.place for row in rows])
                await self._copy.refresh()
        return sum(row.payload["passage"] == 0 for row in rows), self._copy.version

    async def matching(self, tree: Filter, most: int) -> Sequence[str]:
        """See :meth:`~typeahead.search.port.Writes.matching`."""
        self._server.check()
        contents = self._copy.contents
        return [contents.id(row) for row in contents.live_rows(contents.masks(tree))[:most].tolist()]

    async def kinds(self) -> Mapping[str, str]:
        """See :meth:`~typeahead.search.port.Writes.kinds`."""
        self._server.check()
        return self._copy.contents.kinds

    async def _delete(self, points: Sequence[str]) -> None:
        for first in range(0, len(points), ROWS):
            await self._server.call("delete", filter=f"point in {listed(points[first : first + ROWS])}")


def rows_of(entry: Entry, changed: int) -> list[dict[str, Any]]:
    """Return the rows of a document, one for each passage.

    Raises :class:`~typeahead.errors.SearchError` for what Milvus cannot hold.
    """
    key = entry.document.id
    if not is_text(key + entry.document.title + entry.document.text + entry.document.url):
        raise SearchError(f"document {ascii(key)[:60]} has a lone surrogate: leave it out")
    if literal(key) is None:
        raise SearchError(f"document {ascii(key)[:60]} has an id with control characters: Milvus cannot look it up")
    rows = []
    for payload, vector in zip(payloads_of(entry, changed), entry.vectors, strict=True):
        for name in ("id", "title", "text", "url", "anchor", "fields"):
            value = payload[name] if name != "fields" else json.dumps(payload[name])
            if (size := len(value.encode())) > LONGEST:
                raise SearchError(
                    f"document {ascii(key)[:60]}: {name} has {size:,} bytes, and Milvus holds {LONGEST:,}: shorten it"
                )
        # JSON is an object in Milvus.
        payload["path"] = {"path": payload["path"]}
        rows.append({"point": point_of(key, payload["passage"]), VECTOR: vector.tolist(), **payload})
    return rows
