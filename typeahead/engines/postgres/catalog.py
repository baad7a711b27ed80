"""Looks at a table: which of its columns are ids, titles, texts, URLs, vectors and fields, and which index it has.

Columns that the address names are taken; the others are found by their types and by usual names. Nothing is changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg import AsyncConnection, sql

from typeahead.engines.postgres.address import PostgresAddress
from typeahead.engines.postgres.columns import JSON, Column, fields_json, identifier
from typeahead.errors import AddressError

#: Names of columns by which they are known, the likeliest first.
USUAL: Final[Mapping[str, Sequence[str]]] = {
    "id": ("id", "doc_id", "document_id", "uuid", "key"),
    "title": ("title", "headline", "name", "heading", "subject"),
    "text": ("text", "body", "content", "contents", "passage", "chunk", "document", "description", "abstract"),
    "url": ("url", "link", "href", "permalink", "uri", "source_url"),
}
_VECTORS: Final = ("vector", "halfvec")
#: By a part of the name of an operator class, the operator that its index serves.
_OPERATORS: Final = {"_cosine_ops": "<=>", "_ip_ops": "<#>", "_l2_ops": "<->"}
#: Bytes of a text column's average value up to which it is taken for a field.
_SHORT: Final = 200
#: The first version with iterative scans.
_ITERATIVE: Final = (0, 8)


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """An index of the vectors."""

    #: "hnsw" or "ivfflat".
    kind: str
    operator: str
    #: What it is of: the column, or an expression such as a cast to halfvec.
    expression: sql.Composable
    #: The type of that.
    type: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose rows are documents or, if ``passages``, passages of documents."""

    schema: str
    name: str
    id: Column
    title: Column | None
    text: Column | None
    url: Column | None
    vector: Column
    dim: int
    fields: tuple[Column, ...] = ()
    #: A column with JSON objects of further fields.
    objects: Column | None = None
    #: Every index that can serve a search.
    indexes: tuple[VectorIndex, ...] = ()
    #: What ``typeahead index`` wrote down about a table that it made; None for any other table.
    made: Mapping[str, Any] | None = None
    #: Whether the extension has iterative scans.
    iterative: bool = True
    #: Its number in the database.
    oid: int = 0
    #: Whether an index tells that ids are unique, and what the role may do beside reading.
    unique: bool = True
    writable: bool = True
    #: What the person who opens it should know.
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def quoted(self) -> sql.Composable:
        """The table in a statement."""
        return identifier(self.schema, self.name)

    @property
    def passages(self) -> bool:
        """Whether a document may have several rows: those of tables that ``typeahead index`` made may."""
        return self.made is not None

    @property
    def usable(self) -> sql.Composable:
        """The condition of rows that can be found: they have an id, a vector, and a title or a text."""
        texts = sql.SQL(" OR ").join(
            sql.SQL("{} IS NOT NULL").format(one.quoted) for one in (self.title, self.text) if one is not None
        )
        return sql.SQL("{} IS NOT NULL AND {}::text <> '' AND {} IS NOT NULL AND ({})").format(
            self.id.quoted, self.id.quoted, self.vector.quoted, texts
        )

    @property
    def fields_json(self) -> sql.Composable:
        """The fields of a row as a JSON object."""
        return fields_json(self.fields, self.objects)


async def look(connection: AsyncConnection[Any], address: PostgresAddress) -> Table:
    """Describe the table of an address. Raises :class:`~typeahead.errors.AddressError` for one that cannot serve."""
    quoted = _quoted(address)
    version = await _one(connection, "SELECT extversion FROM pg_extension WHERE extname = 'vector'")
    if version is None:
        raise AddressError(
            address.shown, "the database has no extension vector: CREATE EXTENSION vector, once pgvector is installed"
        )
    found = await _one(
        connection,
        "SELECT c.oid, n.nspname, c.relname, c.relkind, obj_description(c.oid, 'pg_class'),"
        " has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT'),"
        " has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')"
        " AND has_table_privilege(c.oid, 'DELETE')"
        " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(%s)",
        [quoted],
    )
    if found is None:
        raise AddressError(address.shown, f"there is no table {address.table}{await _others(connection)}")
    oid, schema, name, kind, comment, readable, writable = found
    if kind not in ("r", "p"):
        raise AddressError(address.shown, f"{address.table} is no table: give the table itself, not a view of it")
    if not readable:
        raise AddressError(address.shown, f"the role may not read {address.table}: GRANT SELECT ON {address.table}")
    columns = await _columns(connection, oid)
    made = _made(comment)
    if made is not None:
        vector = columns["vector"]
        return Table(
            schema, name, columns["id"], columns["title"], columns["text"], columns["url"], vector, vector.modifier,
            (), columns["fields"], await _indexes(connection, oid, vector), made, _version(version[0]) >= _ITERATIVE,
            oid, True, writable,
        )  # fmt: skip
    keys = await _all(
        connection,
        "SELECT a.attname FROM pg_index AS i"
        " JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
        " WHERE i.indrelid = %s AND i.indisunique AND i.indnkeyatts = 1 AND i.indpred IS NULL AND i.indkey[0] > 0"
        " ORDER BY i.indisprimary DESC, i.indexrelid",
        [oid],
    )
    widths = dict(
        await _all(
            connection,
            "SELECT attname, avg_width FROM pg_stats WHERE schemaname = %s AND tablename = %s",
            [schema, name],
        )
    )
    chosen = _Chosen(columns, address, [key for (key,) in keys], widths)
    vector = chosen.vector()
    key, title, text = chosen.id(), chosen.of_text("title"), chosen.text()
    if title is None and text is None:
        raise AddressError(address.shown, f"{address.table} has no column of text: name one with &text=COLUMN")
    dim = vector.modifier
    if dim < 0:
        measured = await _one(
            connection,
            sql.SQL("SELECT vector_dims({0}) FROM {1} WHERE {0} IS NOT NULL LIMIT 1").format(
                vector.quoted, identifier(schema, name)
            ),
        )
        if measured is None:
            raise AddressError(address.shown, f"{address.table} has no vectors: fill column {vector.name} first")
        dim = measured[0]
    url = chosen.of_text("url")
    fields, objects = chosen.fields({one.name for one in (key, title, text, url, vector) if one is not None})
    return Table(
        schema, name, key, title, text, url, vector, dim, fields, objects,
        await _indexes(connection, oid, vector), None, _version(version[0]) >= _ITERATIVE, oid,
        key.name in chosen.keys, writable, tuple(chosen.notes),
    )  # fmt: skip


async def comment_of(
    connection: AsyncConnection[Any], address: PostgresAddress
) -> tuple[bool, Mapping[str, Any] | None]:
    """Return whether the table of an address is there, and what ``typeahead index`` wrote down about it."""
    found = await _one(
        connection, "SELECT found, obj_description(found, 'pg_class') FROM to_regclass(%s) AS found", [_quoted(address)]
    )
    assert found is not None
    return found[0] is not None, _made(found[1])


class _Chosen:
    """Chooses columns for their purposes."""

    def __init__(
        self,
        columns: Mapping[str, Column],
        address: PostgresAddress,
        keys: Sequence[str],
        widths: Mapping[str, int],
    ) -> None:
        self._columns, self._address = columns, address
        self.keys, self._widths = keys, widths
        self._taken: set[str] = set(address.columns.values())
        self.notes: list[str] = []

    def vector(self) -> Column:
        """The column of the vectors."""
        every = [one for one in self._columns.values() if one.type in _VECTORS and not one.array]
        named = self._named("vector")
        if named is not None and named not in every:
            raise self._error(f"column {named.name} holds no vectors: its type is {named.type}, not vector or halfvec")
        if named is None and len(every) != 1:
            names = ", ".join(one.name for one in every)
            raise self._error(
                f"{self._address.table} has several columns of vectors: add &vector=NAME, one of {names}"
                if every
                else f"{self._address.table} has no column of the type vector or halfvec: give another table"
            )
        return named or every[0]

    def id(self) -> Column:
        """The column of the ids: it has to tell rows apart."""
        named = self._named("id")
        if named is not None:
            if named.name not in self.keys:
                self.notes.append(
                    f"column {named.name} has no unique index: of rows with the same id, any may be shown"
                )
            return named
        by_name = [one for one in USUAL["id"] if one in self.keys]
        for key in (*self.keys[:1], *by_name):
            self._taken.add(key)
            return self._columns[key]
        raise self._error(
            f"{self._address.table} has no key of one column: name the column that tells documents apart with &id=NAME"
        )

    def of_text(self, purpose: str) -> Column | None:
        """The column of titles or URLs, if there is one."""
        named = self._named(purpose)
        if named is not None:
            return named
        for name in USUAL[purpose]:
            column = self._columns.get(name)
            if column is not None and column.textual and name not in self._taken:
                self._taken.add(name)
                return column
        return None

    def text(self) -> Column | None:
        """The column of texts: one of a usual name, or the only one that is left, or the one with the longest texts."""
        found = self.of_text("text")
        if found is None:
            urls = set(USUAL["url"])
            left = [
                one for one in self._columns.values()
                if one.textual and one.name not in self._taken and one.name not in urls
            ]  # fmt: skip
            left.sort(key=lambda one: -self._widths.get(one.name, 0))
            if len(left) == 1 or (left and self._widths.get(left[0].name, 0) > _SHORT):
                found = left[0]
                self._taken.add(found.name)
        return found

    def fields(self, used: set[str]) -> tuple[tuple[Column, ...], Column | None]:
        """The columns of fields, and one with JSON objects."""
        names = self._address.fields
        if names is not None:
            for name in names:
                column = self._columns.get(name)
                if column is None:
                    raise self._missing("fields", name)
                if column.kind is None and column.type not in JSON:
                    raise self._error(f"column {name} cannot be a field: its type is {column.type}")
        every = [self._columns[name] for name in names] if names is not None else list(self._columns.values())
        objects = [one for one in every if one.type in JSON and not one.array and one.name not in used]
        if len(objects) > 1:
            if names is not None:
                raise self._error("two columns of fields hold JSON: name one of them")
            preferred = [one for one in objects if one.name in ("fields", "metadata", "meta")]
            objects = preferred[:1]
        plain = [
            one
            for one in every
            if one.kind is not None
            and (names is not None or (one.name not in used and self._widths.get(one.name, 0) <= _SHORT))
        ]
        return tuple(plain), objects[0] if objects else None

    def _named(self, purpose: str) -> Column | None:
        name = self._address.columns.get(purpose)
        if name is None:
            return None
        if name not in self._columns:
            raise self._missing(purpose, name)
        return self._columns[name]

    def _missing(self, purpose: str, name: str) -> AddressError:
        return self._error(
            f"{self._address.table} has no column {name!r} for {purpose}: it has {', '.join(self._columns)}"
        )

    def _error(self, message: str) -> AddressError:
        return AddressError(self._address.shown, message)


async def _columns(connection: AsyncConnection[Any], oid: int) -> dict[str, Column]:
    rows = await _all(
        connection,
        "SELECT a.attname, COALESCE(e.typname, t.typname), e.oid IS NOT NULL,"
        " COALESCE(e.typtype, t.typtype) = 'e', a.atttypmod"
        " FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid"
        " LEFT JOIN pg_type AS e ON e.oid = t.typelem AND t.typcategory = 'A'"
        " WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        [oid],
    )
    return {name: Column(name, *rest) for name, *rest in rows}


async def _indexes(connection: AsyncConnection[Any], oid: int, vector: Column) -> tuple[VectorIndex, ...]:
    rows = await _all(
        connection,
        "SELECT m.amname, o.opcname, a.attname, pg_get_indexdef(i.indexrelid, 1, false)"
        " FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS m ON m.oid = c.relam"
        " JOIN pg_opclass AS o ON o.oid = i.indclass[0]"
        " LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] AND a.attnum > 0"
        " WHERE i.indrelid = %s AND m.amname IN ('hnsw', 'ivfflat') AND i.indisvalid AND i.indpred IS NULL"
        " ORDER BY m.amname, i.indexrelid",
        [oid],
    )
    found = []
    for kind, operators, column, expression in rows:
        operator = next((sign for part, sign in _OPERATORS.items() if operators.endswith(part)), None)
        if operator is None or (column is not None and column != vector.name):
            continue
        if column is not None:
            found.append(VectorIndex(kind, operator, vector.quoted, vector.type))
        elif operators.startswith("halfvec_") and expression.startswith(f"(({vector.name})::halfvec("):
            # As the catalog writes it; the index serves no other expression.
            found.append(
                VectorIndex(kind, operator, sql.SQL(expression.replace("{", "{{").replace("%", "%%")), "halfvec")
            )
    return tuple(found)


async def _others(connection: AsyncConnection[Any]) -> str:
    """Tables that have vectors, as a hint."""
    rows = await _all(
        connection,
        "SELECT DISTINCT a.attrelid::regclass::text FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid"
        " JOIN pg_class AS c ON c.oid = a.attrelid WHERE c.relkind IN ('r', 'p') AND t.typname IN ('vector', 'halfvec')"
        " ORDER BY 1 LIMIT 5",
    )
    return f": tables with vectors are {', '.join(name for (name,) in rows)}" if rows else ", or the role cannot see it"


def _quoted(address: PostgresAddress) -> str:
    """The table of an address as ``to_regclass`` reads it."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in address.schema_and_name if part is not None)


def _made(comment: str | None) -> Mapping[str, Any] | None:
    try:
        said = json.loads(comment or "")
    except ValueError:
        return None
    found = said.get("typeahead") if isinstance(said, dict) else None
    return found if isinstance(found, dict) else None


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdecimal())


async def _all(
    connection: AsyncConnection[Any], query: str | sql.Composable, values: Sequence[Any] = ()
) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query, values)).fetchall()  # type: ignore[arg-type]


async def _one(
    connection: AsyncConnection[Any], query: str | sql.Composable, values: Sequence[Any] = ()
) -> tuple[Any, ...] | None:
    found = await _all(connection, query, values)
    return found[0] if found else None
