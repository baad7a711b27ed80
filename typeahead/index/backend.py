"""The embedded back end: an index folder behind the search port (:mod:`typeahead.search.port`).

Searches run in a thread of their own (:mod:`typeahead.search.threads`). Writes run in another, as they wait for the
disk.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar, cast

from typeahead.errors import BackendClosed, SearchError, TypeaheadError
from typeahead.index.contents import Contents
from typeahead.index.engine import EmbeddedEngine, Source, vocabulary
from typeahead.index.folder import Index, LexicalFiles
from typeahead.index.living import LivingIndex
from typeahead.index.sparse import SparseWords
from typeahead.index.view import View
from typeahead.search.addresses import OpenOptions, folder_of
from typeahead.search.filters import Filter
from typeahead.search.port import Backend, Entry
from typeahead.search.space import Space
from typeahead.search.threads import ThreadedBackend
from typeahead.text.document import Document

T = TypeVar("T")


async def open_embedded(address: str, options: OpenOptions) -> Backend:
    """Open the index folder of ``address``, and follow its changes; raises what :class:`LivingIndex` does."""
    folder = folder_of(address)
    assert folder is not None
    lexical = cast("LexicalFiles", options.lexical)
    index = await asyncio.to_thread(LivingIndex, folder, lexical=lexical)
    if warning := index.generation.manifest.warning:
        options.warn(warning)
    index.follow()
    return embed(index)


def embed(index: LivingIndex | Index) -> Backend:
    """Put an open index behind the port; closing the back end closes the index."""
    return LivingBackend(index) if isinstance(index, LivingIndex) else EmbeddedBackend(_Finished(index))


class EmbeddedBackend(ThreadedBackend):
    """An index, or a view of one, as a back end. See :class:`~typeahead.search.port.Backend`."""

    def __init__(self, source: Source) -> None:
        super().__init__(EmbeddedEngine(source))
        self._source = source
        self.capabilities = replace(self.capabilities, vocabulary=self._vocabulary)

    async def _vocabulary(self) -> Mapping[str, int]:
        if self._closed:
            raise BackendClosed(self.address)
        # Not in the thread of searches: putting the words of changes to 100,000 others takes a second.
        return await asyncio.to_thread(vocabulary, self._source.contents)


class LivingBackend(EmbeddedBackend):
    """An index whose documents change, as a back end. See :class:`~typeahead.search.port.Backend`."""

    def __init__(self, index: LivingIndex) -> None:
        super().__init__(index)
        self._index = index
        # One writer at a time: they would only wait for each other.
        self._writer = ThreadPoolExecutor(1, "typeahead-writes")
        self._found = self.capabilities.documents
        self.capabilities = replace(
            self.capabilities,
            writes=_Writes(self),
            documents=self._documents,
            scoped=self._view,
            describe=self._describe,
        )

    async def write(self, work: Callable[[], T]) -> T:
        """Run something in the thread of writes."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._writer, work)

    async def close(self) -> None:
        """Close the index, once the writes that are under way are on disk."""
        closed = self._closed
        if not closed:
            await asyncio.to_thread(self._writer.shutdown)
        await super().close()

    async def _view(self, tree: Filter) -> Backend:
        """Make a back end of the documents that a filter admits; see :class:`~typeahead.search.port.Capabilities`."""
        self._check_open()
        # Not in the thread of searches: many documents take seconds.
        return EmbeddedBackend(await asyncio.to_thread(_Viewed, self._index, tree))

    async def _documents(self, ids: Sequence[str]) -> Mapping[str, Document]:
        assert self._found is not None
        # Whoever has written a document wants to see it, though searches may not find it yet.
        await self.write(self._index.refresh)
        return await self._found(ids)

    async def _describe(self) -> Mapping[str, Any]:
        await self.write(self._index.refresh)
        return await asyncio.to_thread(self._index.describe)

    def _check_open(self) -> None:
        if self._closed:
            raise BackendClosed(self.address)


class _Writes:
    """The capability to change the documents of an index."""

    def __init__(self, backend: LivingBackend) -> None:
        self._backend, self._index = backend, backend._index

    @property
    def divides(self) -> bool:
        """See :attr:`~typeahead.search.port.Writes.divides`."""
        return self._index.divides

    async def upsert(self, entries: Sequence[Entry]) -> int:
        """See :meth:`~typeahead.search.port.Writes.upsert`."""
        return await self._backend.write(lambda: self._index.write(entries, rest=True))

    async def delete(self, ids: Sequence[str]) -> tuple[int, int]:
        """See :meth:`~typeahead.search.port.Writes.delete`."""
        return await self._backend.write(lambda: self._index.delete(ids, rest=True))

    async def matching(self, tree: Filter, most: int) -> Sequence[str]:
        """See :meth:`~typeahead.search.port.Writes.matching`."""
        return await self._backend.write(lambda: self._index.matching(tree, most))

    async def kinds(self) -> Mapping[str, str]:
        """See :meth:`~typeahead.search.port.Writes.kinds`."""
        return await self._backend.write(self._index.kinds)


class _Finished:
    """One generation of an index, without the changes since: :class:`~typeahead.index.engine.Source`."""

    def __init__(self, index: Index) -> None:
        self.address = str(index.folder)
        self.space: Space = index.space
        self.sparse: SparseWords | None = index.sparse
        self.version = str(index.manifest.version)
        self.contents = Contents(index.manifest.version, [index.part], [None], [index.part.words])
        self.close = index.close


class _Viewed:
    """What a filter admits of an index, as it changes: :class:`~typeahead.index.engine.Source`."""

    sparse: SparseWords | None = None

    def __init__(self, index: LivingIndex, tree: Filter) -> None:
        self.address, self.space = index.address, index.space
        self._index, self._view = index, View(tree)
        self._lock = threading.Lock()
        self._error: TypeaheadError | None = None
        self._newest = 0
        self._present = self._view.of(index.contents)
        # Changes are taken in as they come, not when somebody asks: a search would take longer where others write.
        index.follow(self._changed)
        self._changed(index.contents)

    @property
    def contents(self) -> Contents:
        """The contents as they are now. Raises what kept the view from following a change."""
        if self._error is not None:
            # Those of before have documents that are gone by now.
            raise SearchError(str(self._error)) from self._error
        return self._present[0]

    @property
    def version(self) -> str:
        """A digest of the contents as they are now."""
        return self._present[1]

    def close(self) -> None:
        """Follow the changes no more."""
        self._index.unfollow(self._changed)

    def _changed(self, contents: Contents) -> None:
        with self._lock:
            # Two threads may bring two versions, in any order.
            if contents.version < self._newest:
                return
            self._newest = contents.version
            try:
                self._present, self._error = self._view.of(contents), None
            except TypeaheadError as error:
                self._error = error
