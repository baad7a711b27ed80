"""The columns of a table that documents are made of, and how their values read as those of fields.

Every field has text, numbers or truth, as documents of files have. Dates and times become ISO 8601 text in whole
seconds, in UTC where they have a time zone: the same text that ``typeahead index`` makes of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from psycopg import sql

from typeahead.index.kinds import NUMBER, TEXT, TRUTH

_TEXTS: Final = frozenset("text varchar bpchar citext name uuid".split())
_INTEGERS: Final = frozenset("int2 int4 int8".split())
_FLOATS: Final = frozenset("float4 float8".split())
_TIMES: Final = {
    "date": "to_char({}, 'YYYY-MM-DD')",
    "timestamp": """to_char({}, 'YYYY-MM-DD"T"HH24:MI:SS')""",
    "timestamptz": """to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')""",
}
JSON: Final = frozenset("json jsonb".split())
#: Arguments that one function may have, by two for each field.
_FIELDS_AT_ONCE: Final = 40


def identifier(*names: str) -> sql.Identifier:
    """Return a name as a part of a statement with parameters, in which a percent sign has to be doubled."""
    return sql.Identifier(*(name.replace("%", "%%") for name in names))


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the catalog describes it."""

    name: str
    #: The name of its type; of the elements' type for an array.
    type: str
    array: bool = False
    #: Whether the type is one of the database's own enumerations.
    enum: bool = False
    #: The type's modifier: the dimension of a vector; -1 for none.
    modifier: int = -1

    @property
    def kind(self) -> str | None:
        """The kind of its values as those of a field; None if a field cannot have such values."""
        if self.enum or self.type in _TEXTS or self.type in _TIMES:
            return TEXT
        if self.type in _INTEGERS or self.type in _FLOATS or self.type == "numeric":
            return NUMBER
        return TRUTH if self.type == "bool" else None

    @property
    def textual(self) -> bool:
        """Whether it may hold a title or a text."""
        return not self.array and self.type in ("text", "varchar", "bpchar", "citext")

    @property
    def integral(self) -> bool:
        """Whether its numbers are whole."""
        return self.type in _INTEGERS

    @property
    def quoted(self) -> sql.Composable:
        """The column in a statement."""
        return identifier(self.name)

    def value(self, of: sql.Composable) -> sql.Composable:
        """Return what a value of the column, or an element ``of`` its array, is as a value of a field."""
        if self.type in _TIMES:
            return sql.SQL(_TIMES[self.type]).format(of)
        if self.type in ("text", "varchar"):
            # As it is, so that an index of the column serves.
            return of
        if self.kind == TEXT:
            return sql.SQL("{}::text").format(of)
        if self.type == "float4":
            return sql.SQL("NULLIF({}, 'NaN')::float8").format(of)
        return sql.SQL("NULLIF({}, 'NaN')").format(of) if self.type == "float8" else of

    @property
    def json(self) -> sql.Composable:
        """The value, or the values, as JSON."""
        if not self.array:
            return sql.SQL("to_jsonb({})").format(self.value(self.quoted))
        one = sql.SQL("element")
        return sql.SQL(
            "(SELECT jsonb_agg({} ORDER BY place) FROM unnest({}) WITH ORDINALITY AS elements(element, place))"
        ).format(self.value(one), self.quoted)


def fields_json(columns: tuple[Column, ...], objects: Column | None) -> sql.Composable:
    """Return an expression of all fields as one JSON object; ``objects`` is a column that has such objects."""
    parts: list[sql.Composable] = []
    if objects is not None:
        parts.append(sql.SQL("COALESCE({}::jsonb, '{{}}'::jsonb)").format(objects.quoted))
    for first in range(0, len(columns), _FIELDS_AT_ONCE):
        pairs = [part for column in columns[first : first + _FIELDS_AT_ONCE] for part in (_name(column), column.json)]
        parts.append(sql.SQL("jsonb_strip_nulls(jsonb_build_object({}))").format(sql.SQL(", ").join(pairs)))
    return sql.SQL(" || ").join(parts) if parts else sql.SQL("'{}'::jsonb")


def _name(column: Column) -> sql.Composable:
    return sql.SQL("{}::text").format(sql.Literal(column.name.replace("%", "%%")))
