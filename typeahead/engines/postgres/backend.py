"""A table of PostgreSQL as a back end: see :class:`typeahead.search.port.Backend`.

Words are found in memory first. Then one statement for each request finds the nearest vectors and compares those of
what the words found, and all statements of a batch go in one round trip. What both arms found is weighed in memory.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from typeahead.engines import weighing
from typeahead.engines.planning import Plan, plan, scope_and
from typeahead.engines.postgres.copy import Copy
from typeahead.engines.postgres.database import Database
from typeahead.engines.postgres.listening import Listening
from typeahead.engines.postgres.roles import RoleView
from typeahead.engines.postgres.searching import TableSearch
from typeahead.engines.recent import RecentDocuments
from typeahead.engines.view import EngineView
from typeahead.errors import BackendAway, BackendClosed, DeadlinePassed
from typeahead.index.contents import Contents
from typeahead.index.engine import vocabulary
from typeahead.search.filters import KINDS, Filter
from typeahead.search.port import Backend, Candidates, Capabilities, Key, Request, Writes
from typeahead.search.ranking import check_requests
from typeahead.search.space import Space
from typeahead.text.document import Document, Value

T = TypeVar("T")


class PostgresBackend:
    """A table, or the part of it that ``scope`` admits, or a role sees. ``view`` has the words of that part.

    Made by :mod:`~typeahead.engines.postgres.opening`. ``seen`` is what the role sees.
    """

    def __init__(
        self,
        address: str,
        space: Space,
        database: Database,
        search: TableSearch,
        copy: Copy,
        *,
        writes: Writes | None = None,
        view: EngineView | RoleView | None = None,
        seen: RoleView | None = None,
        scope: Filter | None = None,
        primary: Database | None = None,
        listening: Listening | None = None,
    ) -> None:
        self.address, self.space = address, space
        self._database, self._search, self._copy = database, search, copy
        self._view, self._scope, self._seen = view, scope, seen
        self._primary, self._listening = primary, listening
        self._closed = False
        self._recent = RecentDocuments()
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
            as_role=self._as_role if words else None,
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
        version = self._copy.version
        # A view takes changes in a little later than the copy.
        settled = self._copy.settled() if self._view is None else None
        every = None if self._copy.words else self._copy.count

        def planned() -> list[Plan]:
            return [plan(contents, request, cosine=cosine, every=every) for request in requests]

        plans = await self._in_thread(planned)
        outcomes = await self._search.compare(contents, plans, deadline)
        told = weighing.stamps(outcomes)
        self._recent.tell(version, told)
        missing = weighing.stale(contents, told, settled) if self._copy.words else []
        fresh = await self._search.read(missing, deadline, scoped=False) if missing else {}

        def weighed() -> list[Candidates]:
            return [
                weighing.candidates(contents, one, found, fresh, self._scope)
                for one, found in zip(plans, outcomes, strict=True)
            ]

        return await self._in_thread(weighed)

    async def fetch(self, keys: Sequence[Key], deadline: float) -> Mapping[Key, Document]:
        """See :meth:`~typeahead.search.port.Backend.fetch`."""
        self._check(deadline)
        ids = [key.document for key in keys]
        read = self._recent.find(self._copy.version, ids)
        if missing := [key for key in ids if key not in read]:
            found = await self._search.read(missing, deadline)
            self._recent.keep(found.values())
            read |= found
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
        if self._listening is not None:
            await self._listening.close()
        await self._copy.close()
        await self._database.close()
        if self._primary is not None:
            await self._primary.close()

    @property
    def _contents(self) -> Contents:
        return self._copy.contents if self._view is None else self._view.contents

    def _check(self, deadline: float = math.inf) -> None:
        if self._closed:
            raise BackendClosed(self.address)
        self._database.check(deadline)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _vocabulary(self) -> Mapping[str, int]:
        self._check()
        return vocabulary(self._contents)

    async def _documents(self, ids: Sequence[str]) -> Mapping[str, Document]:
        self._check()
        # A standby may not yet have what was written a moment ago.
        if self._primary is not None:
            with suppress(BackendAway, DeadlinePassed):
                read = await self._search.read(ids, primary=True)
                return {key: one.document for key, one in read.items()}
        return {key: one.document for key, one in (await self._search.read(ids)).items()}

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
        view = await EngineView.of(self._seen or self._copy, both)
        return self._part(self._search.of(both), view, both, self._seen)

    async def _as_role(self, role: str) -> Backend:
        """Make a back end of the documents that a role sees."""
        seen = await self.seen_by(role)
        return self._part(self._search.of(role=role), seen, None, seen)

    async def seen_by(self, role: str) -> RoleView:
        """Return what a role sees of the copy. Raises :class:`~typeahead.errors.RoleRefused`."""
        self._check()
        return await RoleView.of(role, self._copy, self._database, self._search.statements)

    def _part(
        self, search: TableSearch, view: EngineView | RoleView, scope: Filter | None, seen: RoleView | None
    ) -> PostgresBackend:
        part = PostgresBackend(
            self.address, self.space, self._database, search, self._copy,
            view=view, scope=scope, seen=seen, primary=self._primary,
        )  # fmt: skip
        lag = None if seen is None else seen.lag
        part.capabilities = replace(part.capabilities, writes=None, as_role=None, describe=None, lag=lag)
        return part

    async def _describe(self) -> Mapping[str, Any]:
        self._check()
        table, index = self._search.statements.table, self._search.statements.index
        return {
            "documents": self.count,
            "version": self.version,
            "table": f"{table.schema}.{table.name}",
            "vector_index": None if index is None else index.kind,
            "skipped_rows": self._copy.skipped,
            "fields": dict(self._contents.kinds),
            "away": self._database.away,
            "lag_seconds": round(self._copy.lag(), 3),
            "teacher": str(self.space),
        }
