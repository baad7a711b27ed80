"""A table of PostgreSQL as a back end: all statements of a batch go in one round trip. See :mod:`.engines.backend`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from typeahead.engines import weighing
from typeahead.engines.backend import CopiedBackend, Missing
from typeahead.engines.documents import Read
from typeahead.engines.planning import Plan
from typeahead.engines.postgres.copy import Copy
from typeahead.engines.postgres.database import Database
from typeahead.engines.postgres.listening import Listening
from typeahead.engines.postgres.roles import RoleView
from typeahead.engines.postgres.searching import TableSearch
from typeahead.engines.view import EngineView, Followed
from typeahead.errors import BackendAway, DeadlinePassed
from typeahead.index.contents import Contents
from typeahead.search.filters import Filter
from typeahead.search.port import Backend, Writes
from typeahead.search.space import Space
from typeahead.text.document import Document


class PostgresBackend(CopiedBackend):
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
        super().__init__(address, space, database, copy, stamped=True, writes=writes, view=view, scope=scope)
        self._database, self._table, self._copy, self._seen = database, search, copy, seen
        self._primary, self._listening = primary, listening
        if copy.words and seen is None and view is None:
            self.capabilities = replace(self.capabilities, as_role=self._as_role)

    async def close(self) -> None:
        """See :meth:`~typeahead.search.port.Backend.close`."""
        if not self._closed and self._view is None and self._listening is not None:
            await self._listening.close()
        await super().close()
        if self._view is None and self._primary is not None:
            await self._primary.close()

    async def seen_by(self, role: str) -> RoleView:
        """Return what a role sees of the copy. Raises :class:`~typeahead.errors.RoleRefused`."""
        self._check()
        return await RoleView.of(role, self._copy, self._database, self._table.statements)

    async def _as_role(self, role: str) -> Backend:
        """Make a back end of the documents that a role sees."""
        seen = await self.seen_by(role)
        part = self._of(self._table.of(role=role), seen, None, seen)
        part.capabilities = replace(part.capabilities, describe=None)
        return part

    async def _search(
        self,
        contents: Contents,  # noqa: ARG002
        plans: Sequence[tuple[Plan, bool]],
        deadline: float,
    ) -> list[list[Any]]:
        return await self._table.search(plans, deadline)

    def _missing(self, contents: Contents) -> Missing:
        # A view takes changes in a little later than the copy.
        settled = self._copy.settled() if self._view is None else None
        return lambda outcomes: weighing.stale(contents, weighing.stamps(outcomes), settled)

    async def _read(self, ids: Sequence[str], deadline: float = math.inf) -> dict[str, Read]:
        return await self._table.read(ids, deadline)

    async def _documents(self, ids: Sequence[str]) -> Mapping[str, Document]:
        self._check()
        # A standby may not yet have what was written a moment ago.
        if self._primary is not None:
            with suppress(BackendAway, DeadlinePassed):
                read = await self._table.read(ids, primary=True)
                return {key: one.document for key, one in self._admits(read).items()}
        return await super()._documents(ids)

    @property
    def _followed(self) -> Followed:
        return self._seen or self._copy

    def _part(self, view: EngineView, scope: Filter) -> PostgresBackend:
        return self._of(self._table.of(scope), view, scope, self._seen)

    def _of(
        self, table: TableSearch, view: EngineView | RoleView, scope: Filter | None, seen: RoleView | None
    ) -> PostgresBackend:
        part = PostgresBackend(
            self.address, self.space, self._database, table, self._copy,
            view=view, scope=scope, seen=seen, primary=self._primary,
        )  # fmt: skip
        part.capabilities = replace(part.capabilities, lag=None if seen is None else seen.lag)
        return part

    def _engine_says(self) -> Mapping[str, Any]:
        table, index = self._table.statements.table, self._table.statements.index
        return {
            "table": f"{table.schema}.{table.name}",
            "vector_index": None if index is None else index.kind,
            "skipped_rows": self._copy.skipped,
            "lag_seconds": round(self._copy.lag(), 3),
        }
