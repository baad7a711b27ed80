"""Moves the queries of all sessions from text to results, in batches that nobody waits for.

Whatever was typed while the last batch of steps ran is the next batch: under load batches grow, without load a
keystroke is a batch of its own. Steps run on the event loop, as one takes tens of microseconds; searches run in one
thread beside it, in batches by the same rule, and the words of a hybrid search are looked up in another from the moment
that a text is there (:mod:`typeahead.search.lexical`). What is not for the encoder goes to
:mod:`typeahead.server.typing.fallback` instead, if there is one, and joins the others for the search. A query that
nobody wants any more is taken out of all queues, so what waits is bounded by the sessions and the submits that each may
have pending.

Under more load than it can bear it keeps the latency of what it takes, and says of the rest that it is overloaded: a
keystroke is turned away when the loop has been reading from other clients for ``max_turn_ms`` already and the cache
does not hold its text, or when ``max_waiting_searches`` wait. Enter is never turned away.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Protocol

import numpy as np
import orjson

from typeahead.core.completion import Completions
from typeahead.core.encoder import Vectors
from typeahead.core.engine import MAX_BATCH, Engine
from typeahead.models.config import ModelConfig
from typeahead.search.lexical import HybridIndex, LexicalArm
from typeahead.search.marks import Marker
from typeahead.search.reuse import THRESHOLD, may_stand
from typeahead.search.snippets import snippet, telling_words
from typeahead.server.observe.logs import LimitedLog
from typeahead.server.observe.metrics import Reason
from typeahead.server.typing.fallback import Fallback
from typeahead.server.typing.query import Hit, Query, Result, Stage

log = logging.getLogger(__name__)

#: For how long new people are turned away after a keystroke was.
_OVERLOAD_NS = 10**9
#: Keystrokes of one batch up to which their last words are finished: others should not wait for the steps of more.
_MOST_COMPLETED = 8

#: Code points of a title, and of an address. A longer address is left out, as half of one leads nowhere.
MAX_TITLE = 300
MAX_URL = 2048


class Manifest(Protocol):
    """What the server reads of an index's manifest."""

    @property
    def count(self) -> int:
        """Number of documents."""

    @property
    def generation(self) -> str:
        """Name of the generation that is in force."""


class SearchIndex(HybridIndex, Protocol):
    """What the server needs of an index. It is searched from the search thread alone."""

    @property
    def manifest(self) -> Manifest:
        """What the index holds."""

    def check_teacher(self, config: ModelConfig) -> None:
        """Raise :class:`~typeahead.errors.TeacherMismatch` where its vectors are not in the encoder's space."""

    def search(self, queries: Vectors, k: int) -> Sequence[Sequence[Hit]]:
        """Return the ``k`` best hits for each row of float32 (n, dim), best first."""

    def word_counts(self) -> dict[str, int]:
        """Return how many documents hold each word."""


class Pipeline:
    """The queues between sessions, engine and index. Belongs to one event loop; all methods are called on it."""

    def __init__(
        self,
        engine: Engine,
        index: SearchIndex | None,
        *,
        snippet_chars: int,
        max_search_batch: int,
        max_waiting_searches: int = 256,
        max_turn_ms: float = 15.0,
        anytime: float = THRESHOLD,
        look_ahead: bool = False,
        shared_cache: bool = False,
        completions: Completions | None = None,
        fallback: Fallback | None = None,
        lexical: LexicalArm | None = None,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.engine = engine
        self.fallback = fallback
        self._lexical = lexical
        self._name = engine.encoder.config.name
        self._index = index
        self._snippet_chars = snippet_chars
        self._max_search_batch = max_search_batch
        self._max_waiting_searches = max_waiting_searches
        self._max_turn_ns = round(max_turn_ms * 1e6)
        self._anytime = anytime
        self._completions = None if index is None else completions
        #: With whom all who type share what is remembered of their texts; None where each keeps to themselves.
        self.shared_scope = engine.scope() if shared_cache else None
        self._looks_ahead = (look_ahead or completions is not None) and engine.looks_ahead and index is not None
        #: Searches that were made, and keystrokes for which the results of an earlier one stood.
        self.searched = 0
        self.stood = 0
        self._clock = clock
        self._log = LimitedLog(log)
        #: When the loop began to read what it is reading now, and when a keystroke was last turned away.
        self._turn_ns: int | None = None
        self._shed_ns: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._to_step: dict[Query, None] = {}
        #: Keystrokes that the server has no time for.
        self._to_shed: dict[Query, None] = {}
        # Dictionaries for queues: in order of arrival, and anything can be taken out at once.
        self._to_search: dict[Query, None] = {}
        #: Searched when nothing else is to be: queries that were answered with what an earlier search had found.
        self._behind: dict[Query, None] = {}
        #: What the search thread took and has not given back.
        self._searching: set[Query] = set()
        self._searchable = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None

    @property
    def searches(self) -> bool:
        """Whether there is an index."""
        return self._index is not None

    def start(self) -> None:
        """Start the threads and tie the pipeline to the running event loop."""
        self._loop = asyncio.get_running_loop()
        if self.fallback is not None:
            self.fallback.start(self._fallen_back)
        if self._lexical is not None:
            self._lexical.start()
        if self._index is not None:
            # A daemon, as a search that hangs must not keep the process from ending.
            self._thread = threading.Thread(target=self._run_searches, name="typeahead-search", daemon=True)
            self._thread.start()

    def stop(self, timeout: float) -> None:
        """Stop the threads, after what they are busy with."""
        deadline = time.monotonic() + timeout
        with self._searchable:
            self._stopped = True
            self._searchable.notify()
        if self.fallback is not None:
            self.fallback.stop(timeout)
        if self._lexical is not None:
            self._lexical.stop(max(0.0, deadline - time.monotonic()))
        if self._thread is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))

    def step(self, query: Query) -> None:
        """Encode the query's text, by steps with the next batch or by the fallback, then search if that is due."""
        if self._lexical is not None and query.due is Stage.SEARCHED:
            self._lexical.ask(query)
        if self.fallback is not None:
            if query in self.fallback or query in self._to_step:
                return  # which encoder it has was decided before
            reason = self.fallback.wants(len(query.session.tokens), best=query.best)
            if reason is not None and self.fallback.take(query, reason):
                return
        self._step_soon(query)

    @property
    def overloaded(self) -> bool:
        """Whether keystrokes were turned away within the last second: there is no room for more people."""
        return self._shed_ns is not None and self._clock() - self._shed_ns < _OVERLOAD_NS

    def _step_soon(self, query: Query) -> None:
        now = self._clock()
        if self._turn_ns is None:
            assert self._loop is not None, "the pipeline was not started"
            self._turn_ns = now
            self._loop.call_soon(self._end_turn)
        elif now - self._turn_ns > self._max_turn_ns and not query.entered and not self.engine.knows(query.session):
            # Who was read before is being served, who is read after waits as long again: better told than kept waiting.
            # Told when all were read, as a newer key of the same person may lie behind this one.
            self._to_shed[query] = None
            return
        to_step = self._to_step
        to_step[query] = None
        # The loop reads from all clients before it calls anything: a full batch has no reason to wait for the rest.
        if len(to_step) >= MAX_BATCH:
            self._step_all()

    def _end_turn(self) -> None:
        self._turn_ns = None
        self._step_all()
        while self._to_shed:
            self._shed(self._to_shed.popitem()[0])

    def _shed(self, query: Query) -> None:
        """Turn a keystroke away; who waits for it is told that the server is overloaded."""
        self._shed_ns = self._clock()
        query.shed = True
        self._fail(query)

    def step_now(self, query: Query) -> None:
        """Run the query's steps at once, as its session's text is about to change."""
        if self.fallback is not None and query in self.fallback:
            return  # it needs no session
        self._to_step.pop(query, None)
        self._to_shed.pop(query, None)
        self._advance([query])

    def search(self, query: Query) -> None:
        """Search for a query that was stepped. Where as many wait as may, a keystroke is turned away.

        That is the new one; but Enter takes the place of the keystroke that has waited the longest. Where the embedding
        has hardly moved since the session's last search, what that found is the answer, and the query is searched
        behind the others, so that Enter finds the results of its own search. So it is where the encoder says where a
        text is going: a keystroke is answered with what that finds.
        """
        if query.embedding is None:
            query.stage = Stage.SEARCHED
            query.notify()
            return
        if self._lexical is not None:
            self._lexical.ask(query)
        elif (hits := self._standing(query)) is not None:
            query.hits = self.write_hits(hits[: query.k], query.text, query.scope)
            query.stage = Stage.SEARCHED
            self.stood += 1
            if query.stood:
                self._search_behind(query)
            query.notify()
            return
        turned_away = None
        with self._searchable:
            if query in self._searching:
                return  # Enter, and its own search is under way already
            self._behind.pop(query, None)
            if len(self._to_search) >= self._max_waiting_searches:
                turned_away = next((waiting for waiting in self._to_search if not waiting.entered), None)
                if not query.entered:
                    turned_away = query
                elif turned_away is not None:
                    del self._to_search[turned_away]
            if turned_away is not query:
                self._to_search[query] = None
                self._searchable.notify()
        if turned_away is not None:
            self._shed(turned_away)

    def _standing(self, query: Query) -> Sequence[Hit] | None:
        """What the session's last search found, if it may stand for this query; marks one whose own might differ."""
        last = query.last
        if last is None or query.k > last.k:
            return None
        if may_stand(last.sought, query.seeking, 1):
            query.found, query.sought, query.last = last.found, last.sought, None
            query.stood = query.seeking is not query.embedding
            return query.found
        if query.entered or not may_stand(last.sought, query.seeking, self._anytime):
            return None
        query.stood = True
        return last.found

    def drop(self, query: Query) -> None:
        """Forget a query that nobody wants; a search that has begun goes on in vain."""
        self._to_step.pop(query, None)
        self._to_shed.pop(query, None)
        if self.fallback is not None:
            self.fallback.drop(query)
        if self._lexical is not None:
            self._lexical.drop(query)
        with self._searchable:
            self._to_search.pop(query, None)
            self._behind.pop(query, None)

    def _step_all(self) -> None:
        batch = list(self._to_step)
        self._to_step.clear()
        if batch:
            self._advance(batch)

    def _advance(self, batch: list[Query]) -> None:
        started_ns = time.perf_counter_ns()
        try:
            self.engine.advance([query.session for query in batch])
            self._read(batch)
            self._look_ahead(batch)
        except Exception as error:
            if self.fallback is None:
                self._log.exception("a batch of %d sessions could not be stepped", len(batch))
            # One by one, so that only whose text it was pays for it.
            if len(batch) == 1:
                self._rescue(batch[0], error)
            else:
                for query in batch:
                    self._advance([query])
            return
        spent_ns = time.perf_counter_ns() - started_ns
        name = self._name
        for query in batch:
            query.encoder = name
            query.step_ns = spent_ns
            self._stepped(query)

    def _read(self, batch: list[Query]) -> None:
        """Take the embeddings where somebody needs them."""
        for query in batch:
            if query.shown or self._index is not None:
                query.embedding = query.session.embedding

    def _look_ahead(self, batch: list[Query]) -> None:
        """Ask where the texts are going that are still being typed."""
        if self._completions is None and not self._looks_ahead:
            return
        typed = [query for query in batch if query.typing]
        if not typed:
            return
        guesses: Sequence[Vectors | None]
        if self._completions is not None and len(typed) <= _MOST_COMPLETED:
            guesses = list(self._completions.ahead([query.session for query in typed]))
        elif self._looks_ahead:
            guesses = [query.session.ahead for query in typed]
        else:
            return
        for query, guess in zip(typed, guesses, strict=True):
            # A guess that is the text as it is needs no search of its own.
            if guess is not None and query.embedding is not None and not np.array_equal(guess, query.embedding):
                query.ahead = guess

    def _stepped(self, query: Query) -> None:
        query.stage = Stage.STEPPED
        if query.due is Stage.SEARCHED:
            self.search(query)
        query.notify()

    def _rescue(self, query: Query, error: Exception) -> None:
        """Have a text that the encoder failed at encoded by the fallback, if there is one and it takes it."""
        if self.fallback is not None:
            self.fallback.log_failure(self.engine.encoder.config.name, error)
            if self.fallback.take(query, Reason.FAILED):
                return
        self._fail(query)

    def _fallen_back(self, query: Query, reason: Reason, encoded: bool) -> None:
        """Take a query back from the fallback; one that it failed at is the encoder's, unless that has failed too."""
        if encoded:
            self._stepped(query)
        elif reason is Reason.FAILED:
            self._fail(query)
        else:
            # In a session of its own, as the one that it came from may be further.
            query.session = self.engine.session(max_chars=query.session.max_chars, scope=query.scope)
            query.session.set_text(query.text)
            self._step_soon(query)

    def _fail(self, query: Query) -> None:
        query.failed = True
        query.abandoned = False
        query.notify()

    def _run_searches(self) -> None:
        assert self._loop is not None
        while (batch := self._next_searches()) is not None:
            results = self._try_searches(batch)
            try:
                self._loop.call_soon_threadsafe(self._searched, batch, results)
            except RuntimeError:  # the loop was closed while the search ran
                return

    def _next_searches(self) -> list[Query] | None:
        """Wait for queries and take them; None when it is time to stop."""
        with self._searchable:
            while not self._to_search and not self._behind and not self._stopped:
                self._searchable.wait()
            if self._stopped:
                return None
            queue = self._to_search or self._behind
            batch = list(islice(queue, self._max_search_batch))
            for query in batch:
                del queue[query]
            self._searching.update(batch)
            return batch

    def _try_searches(self, batch: list[Query]) -> Sequence[Result | None]:
        """Search, one by one where a batch fails; None for a query that cannot be searched."""
        try:
            return self._search_batch(batch)
        except Exception:
            self._log.exception("a batch of %d searches failed", len(batch))
            return [None] if len(batch) == 1 else [self._try_searches([query])[0] for query in batch]

    def _search_batch(self, batch: list[Query]) -> list[Result]:
        assert self._index is not None
        started_ns = time.perf_counter_ns()
        # search() lets no query without an embedding through.
        sought = [vector for query in batch if (vector := query.seeking) is not None]
        vectors = np.stack(sought)
        k = max(query.k for query in batch)
        found = self._index.search(vectors, k) if self._lexical is None else self._lexical.search(batch, vectors, k)
        found_ns = time.perf_counter_ns()
        written = [
            self.write_hits(hits[: query.k], query.text, query.scope) for query, hits in zip(batch, found, strict=True)
        ]
        search_ns, serialize_ns = found_ns - started_ns, time.perf_counter_ns() - found_ns
        return [
            Result(hits, those, vector, search_ns, serialize_ns)
            for hits, those, vector in zip(written, found, sought, strict=True)
        ]

    def _searched(self, batch: list[Query], results: Sequence[Result | None]) -> None:
        with self._searchable:
            self._searching.difference_update(batch)
        for query, result in zip(batch, results, strict=True):
            if result is not None:
                self.searched += 1
                self._found(query, result)
            elif not query.stood:
                self._fail(query)

    def _found(self, query: Query, result: Result) -> None:
        """Give on a query that was searched; where that was for what it will be, its own search is to come."""
        guessed = result.sought is not query.embedding
        if guessed and query.entered:
            # Enter was pressed meanwhile.
            self.search(query)
            return
        query.take(result)
        query.stood = guessed
        query.stage = Stage.SEARCHED
        query.last = None
        if query.stood and query.wanted:
            self._search_behind(query)
        query.notify()

    def _search_behind(self, query: Query) -> None:
        with self._searchable:
            self._behind[query] = None
            self._searchable.notify()

    def write_hits(self, hits: Sequence[Hit], text: str, scope: int = 0) -> bytes:
        """Write the hits of a query's text as a JSON array: what of the passages fits on a page, its words marked."""
        words, marker = telling_words(text), Marker(text, scope)
        written = []
        for hit in hits:
            title, passage = _cut(hit.title, MAX_TITLE), snippet(hit.text, words, self._snippet_chars)
            fields = {
                "id": hit.id,
                "score": round(float(hit.score), 6),
                "title": title,
                "text": passage,
                "url": hit.url if len(hit.url) <= MAX_URL else "",
                "marks": {"title": marker.spans(title), "text": marker.spans(passage)},
            }
            if hit.arms:
                fields["arms"] = hit.arms
            written.append(fields)
        return orjson.dumps(written)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
