"""Compiles filters to conditions of SQL. :func:`typeahead.search.filters.matches` says what each of them means.

A condition may be NULL where a column is, which counts as false; only "not" has to tell the two apart. Values are
parameters, never parts of the statement.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from psycopg import sql
from psycopg.types.json import Jsonb

from typeahead.engines.postgres.columns import Column
from typeahead.index.kinds import NUMBER, TEXT, kind_of
from typeahead.search.filters import And, AnyOf, Equal, Exists, Filter, Not, Or, Range
from typeahead.text.document import Value

#: A node of a filter that looks at a field.
_Leaf = Equal | AnyOf | Range | Exists
_FALSE: Final = sql.SQL("FALSE")
_OPERATORS: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
#: What a field may have as a value, in the language of JSON paths.
_VALUE: Final = '@.type() == "string" || @.type() == "number" || @.type() == "boolean"'
#: Integers up to this size are sent as such.
_LARGEST: Final = 1 << 62


class Condition(NamedTuple):
    """A condition, and its parameters by name."""

    quoted: sql.Composable
    values: dict[str, Any]


def compile_filter(tree: Filter, columns: Sequence[Column], objects: Column | None) -> Condition:
    """Compile a filter for a table with field columns, and perhaps a column with JSON objects of further fields."""
    compiler = _Compiler(columns, objects)
    return Condition(compiler.condition(tree), compiler.values)


class _Compiler:
    """Compiles one filter, and collects its values."""

    def __init__(self, columns: Sequence[Column], objects: Column | None) -> None:
        self._columns = {column.name: column for column in columns}
        self._objects = objects
        self.values: dict[str, Any] = {}

    def condition(self, tree: Filter) -> sql.Composable:
        """Return the condition of a node."""
        if isinstance(tree, And):
            return _joined([self.condition(part) for part in tree.parts], " AND ", "TRUE")
        if isinstance(tree, Or):
            return _joined([self.condition(part) for part in tree.parts], " OR ", "FALSE")
        if isinstance(tree, Not):
            return sql.SQL("(({}) IS NOT TRUE)").format(self.condition(tree.part))
        if _has_nul(tree):
            # PostgreSQL has no text with this character.
            return _FALSE
        column = self._columns.get(tree.field)
        if column is not None:
            return self._of_array(column, tree) if column.array else self._of_column(column, column.quoted, tree)
        return _FALSE if self._objects is None else self._of_objects(self._objects, tree)

    def _parameter(self, value: Any) -> sql.Composable:
        name = f"value{len(self.values)}"
        self.values[name] = value
        return sql.Placeholder(name)

    def _of_array(self, column: Column, tree: _Leaf) -> sql.Composable:
        """A condition holds for an array if it holds for one of its elements."""
        if isinstance(tree, Equal) and column.type == "text" and isinstance(tree.value, str):
            # An index of the array serves this form.
            return sql.SQL("{} @> ARRAY[{}]::text[]").format(column.quoted, self._parameter(tree.value))
        exists = sql.SQL("EXISTS (SELECT FROM unnest({}) AS elements(element) WHERE {})")
        return exists.format(column.quoted, self._of_column(column, sql.SQL("element"), tree))

    def _of_column(self, column: Column, of: sql.Composable, tree: _Leaf) -> sql.Composable:
        value = column.value(of)
        there = sql.SQL("{} IS NOT NULL").format(value)
        if isinstance(tree, Exists):
            return there
        if isinstance(tree, Equal):
            return self._compared(column, value, "=", tree.value)
        if isinstance(tree, AnyOf):
            if column.kind == TEXT:
                texts = [one for one in tree.values if isinstance(one, str) and "\0" not in one]
                return sql.SQL("{} = ANY({}::text[])").format(value, self._parameter(texts))
            return _joined([self._compared(column, value, "=", one) for one in tree.values], " OR ", "FALSE")
        # Without bounds, every value is within them.
        bounds = [self._compared(column, value, sign, bound) for sign, bound in _bounds(tree)]
        return _joined([there, *bounds], " AND ", "TRUE")

    def _compared(self, column: Column, value: sql.Composable, sign: str, other: Value) -> sql.Composable:
        if kind_of(other) != column.kind:
            return _FALSE
        kind, sent = "bool", other
        if column.kind == TEXT:
            kind = "text"
            if sign != "=":
                # Text compares by code points, whatever the collation of the column.
                value = sql.SQL('{} COLLATE "C"').format(value)
        elif column.kind == NUMBER:
            if column.integral and float(other).is_integer() and abs(int(other)) < _LARGEST:
                # As an integer, so that an index of the column serves.
                kind, sent = "int8", int(other)
            else:
                kind, sent = "float8" if column.type in ("float4", "float8") else "numeric", repr(other)
        return sql.SQL("{} {} {}::{}").format(value, sql.SQL(sign), self._parameter(sent), sql.SQL(kind))

    def _of_objects(self, column: Column, tree: _Leaf) -> sql.Composable:
        """A path in lax mode looks at a value, and at each element of an array. It compares text by code points."""
        objects = column.quoted if column.type == "jsonb" else sql.SQL("{}::jsonb").format(column.quoted)
        if isinstance(tree, Equal):
            # An index of the objects serves containment.
            one, several = Jsonb({tree.field: tree.value}), Jsonb({tree.field: [tree.value]})
            return sql.SQL("({} @> {} OR {} @> {})").format(
                objects, self._parameter(one), objects, self._parameter(several)
            )
        if isinstance(tree, AnyOf):
            equal = [Equal(tree.field, one) for one in tree.values]
            parts = [self._of_objects(column, one) for one in equal if not _has_nul(one)]
            return _joined(parts, " OR ", "FALSE")
        bounds = _bounds(tree) if isinstance(tree, Range) else []
        variables = {f"bound{place}": bound for place, (_, bound) in enumerate(bounds)}
        tests = [f"({_VALUE})", *(f"@ {sign} $bound{place}" for place, (sign, _) in enumerate(bounds))]
        path = f"$.{json.dumps(tree.field)}[*] ? ({' && '.join(tests)})"
        return sql.SQL("jsonb_path_exists({}, {}::text::jsonpath, {})").format(
            objects, self._parameter(path), self._parameter(Jsonb(variables))
        )


def _bounds(tree: Range) -> list[tuple[str, Value]]:
    r"""The bounds, each with its operator.

    No text of PostgreSQL has a NUL. So a text is above "a\0b" if it is above "a", and below if it is "a" or below.
    """
    bounds = []
    for name, sign in _OPERATORS.items():
        bound = getattr(tree, name)
        if isinstance(bound, str) and "\0" in bound:
            sign, bound = "<=" if sign[0] == "<" else ">", bound.partition("\0")[0]
        if bound is not None:
            bounds.append((sign, bound))
    return bounds


def _has_nul(tree: _Leaf) -> bool:
    return "\0" in tree.field or (isinstance(tree, Equal) and isinstance(tree.value, str) and "\0" in tree.value)


def _joined(conditions: Sequence[sql.Composable], word: str, empty: str) -> sql.Composable:
    return sql.SQL("({})").format(sql.SQL(word).join(conditions)) if conditions else sql.SQL(empty)
