"""Filters: which documents count, as a small tree that back ends compile to their own language.

As JSON, the keys of an object are joined by "and", and a list is "any of"::

    {"country": "France", "year": {"gte": 2019}, "tags": ["a", "b"], "not": {"draft": true}, "any": [{…}, {…}]}
    {"isbn": {"exists": true}}

A field may have several values; a condition holds if it holds for one of them. Values compare with values of their own
kind alone: text with text, truth with truth, numbers with numbers. :func:`matches` is what every back end must agree
with.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from typeahead.errors import FilterError
from typeahead.text.document import Document, Value

#: What a filter may hold: every node of it, and levels of nodes within nodes.
MOST_NODES, MOST_LEVELS = 256, 16


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
    if sum(1 for _ in _nodes(tree)) > MOST_NODES:
        raise FilterError(f"the filter has more than {MOST_NODES} conditions")
    return tree


def _object(data: Any, where: str, levels: int) -> Filter:
    if not isinstance(data, Mapping):
        raise FilterError(f"{where} is {data!r:.60}: it must be an object")
    if not levels:
        raise FilterError(f"the filter has more than {MOST_LEVELS} levels")
    parts = tuple(_condition(key, value, levels) for key, value in data.items())
    return parts[0] if len(parts) == 1 else And(parts)


def _condition(key: str, value: Any, levels: int) -> Filter:
    if key == "not":
        return Not(_object(value, "not", levels - 1))
    if key == "any":
        if not isinstance(value, list):
            raise FilterError(f"any is {value!r:.60}: it must be a list of objects")
        return Or(tuple(_object(part, "any", levels - 1) for part in value))
    if isinstance(value, list):
        return AnyOf(key, tuple(_value(key, one) for one in value))
    if not isinstance(value, Mapping):
        return Equal(key, _value(key, value))
    if value.keys() == {"exists"} and isinstance(value["exists"], bool):
        return Exists(key) if value["exists"] else Not(Exists(key))
    if not value or not value.keys() <= set(_BOUNDS):
        raise FilterError(f"{key} is {value!r:.60}: give bounds ({', '.join(_BOUNDS)}) or exists")
    return Range(key, **{name: _value(f"{key}.{name}", bound) for name, bound in value.items()})


def _value(key: str, value: Any) -> Value:
    if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
        raise FilterError(f"{key} is {value!r:.60}: it must be text, a number, true or false")
    return value
