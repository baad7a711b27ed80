"""A table that is searched in memory: the back end of a hot copy.

The copy has what an index in files has, so the engine of the embedded index searches it, in a thread of its own. The
database is asked for whole documents and for writes alone. While it is away, keys are answered from the copy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from typeahead.engines.postgres.backend import PostgresBackend
from typeahead.engines.postgres.copy import Copy
from typeahead.engines.view import EngineView
from typeahead.errors import BackendAway, BackendClosed, DeadlinePassed
from typeahead.index.contents import Contents
from typeahead.index.engine import EmbeddedEngine
from typeahead.index.sparse import SparseWords
from typeahead.search.filters import Filter
from typeahead.search.port import Backend
from typeahead.search.space import Space
from typeahead.search.threads import ThreadedBackend
from typeahead.text.document import Document


class HotBackend(ThreadedBackend):
    """``table`` as a back end that searches its copy. See :class:`~typeahead.search.port.Backend`."""

    def __init__(self, table: PostgresBackend, copy: Copy) -> None:
        super().__init__(EmbeddedEngine(_Source(table.address, table.space, _Whole(copy))))
        self.table, self._copy = table, copy
        self._held = self.capabilities.documents
        self.capabilities = replace(
            self.capabilities,
            writes=table.capabilities.writes,
            documents=self._documents,
            scoped=self._view,
            as_role=self._as_role,
            describe=self._describe,
            lag=copy.lag,
        )

    async def close(self) -> None:
        """Follow the table no more, and close all connections."""
        await super().close()
        await self.table.close()

    async def _documents(self, ids: Sequence[str]) -> Mapping[str, Document]:
        self._check_open()
        read, held = self.table.capabilities.documents, self._held
        assert read is not None
        assert held is not None
        # Whoever has written a document wants to see it, though another process may have written it.
        with suppress(BackendAway, DeadlinePassed):
            return await read(ids)
        return await held(ids)

    async def _view(self, tree: Filter) -> Backend:
        """Make a back end of the documents that a filter admits; see :class:`~typeahead.search.port.Capabilities`."""
        self._check_open()
        return self._part(await EngineView.of(self._copy, tree), self._copy.lag)

    async def _as_role(self, role: str) -> Backend:
        """Make a back end of the documents that a role sees; see :class:`~typeahead.search.port.Capabilities`."""
        self._check_open()
        seen = await self.table.seen_by(role)

        async def scoped(tree: Filter) -> Backend:
            return self._part(await EngineView.of(seen, tree), seen.lag)

        backend = self._part(seen, seen.lag)
        backend.capabilities = replace(backend.capabilities, scoped=scoped)
        return backend

    def _part(self, holder: _Holder, lag: Callable[[], float]) -> ThreadedBackend:
        part = ThreadedBackend(EmbeddedEngine(_Source(self.address, self.space, holder)))
        part.capabilities = replace(part.capabilities, lag=lag)
        return part

    async def _describe(self) -> Mapping[str, Any]:
        self._check_open()
        tell = self.table.capabilities.describe
        assert tell is not None
        contents = self._copy.contents
        return {**await tell(), "passages": contents.passage_count, "in_memory": True}

    def _check_open(self) -> None:
        if self._closed:
            raise BackendClosed(self.address)


class _Holder(Protocol):
    """Has contents, and follows their changes until it is closed."""

    @property
    def contents(self) -> Contents:
        """The contents as they are now."""

    @property
    def version(self) -> str:
        """Names the contents as they are now."""

    def close(self) -> None:
        """Follow the changes no more."""


class _Whole:
    """All of a copy."""

    def __init__(self, copy: Copy) -> None:
        self._copy = copy

    @property
    def contents(self) -> Contents:
        """The contents as they are now."""
        return self._copy.contents

    @property
    def version(self) -> str:
        """The version of the contents. The thread of searches may ask while others come."""
        return str(self._copy.contents.version)

    def close(self) -> None:
        """The back end closes the copy."""


class _Source:
    """What the engine searches: :class:`~typeahead.index.engine.Source`."""

    sparse: SparseWords | None = None

    def __init__(self, address: str, space: Space, holder: _Holder) -> None:
        self.address, self.space, self._holder = address, space, holder

    @property
    def contents(self) -> Contents:
        """The contents as they are now."""
        return self._holder.contents

    @property
    def version(self) -> str:
        """Names the contents as they are now."""
        return self._holder.version

    def close(self) -> None:
        """Follow the changes no more."""
        self._holder.close()
