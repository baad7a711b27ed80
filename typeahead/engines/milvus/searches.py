"""Makes the searches that are sent for plans, and reads what comes back."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.engines.milvus.filters import listed
from typeahead.engines.milvus.layout import Layout
from typeahead.engines.payloads import document_id, stamp_of
from typeahead.engines.planning import Plan
from typeahead.search.filters import is_text

#: Rows that a search returns at most, for all of its vectors together where these are compared with some rows.
MOST_ROWS: Final = 16_384
#: Vectors of a search.
_TOGETHER: Final = 16
#: Candidates that a search of a graph keeps, at least, where the address says nothing; and one that compares exactly.
_EF, _EXACT_EF = 100, 2048
#: The share of an IVF index's lists that is searched, and the least number of them.
_SHARE, _LEAST_LISTS = 16, 16
_DIGITS: Final = 18


class Nearest(NamedTuple):
    """A search for the nearest rows of some plans, told by their places."""

    places: Sequence[int]
    arguments: Mapping[str, Any]


class Searches:
    """Searches in a collection of some layout. Those of Milvus ``lite`` have one vector each."""

    def __init__(self, layout: Layout, ef: int | None, nprobe: int | None, *, lite: bool) -> None:
        self.layout = layout
        self._ef, self._nprobe = ef, nprobe
        # It multiplies matrices, and the last bits of a product depend on all of its vectors.
        self._together = 1 if lite else _TOGETHER
        self._told = self._fields()

    def by_id(self, ids: Sequence[str], places: Mapping[str, Any]) -> str:
        """Admit the rows of some documents; ``places`` are the primary keys that are known."""
        if self.layout.made is None:
            keys = [places.get(one) if self.layout.id is not None else self._key(one) for one in ids]
            return f"{self.layout.key} in {listed([key for key in keys if key is not None and _written(key)])}"
        return f"id in {listed([one for one in ids if one and is_text(one) and _written(one)])}"

    def by_field(self, ids: Sequence[str]) -> str | None:
        """Admit the rows whose field of ids is one of some; None where no row can have one."""
        path = self.layout.id
        assert path is not None
        column = self.layout.columns.get(path[0])
        possible: list[Any] = [one for one in ids if one and is_text(one) and _written(one)]
        numbers = [int(one) for one in possible if _number(one)]
        if len(path) == 1 and column is not None and column.bits:
            return f"{path[0]} in {listed(numbers)}" if numbers else None
        if not possible:
            return None
        if column is not None and column.kind:
            return f"{path[0]} in {listed(possible)}"
        keys = path[1:] if column is not None else path
        where = "".join(["$meta" if column is None else path[0], *(f"[{json.dumps(key)}]" for key in keys)])
        # Texts and numbers may not stand in one list.
        found = [f"{where} in {listed(possible)}", *([f"{where} in {listed(numbers)}"] if numbers else [])]
        return " or ".join(found)

    def nearest(self, asked: Sequence[tuple[Plan, str, bool]]) -> Iterator[Nearest]:
        """Find the nearest rows of plans, each with a condition and whether to compare exactly."""
        groups: dict[tuple[str, int, bool], list[int]] = {}
        for place, (one, condition, exact) in enumerate(asked):
            groups.setdefault((condition, min(one.limit, MOST_ROWS), exact), []).append(place)
        for (condition, limit, exact), places in groups.items():
            for first in range(0, len(places), self._together):
                some = places[first : first + self._together]
                vectors = [asked[place][0].vector for place in some]
                yield Nearest(some, self._search(vectors, condition, limit, exact=exact))

    def others(
        self, plans: Sequence[tuple[int, Plan]], these: Callable[[Sequence[str]], str], rows: int
    ) -> Iterator[Nearest]:
        """Compare what the words of plans found: rows of all of them with all of their vectors, some at a time.

        ``these`` admits some documents, and ``rows`` is how many rows each may have.
        """
        step = -(-self._together // 2)
        for first in range(0, len(plans), step):
            some = plans[first : first + step]
            ids = list(dict.fromkeys(key for _, one in some for key in one.matched or ()))
            limit = min(MOST_ROWS // len(some), rows * len(ids))
            vectors = [one.vector for _, one in some]
            yield Nearest([place for place, _ in some], self._search(vectors, these(ids), limit, exact=True))

    def rows(self, one: Plan, hits: Sequence[Any], *, near: bool) -> list[tuple[Any, ...]]:
        """Read what a search found, as :func:`~typeahead.engines.weighing.outcome_of` takes it."""
        assert one.vector is not None
        length = float(np.dot(one.vector, one.vector))
        found = []
        wanted = None if near else set(one.matched or ())
        for hit in hits:
            row = self.layout.row({**hit["entity"], self.layout.key: _key_of(hit, self.layout.key)})
            key = document_id(self.layout, row)
            if key and (wanted is None or key in wanted):
                passage = row.payload.get("passage", 0) if self.layout.made is not None else 0
                stamp = stamp_of(self.layout, row.payload)
                found.append((near, key, passage, stamp, self._similarity(float(hit["distance"]), length)))
        return found

    def compared(self, one: Plan, entities: Sequence[tuple[Any, Vectors]], *, near: bool) -> list[tuple[Any, ...]]:
        """Compare rows that were read with their vectors."""
        assert one.vector is not None
        found = []
        for row, vector in entities:
            length = float(np.linalg.norm(vector)) if self.layout.metric == "COSINE" else 1.0
            similarity = float(np.dot(vector, one.vector)) / length if length else math.nan
            passage = row.payload.get("passage", 0) if self.layout.made is not None else 0
            key = document_id(self.layout, row)
            found.append((near, key, passage, stamp_of(self.layout, row.payload), similarity))
        return found

    @property
    def told(self) -> list[str]:
        """The fields that say which document a row is, and which version."""
        return self._told

    def _search(self, vectors: Sequence[Any], condition: str, limit: int, *, exact: bool) -> dict[str, Any]:
        if self.layout.dtype is np.float16:
            data: Any = [np.asarray(one, np.float16) for one in vectors]
        else:
            data = [one.tolist() for one in vectors]
        return {
            "data": data,
            "filter": condition,
            "limit": max(1, limit),
            "anns_field": self.layout.vector,
            "output_fields": self._told,
            "search_params": {"metric_type": self.layout.metric, "params": self._params(limit, exact=exact)},
            # What was written is there soon; whoever wrote has waited for it.
            "consistency_level": "Eventually",
        }

    def _params(self, limit: int, *, exact: bool) -> dict[str, int]:
        index, most = self.layout.index, MOST_ROWS
        if index.startswith("HNSW"):
            return {"ef": min(2 * most, max(self._ef or _EF, limit, _EXACT_EF if exact else 0))}
        if index == "DISKANN":
            return {"search_list": min(most, max(self._ef or _EF, limit))}
        if "IVF" in index or index == "SCANN":
            lists = self.layout.lists or most
            usual = self._nprobe or max(_LEAST_LISTS, lists // _SHARE)
            return {"nprobe": lists if exact else min(lists, usual)}
        return {}

    def _similarity(self, distance: float, length: float) -> float:
        # From a squared distance, for vectors of length 1: |a - b|² = 1 + |b|² - 2ab.
        return distance if self.layout.metric != "L2" else (1.0 + length - distance) / 2

    def _key(self, document: str) -> int | str | None:
        """The primary key whose document this is, where it is the id."""
        if not self.layout.numbered:
            return document if document and is_text(document) else None
        return int(document) if _number(document) and str(int(document)) == document else None

    def _fields(self) -> list[str]:
        if self.layout.made is not None:
            return ["id", "passage", "changed"]
        if self.layout.id is None:
            return [self.layout.key]
        return [self.layout.key, self.layout.id[0]]


def _number(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdecimal() and len(digits) <= _DIGITS


def _written(value: Any) -> bool:
    return not isinstance(value, str) or value.isprintable() or not any(one < " " or one == "\x7f" for one in value)


def _key_of(hit: Any, key: str) -> Any:
    """The primary key of a hit: clients differ in where they put it."""
    found = hit["entity"].get(key)
    return found if found is not None else hit.get("id", hit.get(key))
