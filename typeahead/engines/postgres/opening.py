"""Opens a table as a back end: looks at it, checks whose vectors it holds, and reads its words.

Nothing is copied out of the database to disk, and nothing in it is altered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import numpy as np
import psycopg
from psycopg.pq import Conninfo

from typeahead.engines.documents import Read
from typeahead.engines.postgres.address import HOT, HOT_BYTES, PostgresAddress, read_address
from typeahead.engines.postgres.adopted import AdoptedWrites
from typeahead.engines.postgres.backend import PostgresBackend
from typeahead.engines.postgres.catalog import Table, comment_of, look
from typeahead.engines.postgres.copy import Copy
from typeahead.engines.postgres.creating import channel_of
from typeahead.engines.postgres.database import Connection, Database, connect, first_line
from typeahead.engines.postgres.hosts import hosts_of
from typeahead.engines.postgres.hot import HotBackend
from typeahead.engines.postgres.listening import Listening
from typeahead.engines.postgres.rows import read_rows
from typeahead.engines.postgres.searching import TableSearch
from typeahead.engines.postgres.statements import Statements
from typeahead.engines.postgres.writing import TableWrites
from typeahead.engines.teachers import have_length_one, space_of
from typeahead.errors import AddressError
from typeahead.index.adopt.agreement import SAMPLE
from typeahead.index.queries import Preparation
from typeahead.search.addresses import OpenOptions
from typeahead.search.port import Backend
from typeahead.search.space import Space

#: The most rows whose words are kept in memory.
MOST_DOCUMENTS: Final = 1_000_000


async def open_table(address: str, options: OpenOptions) -> Backend:
    """Open the table of an address.

    Raises :class:`~typeahead.errors.AddressError` with one line that says what is wrong, and
    :class:`~typeahead.errors.ModelError` for an encoder that cannot be loaded.
    """
    return await _open(read(address), options)


def read(address: str) -> PostgresAddress:
    """Read an address; parameters are ours, or those that the installed libpq knows."""
    return read_address(address, {option.keyword.decode() for option in Conninfo.get_defaults()})


def look_up(read: PostgresAddress) -> Mapping[str, Any] | None:
    """Return what ``typeahead index`` wrote down about a table, None if there is no such table.

    For a table of somebody else, it is the encoder of the address. Raises :class:`~typeahead.errors.AddressError`.
    """

    async def look_up() -> Mapping[str, Any] | None:
        async with await connect(hosts_of(read.conninfo).reading) as connection:
            there, comment = await comment_of(connection, read)
        return None if not there else comment or {"encoder": read.encoder}

    try:
        return asyncio.run(look_up())
    except psycopg.Error as error:
        raise AddressError(read.shown, f"the database cannot be reached: {first_line(error)}") from error


async def _open(read: PostgresAddress, options: OpenOptions) -> Backend:
    hosts = hosts_of(read.conninfo)
    database, primary = Database(hosts.reading, read.shown, read.connections), None
    await database.open()
    copy: Copy | None = None
    listening: Listening | None = None
    try:
        if hosts.are_apart:
            primary = Database(hosts.writing, read.shown, read.connections)
            await primary.open(database)
        # A connection of its own, as the pool's are for searches.
        async with await connect(hosts.reading) as connection:
            table = await look(connection, read)
            for note in table.notes:
                options.warn(note)
            space, normalized = await _space(connection, read, table, options.warn)
            words = read.words and await _few(connection, table, options.warn)
            fits = words and await _fits(connection, read, table, options.warn)
        hot = Preparation(table.dim, space.similarity == "cosine") if fits else None
        statements = Statements(table, space.similarity, normalized=normalized)
        if statements.index is None and hot is None:
            options.warn(
                f"{read.table} has no index for {space.similarity}, so each search compares all vectors: "
                f"{index_sql(table, space.similarity)}"
            )
        copy = Copy(hosts.reading, read.shown, statements, words=words, hot=hot)
        await copy.open()
        if copy.skipped:
            options.warn(
                f"{read.table}: {copy.skipped:,} rows are left out, as they have no id, no vector, or neither title "
                "nor text"
            )
        copy.follow()
        channel = read.notify or (None if table.made is None else channel_of(table.oid))
        if channel is not None:
            listening = Listening(hosts.writing, channel, copy.hear)
        writer = None if not _takes_writes(read, table) else TableWrites if table.made is not None else AdoptedWrites
        search = TableSearch(database, statements, ef_search=read.ef_search, probes=read.probes, primary=primary)
        backend = PostgresBackend(
            read.shown, space, database, search, copy,
            writes=None if writer is None else writer(
                primary or database, statements, copy, space, apart=hosts.are_apart
            ),
            primary=primary, listening=listening,
        )  # fmt: skip
        return backend if hot is None else HotBackend(backend, copy)
    except BaseException as error:
        if listening is not None:
            await listening.close()
        if copy is not None:
            await copy.close()
        for one in (database, primary):
            if one is not None:
                with suppress(psycopg.Error):
                    await one.close()
        if isinstance(error, psycopg.Error):
            raise AddressError(read.shown, f"the table cannot be read: {first_line(error)}") from error
        raise


def index_sql(table: Table, similarity: str) -> str:
    """Return the statement that makes an index for the vectors of a table."""
    operators = f"{table.vector.type}_{'cosine' if similarity == 'cosine' else 'ip'}_ops"
    return f"CREATE INDEX ON {table.schema}.{table.name} USING hnsw ({table.vector.name} {operators})"


def _takes_writes(address: PostgresAddress, table: Table) -> bool:
    """Whether documents may be written. Raises :class:`~typeahead.errors.AddressError` if the table cannot take any."""
    if not (table.made is not None if address.writes is None else address.writes):
        return False
    if table.made is None:
        if not table.unique:
            raise AddressError(
                address.shown,
                f"writes need ids that are unique: CREATE UNIQUE INDEX ON {address.table} ({table.id.name})",
            )
        if not table.writable:
            raise AddressError(
                address.shown,
                f"the role may not write into {address.table}: GRANT INSERT, UPDATE, DELETE ON {address.table}",
            )
    return True


async def _few(connection: Connection, table: Table, warn: Callable[[str], None]) -> bool:
    """Whether a table has so few rows that its words may be kept in memory."""
    row = await (
        await connection.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [_quoted(table)])
    ).fetchone()
    if row is None or row[0] <= MOST_DOCUMENTS:
        return True
    warn(
        f"{table.name} has some {row[0]:,.0f} rows, and the words of at most {MOST_DOCUMENTS:,} are kept in memory: "
        "vectors alone are searched"
    )
    return False


async def _fits(connection: Connection, address: PostgresAddress, table: Table, warn: Callable[[str], None]) -> bool:
    """Whether a table is so small that vectors and texts may be kept in memory, too."""
    most = HOT if address.hot is None else address.hot
    if not most:
        return False
    statement = Statements(table, "cosine", normalized=False).size()
    row = await (await connection.execute(statement.query, statement.values)).fetchone()
    assert row is not None
    rows, size = row
    if rows <= most and (address.hot is not None or size <= HOT_BYTES):
        return True
    large = f"{rows:,} rows" if rows > most else f"{size >> 20:,} MB of texts"
    kept = f"{most:,} are" if rows > most else f"{HOT_BYTES >> 20} MB are"
    warn(
        f"{table.name} has {large}, and at most {kept} kept in memory, so each key asks the database: add &hot={rows} "
        "to keep all, or &hot=no to read this no more"
    )
    return False


def _quoted(table: Table) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in (table.schema, table.name))


async def _space(
    connection: Connection, address: PostgresAddress, table: Table, warn: Callable[[str], None]
) -> tuple[Space, bool]:
    """Find out whose vectors a table holds, and whether they have length 1."""
    if table.made is not None:
        return _recorded(table.made, table.dim), bool(table.made.get("normalized"))
    read, vectors = await _sample(connection, table)
    return await space_of(address, address.table, table.dim, read, vectors, warn), have_length_one(vectors)


def _recorded(made: Mapping[str, Any], dim: int) -> Space:
    return Space(str(made["teacher"]), made.get("revision"), dim, str(made["similarity"]))


async def _sample(connection: Connection, table: Table) -> tuple[list[Read], np.ndarray]:
    """Some documents of a table, the same every time, and their vectors float32 (n, dim)."""
    statement = Statements(table, "cosine", normalized=False).sample(SAMPLE)
    rows = await (await connection.execute(statement.query, statement.values)).fetchall()
    vectors = np.array([row[-1] for row in rows], np.float32).reshape(len(rows), table.dim)
    return list(read_rows(row[:-1] for row in rows)), vectors
