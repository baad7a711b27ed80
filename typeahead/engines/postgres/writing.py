"""Writes documents into a table that ``typeahead index`` made: all of a call in one transaction, or none.

:mod:`~.adopted` writes into tables of somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from typeahead.engines.postgres.copy import Copy
from typeahead.engines.postgres.database import Connection, Database, SentVector, first_line
from typeahead.engines.postgres.statements import Statements
from typeahead.errors import BackendAway, DocumentRefused
from typeahead.index.changes.records import check_entry
from typeahead.index.kinds import FieldKinds
from typeahead.search.filters import Filter
from typeahead.search.port import Entry
from typeahead.search.space import Space

#: The columns of a table that ``typeahead index`` makes.
COLUMNS: Final = ("id", "passage", "title", "text", "url", "path", "anchor", "fields", "vector")
#: One writer at a time, in all processes, as kinds of fields are checked against those of other documents.
_LOCK: Final = 0x7479_7065


class TableWrites:
    """The capability to change documents: see :class:`~typeahead.search.port.Writes`.

    ``apart`` says that ``copy`` may read another server than the one that is written to.
    """

    def __init__(
        self, database: Database, statements: Statements, copy: Copy, space: Space, *, apart: bool = False
    ) -> None:
        self._database, self._statements, self._copy, self._space = database, statements, copy, space
        self._apart = apart

    @property
    def divides(self) -> bool:
        """See :attr:`~typeahead.search.port.Writes.divides`."""
        return True

    async def upsert(self, entries: Sequence[Entry]) -> int:
        """See :meth:`~typeahead.search.port.Writes.upsert`."""
        self._database.check()
        if not entries:
            return self._copy.version
        kinds = FieldKinds(await self.kinds())
        for entry in entries:
            check_entry(entry, self._space.dim)
            kinds.add(entry.document)
            if not self._statements.ids([entry.document.id]) or "\0" in entry.document.title + entry.document.text:
                raise DocumentRefused(f"document {entry.document.id!r:.60} has a character that PostgreSQL cannot hold")
            self._check(entry)

        async def work(connection: Connection) -> str | None:
            async with connection.transaction():
                await self._lock(connection)
                await self._write(connection, entries)
            return await self._position(connection)

        position = await self._database.call(work, again=False)
        await self._take([entry.document.id for entry in entries], position)
        return self._copy.version

    async def delete(self, ids: Sequence[str]) -> tuple[int, int]:
        """See :meth:`~typeahead.search.port.Writes.delete`."""
        self._database.check()
        possible = self._statements.ids(ids)
        if not possible:
            return 0, self._copy.version

        async def work(connection: Connection) -> tuple[int, str | None]:
            async with connection.transaction():
                await self._lock(connection)
                removed = await self._remove(connection, possible)
            return removed, await self._position(connection)

        removed, position = await self._database.call(work, again=False)
        if removed:
            await self._take(possible, position)
        return removed, self._copy.version

    async def matching(self, tree: Filter, most: int) -> Sequence[str]:
        """See :meth:`~typeahead.search.port.Writes.matching`."""
        self._database.check()
        contents = self._copy.contents
        return [contents.id(row) for row in contents.live_rows(contents.masks(tree))[:most].tolist()]

    async def kinds(self) -> Mapping[str, str]:
        """See :meth:`~typeahead.search.port.Writes.kinds`."""
        self._database.check()
        return self._copy.contents.kinds

    def _check(self, entry: Entry) -> None:
        """Raise :class:`~typeahead.errors.DocumentRefused` for a document that the table cannot hold."""

    async def _write(self, connection: Connection, entries: Sequence[Entry]) -> None:
        await self._remove(connection, [entry.document.id for entry in entries])
        insert = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            self._statements.table.quoted,
            sql.SQL(", ").join(map(sql.Identifier, COLUMNS)),
            sql.SQL(", ").join(sql.Placeholder() for _ in COLUMNS),
        )
        async with connection.cursor() as cursor:
            await cursor.executemany(insert, [row for entry in entries for row in rows_of(entry)])

    async def _lock(self, connection: Connection) -> None:
        key = sql.Literal(f"{self._statements.table.schema}.{self._statements.table.name}")
        await connection.execute(
            sql.SQL("SELECT pg_advisory_xact_lock({}, hashtext({}))").format(sql.Literal(_LOCK), key)
        )

    async def _take(self, ids: Sequence[str], position: str | None) -> None:
        """Have the copy take in what was written. The server that it reads may have died without being missed."""
        try:
            await self._copy.refresh(ids, position)
        except (psycopg.Error, OSError):
            try:
                await self._copy.refresh(ids, position)
            except (psycopg.Error, OSError) as error:
                raise BackendAway(self._database.shown, first_line(error)) from error

    async def _position(self, connection: Connection) -> str | None:
        """How far a standby has to come to have what was written."""
        if not self._apart:
            return None
        row = await (await connection.execute("SELECT pg_current_wal_lsn()::text")).fetchone()
        return row[0] if row else None

    async def _remove(self, connection: Connection, ids: Sequence[str]) -> int:
        table = self._statements.table
        query = sql.SQL(
            "WITH gone AS (DELETE FROM {} WHERE {} RETURNING {} AS id) SELECT count(DISTINCT id) FROM gone"
        ).format(table.quoted, self._statements.among("ids"), table.id.quoted)
        row = await (await connection.execute(query, {"ids": list(ids)})).fetchone()
        return int(row[0]) if row else 0


def rows_of(entry: Entry) -> list[tuple[Any, ...]]:
    """Return the rows of a document, one for each passage. Title and URL are in the first alone."""
    document, passages, vectors = entry
    fields = Jsonb({name: list(one) if isinstance(one, tuple) else one for name, one in document.fields.items()})
    return [
        (
            document.id,
            number,
            document.title if not number else "",
            passage.text,
            document.url if not number else "",
            list(passage.path),
            passage.anchor,
            fields,
            SentVector(vector),
        )
        for number, (passage, vector) in enumerate(zip(passages, vectors, strict=True))
    ]
