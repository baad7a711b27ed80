"""A collection of Qdrant as a back end: see :class:`typeahead.search.port.Backend`.

Words are found in memory first. Then one batch of searches for all requests finds the nearest vectors, and compares
those of what the words found. What both arms found is weighed in memory.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final, TypeVar

from qdrant_client import models

from typeahead.engines import weighing
from typeahead.engines.comparing import compare
from typeahead.engines.documents import Read
from typeahead.engines.planning import Plan, plan, scope_and
from typeahead.engines.qdrant.copy import Copy
from typeahead.engines.qdrant.filters import Inexpressible, compile_filter
from typeahead.engines.qdrant.points import Point, document_id, point_of, read_points
from typeahead.engines.qdrant.searches import Searches
from typeahead.engines.qdrant.server import Server
from typeahead.engines.view import EngineView
from typeahead.errors import BackendClosed, UnsupportedFilter
from typeahead.index.contents import Contents
from typeahead.index.engine import vocabulary
from typeahead.search.filters import KINDS, Filter, matches
from typeahead.search.port import Backend, Candidates, Capabilities, Key, Request, Writes
from typeahead.search.ranking import check_requests
from typeahead.search.space import Space
from typeahead.text.document import Document, Value

T = TypeVar("T")

#: Points that are read at once.
_POINTS: Final = 1000


class QdrantBackend:
    """A collection, or the part of it that ``scope`` admits. Made by :mod:`~typeahead.engines.qdrant.opening`."""

    def __init__(
        self,
        address: str,
        space: Space,
        server: Server,
        searches: Searches,
        copy: Copy,
        *,
        writes: Writes | None = None,
        view: EngineView | None = None,
        scope: Filter | None = None,
    ) -> None:
        self.address, self.space = address, space
        self._server, self._searches, self._layout, self._copy = server, searches, searches.layout, copy
        self._view, self._scope = view, scope
        self._closed = False
        # Words are looked up while other keys are encoded on the event loop.
        self._thread = ThreadPoolExecutor(1, "typeahead-words")
        words = copy.words
        self.capabilities = Capabilities(
            lexical=words,
            phrases=words,
            filters=KINDS,
            vocabulary=self._vocabulary if words else None,
            writes=writes,
            documents=self._documents,
            fields=self._fields if words else None,
            facets=self._facets if words else None,
            scoped=self._scoped if words else None,
            describe=self._describe,
        )

    @property
    def version(self) -> str:
        """See :attr:`~typeahead.search.port.Backend.version`."""
        return str(self._copy.version) if self._view is None else self._view.version

    @property
    def count(self) -> int:
        """See :attr:`~typeahead.search.port.Backend.count`."""
        return self._copy.count if self._view is None else self._view.contents.count

    async def candidates(self, requests: Sequence[Request], deadline: float) -> Sequence[Candidates]:
        """See :meth:`~typeahead.search.port.Backend.candidates`."""
        self._check(deadline)
        check_requests(requests, self.space.dim)
        if not requests:
            return []
        contents, cosine = self._contents, self.space.similarity == "cosine"
        every = None if self._copy.words else self._copy.count

        def planned() -> list[Plan]:
            return [plan(contents, request, cosine=cosine, every=every) for request in requests]

        async def search(plans: Sequence[tuple[Plan, bool]]) -> list[list[Any]]:
            return await self._search(contents, plans, deadline)

        plans = await self._in_thread(planned)
        outcomes = await compare(contents, plans, search)
        missing = self._missing(contents, outcomes)
        fresh = await self._read(missing, deadline, scoped=False) if missing else {}

        def weighed() -> list[Candidates]:
            return [
                weighing.candidates(contents, one, found, fresh, self._scope)
                for one, found in zip(plans, outcomes, strict=True)
            ]

        return await self._in_thread(weighed)

    async def fetch(self, keys: Sequence[Key], deadline: float) -> Mapping[Key, Document]:
        """See :meth:`~typeahead.search.port.Backend.fetch`."""
        self._check(deadline)
        read = await self._read([key.document for key in keys], deadline)
        shown = {}
        for key in keys:
            if (one := read.get(key.document)) is not None:
                passages = one.passages
                # A document that was replaced meanwhile may have fewer passages.
                shown[key] = one.document.shown(passages[key.passage if key.passage < len(passages) else 0])
        return shown

    async def close(self) -> None:
        """See :meth:`~typeahead.search.port.Backend.close`."""
        if self._closed:
            return
        self._closed = True
        self._thread.shutdown(wait=False)
        if self._view is not None:
            self._view.close()
            return
        await self._copy.close()
        await self._server.close()

    @property
    def _contents(self) -> Contents:
        return self._copy.contents if self._view is None else self._view.contents

    def _check(self, deadline: float = math.inf) -> None:
        if self._closed:
            raise BackendClosed(self.address)
        self._server.check(deadline)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _search(self, contents: Contents, plans: Sequence[tuple[Plan, bool]], deadline: float) -> list[list[Any]]:
        """Search for several plans in one round trip."""
        points, scope = self._copy.points, self._scope_condition(contents)
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
            return self._searches.documents(one.among, self._copy.points), True
        if tree is None:
            return None, False
        try:
            return compile_filter(tree, self._layout, contents if self._copy.words else None), False
        except Inexpressible as error:
            if not self._copy.words:
                raise UnsupportedFilter(self.address, error.kinds) from None
        rows = contents.live_rows(contents.masks(one.request.filter)).tolist()
        return self._searches.documents([contents.id(row) for row in rows], self._copy.points), True

    def _scope_condition(self, contents: Contents) -> models.Filter | None:
        """What documents have to pass that words found: they may have left the view a moment ago."""
        if self._scope is None:
            return None
        try:
            return compile_filter(self._scope, self._layout, contents)
        except Inexpressible:
            return None

    def _missing(self, contents: Contents, outcomes: Sequence[weighing.Outcome]) -> list[str]:
        """The documents that the copy lacks, or has in an earlier version as far as a candidate tells."""
        if self._layout.made is not None:
            return weighing.stale(contents, weighing.stamps(outcomes))
        ids = {one.id for found in outcomes for one in (*found.near, *found.others.values())}
        known = contents.find(list(ids))
        return [key for key in ids if key not in known]

    async def _read(self, ids: Sequence[str], deadline: float = math.inf, *, scoped: bool = True) -> dict[str, Read]:
        """Read documents by their ids; those of a view alone if ``scoped``."""
        points = await self._points(list(dict.fromkeys(ids)), deadline)
        points.sort(key=lambda point: document_id(self._layout, point))
        found: dict[str, Read] = {}
        for one in read_points(self._layout, points):
            found.setdefault(one.document.id, one)
        if scoped and self._scope is not None:
            return {key: one for key, one in found.items() if matches(self._scope, one.document)}
        return found

    async def _points(self, ids: Sequence[str], deadline: float) -> list[Point]:
        """Read the points of documents."""
        found: list[Point] = []
        if self._layout.made is None:
            known = [self._copy.points.get(key) if self._layout.id is not None else point_of(key) for key in ids]
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

    async def _vocabulary(self) -> Mapping[str, int]:
        self._check()
        return vocabulary(self._contents)

    async def _documents(self, ids: Sequence[str]) -> Mapping[str, Document]:
        self._check()
        return {key: one.document for key, one in (await self._read(ids)).items()}

    async def _fields(self) -> Mapping[str, str]:
        self._check()
        return self._contents.kinds

    async def _facets(self, tree: Filter | None, names: Sequence[str]) -> Mapping[str, Mapping[Value, int]]:
        self._check()
        contents = self._contents

        def counted() -> dict[str, Mapping[Value, int]]:
            masks = contents.masks(tree)
            return {name: contents.counts(name, masks) for name in names}

        return await self._in_thread(counted)

    async def _scoped(self, tree: Filter) -> Backend:
        """Make a back end of the documents that a filter admits."""
        self._check()
        both = scope_and(self._scope, tree)
        assert both is not None
        view = await EngineView.of(self._copy, both)
        scoped = QdrantBackend(
            self.address, self.space, self._server, self._searches, self._copy, view=view, scope=both
        )
        scoped.capabilities = replace(scoped.capabilities, describe=None)
        return scoped

    async def _describe(self) -> Mapping[str, Any]:
        self._check()
        return {
            "documents": self.count,
            "version": self.version,
            "collection": self._server.collection,
            "distance": self._layout.distance,
            "skipped_points": self._copy.skipped,
            "fields": dict(self._contents.kinds),
            "away": self._server.away,
            "teacher": str(self.space),
        }
