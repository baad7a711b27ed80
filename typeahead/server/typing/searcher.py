"""Searches for queries in batches, and decides where earlier hits may stand in for a search.

The queries that become due during one search are the next batch; an engine elsewhere searches several batches at the
same time. A key that asks for the same vector, words, filter,
facets and offset as the session's last search gets the hits of that search. Without words, so does a key whose vector
has hardly moved; then the query itself is searched for behind all others, so that Enter finds the hits of its own text.
Nothing stands once documents have changed, which their version tells.

Only :meth:`Searcher._search` asks the back end, through its :mod:`source <typeahead.server.typing.source>`. A back end
that blocks runs that, and the writing of hits, in its own thread in one go. Any other is awaited on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from typeahead.errors import FilterError, SearchError, TypeaheadError
from typeahead.logs import LimitedLog
from typeahead.search.asking import request
from typeahead.search.port import Request
from typeahead.search.ranking import Found, Hit
from typeahead.search.reuse import may_stand
from typeahead.search.terms import Words
from typeahead.server.observe.log_lines import about
from typeahead.server.typing.hits import HitWriter
from typeahead.server.typing.query import Query, Result
from typeahead.server.typing.searches import SearchQueue
from typeahead.server.typing.settings import TypingSettings
from typeahead.server.typing.source import Find, Source
from typeahead.server.typing.steps import Overload
from typeahead.wire.replies import write_facets

log = logging.getLogger(__name__)

#: What each query of a batch has found, or why it was refused.
_Results: TypeAlias = list[Result | FilterError]


#: Nanoseconds for which a keystroke may have to wait for its search; one that would wait longer is not even encoded,
#: since by then the next key would take its place.
MOST_WAIT_NS: Final = 50_000_000
#: As many may wait for their searches however long these take: a slow back end is no crowd.
FEW_WAITING: Final = 8
#: How much the last batch says about how long a search takes, beside those before it.
_LAST_BATCH: Final = 0.3


class SearchCounts:
    """How many searches were made, how many of them lacked a part of the index, and how many keystrokes needed none."""

    def __init__(self) -> None:
        self.searched = 0
        self.partial = 0
        self.stood = 0


class Searcher:
    """The way of a query from its embedding to its hits.

    ``changed`` is called when the documents have changed. Belongs to one event loop: all methods are called on it.
    """

    def __init__(
        self,
        source: Source,
        settings: TypingSettings,
        overload: Overload,
        counts: SearchCounts,
        *,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._counts = counts
        self._anytime = settings.anytime
        self._seconds = settings.search_seconds
        self._writer = HitWriter(settings.snippet_chars)
        self._overload = overload
        self._changed = changed
        self._version = source.version
        self._queue = SearchQueue(batch=settings.max_search_batch, most_waiting=settings.max_waiting_searches)
        #: Nanoseconds that a search takes, lately.
        self._pace_ns = 0.0
        #: Queries of a batch that failed for a reason nobody foresaw, which may be the fault of one of them.
        self._alone: deque[Query] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: set[asyncio.Future[_Results]] = set()
        self._scheduled = False
        self._log = LimitedLog(log)

    def start(self) -> None:
        """Tie the searcher to the running event loop."""
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """Begin no more searches, and forget those that are under way."""
        self._loop = None
        for running in self._running:
            running.cancel()

    def search(self, query: Query) -> None:
        """Search for a query that was read, or show what stands for that.

        Where as many wait as may, a keystroke is turned away: see :meth:`SearchQueue.add`.
        """
        narrowing = query.narrowing
        if query.embedding is None and not narrowing.facets and narrowing.filter is None:
            query.found(None)
            return
        if self._stands(query):
            return
        if narrowing.filter is not None:
            try:
                self._source.check(narrowing.filter)
            except SearchError as error:
                query.refused(error)
                return
        turned_away = self._queue.add(query)
        if turned_away is not query:
            self._go_on()
        if turned_away is not None:
            self._overload.shed(turned_away)

    @property
    def behind(self) -> bool:
        """Whether a keystroke that is typed now would wait for too long."""
        return self._queue.waiting >= FEW_WAITING and self._queue.ahead * self._pace_ns > MOST_WAIT_NS

    def drop(self, query: Query) -> None:
        """Forget a query that nobody wants; a search that has begun goes on in vain."""
        self._queue.remove(query)

    def _stands(self, query: Query) -> bool:
        """Answer a query with what the session's last search found, if that may be shown for it."""
        last = query.last
        if last is None or last.result is None or query.k > last.k or last.result.version != self._source.version:
            return False
        if last.result.partial or last.room is not query.room or last.narrowing != query.narrowing:
            return False
        found, asked = last.result, _request(query)
        if not _same_words(found.words, asked.words):
            return False
        same = may_stand(found.sought, asked.vector, 1)
        # Words cost little, and a key and Enter must find the same by them.
        loose = found.words is None and not query.submitted and may_stand(found.sought, asked.vector, self._anytime)
        if not same and not loose:
            return False
        written = self._write(found.hits[: query.k], query)
        self._counts.stood += 1
        if same:
            query.found(found._replace(written=written, search_ns=0, serialize_ns=0))
        else:
            query.stood_in(written, found.weak, found.version, found.facets)
            self._queue.add_behind(query)
            self._go_on()
        return True

    def _go_on(self) -> None:
        """Begin the next batch, once all that is due now has been queued."""
        free = len(self._running) < self._source.at_once
        if free and not self._scheduled and self._loop is not None:
            self._scheduled = True
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._scheduled = False
        if self._loop is None:
            return
        batch = [self._alone.popleft()] if self._alone else self._queue.take()
        if not batch:
            return
        requests = [_request(query) for query in batch]

        async def work(find: Find) -> _Results:
            return await self._search(find, requests, batch)

        try:
            running = asyncio.ensure_future(self._source.run(work))
        except TypeaheadError:
            self._log.exception("the back end takes no searches", extra=_about(batch))
            self._fail(batch)
            return
        self._running.add(running)
        deadline = self._loop.call_later(self._seconds, running.cancel)
        running.add_done_callback(lambda done: self._end(batch, done, deadline))
        if self._alone or self._queue:
            self._go_on()

    async def _search(self, find: Find, requests: Sequence[Request], batch: Sequence[Query]) -> _Results:
        """Search, and write what each query is to be shown. It may run in the thread of the back end."""
        started_ns = time.perf_counter_ns()
        found = await find(requests, time.monotonic() + self._seconds)
        found_ns = time.perf_counter_ns()
        written = [
            (b"", b"") if isinstance(one, FilterError) else (self._write(one.hits, query), _facets(one, request))
            for one, query, request in zip(found, batch, requests, strict=True)
        ]
        spent_ns = found_ns - started_ns, time.perf_counter_ns() - found_ns
        return [
            one
            if isinstance(one, FilterError)
            else Result(
                text, one.hits, request.vector, request.words, one.version, *spent_ns, one.weak, facets, one.partial
            )
            for (text, facets), one, request in zip(written, found, requests, strict=True)
        ]

    def _write(self, hits: Sequence[Hit], query: Query) -> bytes:
        """Write the hits that score as high as a query wants, and mark what it asks for."""
        corrections = () if query.reading is None else query.reading.corrections
        return self._writer.write(hits, query.text, query.scope, min_score=query.min_score, also=corrections)

    def _end(self, batch: list[Query], done: asyncio.Future[_Results], deadline: asyncio.TimerHandle) -> None:
        """Hand the results of a batch over, and go on with the next."""
        deadline.cancel()
        at_once = len(self._running)
        self._running.discard(done)
        try:
            results = done.result()
        except asyncio.CancelledError:
            if self._loop is not None:
                message = "%d searches took longer than %g seconds"
                self._log.error(message, len(batch), self._seconds, extra=_about(batch))
            self._fail(batch)
        except Exception as error:
            self._log.exception("a batch of %d searches failed", len(batch), extra=_about(batch))
            if len(batch) > 1 and not isinstance(error, TypeaheadError | OSError):
                self._alone.extend(batch)
            else:
                self._fail(batch)
        else:
            self._queue.end(batch)
            self._keep_pace(results, at_once)
            for query, result in zip(batch, results, strict=True):
                if isinstance(result, FilterError):
                    query.refused(result)
                else:
                    self._count(result)
                    query.found(result)
        if self._alone or self._queue:
            self._go_on()

    def _fail(self, batch: list[Query]) -> None:
        self._queue.end(batch)
        for query in batch:
            query.failed()

    def _keep_pace(self, results: Sequence[Result | FilterError], at_once: int) -> None:
        """Learn how long a search takes. All of a batch took the same time, together, beside other batches."""
        for result in results:
            if not isinstance(result, FilterError):
                spent_ns = (result.search_ns + result.serialize_ns) / (len(results) * at_once)
                self._pace_ns += _LAST_BATCH * (spent_ns - self._pace_ns)
                return

    def _count(self, result: Result) -> None:
        self._counts.searched += 1
        self._counts.partial += result.partial
        if result.version != self._version:
            self._version = result.version
            self._changed()


def _same_words(one: Words | None, other: Words | None) -> bool:
    """Whether two requests ask for the same words. More spaces between them make no difference."""
    if one is None or other is None:
        return one is other
    return one._replace(text="") == other._replace(text="") and one.text.split() == other.text.split()


def _about(batch: Sequence[Query]) -> dict[str, Any]:
    """Whose searches a line of the log is about."""
    return about(query.request for query in batch)


def _request(query: Query) -> Request:
    """What a query asks of the back end."""
    assert query.reading is not None, "nobody has read the text"
    return request(query.reading, query.sought, query.k, query.scope, query.narrowing)


def _facets(found: Found, request: Request) -> bytes:
    """The facets as a part of the reply."""
    if found.facets is None:
        return b""
    return write_facets(found.facets, "candidates" if request.vector is not None or request.words else "filter")
