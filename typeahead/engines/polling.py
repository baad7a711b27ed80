"""A copy of an engine's words and fields in memory, which asks at intervals what has changed.

In what this package made, passages tell when they were written, so only new ones are read; fewer passages than expected
mean deletions, and then ids are compared. Where passages tell nothing, all are read and compared with those of before,
the less often the longer that takes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, Protocol

from typeahead.engines.documents import Read
from typeahead.engines.following import FollowedCopy
from typeahead.errors import SearchError

log = logging.getLogger(__name__)

#: Documents that are read at once.
_TOGETHER: Final = 1000
#: Seconds between two looks, at least and at most; in between, so many times what a look takes.
LEAST_SECONDS, MOST_SECONDS = 0.5, 60.0
_REST: Final = 30
#: Microseconds by which the clocks of writers may differ, with what a write takes.
_SKEW: Final = 10_000_000


class Piece(NamedTuple):
    """Some of what an engine holds."""

    #: Documents, each whole.
    read: Sequence[Read]
    #: How many rows were read; those without a document are left out of the index.
    rows: int
    #: By id of the document, whatever tells the engine which row it is. Empty where the id tells.
    places: Mapping[str, Hashable] = {}


class Source(Protocol):
    """What a copy is made of. Its methods raise what :meth:`.server.EngineServer.asked` does."""

    @property
    def shown(self) -> str:
        """The address for messages."""

    @property
    def stamped(self) -> bool:
        """Whether the stamps of documents are times, in microseconds, of writes of this package."""

    def every(self) -> AsyncIterator[Piece]:
        """Read everything."""

    def since(self, time: int) -> AsyncIterator[Mapping[str, str]]:
        """Read the stamps, by id, of documents that were written since; only where they are stamped."""

    def ids(self) -> AsyncIterator[Sequence[str]]:
        """Read the ids of all documents; only where they are stamped."""

    async def some(self, ids: Sequence[str]) -> Sequence[Read]:
        """Read some documents; only where they are stamped."""

    async def count(self, *, documents: bool) -> int:
        """Count rows; those of ``documents``, which are fewer where documents have several."""


class PolledCopy(FollowedCopy):
    """The words and fields of an engine's documents. Belongs to one event loop. :meth:`open` reads them.

    Without ``words`` it only counts the documents, and tells when their number changes.
    """

    def __init__(self, source: Source, *, words: bool) -> None:
        super().__init__(source.shown, words=words)
        self._source = source
        #: By id, the place of each document, where it is not the id itself.
        self.places: dict[str, Any] = {}
        #: When the newest passage was written, and how many passages each document has, where they are stamped.
        self._newest = 0
        self._sizes: dict[str, int] = {}
        #: How many passages a document has at most, as far as they are known.
        self.most_passages = 1
        self._opened = False

    async def open(self) -> None:
        """Read everything. Raises what the source does."""
        async with self._lock:
            await self._read()

    async def refresh(self) -> None:
        """Take in what has changed. Raises what the source does."""
        await self._take_in(self._read)

    async def close(self) -> None:
        """Follow no more."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _look(self) -> None:
        wait, failure = LEAST_SECONDS, ""
        while True:
            await asyncio.sleep(wait)
            started = time.monotonic()
            try:
                await self.refresh()
            except SearchError as error:
                if (told := str(error)) != failure:
                    failure = told
                    log.error("the words of before are searched, as they cannot be read: %s", told)
                wait = min(10.0, 2 * wait)
            except Exception:
                log.exception(
                    "the words of before are searched, as the changes of %s make an error", self._source.shown
                )
                wait = MOST_SECONDS
            else:
                failure = ""
                wait = min(max(LEAST_SECONDS, _REST * (time.monotonic() - started)), MOST_SECONDS)

    async def _read(self) -> None:
        """Read what has changed since the last time; at first, that is everything."""
        if not self.words:
            altered = await self._count()
        elif not self._opened:
            altered = await self._fill()
        elif self._source.stamped:
            altered = await self._read_new()
        else:
            altered = await self._read_all()
        if altered or not self._opened:
            # Milliseconds, so that it grows over restarts, too.
            self._opened, self.version = True, max(time.time_ns() // 1_000_000, self.version + 1)

    async def _count(self) -> bool:
        before, self.count = self.count, await self._source.count(documents=True)
        return self.count != before

    async def _fill(self) -> bool:
        seen: set[str] = set()
        async for piece in self._source.every():
            await asyncio.to_thread(self._living.add, self._usable(piece, seen))
        await asyncio.to_thread(self._living.begin, self.version)
        self.count = self.contents.count
        return True

    async def _read_all(self) -> bool:
        known = self._living.stamps()
        seen: set[str] = set()
        changed: list[Read] = []
        self.skipped = 0
        async for piece in self._source.every():
            changed += [one for one in self._usable(piece, seen) if known.get(one.document.id) != one.stamp]
        gone = [key for key in known if key not in seen]
        for key in gone:
            self.places.pop(key, None)
        return await self._take(changed, gone)

    async def _read_new(self) -> bool:
        # Counted first: what is written meanwhile is found the next time.
        number = await self._source.count(documents=False)
        stamps: dict[str, str] = {}
        async for some in self._source.since(self._newest - _SKEW):
            stamps |= some
        known = self._living.stamps(list(stamps))
        ids = [key for key, stamp in stamps.items() if known.get(key) != stamp]
        new: list[Read] = []
        for first in range(0, len(ids), _TOGETHER):
            new += await self._source.some(ids[first : first + _TOGETHER])
        added = sum(len(one.passages) - self._sizes.get(one.document.id, 0) for one in new)
        gone: list[str] = []
        if number != sum(self._sizes.values()) + added:
            there: set[str] = set()
            async for ids_there in self._source.ids():
                there.update(ids_there)
            gone = [key for key in self._sizes if key not in there]
        self._remember(new)
        for key in gone:
            del self._sizes[key]
        return await self._take(new, gone)

    def _usable(self, piece: Piece, seen: set[str]) -> list[Read]:
        """The documents of a piece that were not ``seen``, which they are from now on."""
        found = []
        for one in piece.read:
            if one.document.id not in seen:
                seen.add(one.document.id)
                found.append(one)
        if self._source.stamped:
            self._remember(found)
        else:
            self.skipped += piece.rows - len(found)
            for key, place in piece.places.items():
                self.places.setdefault(key, place)
        return found

    def _remember(self, read: Sequence[Read]) -> None:
        for one in read:
            self._newest = max(self._newest, int(one.stamp))
            self._sizes[one.document.id] = len(one.passages)
            self.most_passages = max(self.most_passages, len(one.passages))

    async def _take(self, new: Sequence[Read], gone: Sequence[str]) -> bool:
        if not new and not gone:
            return False
        await asyncio.to_thread(self._living.change, new, gone, self.version + 1)
        self.count = self.contents.count
        return True
