"""Compiles filters to expressions of Milvus. :func:`typeahead.search.filters.matches` says what each of them means.

Fields of the schema are compiled as they are. Of JSON, and of keys that the schema does not have, a condition is sent
only where all versions agree: a condition that must not hold is not, as some versions take a missing key for neither
true nor false. What Milvus would answer differently is :class:`Inexpressible`; the words in memory know which documents
pass then.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from typeahead.engines.milvus.layout import Column, Layout, everything
from typeahead.index.kinds import NUMBER, TEXT, TRUTH, kind_of
from typeahead.search.filters import And, AnyOf, Equal, Exists, Filter, Not, Or, Range, kinds, matches
from typeahead.text.document import Document, Value

#: A node of a filter that looks at a field.
_Leaf = Equal | AnyOf | Range | Exists
#: Integers from here on may differ as such and be equal as float64.
_EXACT: Final = 1 << 53
_BOUNDS: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: Names that expressions take for words of their own.
_WORDS: Final = frozenset(
    "and array_contains array_contains_all array_contains_any array_length exists false in is json_contains"
    " json_contains_all json_contains_any like not null or true".split()
)


class Inexpressible(Exception):
    """A filter that Milvus cannot apply; ``kinds`` are those of its nodes."""

    def __init__(self, tree: Filter) -> None:
        super().__init__(f"Milvus cannot filter by {tree!r:.100}")
        self.kinds = kinds(tree)


def compile_filter(tree: Filter, layout: Layout, known: Mapping[str, str] | None) -> str:
    """Compile a filter; ``known`` are the kinds of fields, if anybody knows. Raises :class:`Inexpressible`."""
    return _Compiler(layout, known).condition(tree, holds=True)


def literal(value: Value) -> str | None:
    """Write a value; None if no version can read it back: control characters."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # Not every version reads a plus.
        return repr(value).replace("e+", "e")
    if isinstance(value, int):
        return str(value)
    written = "".join(_ESCAPES.get(one, one) for one in value)
    return None if any(ord(one) < ord(" ") or one == "\x7f" for one in written) else f'"{written}"'


def listed(values: Sequence[Value]) -> str:
    """Write a list; raises ``ValueError`` for a value that cannot be written."""
    written = [literal(value) for value in values]
    if None in written:
        raise ValueError("a value has control characters")
    return f"[{', '.join(one for one in written if one is not None)}]"


class _Compiler:
    def __init__(self, layout: Layout, known: Mapping[str, str] | None) -> None:
        self._layout, self._known = layout, known
        self._all, self._none = everything(layout), f"{layout.key} in []"

    def condition(self, tree: Filter, *, holds: bool) -> str:
        """Return the condition that a node holds, or that it does not."""
        if isinstance(tree, Not):
            return self.condition(tree.part, holds=not holds)
        if isinstance(tree, And | Or):
            every = isinstance(tree, And) == holds
            parts = [self.condition(part, holds=holds) for part in tree.parts]
            if not parts:
                return self._all if every else self._none
            return f"({(' and ' if every else ' or ').join(parts)})"
        if not self._layout.has_field(tree.field) or (self._known is not None and tree.field not in self._known):
            return self._none if holds else self._all
        path = self._layout.field(tree.field)
        column = self._layout.columns.get(path[0])
        if column is None and self._layout.dynamic and len(path) > 1:
            # An object within the dynamic field.
            raise Inexpressible(tree)
        if (column is None and not self._layout.dynamic) or (
            column is not None and (len(path) > 1) == bool(column.kind)
        ):
            # There is no such field, or it is an object as a whole.
            return self._none if holds else self._all
        if column is not None and column.kind:
            return self._column(path[0], column, tree, holds=holds)
        return self._json(path, tree, holds=holds)

    def _column(self, name: str, column: Column, tree: _Leaf, *, holds: bool) -> str:
        found = self._elements(name, column, tree) if column.array else _plain(name, column, tree)
        if found is None:
            return self._none if holds else self._all
        if found is True:
            # There is a value.
            if not column.nullable:
                return self._all if holds else self._none
            return f"({name} is {'not ' if holds else ''}null)"
        if holds:
            return f"({found})"
        return f"({name} is null or not ({found}))" if column.nullable else f"(not ({found}))"

    def _elements(self, name: str, column: Column, tree: _Leaf) -> str | None:
        """A condition on the elements of an array."""
        if isinstance(tree, Exists) or (isinstance(tree, Range) and not _bounds(tree)):
            return f"not (array_length({name}) == 0)"
        if isinstance(tree, Range):
            # Nothing looks at one element after another.
            raise Inexpressible(tree)
        values = [one for value in _values(tree) if (one := _held(column, value)) is not None]
        return " or ".join(f"array_contains({name}, {_element(tree, value)})" for value in values) or None

    def _json(self, path: Sequence[str], tree: _Leaf, *, holds: bool) -> str:
        if not holds or isinstance(tree, Exists) or (isinstance(tree, Range) and not _bounds(tree)):
            raise Inexpressible(tree)
        name, plain = path[-1], bool(_NAME.fullmatch(path[-1])) and path[-1].lower() not in _WORDS
        key = literal(name)
        if key is None or "\\" in key:
            raise Inexpressible(tree)
        if any(isinstance(one, int | float) and not -_EXACT < one < _EXACT for one in _sent(tree)):
            # As float64, these may be equal to others.
            raise Inexpressible(tree)
        several = name in self._layout.listed
        where = name if len(path) == 1 and plain else f"{path[0] if len(path) > 1 else '$meta'}[{key}]"
        if isinstance(tree, Range):
            values = list(_bounds(tree).values())
            if several or TRUTH in map(kind_of, values):
                raise Inexpressible(tree)
            if not all(self._may_have(name, value) for value in values) or len(set(map(kind_of, values))) > 1:
                return self._none
            parts = [f"{where} {_BOUNDS[bound]} {_written(tree, value)}" for bound, value in _bounds(tree).items()]
            return f"({' and '.join(parts)})"
        if several and len(path) == 1 and not plain:
            # Milvus Lite looks into lists of plain names only.
            raise Inexpressible(tree)
        found = []
        for value in _values(tree):
            # Milvus Lite takes true and 1 for the same.
            if self._may_have(name, value):
                found.append(f"{where} == {_written(tree, value)}")
                if several:
                    found.append(f"json_contains({where}, {_element(tree, value)})")
        return f"({' or '.join(found)})" if found else self._none

    def _may_have(self, name: str, value: Value) -> bool:
        return self._known is None or self._known.get(name) == kind_of(value)


def _plain(name: str, column: Column, tree: _Leaf) -> str | bool | None:
    """A condition on a plain field. True: that it has a value; None: that never holds."""
    if isinstance(tree, Exists) or (isinstance(tree, Range) and not _bounds(tree)):
        return True
    if isinstance(tree, Equal | AnyOf):
        return _any(name, column, tree, _values(tree))
    bounds = _bounds(tree)
    if {kind_of(value) for value in bounds.values()} != {column.kind}:
        return None
    if column.kind == TRUTH:
        return _any(name, column, tree, [value for value in (False, True) if _within(tree, value)])
    if column.kind == TEXT:
        return " and ".join(f"{name} {_BOUNDS[bound]} {_written(tree, value)}" for bound, value in bounds.items())
    sent: list[str] = []
    for bound, value in bounds.items():
        moved = _moved(column, bound, value)
        if moved is None:
            return None
        if moved != "":
            sent.append(f"{name} {moved}")
    return " and ".join(sent) if sent else True


def _any(name: str, column: Column, tree: _Leaf, values: Sequence[Value]) -> str | None:
    held = [one for value in values if (one := _held(column, value)) is not None]
    if not held:
        return None
    written = [_written(tree, value) for value in held]
    return f"{name} == {written[0]}" if len(written) == 1 else f"{name} in [{', '.join(written)}]"


def _held(column: Column, value: Value) -> Value | None:
    """The value as a column has it; None if it can have no such value."""
    if kind_of(value) != column.kind:
        return None
    if column.kind != NUMBER:
        return value
    assert isinstance(value, int | float)
    if column.bits > 0:
        limit = 1 << (column.bits - 1)
        # Milvus cannot read the very lowest number.
        return int(value) if value == int(value) and -limit < value < limit else None
    near = _nearest(column, value)
    return near if near == value else None


def _moved(column: Column, bound: str, value: Any) -> str | None:
    """A bound on numbers as a column has them. None if nothing is within; "" if everything is."""
    up = bound in ("gt", "gte")
    if column.bits > 0:
        limit = 1 << (column.bits - 1)
        # Whole numbers: above 2.5 is from 3, and above 3 is from 4.
        whole = math.ceil(value) if up else math.floor(value)
        if whole == value and bound in ("gt", "lt"):
            whole += 1 if up else -1
        if (whole >= limit) if up else (whole < -limit):
            return None
        if (whole <= -limit) if up else (whole >= limit - 1):
            return ""
        return f"{'>=' if up else '<='} {whole}"
    near = _nearest(column, value)
    if near == value:
        return f"{_BOUNDS[bound]} {literal(near)}"
    if math.isinf(near):
        return None if up == (near > 0) else ""
    # No number of the column is between the bound and its neighbour.
    step = np.float32 if column.bits == -np.dtype(np.float32).itemsize * 8 else np.float64
    if up and near < value:
        near = float(np.nextafter(step(near), step(np.inf)))
    elif not up and near > value:
        near = float(np.nextafter(step(near), step(-np.inf)))
    if math.isinf(near):
        return None
    return f"{'>=' if up else '<='} {literal(near)}"


def _nearest(column: Column, value: float) -> float:
    """The nearest number that a column of fractions has; infinite beyond its range."""
    try:
        near = float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    if column.bits == -np.dtype(np.float64).itemsize * 8:
        return near
    with np.errstate(over="ignore"):
        return float(np.float32(near))


def _values(tree: Equal | AnyOf) -> Sequence[Value]:
    return [tree.value] if isinstance(tree, Equal) else tree.values


def _sent(tree: _Leaf) -> Sequence[Value]:
    """All values of a condition."""
    if isinstance(tree, Exists):
        return []
    return list(_bounds(tree).values()) if isinstance(tree, Range) else _values(tree)


def _bounds(tree: Range) -> dict[str, Value]:
    return {name: value for name in _BOUNDS if (value := getattr(tree, name)) is not None}


def _within(tree: Range, value: Value) -> bool:
    return matches(tree, Document("", fields={tree.field: value}))


def _written(tree: _Leaf, value: Value) -> str:
    written = literal(value)
    if written is None:
        raise Inexpressible(tree)
    return written


def _element(tree: _Leaf, value: Value) -> str:
    written = _written(tree, value)
    if written.startswith("-"):
        # Milvus Lite reads no sign there.
        raise Inexpressible(tree)
    return written
