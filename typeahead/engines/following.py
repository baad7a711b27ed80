"""A copy of an engine's documents that follows their changes, and tells of them. A subclass knows how to look."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress

from typeahead.engines.living import LivingDocuments
from typeahead.errors import BackendClosed
from typeahead.index.contents import Contents
from typeahead.index.queries import Preparation

#: Hears of new contents, on the event loop.
Follower = Callable[[Contents], Awaitable[None]]


class FollowedCopy(ABC):
    """Documents of an engine in memory. Belongs to one event loop; ``shown`` is the address for messages.

    ``hot`` keeps vectors and texts, too: see :class:`~typeahead.engines.living.LivingDocuments`. Without ``words`` the
    copy only counts the documents.
    """

    def __init__(self, shown: str, *, words: bool, hot: Preparation | None = None) -> None:
        self._shown, self.words = shown, words
        self._living = LivingDocuments(hot)
        #: Number of documents, and of rows that cannot be found, as something is missing or their id is another's.
        self.count = self.skipped = 0
        self.version = 1
        self._followers: list[Follower] = []
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def contents(self) -> Contents:
        """The documents as they are now."""
        return self._living.contents

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

    async def at_rest(self, work: Callable[[Contents], Awaitable[None]]) -> None:
        """Do something with the contents while nothing changes them."""
        async with self._lock:
            self._check()
            await work(self.contents)

    async def _take_in(self, read: Callable[[], Awaitable[None]]) -> None:
        """Have changes read, and tell of them."""
        async with self._lock:
            self._check()
            before = self.version
            await read()
            if self.version != before:
                # Whoever wrote waits for this: views have what was written once a write is answered.
                for follower in list(self._followers):
                    await follower(self.contents)

    @abstractmethod
    async def _look(self) -> None:
        """Look for changes at intervals, without an end."""

    def _check(self) -> None:
        if self._closed:
            raise BackendClosed(self._shown)
