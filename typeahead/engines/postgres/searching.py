"""Searches a table in the database: compares vectors there, and reads documents.

All statements of a batch go in one round trip.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

from typeahead.engines.documents import Read
from typeahead.engines.planning import Plan, scope_and
from typeahead.engines.postgres.database import Connection, Database, SentVector
from typeahead.engines.postgres.filters import compile_filter
from typeahead.engines.postgres.roles import as_role
from typeahead.engines.postgres.rows import read_rows
from typeahead.engines.postgres.statements import Statement, Statements
from typeahead.search.filters import Filter

T = TypeVar("T")

#: Statements that one connection gets in one round trip; further ones go to other connections at the same time.
_TOGETHER: Final = 8
#: Seconds after which the server ends a statement without any deadline.
_LONGEST: Final = 60.0


class TableSearch:
    """Searches the documents of a table that ``scope`` admits and ``role`` sees.

    ``primary`` is where they are written, if elsewhere. Without a role, it is that of the server.
    """

    def __init__(
        self,
        database: Database,
        statements: Statements,
        *,
        ef_search: int | None = None,
        probes: int | None = None,
        scope: Filter | None = None,
        role: str = "",
        primary: Database | None = None,
    ) -> None:
        self._database, self.statements, self._primary = database, statements, primary
        self._ef_search, self._probes, self._scope, self._role = ef_search, probes, scope, role

    def of(self, scope: Filter | None = None, role: str = "") -> TableSearch:
        """Return the same search within a scope, or as a role."""
        return TableSearch(
            self._database,
            self.statements,
            ef_search=self._ef_search,
            probes=self._probes,
            scope=scope or self._scope,
            role=role or self._role,
            primary=self._primary,
        )

    async def search(self, asked: Sequence[tuple[Plan, bool]], deadline: float) -> list[list[Any]]:
        """Have vectors compared in the database; see :data:`.comparing.Search`."""
        statements = [self._search(one, exact=exact) for one, exact in asked]
        filtered = bool(self._scope or self._role) or any(one.request.filter is not None for one, _ in asked)
        return await self._run(statements, max(one.limit for one, _ in asked), deadline, filtered=filtered)

    def _search(self, one: Plan, *, exact: bool) -> Statement:
        tree, statements = scope_and(self._scope, one.request.filter), self.statements
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
                settings = self.statements.settings(limit, self._ef_search, self._probes, left, filtered=filtered)
                # Statements of one pipeline are one transaction, so the settings hold for all of them and no longer.
                async with connection.pipeline():
                    await connection.execute(settings.query, settings.values)
                    cursors = [await connection.execute(one.query, one.values) for one in part]
                return [await cursor.fetchall() for cursor in cursors]

            return await self._database.call(self._within(work), deadline)

        if len(parts) == 1:
            return await run(parts[0])
        return [rows for found in await asyncio.gather(*map(run, parts)) for rows in found]

    async def read(
        self,
        ids: Sequence[str],
        deadline: float = math.inf,
        *,
        primary: bool = False,
    ) -> dict[str, Read]:
        """Read documents by their ids. ``primary`` asks no standby."""
        possible = self.statements.ids(ids)
        if not possible:
            return {}
        statement = self.statements.rows(possible)

        async def work(connection: Connection) -> list[Any]:
            # Rows by their key take no settings, and no transaction of several statements.
            return await (await connection.execute(statement.query, statement.values)).fetchall()

        database = self._primary if primary and self._primary is not None else self._database
        rows = await database.call(self._within(work), deadline)
        return {one.document.id: one for one in read_rows(rows)}

    def _within(self, work: Callable[[Connection], Awaitable[T]]) -> Callable[[Connection], Awaitable[T]]:
        return as_role(self._role, work) if self._role else work
