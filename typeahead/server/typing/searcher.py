"""Searches for queries in batches, and decides where earlier hits may stand in for a search.

The queries that become due during one search are the next batch. Two kinds of keystroke are answered with hits that are
not those of their text. Where the embedding has hardly moved since the session's last search, the hits of that search
stand. Where there is a guess of where the text is going, the guess is searched for. Either way the text itself is
searched for behind all others, so that Enter finds the hits of its own text. Nothing stands once documents have
changed, which the version of the back end tells.

Only :meth:`Searcher._search` asks the back end, through :func:`typeahead.search.ranking.find`. A back end that blocks
runs that, and the writing of hits, in its own thread in one go. Any other is awaited on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

from typeahead.errors import TypeaheadError
from typeahead.logs import LimitedLog
from typeahead.search.fusion import Fusion
from typeahead.search.port import Backend, Request
from typeahead.search.ranking import candidates_request, find
from typeahead.search.reuse import may_stand
from typeahead.server.typing.hits import HitWriter
from typeahead.server.typing.query import Query, Result
from typeahead.server.typing.searches import SearchQueue
from typeahead.server.typing.settings import TypingSettings
from typeahead.server.typing.steps import Overload

log = logging.getLogger(__name__)


class Searcher:
    """The way of a query from its embedding to its hits.

    With ``fusion`` words are searched beside vectors. ``changed`` is called when the documents have changed. Belongs to
    one event loop: all methods are called on it.
    """

    def __init__(
        self,
        backend: Backend,
        fusion: Fusion | None,
        settings: TypingSettings,
        overload: Overload,
        *,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._backend = backend
        self._fusion = fusion
        self._anytime = settings.anytime
        self._seconds = settings.search_seconds
        self._writer = HitWriter(settings.snippet_chars)
        self._overload = overload
        self._changed = changed
        self._version = backend.version
        #: How many searches were made, and for how many keystrokes the hits of an earlier one stood.
        self.searched = 0
        self.stood = 0
        #: Searches that were answered with their words, and those whose words came too late.
        self.words_found = 0
        self.words_late = 0
        self._queue = SearchQueue(batch=settings.max_search_batch, most_waiting=settings.max_waiting_searches)
        #: Queries of a batch that failed for a reason nobody foresaw, which may be the fault of one of them.
        self._alone: deque[Query] = deque()
        #: Queries that the back end was told of, and how to say that they will not come.
        self._expected: WeakKeyDictionary[Query, Callable[[], None]] = WeakKeyDictionary()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: asyncio.Future[list[Result]] | None = None
        self._scheduled = False
        self._log = LimitedLog(log)

    def start(self) -> None:
        """Tie the searcher to the running event loop."""
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """Begin no more searches, and forget the one that is under way."""
        self._loop = None
        if self._running is not None:
            self._running.cancel()

    def expect(self, query: Query) -> None:
        """Let the back end begin with the words of a query that is going to be searched."""
        prepare = self._backend.capabilities.prepare
        if self._fusion is not None and prepare is not None and query not in self._expected:
            coming = Request(None, query.text, query.k, scope=query.scope)
            self._expected[query] = prepare(candidates_request(coming, self._fusion))

    def search(self, query: Query) -> None:
        """Search for a query that was stepped, or show what stands for that.

        Where as many wait as may, a keystroke is turned away: see :meth:`SearchQueue.add`.
        """
        if query.embedding is None:
            query.found(None)
            return
        # Words may change with every key: nothing stands for their search.
        if self._fusion is None and self._stands(query):
            return
        turned_away = self._queue.add(query)
        if turned_away is not query:
            self._go_on()
        if turned_away is not None:
            self._overload.shed(turned_away)

    def drop(self, query: Query) -> None:
        """Forget a query that nobody wants; a search that has begun goes on in vain."""
        give_up = self._expected.pop(query, None)
        if give_up is not None:
            give_up()
        self._queue.remove(query)

    def _stands(self, query: Query) -> bool:
        """Answer a query with what the session's last search found, if that may be shown for it."""
        last = query.last
        if last is None or last.result is None or query.k > last.k or last.result.version != self._backend.version:
            return False
        found, seeking = last.result, query.seeking
        same = may_stand(found.sought, seeking, 1)
        if not same and (query.submitted or not may_stand(found.sought, seeking, self._anytime)):
            return False
        written = self._writer.write(found.hits[: query.k], query.text, query.scope, min_score=query.min_score)
        self.stood += 1
        if not same:
            query.stood_in(written, found.weak)
        elif seeking is query.embedding:
            query.found(Result(written, found.hits, found.sought, found.version, weak=found.weak))
            return True
        else:
            query.guessed(Result(written, found.hits, found.sought, found.version, weak=found.weak))
        self._search_behind(query)
        return True

    def _search_behind(self, query: Query) -> None:
        self._queue.add_behind(query)
        self._go_on()

    def _go_on(self) -> None:
        """Begin the next batch, once all that is due now has been queued."""
        if self._running is None and not self._scheduled and self._loop is not None:
            self._scheduled = True
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._scheduled = False
        if self._loop is None:
            return
        batch = [self._alone.popleft()] if self._alone else self._queue.take()
        if not batch:
            return
        for query in batch:
            self._expected.pop(query, None)
        # search() lets no query without an embedding through.
        requests = [Request(query.seeking, query.text, query.k, scope=query.scope) for query in batch]
        least = [query.min_score for query in batch]

        async def work(backend: Backend) -> list[Result]:
            return await self._search(backend, requests, least)

        together = self._backend.capabilities.together
        try:
            self._running = asyncio.ensure_future(work(self._backend) if together is None else together(work))
        except TypeaheadError:
            self._log.exception("the back end takes no searches")
            self._fail(batch)
            return
        deadline = self._loop.call_later(self._seconds, self._running.cancel)
        self._running.add_done_callback(lambda done: self._end(batch, done, deadline))

    async def _search(self, backend: Backend, requests: Sequence[Request], least: Sequence[float]) -> list[Result]:
        """Search, and write the hits of each request that score at least as high as it wants."""
        started_ns = time.perf_counter_ns()
        found = await find(backend, requests, time.monotonic() + self._seconds, self._fusion)
        found_ns = time.perf_counter_ns()
        written = [
            self._writer.write(one.hits, request.text, request.scope, min_score=score)
            for one, request, score in zip(found, requests, least, strict=True)
        ]
        search_ns, serialize_ns = found_ns - started_ns, time.perf_counter_ns() - found_ns
        return [
            Result(text, one.hits, request.vector, one.version, search_ns, serialize_ns, bool(one.late), one.weak)
            for text, one, request in zip(written, found, requests, strict=True)
            if request.vector is not None
        ]

    def _end(self, batch: list[Query], done: asyncio.Future[list[Result]], deadline: asyncio.TimerHandle) -> None:
        """Hand the results of a batch over, and go on with the next."""
        deadline.cancel()
        self._running = None
        try:
            results = done.result()
        except asyncio.CancelledError:
            if self._loop is not None:
                self._log.error("%d searches took longer than %g seconds", len(batch), self._seconds)
            self._fail(batch)
        except Exception as error:
            self._log.exception("a batch of %d searches failed", len(batch))
            if len(batch) > 1 and not isinstance(error, TypeaheadError | OSError):
                self._alone.extend(batch)
            else:
                self._fail(batch)
        else:
            self._queue.end(batch)
            for query, result in zip(batch, results, strict=True):
                self._count(result)
                self._found(query, result)
        if self._alone or self._queue:
            self._go_on()

    def _fail(self, batch: list[Query]) -> None:
        self._queue.end(batch)
        for query in batch:
            query.failed()

    def _count(self, result: Result) -> None:
        self.searched += 1
        if self._fusion is not None:
            self.words_late += result.late
            self.words_found += not result.late
        if result.version != self._version:
            self._version = result.version
            self._changed()

    def _found(self, query: Query, result: Result) -> None:
        """Give a query its hits. Where a guess was searched for, the search for the text itself is still to come."""
        if result.sought is query.embedding:
            query.found(result)
        elif query.submitted:
            # Enter was pressed while the guess was searched for.
            self.search(query)
        else:
            # Counted before anybody is answered, as nobody waits after that.
            wanted = query.wanted
            query.guessed(result)
            if wanted:
                self._search_behind(query)
