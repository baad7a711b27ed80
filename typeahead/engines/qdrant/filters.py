"""Compiles filters to those of Qdrant. :func:`typeahead.search.filters.matches` says what each of them means.

Qdrant compares numbers as float64, cannot order text, and cannot name every key. What it would answer differently is
:class:`Inexpressible`; the words in memory know which documents pass then.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from qdrant_client import models

from typeahead.engines.qdrant.layout import Layout
from typeahead.engines.qdrant.paths import json_path
from typeahead.engines.qdrant.points import PointId
from typeahead.index.contents import Contents
from typeahead.index.kinds import TEXT, TRUTH, kind_of
from typeahead.search.filters import And, AnyOf, Equal, Exists, Filter, Not, Or, Range, kinds, matches
from typeahead.text.document import Document, Value

#: A node of a filter that looks at a field.
_Leaf = Equal | AnyOf | Range | Exists
#: Qdrant takes alternatives without any part for no condition.
NOTHING: Final = models.Filter(must=[models.HasIdCondition(has_id=[])])
EVERYTHING: Final = models.Filter()
#: Integers from here on may differ as such and be equal as float64.
_EXACT: Final = float(1 << 53)
#: Different texts that a range may admit: they are listed.
MOST_TEXTS: Final = 4096
_BOUNDS: Final = ("gt", "gte", "lt", "lte")


class Inexpressible(Exception):
    """A filter that Qdrant cannot apply; ``kinds`` are those of its nodes."""

    def __init__(self, tree: Filter) -> None:
        super().__init__(f"Qdrant cannot filter by {tree!r:.100}")
        self.kinds = kinds(tree)


def only(points: Sequence[PointId]) -> models.Filter:
    """Admit some points."""
    return models.Filter(must=[models.HasIdCondition(has_id=list(points))])


def compile_filter(tree: Filter, layout: Layout, contents: Contents | None) -> models.Filter:
    """Compile a filter.

    ``contents`` know the fields and their values; without them, text cannot be ordered. Raises :class:`Inexpressible`.
    """
    return _Compiler(layout, contents).condition(tree)


class _Compiler:
    def __init__(self, layout: Layout, contents: Contents | None) -> None:
        self._layout, self._contents = layout, contents
        self._kinds: Mapping[str, str] | None = None if contents is None else contents.kinds

    def condition(self, tree: Filter) -> models.Filter:
        """Return the condition of a node."""
        if isinstance(tree, And):
            return models.Filter(must=[self.condition(part) for part in tree.parts]) if tree.parts else EVERYTHING
        if isinstance(tree, Or):
            return models.Filter(should=[self.condition(part) for part in tree.parts]) if tree.parts else NOTHING
        if isinstance(tree, Not):
            return models.Filter(must_not=[self.condition(tree.part)])
        if self._kinds is not None and tree.field not in self._kinds:
            return NOTHING
        key = json_path(self._layout.field(tree.field))
        plain = ".".join(self._layout.field(tree.field))
        kind = self._layout.indexes.get(key or "") or self._layout.indexes.get(plain)
        if key is None or (self._layout.strict and kind is None):
            raise Inexpressible(tree)
        return self._leaf(key, tree, whole=kind == models.PayloadSchemaType.INTEGER.value)

    def _leaf(self, key: str, tree: _Leaf, *, whole: bool) -> models.Filter:
        if isinstance(tree, Exists) or (isinstance(tree, Range) and not _bounds(tree)):
            return models.Filter(must_not=[models.IsEmptyCondition(is_empty=models.PayloadField(key=key))])
        if isinstance(tree, Equal | AnyOf):
            values = [tree.value] if isinstance(tree, Equal) else list(tree.values)
            return self._equal(key, tree, [value for value in values if self._may_have(tree.field, value)], whole)
        bounds = _bounds(tree)
        (kind, *more) = {kind_of(value) for value in bounds.values()}
        if more or not self._may_have(tree.field, next(iter(bounds.values()))):
            return NOTHING
        if kind == TRUTH:
            return self._equal(key, tree, [value for value in (False, True) if _within(tree, value)], whole)
        if kind == TEXT:
            return self._equal(key, tree, self._texts(tree), whole)
        return _range(key, {name: _number(tree, value) for name, value in bounds.items()}, whole=whole)

    def _may_have(self, name: str, value: Value) -> bool:
        return self._kinds is None or self._kinds.get(name) == kind_of(value)

    def _equal(self, key: str, tree: _Leaf, values: Sequence[Value], whole: bool) -> models.Filter:
        texts = [value for value in values if isinstance(value, str)]
        found: list[Any] = []
        if texts:
            match = models.MatchValue(value=texts[0]) if len(texts) == 1 else models.MatchAny(any=texts)
            found.append(models.FieldCondition(key=key, match=match))
        for value in values:
            if isinstance(value, bool):
                found.append(models.FieldCondition(key=key, match=models.MatchValue(value=value)))
            elif not isinstance(value, str):
                number = _number(tree, value)
                found.append(_range(key, {"gte": number, "lte": number}, whole=whole))
        return models.Filter(should=found) if found else NOTHING

    def _texts(self, tree: Range) -> list[Value]:
        """The texts of a field that are within bounds."""
        if self._contents is None:
            raise Inexpressible(tree)
        counts = self._contents.counts(tree.field, self._contents.masks(None))
        found = [value for value in counts if _within(tree, value)]
        if len(found) > MOST_TEXTS:
            raise Inexpressible(tree)
        return found


def _bounds(tree: Range) -> dict[str, Value]:
    return {name: value for name in _BOUNDS if (value := getattr(tree, name)) is not None}


def _within(tree: Range, value: Value) -> bool:
    return matches(tree, Document("", fields={tree.field: value}))


def _number(tree: _Leaf, value: Value) -> float:
    assert isinstance(value, int | float)
    if not -_EXACT < value < _EXACT:
        raise Inexpressible(tree)
    return float(value)


def _range(key: str, bounds: Mapping[str, float], *, whole: bool) -> models.Filter:
    """Admit numbers within bounds; ``whole`` ones, if an index of integers cuts the fractions of bounds off."""
    sent: dict[str, float] = {}
    for name, value in bounds.items():
        up = name in ("gt", "gte")
        if whole and not value.is_integer():
            name, value = ("gte", float(math.ceil(value))) if up else ("lte", float(math.floor(value)))
        # A rounded bound may meet one that was there.
        other = sent.get(name, value)
        sent[name] = max(value, other) if up else min(value, other)
    return models.Filter(must=[models.FieldCondition(key=key, range=models.Range(**sent))])
