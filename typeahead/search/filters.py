"""Filters: which documents count, as a small tree that back ends compile to their own language.

As JSON, the keys of an object are joined by "and", and a list is "any of"::

    {"country": "France", "year": {"gte": 2019}, "tags": ["a", "b"], "not": {"draft": true}, "any": [{…}, {…}]}
    {"isbn": {"exists": true}}

A field may have several values; a condition holds if it holds for one of them. Values compare with values of their own
kind alone: text with text, truth with truth, numbers with numbers. :func:`matches` is what every back end must agree
with. Two filters that are ``==`` may differ, because Python takes 1 and True for the same: compare their ``repr``.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from typeahead.errors import FilterError
from typeahead.text.document import Document, Value

#: What a filter may hold: nodes, levels of nodes within nodes, and values in all its lists together.
MOST_NODES, MOST_LEVELS, MOST_VALUES = 256, 16, 1024


@dataclass(frozen=True, slots=True)
class Equal:
    """The field has this value."""

    field: str
    value: Value


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The field has one of these values."""

    field: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """The field has a value between bounds, each of which may be missing."""

    field: str
    gt: Value | None = None
    gte: Value | None = None
    lt: Value | None = None
    lte: Value | None = None


@dataclass(frozen=True, slots=True)
class Exists:
    """The field has a value."""

    field: str


@dataclass(frozen=True, slots=True)
class And:
    """All parts hold; without parts it always holds."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One part holds; without parts it never holds."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Filter


Filter: TypeAlias = Equal | AnyOf | Range | Exists | And | Or | Not

_NAMES: dict[type, str] = {
    Equal: "equal", AnyOf: "any_of", Range: "range", Exists: "exists", And: "and", Or: "or", Not: "not"
}  # fmt: skip
#: The names of all kinds of nodes, as :class:`typeahead.search.port.Capabilities` lists them.
KINDS = frozenset(_NAMES.values())
_BOUNDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def kinds(tree: Filter) -> frozenset[str]:
    """The kinds of nodes that a filter has."""
    return frozenset(_NAMES[type(node)] for node in _nodes(tree))


def fields(tree: Filter) -> tuple[str, ...]:
    """The names of the fields that a filter looks at, each once."""
    return tuple(dict.fromkeys(node.field for node in _nodes(tree) if not isinstance(node, And | Or | Not)))


def _nodes(tree: Filter) -> Iterator[Filter]:
    yield tree
    if isinstance(tree, And | Or):
        for part in tree.parts:
            yield from _nodes(part)
    elif isinstance(tree, Not):
        yield from _nodes(tree.part)


def matches(tree: Filter, document: Document) -> bool:
    """Whether a document passes."""
    if isinstance(tree, And):
        return all(matches(part, document) for part in tree.parts)
    if isinstance(tree, Or):
        return any(matches(part, document) for part in tree.parts)
    if isinstance(tree, Not):
        return not matches(tree.part, document)
    values = _values(document, tree.field)
    if isinstance(tree, Exists):
        return bool(values)
    if isinstance(tree, Equal):
        return any(_same(value, tree.value) for value in values)
    if isinstance(tree, AnyOf):
        return any(_same(value, wanted) for value in values for wanted in tree.values)
    return any(_within(value, tree) for value in values)


def _values(document: Document, field: str) -> tuple[Value, ...]:
    found = document.fields.get(field, ())
    return (found,) if isinstance(found, str | int | float) else tuple(found)


def _kind(value: Value) -> type:
    return bool if isinstance(value, bool) else str if isinstance(value, str) else float


def _same(one: Value, other: Value) -> bool:
    return _kind(one) is _kind(other) and one == other


def _within(value: Value, bounds: Range) -> bool:
    for name, holds in _BOUNDS.items():
        bound = getattr(bounds, name)
        if bound is not None and not (_kind(value) is _kind(bound) and holds(value, bound)):
            return False
    return True


def read_filter(data: Any) -> Filter:
    """Make a filter of JSON. Raises :class:`~typeahead.errors.FilterError`, which names the key that is wrong."""
    tree = _object(data, "the filter", MOST_LEVELS)
    nodes = list(_nodes(tree))
    if len(nodes) > MOST_NODES:
        raise FilterError(f"the filter has {len(nodes)} conditions, the limit is {MOST_NODES}: leave some out")
    values = sum(len(node.values) for node in nodes if isinstance(node, AnyOf))
    if values > MOST_VALUES:
        raise FilterError(f"the filter lists {values} values, the limit is {MOST_VALUES}: leave some out")
    return tree


def _object(data: Any, where: str, levels: int) -> Filter:
    if not isinstance(data, Mapping):
        raise FilterError(f"{where} is {_shown(data)}: it must be an object")
    if not levels:
        raise FilterError(f"the filter has more than {MOST_LEVELS} levels")
    parts = tuple(_condition(key, value, levels) for key, value in data.items())
    return parts[0] if len(parts) == 1 else And(parts)


def _condition(key: str, value: Any, levels: int) -> Filter:
    if key == "not":
        return Not(_object(value, "not", levels - 1))
    if key == "any":
        if not isinstance(value, list):
            raise FilterError(f"any is {_shown(value)}: it must be a list of objects")
        return Or(tuple(_object(part, "any", levels - 1) for part in value))
    if not is_text(key):
        raise FilterError(f"{_name(key)} has a lone surrogate: no field has such a name")
    if isinstance(value, list):
        return AnyOf(key, tuple(_value(_name(key), one) for one in value))
    if not isinstance(value, Mapping):
        return Equal(key, _value(_name(key), value))
    if value.keys() == {"exists"} and isinstance(value["exists"], bool):
        return Exists(key) if value["exists"] else Not(Exists(key))
    if not value or not value.keys() <= set(_BOUNDS):
        raise FilterError(f"{_name(key)} is {_shown(value)}: give bounds ({', '.join(_BOUNDS)}) or exists")
    return Range(key, **{name: _value(f"{_name(key)}.{name}", bound) for name, bound in value.items()})


def _value(where: str, value: Any) -> Value:
    if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
        raise FilterError(f"{where} is {_shown(value)}: it must be text, a number, true or false")
    if isinstance(value, str) and not is_text(value):
        raise FilterError(f"{where} is {_shown(value)}: it has a lone surrogate")
    return value


def is_text(value: str) -> bool:
    """Whether a string is valid Unicode."""
    return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)


def _name(key: str) -> str:
    """A key as an error may repeat it."""
    short = key[:60]
    return short if is_text(short) else ascii(short)


def _shown(value: Any) -> str:
    """A value as an error may repeat it. Objects and lists are not: they may be large."""
    if isinstance(value, Mapping):
        return "an object with the keys " + ", ".join(_name(str(key)) for key in list(value)[:8]) if value else "{}"
    return "a list" if isinstance(value, list) else ascii(value[:60]) if isinstance(value, str) else f"{value!r:.60}"
