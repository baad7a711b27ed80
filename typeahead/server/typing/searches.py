"""Which queries are searched next, and which keystroke makes room where too many wait. No threads, no index.

Searches of queries that were answered already, with hits that stand for their own, wait behind all others.
"""

from __future__ import annotations

from itertools import islice

from typeahead.server.typing.query import Query


class SearchQueue:
    """What waits for a search and what is being searched. Belongs to one event loop.

    At most ``batch`` queries are searched together, and ``most_waiting`` keystrokes may wait; those behind not counted.
    """

    def __init__(self, *, batch: int, most_waiting: int) -> None:
        self._batch = batch
        self._most_waiting = most_waiting
        # Dictionaries for queues: in order of arrival, and anything can be taken out at once.
        self._waiting: dict[Query, None] = {}
        self._behind: dict[Query, None] = {}
        self._running: set[Query] = set()

    def __bool__(self) -> bool:
        return bool(self._waiting or self._behind)

    @property
    def waiting(self) -> int:
        """How many queries wait for a search."""
        return len(self._waiting)

    @property
    def ahead(self) -> int:
        """How many queries are searched before one that is added now."""
        return len(self._waiting) + len(self._running)

    def add(self, query: Query) -> Query | None:
        """Queue a query, unless its search is under way; returns the keystroke that has to be turned away, if any.

        Where as many wait as may, that is the new one. But Enter takes the place of the keystroke that has waited the
        longest.
        """
        if query in self._running:
            return None  # Enter, and its own search began behind the others
        self._behind.pop(query, None)
        turned_away = None
        if len(self._waiting) >= self._most_waiting:
            if not query.submitted:
                return query
            turned_away = next((waiting for waiting in self._waiting if not waiting.submitted), None)
            if turned_away is not None:
                del self._waiting[turned_away]
        self._waiting[query] = None
        return turned_away

    def add_behind(self, query: Query) -> None:
        """Queue a query that was answered: it is searched when nothing else is to be."""
        self._behind[query] = None

    def remove(self, query: Query) -> None:
        """Forget a query; a search that has begun goes on."""
        self._waiting.pop(query, None)
        self._behind.pop(query, None)

    def take(self) -> list[Query]:
        """Take the next batch, which is being searched until :meth:`end`."""
        queue = self._waiting or self._behind
        batch = list(islice(queue, self._batch))
        for query in batch:
            del queue[query]
        self._running.update(batch)
        return batch

    def end(self, batch: list[Query]) -> None:
        """Hear that the search of a batch has ended."""
        self._running.difference_update(batch)
