"""A collection of Milvus as a back end; searches of a batch run side by side. See :mod:`typeahead.engines.backend`."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any

from typeahead.engines.backend import CopiedBackend
from typeahead.engines.documents import Read
from typeahead.engines.milvus.copy import ROWS
from typeahead.engines.milvus.filters import Inexpressible, compile_filter
from typeahead.engines.milvus.layout import Layout
from typeahead.engines.milvus.searches import Searches
from typeahead.engines.milvus.server import Server
from typeahead.engines.payloads import document_id, read_rows
from typeahead.engines.planning import FEW, Plan, scope_and
from typeahead.engines.polling import PolledCopy
from typeahead.engines.view import EngineView
from typeahead.errors import UnsupportedFilter
from typeahead.index.contents import Contents
from typeahead.search.filters import Filter
from typeahead.search.port import Writes
from typeahead.search.space import Space


class MilvusBackend(CopiedBackend):
    """A collection, or the part of it that ``scope`` admits. Made by :mod:`~typeahead.engines.milvus.opening`."""

    def __init__(
        self,
        address: str,
        space: Space,
        server: Server,
        searches: Searches,
        copy: PolledCopy,
        *,
        writes: Writes | None = None,
        view: EngineView | None = None,
        scope: Filter | None = None,
    ) -> None:
        self._server, self._searches, self._copy = server, searches, copy
        self._layout: Layout = searches.layout
        made = self._layout.made is not None
        super().__init__(address, space, server, copy, stamped=made, writes=writes, view=view, scope=scope)

    async def _search(self, contents: Contents, plans: Sequence[tuple[Plan, bool]], deadline: float) -> list[list[Any]]:
        """Search for several plans: those of one filter together, and all of it at the same time."""
        asked = [(one, *self._condition(contents, one, exact)) for one, exact in plans]
        matched = [(place, one) for place, (one, _) in enumerate(plans) if one.vector is not None and one.matched]
        near = list(self._searches.nearest(asked))
        others = list(self._searches.others(matched, self._these, self._copy.most_passages))
        answers = await asyncio.gather(
            *(self._server.call("search", deadline, **one.arguments) for one in (*near, *others))
        )
        found: list[list[Any]] = [[] for _ in plans]
        for number, (search, answer) in enumerate(zip((*near, *others), answers, strict=True)):
            for place, hits in zip(search.places, answer, strict=True):
                found[place] += self._searches.rows(plans[place][0], hits, near=number < len(near))
        near_too = {place: self._passed_by(contents, *plans[place], rows) for place, rows in enumerate(found)}
        too = {place: self._uncompared(one, found[place]) for place, one in matched}
        if not self._layout.exact:
            # The index keeps less of a vector, and tells what it is about.
            too = {place: set(one.matched or ()) for place, one in matched}
            for place, rows in enumerate(found):
                near_too[place] |= {row[1] for row in rows if row[0]}
        if any(near_too.values()) or any(too.values()):
            await self._compare(plans, found, near_too, too, deadline)
        return found

    def _these(self, ids: Sequence[str]) -> str:
        """Admit some documents that words found, unless they have left the view a moment ago."""
        these = self._searches.by_id(ids, self._copy.places)
        if self._scope is None:
            return these
        try:
            return f"{these} and {compile_filter(self._scope, self._layout, self._copy.contents.kinds)}"
        except Inexpressible:
            return these

    def _uncompared(self, one: Plan, rows: Sequence[Any]) -> set[str]:
        """What words found and no search came upon: a search of a graph may pass by some of a few."""
        return set(one.matched or ()) - {row[1] for row in rows if not row[0]}

    @staticmethod
    def _passed_by(contents: Contents, one: Plan, exact: bool, rows: Sequence[Any]) -> set[str]:
        """What an exact search among few has passed by.

        Milvus 2.3.5 found 7 of 60 documents, with any ``ef``, once they had been replaced 80 times.
        """
        near = [row[1] for row in rows if row[0]]
        if not exact or one.admitted > FEW or len(near) >= min(one.limit, one.admitted):
            return set()
        among = one.among
        if among is None:
            among = [contents.id(row) for row in contents.live_rows(contents.masks(one.request.filter)).tolist()]
        return set(among) - set(near)

    async def _compare(
        self,
        plans: Sequence[tuple[Plan, bool]],
        found: list[list[Any]],
        near_too: Mapping[int, set[str]],
        too: Mapping[int, set[str]],
        deadline: float,
    ) -> None:
        """Read the vectors of documents, and compare them here, in place of what the searches told about them.

        By plan, those of ``near_too`` are among the nearest, and those of ``too`` are what words found.
        """
        ids = sorted({key for keys in (*near_too.values(), *too.values()) for key in keys})
        by_id: dict[str, list[Any]] = {}
        for first in range(0, len(ids), ROWS):
            entities = await self._server.call(
                "query",
                deadline,
                filter=self._these(ids[first : first + ROWS]),
                output_fields=[*self._searches.told, self._layout.vector],
                consistency_level="Eventually",
            )
            for entity in entities:
                vector, row = self._layout.vector_of(entity), self._layout.row(entity)
                if vector is not None:
                    by_id.setdefault(document_id(self._layout, row), []).append((row, vector))
        for place, rows in enumerate(found):
            again = {True: near_too[place], False: too.get(place, set())}
            kept = [row for row in rows if row[1] not in again[row[0]]]
            for near, keys in again.items():
                for key in sorted(keys):
                    kept += self._searches.compared(plans[place][0], by_id.get(key, []), near=near)
            found[place] = kept

    def _condition(self, contents: Contents, one: Plan, exact: bool) -> tuple[str, bool]:
        """What the nearest of a plan have to pass, and whether to compare them exactly."""
        words, tree = one.request.words, scope_and(self._scope, one.request.filter)
        if one.among is not None and words is not None and words.phrases:
            return self._searches.by_id(one.among, self._copy.places), True
        if tree is None:
            return "", exact
        try:
            return compile_filter(tree, self._layout, contents.kinds if self._copy.words else None), exact
        except Inexpressible as error:
            if not self._copy.words:
                raise UnsupportedFilter(self.address, error.kinds) from None
        rows = contents.live_rows(contents.masks(one.request.filter)).tolist()
        return self._searches.by_id([contents.id(row) for row in rows], self._copy.places), True

    async def _read(self, ids: Sequence[str], deadline: float = math.inf) -> dict[str, Read]:
        rows = []
        for condition in self._readings(list(dict.fromkeys(ids))):
            entities = await self._server.call(
                "query",
                deadline,
                filter=condition,
                output_fields=self._layout.payload,
                consistency_level="Eventually",
            )
            rows += [self._layout.row(entity) for entity in entities]
        rows.sort(key=lambda row: (document_id(self._layout, row), str(row.place)))
        found: dict[str, Read] = {}
        for one in read_rows(self._layout, rows):
            found.setdefault(one.document.id, one)
        return found

    def _readings(self, ids: Sequence[str]) -> list[str]:
        """The conditions of queries that read documents."""
        known = ids
        found = []
        if self._layout.made is None and self._layout.id is not None:
            known = [key for key in ids if key in self._copy.places]
            for first in range(0, len(ids), ROWS):
                some = [key for key in ids[first : first + ROWS] if key not in self._copy.places]
                if some and (condition := self._searches.by_field(some)) is not None:
                    found.append(condition)
        return found + [
            self._searches.by_id(known[first : first + ROWS], self._copy.places) for first in range(0, len(known), ROWS)
        ]

    def _part(self, view: EngineView, scope: Filter) -> MilvusBackend:
        return MilvusBackend(self.address, self.space, self._server, self._searches, self._copy, view=view, scope=scope)

    def _engine_says(self) -> Mapping[str, Any]:
        return {
            "collection": self._server.collection,
            "metric": self._layout.metric,
            "index": self._layout.index,
            "skipped_rows": self._copy.skipped,
        }
