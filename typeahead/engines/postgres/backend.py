"""A table of PostgreSQL as a back end: see :class:`typeahead.search.port.Backend`.

Words are found in memory first. Then one statement for each request finds the nearest vectors and compares those of
what the words found, and all statements of a batch go in one round trip. What both arms found is weighed in memory.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, TypeVar

from typeahead.engines import weighing
from typeahead.engines.documents import Read
from typeahead.engines.planning import WIDER, Plan, plan, scope_and
from typeahead.engines.postgres.copy import Copy
from typeahead.engines.postgres.database import Connection, Database, SentVector
from typeahead.engines.postgres.filters import compile_filter
from typeahead.engines.postgres.listening import Listening
from typeahead.engines.postgres.rows import read_rows
from typeahead.engines.postgres.statements import Statement, Statements
from typeahead.engines.view import EngineView
from typeahead.engines.weighing import Outcome, outcome_of
from typeahead.errors import BackendAway, BackendClosed, DeadlinePassed
from typeahead.index.contents import Contents
from typeahead.index.engine import vocabulary
from typeahead.search.filters import KINDS, Filter, matches
from typeahead.search.port import Backend, Candidates, Capabilities, Key, Request, Writes
from typeahead.search.ranking import check_requests
from typeahead.search.space import Space
from typeahead.text.document import Document, Value

T = TypeVar("T")

#: Statements that one connection gets in one round trip; further ones go to other connections at the same time.
_TOGETHER: Final = 8
#: How often more of the nearest are asked for where too many of them are left out.
_WIDENINGS: Final = 2
#: Seconds after which the server ends a statement without any deadline.
_LONGEST: Final = 60.0


class PostgresBackend:
    """A table, or the part of it that ``scope`` admits. Made by :mod:`~typeahead.engines.postgres.opening`."""

    def __init__(
        self,
        address: str,
        space: Space,
        database: Database,
        statements: Statements,
        copy: Copy,
        *,
        ef_search: int | None = None,
        probes: int | None = None,
        writes: Writes | None = None,
        view: EngineView | None = None,
        scope: Filter | None = None,
        primary: Database | None = None,
        listening: Listening | None = None,
    ) -> None:
        self.address, self.space = address, space
        self._database, self._statements, self._copy = database, statements, copy
        self._ef_search, self._probes = ef_search, probes
        self._view, self._scope = view, scope
        self._primary, self._listening = primary, listening
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

        plans = await self._in_thread(planned)
        outcomes = await self._compare(contents, plans, deadline)
        fresh = await self._fresh(contents, outcomes, deadline)

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

    async def _compare(self, contents: Contents, plans: Sequence[Plan], deadline: float) -> list[Outcome]:
        """Have the vectors compared for some plans, and again with more rows where too few were found."""
        outcomes: list[Outcome] = [Outcome((), {})] * len(plans)
        left = [(place, one, one.among is not None) for place, one in enumerate(plans) if one.vector is not None]
        for widening in range(_WIDENINGS + 1):
            statements = [self._search(one, exact=exact) for _, one, exact in left]
            filtered = self._scope is not None or any(one.request.filter is not None for _, one, _ in left)
            limit = max((one.limit for _, one, _ in left), default=1)
            found = await self._run(statements, limit, deadline, filtered=filtered)
            again = []
            for (place, one, exact), rows in zip(left, found, strict=True):
                outcomes[place] = outcome_of(rows)
                number = sum(bool(row[0]) for row in rows)
                wanted = min(one.wanted, one.admitted)
                if widening == _WIDENINGS or self._usable(contents, one, outcomes[place]) >= wanted:
                    continue
                if number >= one.limit:
                    again.append((place, one._replace(limit=WIDER * one.limit), exact))
                elif not exact and number < min(one.limit, one.admitted):
                    # A search by the index ends early where few rows pass the filter.
                    again.append((place, one, True))
            left = again
            if not left:
                break
        return outcomes

    def _usable(self, contents: Contents, one: Plan, found: Outcome) -> int:
        words = one.request.words
        if words is None or not words.without or one.among is not None:
            return len(found.near)
        return len(weighing.without(contents, found.near, words.without, {}))

    def _search(self, one: Plan, *, exact: bool) -> Statement:
        tree, statements = scope_and(self._scope, one.request.filter), self._statements
        condition = None
        if one.among is not None:
            condition = statements.only(statements.ids(one.among))
        elif tree is not None:
            table = statements.table
            condition = compile_filter(tree, table.fields, table.objects)
        assert one.vector is not None
        others = statements.ids(one.matched or ())
        return statements.search(SentVector(one.vector), one.limit, condition, others, exact=exact)

    async def _run(
        self, statements: Sequence[Statement], limit: int, deadline: float, *, filtered: bool
    ) -> list[list[Any]]:
        """Run statements, several in one round trip."""
        parts = [statements[first : first + _TOGETHER] for first in range(0, len(statements), _TOGETHER)]

        async def run(part: Sequence[Statement]) -> list[list[Any]]:
            async def work(connection: Connection) -> list[list[Any]]:
                left = max(1, round(1000 * (min(deadline, time.monotonic() + _LONGEST) - time.monotonic())))
                settings = self._statements.settings(limit, self._ef_search, self._probes, left, filtered=filtered)
                async with connection.pipeline(), connection.transaction():
                    await connection.execute(settings.query, settings.values)
                    cursors = [await connection.execute(one.query, one.values) for one in part]
                return [await cursor.fetchall() for cursor in cursors]

            return await self._database.call(work, deadline)

        if len(parts) == 1:
            return await run(parts[0])
        return [rows for found in await asyncio.gather(*map(run, parts)) for rows in found]

    async def _fresh(self, contents: Contents, outcomes: Sequence[Outcome], deadline: float) -> Mapping[str, Read]:
        """Read the documents that the copy lacks, or has in an earlier version."""
        missing = weighing.stale(contents, outcomes)
        return await self._read(missing, deadline, scoped=False) if missing else {}

    async def _read(
        self,
        ids: Sequence[str],
        deadline: float = math.inf,
        *,
        scoped: bool = True,
        database: Database | None = None,
    ) -> dict[str, Read]:
        """Read documents by their ids; those of a view alone if ``scoped``."""
        possible = self._statements.ids(ids)
        if not possible:
            return {}
        statement = self._statements.rows(possible)

        async def work(connection: Connection) -> list[Any]:
            # Rows by their key take no settings, and no transaction of several statements.
            return await (await connection.execute(statement.query, statement.values)).fetchall()

        rows = await (database or self._database).call(work, deadline)
        read = {one.document.id: one for one in read_rows(rows)}
        if scoped and self._scope is not None:
            return {key: one for key, one in read.items() if matches(self._scope, one.document)}
        return read

    async def _vocabulary(self) -> Mapping[str, int]:
        self._check()
        return vocabulary(self._contents)

    async def _documents(self, ids: Sequence[str]) -> Mapping[str, Document]:
        self._check()
        # A standby may not yet have what was written a moment ago.
        if self._primary is not None:
            with suppress(BackendAway, DeadlinePassed):
                read = await self._read(ids, database=self._primary)
                return {key: one.document for key, one in read.items()}
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
        scoped = PostgresBackend(
            self.address, self.space, self._database, self._statements, self._copy,
            ef_search=self._ef_search, probes=self._probes, view=view, scope=both,
        )  # fmt: skip
        scoped.capabilities = replace(scoped.capabilities, writes=None, describe=None)
        return scoped

    async def _describe(self) -> Mapping[str, Any]:
        self._check()
        table, index = self._statements.table, self._statements.index
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
