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

from typeahead.encoders.loading import load
from typeahead.engines.postgres.address import PostgresAddress, read_address
from typeahead.engines.postgres.backend import PostgresBackend
from typeahead.engines.postgres.catalog import Table, look
from typeahead.engines.postgres.copy import Copy
from typeahead.engines.postgres.database import Connection, Database, connect, first_line
from typeahead.engines.postgres.rows import read_rows
from typeahead.engines.postgres.statements import Statements
from typeahead.engines.postgres.writing import TableWrites
from typeahead.errors import AddressError
from typeahead.index.adopt.agreement import LEAST, SAMPLE, USUAL, check_encoder, compare
from typeahead.index.manifest import Teacher
from typeahead.models.folder import find, read_config
from typeahead.search.addresses import OpenOptions
from typeahead.search.port import Backend
from typeahead.search.space import Space

#: The most rows whose words are kept in memory.
MOST_DOCUMENTS: Final = 1_000_000
#: How far the length of a vector may be from 1.
_EXACT: Final = 0.01


async def open_table(address: str, options: OpenOptions) -> Backend:
    """Open the table of an address.

    Raises :class:`~typeahead.errors.AddressError` with one line that says what is wrong, and
    :class:`~typeahead.errors.ModelError` for an encoder that cannot be loaded.
    """
    return await _open(read(address), options)


def read(address: str) -> PostgresAddress:
    """Read an address; parameters are ours, or those that the installed libpq knows."""
    return read_address(address, {option.keyword.decode() for option in Conninfo.get_defaults()})


async def _open(read: PostgresAddress, options: OpenOptions) -> Backend:
    database = Database(read.conninfo, read.shown, read.connections)
    await database.open()
    copy: Copy | None = None
    try:
        # A connection of its own, as the pool's are for searches.
        async with await connect(read.conninfo) as connection:
            table = await look(connection, read)
            for note in table.notes:
                options.warn(note)
            space, normalized = await _space(connection, read, table, options.warn)
            words = read.words and await _few(connection, table, options.warn)
        statements = Statements(table, space.similarity, normalized=normalized)
        if statements.index is None:
            options.warn(
                f"{read.table} has no index for {space.similarity}, so each search compares all vectors: "
                f"{index_sql(table, space.similarity)}"
            )
        copy = Copy(read.conninfo, read.shown, statements, words=words)
        await copy.open()
        if copy.skipped:
            options.warn(
                f"{read.table}: {copy.skipped:,} rows are left out, as they have no id, no vector, or neither title "
                "nor text"
            )
        copy.follow()
        return PostgresBackend(
            read.shown, space, database, statements, copy,
            ef_search=read.ef_search, probes=read.probes,
            writes=None if table.made is None else TableWrites(database, statements, copy, space),
        )  # fmt: skip
    except BaseException as error:
        if copy is not None:
            await copy.close()
        with suppress(psycopg.Error):
            await database.close()
        if isinstance(error, psycopg.Error):
            raise AddressError(read.shown, f"the table cannot be read: {first_line(error)}") from error
        raise


def index_sql(table: Table, similarity: str) -> str:
    """Return the statement that makes an index for the vectors of a table."""
    operators = f"{table.vector.type}_{'cosine' if similarity == 'cosine' else 'ip'}_ops"
    return f"CREATE INDEX ON {table.schema}.{table.name} USING hnsw ({table.vector.name} {operators})"


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


def _quoted(table: Table) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in (table.schema, table.name))


async def _space(
    connection: Connection, address: PostgresAddress, table: Table, warn: Callable[[str], None]
) -> tuple[Space, bool]:
    """Find out whose vectors a table holds, and whether they have length 1."""
    if table.made is not None:
        return _recorded(table.made, table.dim), bool(table.made.get("normalized"))
    documents, vectors = await _sample(connection, table)
    lengths = np.linalg.norm(vectors, axis=1)
    normalized = bool((np.abs(lengths - 1) < _EXACT).all())
    config = await asyncio.to_thread(lambda: read_config(find(address.encoder), verify=False))
    teacher = Teacher(config.teacher.name, config.teacher.revision or None)
    if address.teacher not in (None, teacher.name):
        assert address.teacher is not None
        warn(f"nobody has checked that the vectors of {address.table} are those of {address.teacher}")
        return Space(address.teacher, None, table.dim, address.similarity or "cosine"), normalized
    similarity = config.similarity
    if address.similarity not in (None, similarity):
        raise AddressError(address.shown, f"similarity is {address.similarity}, but {teacher} compares by {similarity}")
    if table.dim != config.dim:
        raise AddressError(
            address.shown,
            f"the vectors of {address.table} have {table.dim} dimensions, and those of {teacher} {config.dim}: name an "
            "encoder of their teacher with &encoder=MODEL",
        )
    space = Space(teacher.name, teacher.revision, table.dim, similarity)
    if address.unverified:
        warn(f"nobody has checked that the vectors of {address.table} are those of {teacher}")
    elif documents:
        await asyncio.to_thread(_check, address, teacher, space, documents, vectors, warn)
    return space, normalized


def _recorded(made: Mapping[str, Any], dim: int) -> Space:
    return Space(str(made["teacher"]), made.get("revision"), dim, str(made["similarity"]))


async def _sample(connection: Connection, table: Table) -> tuple[list[Any], np.ndarray]:
    """Some documents of a table, the same every time, and their vectors float32 (n, dim)."""
    statement = Statements(table, "cosine", normalized=False).sample(SAMPLE)
    rows = await (await connection.execute(statement.query, statement.values)).fetchall()
    vectors = np.array([row[-1] for row in rows], np.float32).reshape(len(rows), table.dim)
    return [one.document for one in read_rows(row[:-1] for row in rows)], vectors


def _check(
    address: PostgresAddress,
    teacher: Teacher,
    space: Space,
    documents: list[Any],
    vectors: np.ndarray,
    warn: Callable[[str], None],
) -> None:
    """Compare vectors with those that the encoder makes of their documents."""
    encoder = load(address.encoder)
    check_encoder(encoder, teacher, space.similarity)
    rows = np.arange(len(documents))
    # Many tables have vectors of the text alone.
    readings = [[one.passage for one in documents], [one.text for one in documents]]
    found = max((compare(encoder, texts, rows, vectors, None).cosine or 0.0) for texts in readings)
    if found < LEAST:
        raise AddressError(
            address.shown,
            f"the vectors of {address.table} are not those that {encoder.config.name} makes of its texts: the median "
            f"cosine of a sample is {found:.3f}, and {USUAL} is usual. Name their encoder with &encoder=MODEL, or the "
            "columns that they were made of with &title= and &text=",
        )
    if found < USUAL:
        warn(
            f"the vectors of {address.table} are near to those of {encoder.config.name}, but not the same: the median "
            f"cosine of a sample is {found:.3f}"
        )
