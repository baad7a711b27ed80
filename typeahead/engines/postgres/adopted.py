"""Writes documents into a table of somebody else, for an address with ``writes=yes``: a row for each document.

Title, text, URL, vector and fields go into the columns that they are read from. A field that a document has no value
for becomes NULL. Columns that nobody reads here stay as they are. What has no column is refused, so that nothing is
lost without a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from typeahead.engines.postgres.columns import Column
from typeahead.engines.postgres.database import Connection, SentVector, first_line
from typeahead.engines.postgres.writing import TableWrites
from typeahead.errors import DocumentRefused, FieldTypeError
from typeahead.index.kinds import kind_of
from typeahead.search.port import Entry
from typeahead.text.document import Document, Value, Values

#: What the database says of values that a column cannot hold.
_REFUSALS: Final = (psycopg.DataError, psycopg.IntegrityError)
#: Keeps what no field can hold of a column with JSON objects: objects within it.
_OBJECTS: Final = """{0} = (COALESCE((SELECT jsonb_object_agg(key, value) FROM jsonb_each({1}.{0}::jsonb)
 WHERE jsonb_typeof(value) = 'object'), '{{}}'::jsonb) || EXCLUDED.{0}::jsonb)::{2}"""


class AdoptedWrites(TableWrites):
    """The capability to change documents: see :class:`~typeahead.search.port.Writes`."""

    @property
    def divides(self) -> bool:
        """See :attr:`~typeahead.search.port.Writes.divides`: a document has one row."""
        return False

    def _check(self, entry: Entry) -> None:
        document, table = entry.document, self._statements.table
        where = f"document {document.id!r:.60}"
        if len(entry.passages) > 1:
            raise DocumentRefused(
                f"{where} is in passages, and {table.name} has one row for a document: write it undivided"
            )
        for name, column in (("title", table.title), ("text", table.text), ("url", table.url)):
            if column is None and getattr(document, name):
                raise DocumentRefused(
                    f"{where} has a {name}, and {table.name} has no column for it: leave it out, or name one with "
                    f"{name}=COLUMN in the address"
                )
        columns = {one.name: one for one in table.fields}
        for field, values in document.fields.items():
            if (one := columns.get(field)) is not None:
                _check_values(f"{where}: field {field!r:.60}", one, values)
            elif table.objects is None:
                raise DocumentRefused(f"{where}: {table.name} has no column for the field {field!r:.60}: leave it out")
            elif "\0" in f"{field}{values}":
                raise DocumentRefused(f"{where} has a character that PostgreSQL cannot hold")

    async def _write(self, connection: Connection, entries: Sequence[Entry]) -> None:
        table = self._statements.table
        columns = [
            one
            for one in (table.id, table.title, table.text, table.url, table.vector, *table.fields, table.objects)
            if one is not None
        ]
        kept = [self._kept(one) for one in columns[1:]]
        query = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}").format(
            table.quoted,
            sql.SQL(", ").join(one.quoted for one in columns),
            sql.SQL(", ").join(sql.Placeholder() for _ in columns),
            table.id.quoted,
            sql.SQL(", ").join(kept),
        )
        try:
            async with connection.cursor() as cursor:
                await cursor.executemany(query, [self._row(entry.document, entry.vectors[0]) for entry in entries])
        except _REFUSALS as error:
            what = "the documents" if len(entries) > 1 else f"document {entries[0].document.id!r:.60}"
            message = f"{table.schema}.{table.name} does not take {what}: {first_line(error)}"
            raise DocumentRefused(message) from error

    def _kept(self, column: Column) -> sql.Composable:
        table = self._statements.table
        if column is table.objects:
            return sql.SQL(_OBJECTS).format(column.quoted, table.quoted, sql.SQL(column.type))
        return sql.SQL("{0} = EXCLUDED.{0}").format(column.quoted)

    def _row(self, document: Document, vector: Any) -> list[Any]:
        table = self._statements.table
        row: list[Any] = [document.id]
        for name, column in (("title", table.title), ("text", table.text), ("url", table.url)):
            if column is not None:
                row.append(getattr(document, name))
        row.append(SentVector(vector))
        names = {one.name for one in table.fields}
        row += [_sent(one, document.fields.get(one.name)) for one in table.fields]
        if table.objects is not None:
            row.append(
                Jsonb(
                    {
                        name: values if isinstance(values, str | int | float) else list(values)
                        for name, values in document.fields.items()
                        if name not in names
                    }
                )
            )
        return row


def _check_values(where: str, column: Column, values: Values) -> None:
    some = _several(values)
    if len(some) > 1 and not column.array:
        raise DocumentRefused(f"{where} has {len(some)} values, and its column takes one")
    for one in some:
        if kind_of(one) != column.kind:
            raise FieldTypeError(f"{where} is {one!r:.60}, but its column holds values of the kind {column.kind!r}")
        if isinstance(one, str) and "\0" in one:
            raise DocumentRefused(f"{where} has a character that PostgreSQL cannot hold")


def _several(values: Values) -> list[Value]:
    return [values] if isinstance(values, str | int | float) else list(values)


def _sent(column: Column, values: Values | None) -> str | None:
    """A value as text without a type, which the database reads as that of the column."""
    if values is None:
        return None
    some = [_written(one) for one in _several(values)]
    if column.array:
        return "{" + ",".join('"' + one.replace("\\", "\\\\").replace('"', '\\"') + '"' for one in some) + "}"
    return some[0] if some else None


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)
