"""Has texts encoded: by steps on the event loop, in batches, or by the fallback.

Steps run on the event loop because one takes tens of microseconds. What is not for the encoder goes to
:mod:`typeahead.server.typing.fallback`, if there is one. Which texts are stepped together, and which are turned away,
is decided by :mod:`typeahead.server.typing.steps`.
"""

from __future__ import annotations

import asyncio
import logging
import time

from typeahead.core.engine import MAX_BATCH, Engine
from typeahead.logs import LimitedLog
from typeahead.search.asking import UNREAD
from typeahead.search.reading import Reading
from typeahead.search.seeking import Seeker
from typeahead.server.observe.log_lines import about
from typeahead.server.observe.metrics import Reason
from typeahead.server.typing.fallback import Fallback
from typeahead.server.typing.query import Query, Stage
from typeahead.server.typing.steps import Overload, StepQueue

log = logging.getLogger(__name__)

_SEARCHED = Stage.SEARCHED


class Stepper:
    """The way of a query to its embedding. Belongs to one event loop; all methods are called on it.

    A text that is due to be searched is read by its query's room, which gets it back once it is known what to search
    for. A keystroke whose search would come too late, as the room tells, is turned away before any work. Queries of all
    rooms share the steps.
    """

    def __init__(
        self,
        engine: Engine,
        queue: StepQueue,
        overload: Overload,
        *,
        fallback: Fallback | None,
    ) -> None:
        self._seeker = Seeker(engine)
        self._engine = engine
        self._name = engine.encoder.config.name
        self._queue = queue
        self._waiting = queue.waiting
        self._overload = overload
        self._fallback = fallback
        self._loop: asyncio.AbstractEventLoop | None = None
        self._log = LimitedLog(log)

    def start(self) -> None:
        """Tie it to the running event loop, and start the fallback."""
        self._loop = asyncio.get_running_loop()
        if self._fallback is not None:
            self._fallback.start(self._fallen_back)

    def stop(self, timeout: float) -> None:
        """Stop the fallback, after the text that it is busy with."""
        if self._fallback is not None:
            self._fallback.stop(timeout)

    def step(self, query: Query) -> None:
        """Have a query encoded: with the next batch, or by the fallback. A keystroke may be turned away."""
        room = query.room
        if room is not None and query.due is _SEARCHED and not query.submitted and room.behind:
            self._overload.shed(query)
            return
        if self._fallback is not None:
            if query in self._fallback or query in self._waiting:
                return  # which encoder it has was decided before
            reason = self._fallback.wants(query.tokens, best=query.best)
            if reason is not None and self._fallback.take(query, reason):
                return
        self._queue_up(query)

    def step_now(self, query: Query) -> None:
        """Encode a query at once, as its session's text is about to change."""
        if self._fallback is not None and query in self._fallback:
            return  # it needs no session
        self._queue.remove(query)
        self._advance([query])

    def drop(self, query: Query) -> None:
        """Forget a query that nobody wants."""
        self._queue.remove(query)
        if self._fallback is not None:
            self._fallback.drop(query)

    def _queue_up(self, query: Query) -> None:
        if self._queue.add(query):
            self._begin_turn()
        # The loop reads from all clients before it calls anything: a full batch has no reason to wait for the rest.
        if len(self._waiting) >= MAX_BATCH:
            self._advance(self._queue.take())

    def _begin_turn(self) -> None:
        assert self._loop is not None, "the pipeline was not started"
        self._loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        if batch := self._queue.end_turn():
            self._advance(batch)
        for query in self._queue.take_late():
            self._overload.shed(query)
        if self._queue.go_on():
            self._begin_turn()

    def read(self, query: Query) -> bool:
        """Find out what to search for, for a query that was stepped and was not due to be searched until now.

        Returns whether that went well; otherwise the query has failed.
        """
        if query.reading is not None:
            return True
        reading, sought = self._read(query), query.embedding
        # What the fallback has encoded is the whole text, and has no other endings.
        if query.encoder == self._name and reading.endings:
            session = query.session if query.session.text == query.text else query.session.branch(query.text)
            try:
                (sought,) = self._seeker.advance([session], [reading])
            except Exception as error:
                message = "the endings of a text could not be stepped (%s)"
                self._log.exception(message, type(error).__name__, extra=about((query.request,)))
                query.failed()
                return False
        query.read(reading, sought)
        return True

    def _read(self, query: Query) -> Reading:
        """Read a text, with the help of what the session's last search was read as."""
        last = query.last
        assert query.room is not None, "there is no index: no search can be due"
        return query.room.read(query.text, None if last is None or last.room is not query.room else last.reading)

    def _advance(self, batch: list[Query]) -> None:
        started_ns = time.perf_counter_ns()
        try:
            readings = [
                self._read(query) if query.due is _SEARCHED and query.room is not None else UNREAD for query in batch
            ]
            sought = self._seeker.advance(
                [query.session for query in batch], readings, shown=[query.shown for query in batch]
            )
        except Exception as error:
            self._try_each(batch, error)
            return
        spent_ns = time.perf_counter_ns() - started_ns
        self._queue.took(len(batch), spent_ns)
        for row, query in enumerate(batch):
            own = None
            if query.room is not None or query.shown:
                # Nobody sees the embedding of a session that still is pending: its text only has to have one.
                own = sought[row] if query.session.pending else query.session.embedding
            query.stepped(own, encoder=self._name, step_ns=spent_ns)
            if query.due is _SEARCHED and query.room is not None:
                query.read(readings[row], sought[row])
                query.room.search(query)

    def _try_each(self, batch: list[Query], error: Exception) -> None:
        """Step a batch that failed one by one, so that only the text that is to blame pays for it."""
        if self._fallback is None:
            requests = about(query.request for query in batch)
            self._log.exception("a batch of %d sessions could not be stepped", len(batch), extra=requests)
        if len(batch) == 1:
            self._rescue(batch[0], error)
        else:
            for query in batch:
                self._advance([query])

    def _rescue(self, query: Query, error: Exception) -> None:
        """Have the fallback encode a text that the encoder failed at, if there is one and it takes the text."""
        if self._fallback is not None:
            self._fallback.log_failure(self._name, error)
            if self._fallback.take(query, Reason.FAILED):
                return
        query.failed()

    def _fallen_back(self, query: Query, reason: Reason, encoded: bool) -> None:
        """Take a query back from the fallback. A text that it failed at is the encoder's, unless that failed too."""
        if encoded:
            if query.due is _SEARCHED and query.room is not None and self.read(query):
                query.room.search(query)
        elif reason is Reason.FAILED:
            query.failed()
        else:
            session = self._engine.session(max_chars=query.session.max_chars, scope=query.scope)
            session.set_text(query.text)
            query.left(session)
            self._queue_up(query)
