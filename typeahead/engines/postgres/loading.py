"""Makes a table of documents: ``typeahead index SOURCE --out postgresql://…?table=articles``.

Everything happens in one transaction, so others see the whole table or none, and a call that was killed leaves nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

import psycopg
from psycopg import sql

from typeahead.core.encoder import Encoder
from typeahead.engines.entries import Entries, Loaded, batches, entries_by, space_of
from typeahead.engines.postgres.address import PostgresAddress
from typeahead.engines.postgres.creating import create, index, notify, table_of
from typeahead.engines.postgres.database import Connection, SentVector, connect, first_line, vector_dumper
from typeahead.engines.postgres.writing import COLUMNS, rows_of
from typeahead.errors import AddressError
from typeahead.index.build import Divide
from typeahead.progress import OnProgress, no_progress
from typeahead.search.space import Space
from typeahead.text.document import Document

#: Memory for building the graph, as PostgreSQL writes it: a graph that fits is built several times as fast.
_MEMORY: Final = "512MB"


def load_table(
    address: PostgresAddress,
    documents: Iterable[Document],
    encoder: Encoder,
    *,
    divide: Divide | None = None,
    encoder_address: str = "",
    progress: OnProgress | None = None,
    entries: Entries | None = None,
) -> Loaded:
    """Encode documents and write them into a new table, with its indexes.

    ``entries`` makes entries of documents, if not the encoder. Raises :class:`~typeahead.errors.AddressError` if there
    is such a table already, or it cannot be made, and :class:`~typeahead.errors.SourceError` for documents that cannot
    be written.
    """
    space = space_of(encoder)
    make = entries or entries_by(encoder, divide)
    normalized = space.similarity == "cosine"
    work = _load(address, documents, space, make, normalized, encoder_address, progress or no_progress)
    try:
        return asyncio.run(work)
    except psycopg.Error as error:
        raise AddressError(address.shown, f"the table cannot be written: {first_line(error)}") from error


async def _load(
    address: PostgresAddress,
    documents: Iterable[Document],
    space: Space,
    make: Entries,
    normalized: bool,
    encoder_address: str,
    tell: OnProgress,
) -> Loaded:
    try:
        connection = await connect(address.conninfo)
    except psycopg.Error as error:
        raise AddressError(address.shown, f"the database cannot be reached: {first_line(error)}") from error
    table = table_of(address)
    async with connection, connection.transaction():
        await _prepare(connection, address, table)
        await create(connection, table, space, normalized=normalized, encoder=encoder_address)
        copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
            table, sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
        )
        count = passages = 0
        for part in batches(documents):
            # Encoding takes far longer than sending, and keeps no connection waiting that somebody else needs.
            made = await asyncio.to_thread(make, part)
            async with connection.cursor() as cursor, cursor.copy(copy) as target:
                target.set_types(["text", "int4", "text", "text", "text", "text[]", "text", "jsonb", "vector"])
                for entry in made:
                    passages += len(entry.passages)
                    for row in rows_of(entry):
                        await target.write_row(row)
            count += len(part)
            tell("encode", count, None)
        tell("graph", 0, passages)
        await connection.execute(f"SET LOCAL maintenance_work_mem = '{_MEMORY}'")
        await index(connection, table, space, passages=passages)
        await notify(connection, table)
        tell("graph", passages, passages)
    return Loaded(count, passages)


async def _prepare(connection: Connection, address: PostgresAddress, table: sql.Identifier) -> None:
    """Make the extension if it is missing, and refuse to touch a table that is there."""
    there = await (
        await connection.execute("SELECT to_regclass(%s) IS NOT NULL", [table.as_string(connection)])
    ).fetchone()
    if there and there[0]:
        raise AddressError(
            address.shown, f"there is a table {address.table} already: DROP TABLE {address.table}, or name another"
        )
    await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    info = await psycopg.types.TypeInfo.fetch(connection, "vector")
    assert info is not None
    info.register(connection)
    connection.adapters.register_dumper(SentVector, vector_dumper(info.oid))
