"""A copy of a collection's words and fields in memory, which follows the changes of the collection.

The copy looks for changes at intervals. In a collection that this package made, points tell when they were written, so
only new ones are read; fewer points than expected means deletions, and then ids are compared. Qdrant itself tells
nobody what has changed. So in a collection of somebody else all payloads are read and compared with those of before,
the less often the longer that takes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from qdrant_client import models

from typeahead.engines.documents import Read
from typeahead.engines.living import LivingDocuments
from typeahead.engines.qdrant.layout import Layout
from typeahead.engines.qdrant.points import Point, PointId, complete, document_id, read_points, stamp_of
from typeahead.engines.qdrant.server import Server
from typeahead.errors import BackendClosed, SearchError
from typeahead.index.contents import Contents

log = logging.getLogger(__name__)

#: Points that are read at once.
_POINTS: Final = 1000
#: Seconds between two looks, at least and at most; in between, so many times what a look takes.
LEAST_SECONDS, MOST_SECONDS = 0.5, 60.0
_REST: Final = 30
#: Microseconds by which the clocks of writers may differ, with what a write takes.
_SKEW: Final = 10_000_000

#: Hears of new contents, on the event loop.
Follower = Callable[[Contents], Awaitable[None]]


class Copy:
    """The words and fields of a collection. Belongs to one event loop. :meth:`open` reads the collection.

    Without ``words`` it only counts the documents, and tells when their number changes.
    """

    def __init__(self, server: Server, layout: Layout, *, words: bool) -> None:
        self._server, self._layout, self.words = server, layout, words
        self._living = LivingDocuments()
        #: Number of documents, and of points that cannot be found as something is missing or their id is another's.
        self.count = self.skipped = 0
        self.version = 1
        #: By id, the point of each document, where it is not the id itself.
        self.points: dict[str, PointId] = {}
        #: When the newest point was written, and how many points each document has, in a collection of our own.
        self._newest = 0
        self._sizes: dict[str, int] = {}
        self._opened = False
        self._followers: list[Follower] = []
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def contents(self) -> Contents:
        """The words and fields as they are now."""
        return self._living.contents

    def stamps(self, ids: Sequence[str]) -> Mapping[str, str]:
        """The versions of those documents among ``ids`` that are there."""
        return self._living.stamps(ids)

    async def open(self) -> None:
        """Read the collection. Raises what :meth:`.server.Server.call` does."""
        async with self._lock:
            await self._read()

    def follow(self, follower: Follower | None = None) -> None:
        """Look for changes from now on; ``follower`` hears of them."""
        if follower is not None:
            self._followers.append(follower)
        if self._task is None:
            self._task = asyncio.ensure_future(self._look())

    def unfollow(self, follower: Follower) -> None:
        """Tell no more of changes."""
        with suppress(ValueError):
            self._followers.remove(follower)

    async def refresh(self) -> None:
        """Take in what has changed. Raises what :meth:`.server.Server.call` does."""
        async with self._lock:
            if self._closed:
                raise BackendClosed(self._server.shown)
            before = self.version
            await self._read()
            if self.version != before:
                # Whoever wrote waits for this: views have what was written once a write is answered.
                for follower in list(self._followers):
                    await follower(self.contents)

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
                    "the words of before are searched, as the changes of %s make an error", self._server.shown
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
        elif self._layout.made is not None:
            altered = await self._read_new()
        else:
            altered = await self._read_all()
        if altered or not self._opened:
            # Milliseconds, so that it grows over restarts, too.
            self._opened, self.version = True, max(time.time_ns() // 1_000_000, self.version + 1)

    async def _count(self) -> bool:
        before, self.count = self.count, await self._counted(_first_passages(self._layout))
        return self.count != before

    async def _fill(self) -> bool:
        rest: list[Point] = []
        seen: set[str] = set()
        async for some in self._scroll():
            whole, rest = complete(self._layout, [*rest, *some])
            await asyncio.to_thread(self._living.add, self._usable(whole, seen))
        await asyncio.to_thread(self._living.add, self._usable(rest, seen))
        await asyncio.to_thread(self._living.begin, self.version)
        self.count = self.contents.count
        return True

    async def _read_all(self) -> bool:
        known = self._living.stamps()
        seen: set[str] = set()
        changed: list[Read] = []
        self.skipped = 0
        async for some in self._scroll():
            changed += [one for one in self._usable(some, seen) if known.get(one.document.id) != one.stamp]
        gone = [key for key in known if key not in seen]
        for key in gone:
            self.points.pop(key, None)
        return await self._take(changed, gone)

    async def _read_new(self) -> bool:
        since = models.FieldCondition(key="changed", range=models.Range(gte=self._newest - _SKEW))
        # Counted first: what is written meanwhile is found the next time.
        number = await self._counted()
        stamps: dict[str, str] = {}
        async for some in self._scroll(models.Filter(must=[since]), payload=["id", "changed"]):
            stamps |= {document_id(self._layout, point): stamp_of(self._layout, point) for point in some}
        known = self._living.stamps(list(stamps))
        new = await self._documents([key for key, stamp in stamps.items() if known.get(key) != stamp])
        added = sum(len(one.passages) - self._sizes.get(one.document.id, 0) for one in new)
        gone: list[str] = []
        if number != sum(self._sizes.values()) + added:
            there: set[str] = set()
            async for some in self._scroll(payload=["id"]):
                there |= {document_id(self._layout, point) for point in some}
            gone = [key for key in self._sizes if key not in there]
        self._remember(new)
        for key in gone:
            del self._sizes[key]
        return await self._take(new, gone)

    async def _documents(self, ids: Sequence[str]) -> list[Read]:
        found: list[Read] = []
        for first in range(0, len(ids), _POINTS):
            match = models.MatchAny(any=list(ids[first : first + _POINTS]))
            wanted = models.Filter(must=[models.FieldCondition(key="id", match=match)])
            points = [point async for some in self._scroll(wanted) for point in some]
            found += read_points(self._layout, points)
        return found

    def _usable(self, points: Sequence[Point], seen: set[str]) -> list[Read]:
        """The documents of points that were not ``seen``, which they are from now on."""
        found = []
        for one in read_points(self._layout, points):
            if one.document.id not in seen:
                seen.add(one.document.id)
                found.append(one)
        if self._layout.made is not None:
            self._remember(found)
        else:
            self.skipped += len(points) - len(found)
            if self._layout.id is not None:
                for point in points:
                    self.points.setdefault(document_id(self._layout, point), point.id)
        return found

    def _remember(self, read: Sequence[Read]) -> None:
        for one in read:
            self._newest = max(self._newest, int(one.stamp))
            self._sizes[one.document.id] = len(one.passages)

    async def _take(self, new: Sequence[Read], gone: Sequence[str]) -> bool:
        if not new and not gone:
            return False
        await asyncio.to_thread(self._living.change, new, gone, self.version + 1)
        self.count = self.contents.count
        return True

    async def _counted(self, condition: models.Filter | None = None) -> int:
        found: models.CountResult = await self._server.call("count", count_filter=condition, exact=True)
        return found.count

    async def _scroll(
        self, condition: models.Filter | None = None, payload: Any = True
    ) -> AsyncIterator[Sequence[Point]]:
        """Read points in the order of their ids, some at a time."""
        offset: Any = None
        if self._layout.vector:
            there = models.HasVectorCondition(has_vector=self._layout.vector)
            condition = models.Filter(must=[there, *([condition] if condition is not None else [])])
        while True:
            points, offset = await self._server.call(
                "scroll", scroll_filter=condition, limit=_POINTS, offset=offset, with_payload=payload
            )
            yield points
            if offset is None:
                break


def _first_passages(layout: Layout) -> models.Filter | None:
    if layout.made is None:
        return None
    return models.Filter(must=[models.FieldCondition(key="passage", match=models.MatchValue(value=0))])
