"""Searches words beside vectors: a thread that looks up the words of whole batches of requests."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from typeahead.index.vectors import Ranking
from typeahead.logs import LimitedLog
from typeahead.search.port import Request

log = logging.getLogger(__name__)


class WordSearch:
    """Looks up the words of requests by ``match``, which is called in a thread of its own."""

    def __init__(self, match: Callable[[Request], Ranking]) -> None:
        self._match = match
        self._log = LimitedLog(log)
        self._jobs: SimpleQueue[LookUp | None] = SimpleQueue()
        # A daemon, as a look-up that hangs must not keep the process from ending.
        threading.Thread(target=self._run, name="typeahead-words", daemon=True).start()

    def look_up(self, requests: Sequence[Request]) -> LookUp:
        """Begin to look up the words of all ``requests`` that have a text."""
        lookup = LookUp(requests)
        self._jobs.put(lookup)
        return lookup

    def stop(self) -> None:
        """End the thread, after what it is busy with."""
        self._jobs.put(None)

    def _run(self) -> None:
        while (lookup := self._jobs.get()) is not None:
            for row, request in enumerate(lookup.requests):
                if not request.text:
                    continue
                # A key that comes after this one asks for most of the same words, so what is begun is finished.
                if lookup.given_up:
                    break
                ranking: Ranking = ()
                try:
                    ranking = self._match(request)
                except Exception:
                    # The vectors still find something.
                    self._log.exception("the words of a query could not be looked up")
                lookup.found(row, ranking)
            lookup.finish()


class LookUp:
    """The words of a batch of requests, on their way."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self.requests = requests
        self.given_up = False
        self._rankings: list[tuple[int, Ranking]] = []
        self._done = threading.Event()

    def found(self, row: int, ranking: Ranking) -> None:
        """Note the ranking of a request."""
        self._rankings.append((row, ranking))

    def finish(self) -> None:
        """Note that all are there."""
        self._done.set()

    def wait(self, until: float) -> list[tuple[int, Ranking]]:
        """Wait for the rankings, and return those that are there by ``until``: rows of requests, and rankings."""
        if not self._done.wait(max(0.0, until - time.monotonic())):
            self.given_up = True
        return list(self._rankings)
