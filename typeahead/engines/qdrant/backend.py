"""A collection of Qdrant as a back end; all requests are one batch of searches. See :mod:`.engines.backend`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from qdrant_client import models

from typeahead.engines.backend import CopiedBackend
from typeahead.engines.documents import Read
from typeahead.engines.payloads import document_id, read_rows
from typeahead.engines.planning import Plan, scope_and
from typeahead.engines.polling import PolledCopy
from typeahead.engines.qdrant.filters import Inexpressible, compile_filter
from typeahead.engines.qdrant.points import Point, point_of, row_of
from typeahead.engines.qdrant.searches import Searches
from typeahead.engines.qdrant.server import Server
from typeahead.engines.view import EngineView
from typeahead.errors import UnsupportedFilter
from typeahead.index.contents import Contents
from typeahead.search.filters import Filter
from typeahead.search.port import Writes
from typeahead.search.space import Space

#: Points that are read at once.
_POINTS: Final = 1000


class QdrantBackend(CopiedBackend):
    """A collection, or the part of it that ``scope`` admits. Made by :mod:`~typeahead.engines.qdrant.opening`."""

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
        self._server, self._searches, self._layout = server, searches, searches.layout
        self._copy = copy
        made = self._layout.made is not None
        super().__init__(address, space, server, copy, stamped=made, writes=writes, view=view, scope=scope)

    async def _search(self, contents: Contents, plans: Sequence[tuple[Plan, bool]], deadline: float) -> list[list[Any]]:
        """Search for several plans in one round trip."""
        points, scope = self._copy.places, self._scope_condition(contents)
        sent: list[models.QueryRequest] = []
        of: list[tuple[int, bool]] = []
        for place, (one, exact) in enumerate(plans):
            condition, few = self._condition(contents, one)
            sent.append(self._searches.nearest(one, condition, exact=exact or few))
            of.append((place, True))
            others = self._searches.others(one, points, scope)
            if others is not None:
                sent.append(others)
                of.append((place, False))
        responses: list[models.QueryResponse] = await self._server.call("query_batch_points", deadline, requests=sent)
        found: list[list[Any]] = [[] for _ in plans]
        for (place, near), response in zip(of, responses, strict=True):
            found[place] += self._searches.rows(plans[place][0], response.points, near=near)
        return found

    def _condition(self, contents: Contents, one: Plan) -> tuple[models.Filter | None, bool]:
        """What the nearest of a plan have to pass, and whether these are documents that are listed."""
        words, tree = one.request.words, scope_and(self._scope, one.request.filter)
        if one.among is not None and words is not None and words.phrases:
            return self._searches.documents(one.among, self._copy.places), True
        if tree is None:
            return None, False
        try:
            return compile_filter(tree, self._layout, contents if self._copy.words else None), False
        except Inexpressible as error:
            if not self._copy.words:
                raise UnsupportedFilter(self.address, error.kinds) from None
        rows = contents.live_rows(contents.masks(one.request.filter)).tolist()
        return self._searches.documents([contents.id(row) for row in rows], self._copy.places), True

    def _scope_condition(self, contents: Contents) -> models.Filter | None:
        """What documents have to pass that words found: they may have left the view a moment ago."""
        if self._scope is None:
            return None
        try:
            return compile_filter(self._scope, self._layout, contents)
        except Inexpressible:
            return None

    async def _read(self, ids: Sequence[str], deadline: float = math.inf) -> dict[str, Read]:
        rows = [row_of(point) for point in await self._points(list(dict.fromkeys(ids)), deadline)]
        rows.sort(key=lambda row: document_id(self._layout, row))
        found: dict[str, Read] = {}
        for one in read_rows(self._layout, rows):
            found.setdefault(one.document.id, one)
        return found

    async def _points(self, ids: Sequence[str], deadline: float) -> list[Point]:
        """Read the points of documents."""
        found: list[Point] = []
        if self._layout.made is None:
            known = [self._copy.places.get(key) if self._layout.id is not None else point_of(key) for key in ids]
            if there := [point for point in known if point is not None]:
                found += await self._server.call("retrieve", deadline, ids=there, with_payload=True)
            if self._layout.id is None:
                return found
            ids = [key for key, point in zip(ids, known, strict=True) if point is None]
        offset: Any = None
        while ids:
            some, offset = await self._server.call(
                "scroll",
                deadline,
                scroll_filter=self._searches.by_key(ids),
                limit=_POINTS,
                offset=offset,
                with_payload=True,
            )
            found += some
            if offset is None:
                break
        return found

    def _part(self, view: EngineView, scope: Filter) -> QdrantBackend:
        return QdrantBackend(self.address, self.space, self._server, self._searches, self._copy, view=view, scope=scope)

    def _engine_says(self) -> Mapping[str, Any]:
        return {
            "collection": self._server.collection,
            "distance": self._layout.distance,
            "skipped_points": self._copy.skipped,
        }
