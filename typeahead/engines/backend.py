"""A back end whose vectors are in an engine, and whose words and fields are in memory: what all of these share.

Words are found in memory first. Then the engine finds the nearest vectors of all requests, and compares those of what
the words found. What both arms found is weighed in memory. A subclass knows the engine.
"""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

from typeahead.engines import weighing
from typeahead.engines.comparing import compare
from typeahead.engines.documents import Read
from typeahead.engines.planning import Plan, plan, scope_and
from typeahead.engines.view import EngineView, Followed
from typeahead.errors import BackendClosed
from typeahead.index.contents import Contents
from typeahead.index.engine import vocabulary
from typeahead.search.filters import KINDS, Filter, matches
from typeahead.search.port import Backend, Candidates, Capabilities, Key, Request, Writes
from typeahead.search.ranking import check_requests
from typeahead.search.space import Space
from typeahead.text.document import Document, Value

T = TypeVar("T")

#: While the engine compares vectors for one batch, words are found for the next.
AT_ONCE: Final = 2

#: Says which documents have to be read once a search has compared them.
Missing = Callable[[Sequence[weighing.Outcome]], list[str]]


class Engine(Protocol):
    """The way to an engine."""

    @property
    def away(self) -> str | None:
        """Why the engine cannot be reached; None while it can."""

    def check(self, deadline: float = math.inf) -> None:
        """Raise why no call may begin."""

    async def close(self) -> None:
        """Give up all connections."""


class Copied(Followed, Protocol):
    """The words and fields of an engine, in memory."""

    #: Whether it has words; without them it only counts.
    words: bool
    #: Number of documents.
    count: int
    version: int

    async def close(self) -> None:
        """Follow the engine no more."""


class View(Protocol):
    """What somebody is admitted to of a copy."""

    @property
    def contents(self) -> Contents:
        """The words and fields as they are now."""

    @property
    def version(self) -> str:
        """Names the contents."""

    def close(self) -> None:
        """Follow the copy no more."""


class CopiedBackend(ABC):
    """An engine, or the part of it that ``scope`` admits: see :class:`typeahead.search.port.Backend`.

    ``stamped`` says whether a candidate tells which version of its document was compared.
    """

    def __init__(
        self,
        address: str,
        space: Space,
        engine: Engine,
        copy: Copied,
        *,
        stamped: bool,
        writes: Writes | None = None,
        view: View | None = None,
        scope: Filter | None = None,
    ) -> None:
        self.address, self.space = address, space
        self._engine, self._copied, self._stamped = engine, copy, stamped
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
            at_once=AT_ONCE,
        )

    @property
    def version(self) -> str:
        """See :attr:`~typeahead.search.port.Backend.version`."""
        return str(self._copied.version) if self._view is None else self._view.version

    @property
    def count(self) -> int:
        """See :attr:`~typeahead.search.port.Backend.count`."""
        return self._copied.count if self._view is None else self._view.contents.count

    async def candidates(self, requests: Sequence[Request], deadline: float) -> Sequence[Candidates]:
        """See :meth:`~typeahead.search.port.Backend.candidates`."""
        self._check(deadline)
        check_requests(requests, self.space.dim)
        if not requests:
            return []
        contents, cosine = self._contents, self.space.similarity == "cosine"
        every = None if self._copied.words else self._copied.count

        def planned() -> list[Plan]:
            return [plan(contents, request, cosine=cosine, every=every) for request in requests]

        async def search(plans: Sequence[tuple[Plan, bool]]) -> list[list[Any]]:
            return await self._search(contents, plans, deadline)

        missing = self._missing(contents)
        plans = await self._in_thread(planned)
        outcomes = await compare(contents, plans, search)
        # Without words there is nothing to weigh documents by.
        ids = missing(outcomes) if self._copied.words else []
        fresh = await self._read(ids, deadline) if ids else {}

        def weighed() -> list[Candidates]:
            return [
                weighing.candidates(contents, one, found, fresh, self._scope)
                for one, found in zip(plans, outcomes, strict=True)
            ]

        return await self._in_thread(weighed)

    async def fetch(self, keys: Sequence[Key], deadline: float) -> Mapping[Key, Document]:
        """See :meth:`~typeahead.search.port.Backend.fetch`."""
        self._check(deadline)
        # Read every time: what was kept would tell one person by the clock what another one has found.
        read = await self._admitted([key.document for key in keys], deadline)
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
        await self._copied.close()
        await self._engine.close()

    @abstractmethod
    async def _search(self, contents: Contents, plans: Sequence[tuple[Plan, bool]], deadline: float) -> list[list[Any]]:
        """Search for several plans, at best in one round trip; see :data:`.comparing.Search`."""

    @abstractmethod
    async def _read(self, ids: Sequence[str], deadline: float = math.inf) -> dict[str, Read]:
        """Read documents by their ids, whatever admits them."""

    @abstractmethod
    def _part(self, view: EngineView, scope: Filter) -> CopiedBackend:
        """Return the same back end for what a view has."""

    @abstractmethod
    def _engine_says(self) -> Mapping[str, Any]:
        """What there is to tell about the engine, as JSON."""

    @property
    def _followed(self) -> Followed:
        """What views are made of."""
        return self._copied

    @property
    def _contents(self) -> Contents:
        return self._copied.contents if self._view is None else self._view.contents

    def _check(self, deadline: float = math.inf) -> None:
        if self._closed:
            raise BackendClosed(self.address)
        self._engine.check(deadline)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _missing(self, contents: Contents) -> Missing:
        """Say, before a search, how to find the documents that ``contents`` lack, or have in an earlier version."""
        if self._stamped:
            return lambda outcomes: weighing.stale(contents, weighing.stamps(outcomes))
        return lambda outcomes: weighing.unknown(contents, outcomes)

    async def _admitted(self, ids: Sequence[str], deadline: float = math.inf) -> Mapping[str, Read]:
        """Read those documents that the scope admits."""
        return self._admits(await self._read(ids, deadline))

    def _admits(self, read: Mapping[str, Read]) -> Mapping[str, Read]:
        """Leave out documents that the scope does not admit."""
        if self._scope is None:
            return read
        return {key: one for key, one in read.items() if matches(self._scope, one.document)}

    async def _vocabulary(self) -> Mapping[str, int]:
        self._check()
        return vocabulary(self._contents)

    async def _documents(self, ids: Sequence[str]) -> Mapping[str, Document]:
        self._check()
        return {key: one.document for key, one in (await self._admitted(ids)).items()}

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
        scoped = self._part(await EngineView.of(self._followed, both), both)
        scoped.capabilities = replace(scoped.capabilities, writes=None, describe=None)
        return scoped

    async def _describe(self) -> Mapping[str, Any]:
        self._check()
        return {
            "documents": self.count,
            "version": self.version,
            **self._engine_says(),
            "fields": dict(self._contents.kinds),
            "away": self._engine.away,
            "teacher": str(self.space),
        }
