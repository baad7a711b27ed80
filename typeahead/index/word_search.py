"""Searches words beside vectors, in a thread of its own.

A search of words takes longer than a step of the encoder, so it may begin before the request is there:
:meth:`WordSearch.prepare` takes a request that is likely to come, and :meth:`WordSearch.look_up` continues what was
prepared.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from queue import SimpleQueue
from typing import Final

from typeahead.index.vectors import Ranking
from typeahead.logs import LimitedLog
from typeahead.search.port import Request

log = logging.getLogger(__name__)

#: Prepared look-ups that are kept for requests that may still come.
MOST_PREPARED: Final = 1024


class WordSearch:
    """Looks up the words of requests by ``match``, which is called in a thread, one request at a time."""

    def __init__(self, match: Callable[[Request], Ranking], *, most_prepared: int = MOST_PREPARED) -> None:
        self._match = match
        self._most_prepared = most_prepared
        self._log = LimitedLog(log)
        self._prepared: dict[Hashable, LookUp] = {}
        self._jobs: SimpleQueue[LookUp | None] = SimpleQueue()
        # A daemon, as a look-up that hangs must not keep the process from ending.
        threading.Thread(target=self._run, name="typeahead-words", daemon=True).start()

    def prepare(self, request: Request) -> Callable[[], None]:
        """Begin a look-up for a request that is likely to come; calling the result gives it up. From any thread."""
        key = _key(request)
        lookup = self._prepared[key] = self._begin(request)
        while len(self._prepared) > self._most_prepared:
            self._prepared.pop(next(iter(self._prepared)), None)

        def give_up() -> None:
            lookup.give_up()
            if self._prepared.get(key) is lookup:
                self._prepared.pop(key, None)

        return give_up

    def look_up(self, request: Request) -> LookUp:
        """Return the look-up of a request, which begins now unless it was prepared."""
        return self._prepared.pop(_key(request), None) or self._begin(request)

    def stop(self) -> None:
        """End the thread, after what it is busy with."""
        self._jobs.put(None)

    def _begin(self, request: Request) -> LookUp:
        lookup = LookUp(request)
        self._jobs.put(lookup)
        return lookup

    def _run(self) -> None:
        while (lookup := self._jobs.get()) is not None:
            # What is begun is finished: the next key of the same person asks for most of the same words.
            if lookup.given_up:
                continue
            ranking: Ranking = ()
            try:
                ranking = self._match(lookup.request)
            except Exception:
                # The vectors still find something.
                self._log.exception("the words of a query could not be looked up")
            lookup.finish(ranking)


class LookUp:
    """The words of one request, on their way."""

    __slots__ = ("_done", "_ranking", "given_up", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.given_up = False
        self._ranking: Ranking | None = None
        self._done = threading.Event()

    def finish(self, ranking: Ranking) -> None:
        """Note what was found."""
        self._ranking = ranking
        self._done.set()

    def give_up(self) -> None:
        """Say that nobody waits any more."""
        self.given_up = True

    def wait(self, until: float) -> Ranking | None:
        """Wait until a time of :func:`time.monotonic`. Gives the look-up up, and returns None, if it is late."""
        if not self._done.wait(max(0.0, until - time.monotonic())):
            self.give_up()
        return self._ranking


def _key(request: Request) -> Hashable:
    return request.text, request.k + request.offset, request.filter, request.scope
