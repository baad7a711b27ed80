"""Makes the table of an index in PostgreSQL.

A row is a passage, and the passages of a document are numbered from 0. What nobody could find out from the columns is
in the table's comment, as JSON: the teacher of the vectors, their similarity, and the encoder of the passages::

    {"typeahead": {"format": 1, "teacher": …, "revision": …, "similarity": "cosine", "normalized": true, "encoder": …}}
"""

from __future__ import annotations

import json
from typing import Any, Final

from psycopg import sql

from typeahead.engines.postgres.address import PostgresAddress
from typeahead.engines.postgres.database import Connection
from typeahead.search.space import Space

FORMAT: Final = 1
#: Passages from which on a graph of pgvector's usual care finds too few of the nearest, and candidates that it then
#: keeps as it is built. Building takes twice as long or more.
_MANY, _CAREFUL = 100_000, 200
_TABLE: Final = """CREATE TABLE {} (
    id text NOT NULL,
    passage integer NOT NULL,
    title text NOT NULL,
    text text NOT NULL,
    url text NOT NULL,
    path text[] NOT NULL,
    anchor text NOT NULL,
    fields jsonb NOT NULL,
    vector vector({}) NOT NULL,
    PRIMARY KEY (id, passage)
)"""

_TOLD: Final = """CREATE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('typeahead_' || TG_RELID, '');
    RETURN NULL;
END
$$"""


def table_of(address: PostgresAddress) -> sql.Identifier:
    """The table of an address in a statement."""
    schema, name = address.schema_and_name
    return sql.Identifier(name) if schema is None else sql.Identifier(schema, name)


async def create(
    connection: Connection, table: sql.Identifier, space: Space, *, normalized: bool, encoder: str = ""
) -> None:
    """Make an empty table for the vectors of ``space``, without indexes but its key."""
    said: dict[str, Any] = {
        "format": FORMAT,
        "teacher": space.teacher,
        "revision": space.revision,
        "similarity": space.similarity,
        "normalized": normalized,
        "encoder": encoder,
    }
    await connection.execute(sql.SQL(_TABLE).format(table, sql.Literal(space.dim)))
    await connection.execute(
        sql.SQL("COMMENT ON TABLE {} IS {}").format(table, sql.Literal(json.dumps({"typeahead": said})))
    )


def channel_of(oid: int) -> str:
    """The channel that the trigger of a table notifies, by the number of the table in its database."""
    return f"typeahead_{oid}"


async def notify(connection: Connection, table: sql.Identifier) -> None:
    """Make a trigger that tells of each change, so that it is taken in at once: one notification for a statement."""
    row = await (
        await connection.execute(
            "SELECT n.nspname, to_regprocedure(quote_ident(n.nspname) || '.typeahead_changed()') IS NULL"
            " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(%s)",
            [table.as_string(connection)],
        )
    ).fetchone()
    assert row is not None
    function = sql.Identifier(row[0], "typeahead_changed")
    if row[1]:
        # All tables of a schema share it. Somebody else may own it.
        await connection.execute(sql.SQL(_TOLD).format(function))
    await connection.execute(
        sql.SQL(
            "CREATE TRIGGER typeahead_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {}"
            " FOR EACH STATEMENT EXECUTE FUNCTION {}()"
        ).format(table, function)
    )


async def index(connection: Connection, table: sql.Identifier, space: Space, *, passages: int = 0) -> None:
    """Make the indexes: a graph of the vectors, built with more care if they are many, and one of the fields."""
    operators = sql.SQL("vector_cosine_ops" if space.similarity == "cosine" else "vector_ip_ops")
    careful = sql.SQL(f" WITH (ef_construction = {_CAREFUL})" if passages > _MANY else "")
    await connection.execute(sql.SQL("CREATE INDEX ON {} USING hnsw (vector {}){}").format(table, operators, careful))
    await connection.execute(sql.SQL("CREATE INDEX ON {} USING gin (fields jsonb_path_ops)").format(table))
    await connection.execute(sql.SQL("ANALYZE {}").format(table))
