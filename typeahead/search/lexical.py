"""The lexical arm of a hybrid search: the words of what is typed, looked up in a thread of their own.

It begins with a query's text, while the encoder steps, so that both arms are under way together. The search thread
searches the vectors meanwhile and waits for the words at most ``wait_ms`` from its own beginning; a ranking that comes
later is left out of that answer, and what was looked up for it is remembered for the next key.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Protocol

from typeahead.core.encoder import Vectors
from typeahead.search.fusion import Fused, Fusion, Ranking
from typeahead.server.observe.logs import LimitedLog
from typeahead.server.typing.query import Hit, Query

log = logging.getLogger(__name__)


class HybridIndex(Protocol):
    """What is needed of an index."""

    def match(self, text: str, depth: int, scope: int) -> Ranking:
        """Return the ``depth`` best rows for the words of a text, with scores, best first; from any thread.

        What is remembered of one scope must not make another's search faster.
        """

    def rank(self, queries: Vectors, k: int) -> Sequence[Ranking]:
        """Return the rows of the ``k`` best hits for each row of float32 (n, dim), with their scores, best first."""

    def hits(self, fused: Sequence[Sequence[Fused]]) -> Sequence[Sequence[Hit]]:
        """Return the hits of fused rankings."""


class LexicalArm:
    """Looks words up for queries; a query that nobody wants any more is dropped before it is begun."""

    def __init__(self, index: HybridIndex, fusion: Fusion, *, wait_ms: float) -> None:
        self.fusion = fusion
        self._index = index
        self._wait_seconds = wait_ms / 1000
        self._waiting: dict[Query, None] = {}
        #: Those, and the one that is being looked up for: what a search waits for.
        self._awaited: set[Query] = set()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._log = LimitedLog(log)
        #: Queries that were answered with their words, and without, as those came too late.
        self.found = 0
        self.late = 0

    def start(self) -> None:
        """Start the thread."""
        # A daemon, as a look-up that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="typeahead-words", daemon=True)
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Stop the thread, after what it is busy with."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)

    def ask(self, query: Query) -> None:
        """Look up the words of a query, if that is not under way."""
        if query.asked:
            return
        query.asked = True
        with self._changed:
            self._waiting[query] = None
            self._awaited.add(query)
            self._changed.notify_all()

    def drop(self, query: Query) -> None:
        """Forget a query that nobody wants; a search that has taken it already waits no longer for its words."""
        if query.asked:
            with self._changed:
                self._waiting.pop(query, None)
                if query in self._awaited:
                    self._awaited.remove(query)
                    self._changed.notify_all()

    def search(self, queries: Sequence[Query], vectors: Vectors, k: int) -> Sequence[Sequence[Hit]]:
        """Find the ``k`` best hits of both arms for each query. Called on the search thread."""
        deadline = time.monotonic() + self._wait_seconds
        dense = self._index.rank(vectors, max(k, self.fusion.depth))
        words = self._rankings(queries, deadline)
        return self._index.hits(
            [self.fusion.fuse(one, other or (), k) for one, other in zip(dense, words, strict=True)]
        )

    def _rankings(self, queries: Sequence[Query], deadline: float) -> list[Ranking | None]:
        """What was found for each query, None for what is not there in time, or nobody wants any more."""
        with self._changed:
            while not self._awaited.isdisjoint(queries) and not self._stopped:
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
            found = [query.words for query in queries]
            self.late += len(self._awaited.intersection(queries))
        self.found += len(found) - found.count(None)
        return found

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._stopped:
                    self._changed.wait()
                if self._stopped:
                    return
                query = next(iter(self._waiting))
                del self._waiting[query]
            try:
                words = self._index.match(query.text, self.fusion.depth, query.scope)
            except Exception:
                self._log.exception("the words of a query could not be looked up")
                words = ()
            with self._changed:
                query.words = words
                self._awaited.discard(query)
                self._changed.notify_all()
