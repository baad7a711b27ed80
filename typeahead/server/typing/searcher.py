"""Searches for queries in a thread beside the event loop, and decides where earlier hits may stand in for a search.

The queries that become due during one search are the next batch. Two kinds of keystroke are answered with hits that are
not those of their text. Where the embedding has hardly moved since the session's last search, the hits of that search
stand. Where there is a guess of where the text is going, the guess is searched for. Either way the text itself is
searched for behind all others, so that Enter finds the hits of its own text.

**The seam to the index** is :meth:`Searcher._find`, which runs in the search thread: vectors, float32 (n, dim), go in
and rows of hits come out. It calls :meth:`SearchIndex.search`, or
:meth:`LexicalArm.search <typeahead.search.lexical.LexicalArm.search>` where words are searched too. Nothing else in the
server searches the index.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.models.config import ModelConfig
from typeahead.search.hit import Hit
from typeahead.search.lexical import HybridIndex, LexicalArm
from typeahead.search.reuse import may_stand
from typeahead.server.observe.logs import LimitedLog
from typeahead.server.typing.hits import HitWriter
from typeahead.server.typing.query import Query, Result
from typeahead.server.typing.searches import SearchQueue
from typeahead.server.typing.settings import TypingSettings
from typeahead.server.typing.steps import Overload

log = logging.getLogger(__name__)


class Manifest(Protocol):
    """What the server reads of an index's manifest."""

    @property
    def count(self) -> int:
        """Number of documents."""

    @property
    def generation(self) -> str:
        """Name of the generation that is in force."""


class SearchIndex(HybridIndex, Protocol):
    """What the server needs of an index. Only the search thread searches it."""

    @property
    def manifest(self) -> Manifest:
        """What the index holds."""

    def check_teacher(self, config: ModelConfig) -> None:
        """Raise :class:`~typeahead.errors.TeacherMismatch` where its vectors are not in the encoder's space."""

    def search(self, queries: Vectors, k: int) -> Sequence[Sequence[Hit]]:
        """Return the ``k`` best hits for each row of float32 (n, dim), best first."""

    def word_counts(self) -> dict[str, int]:
        """Return how many documents hold each word."""


class Searcher:
    """The way of a query from its embedding to its hits.

    Belongs to one event loop: all public methods are called on it, and the thread hands its results back to it.
    """

    def __init__(
        self, index: SearchIndex, lexical: LexicalArm | None, settings: TypingSettings, overload: Overload
    ) -> None:
        self._index = index
        self._lexical = lexical
        self._anytime = settings.anytime
        self._writer = HitWriter(settings.snippet_chars)
        self._overload = overload
        #: How many searches were made, and for how many keystrokes the hits of an earlier one stood.
        self.searched = 0
        self.stood = 0
        self._queue = SearchQueue(batch=settings.max_search_batch, most_waiting=settings.max_waiting_searches)
        #: Held for the queue.
        self._changed = threading.Condition()
        self._stopped = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._log = LimitedLog(log)

    def start(self) -> None:
        """Start the threads, and tie them to the running event loop."""
        self._loop = asyncio.get_running_loop()
        if self._lexical is not None:
            self._lexical.start()
        # A daemon, as a search that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="typeahead-search", daemon=True)
        self._thread.start()

    def halt(self) -> None:
        """Tell the search thread to end after its present batch."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def stop(self, timeout: float) -> None:
        """End the threads, and wait for that at most ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        self.halt()
        if self._lexical is not None:
            self._lexical.stop(timeout)
        if self._thread is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))

    def expect(self, query: Query) -> None:
        """Begin to look up the words of a query that is going to be searched, if words are searched."""
        if self._lexical is not None and query.words is None:
            query.look_up(self._lexical.ask(query.text, query.scope))

    def search(self, query: Query) -> None:
        """Search for a query that was stepped, or show what stands for that.

        Where as many wait as may, a keystroke is turned away: see :meth:`SearchQueue.add`.
        """
        if query.embedding is None:
            query.found(None)
            return
        if self._lexical is not None:
            # Words may change with every key: nothing stands for their search.
            self.expect(query)
        elif self._stands(query):
            return
        with self._changed:
            turned_away = self._queue.add(query)
            if turned_away is not query:
                self._changed.notify()
        if turned_away is not None:
            self._overload.shed(turned_away)

    def drop(self, query: Query) -> None:
        """Forget a query that nobody wants; a search that has begun goes on in vain."""
        if self._lexical is not None and query.words is not None:
            self._lexical.drop(query.words)
        with self._changed:
            self._queue.remove(query)

    def _stands(self, query: Query) -> bool:
        """Answer a query with what the session's last search found, if that may be shown for it."""
        last = query.last
        if last is None or last.result is None or query.k > last.k:
            return False
        _, hits, sought, *_ = last.result
        seeking = query.seeking
        same = may_stand(sought, seeking, 1)
        if not same and (query.submitted or not may_stand(sought, seeking, self._anytime)):
            return False
        written = self._write(query, hits)
        self.stood += 1
        if not same:
            query.stood_in(written)
        elif seeking is query.embedding:
            query.found(Result(written, hits, sought))
            return True
        else:
            query.guessed(Result(written, hits, sought))
        self._search_behind(query)
        return True

    def _search_behind(self, query: Query) -> None:
        with self._changed:
            self._queue.add_behind(query)
            self._changed.notify()

    def _searched(self, batch: list[Query], results: Sequence[Result | None]) -> None:
        with self._changed:
            self._queue.end(batch)
        for query, result in zip(batch, results, strict=True):
            if result is None:
                query.failed()
            else:
                self.searched += 1
                self._found(query, result)

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

    def _run(self) -> None:
        """Search until it is time to stop: the search thread."""
        assert self._loop is not None
        while (batch := self._next()) is not None:
            results = self._try(batch)
            try:
                self._loop.call_soon_threadsafe(self._searched, batch, results)
            except RuntimeError:  # the loop was closed while the search ran
                return

    def _next(self) -> list[Query] | None:
        """Wait for queries and take them; None when it is time to stop."""
        with self._changed:
            while not self._queue and not self._stopped:
                self._changed.wait()
            return None if self._stopped else self._queue.take()

    def _try(self, batch: list[Query]) -> Sequence[Result | None]:
        """Search, one by one where a batch fails; None for a query that cannot be searched."""
        try:
            return self._results(batch)
        except Exception:
            self._log.exception("a batch of %d searches failed", len(batch))
            return [None] if len(batch) == 1 else [self._try([query])[0] for query in batch]

    def _results(self, batch: list[Query]) -> list[Result]:
        """Search for a batch, and write what that finds."""
        started_ns = time.perf_counter_ns()
        # search() lets no query without an embedding through.
        sought = [vector for query in batch if (vector := query.seeking) is not None]
        found = self._find(batch, np.stack(sought), max(query.k for query in batch))
        found_ns = time.perf_counter_ns()
        written = [self._write(query, hits) for query, hits in zip(batch, found, strict=True)]
        search_ns, serialize_ns = found_ns - started_ns, time.perf_counter_ns() - found_ns
        return [
            Result(text, hits, vector, search_ns, serialize_ns)
            for text, hits, vector in zip(written, found, sought, strict=True)
        ]

    def _find(self, batch: Sequence[Query], vectors: Vectors, k: int) -> Sequence[Sequence[Hit]]:
        """Find the ``k`` best hits for each row of float32 (n, dim), which are those that ``batch`` seeks."""
        if self._lexical is None:
            return self._index.search(vectors, k)
        return self._lexical.search([query.words for query in batch if query.words is not None], vectors, k)

    def _write(self, query: Query, hits: Sequence[Hit]) -> bytes:
        return self._writer.write(hits[: query.k], query.text, query.scope)
