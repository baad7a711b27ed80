"""The way of all queries from text to hits, in one object. Dialogues and HTTP requests put their queries into it.

A query is stepped (:mod:`typeahead.server.typing.stepper`) and then searched for in its room
(:mod:`typeahead.server.typing.room`). Both work in batches, and nobody waits for a batch to fill. All rooms share the
encoder, its cache and its steps. A query that nobody wants any more is taken out of all queues, so the number of those
that wait is bounded by the sessions and by the submits that each of them may have pending.

Under more load than it can bear, the server keeps its latency for the queries that it takes and turns the others away.
A keystroke is turned away when the loop has been reading from other clients for longer than ``max_turn_ms`` and the
cache does not hold its text, or when ``max_waiting_searches`` queries wait in its room. Enter is never turned away.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from typeahead.core.engine import Engine
from typeahead.core.session import Session
from typeahead.server.typing.fallback import Fallback
from typeahead.server.typing.query import Query
from typeahead.server.typing.searcher import SearchCounts
from typeahead.server.typing.settings import TypingSettings
from typeahead.server.typing.stepper import Stepper
from typeahead.server.typing.steps import Overload, StepQueue


class Pipeline:
    """The stepper, and what all rooms share. Belongs to one event loop; all methods are called on it.

    ``fallback`` is None where the server has no such thing. ``clock`` tells nanoseconds.
    """

    def __init__(
        self,
        engine: Engine,
        settings: TypingSettings,
        *,
        fallback: Fallback | None = None,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.engine = engine
        self.settings = settings
        self.fallback = fallback
        self.overload = Overload(clock)
        #: The searches of all rooms.
        self.counts = SearchCounts()
        self._shared_scope = engine.scope() if settings.shared_cache else None
        self._stepper = Stepper(
            engine,
            StepQueue(round(settings.max_turn_ms * 1e6), engine.knows, clock),
            self.overload,
            fallback=fallback,
        )

    @property
    def overloaded(self) -> bool:
        """Whether keystrokes are turned away again and again: there is no room for more people."""
        return self.overload.lasting

    def session(self, *, max_chars: int) -> Session:
        """Start a session without an index: in the scope that all share if the settings say so, else in its own."""
        return self.engine.session(max_chars=max_chars, scope=self._shared_scope)

    def start(self) -> None:
        """Start the threads, and tie the pipeline to the running event loop."""
        self._stepper.start()

    def stop(self, timeout: float) -> None:
        """Stop the threads after what they are busy with, and wait for that at most ``timeout`` seconds."""
        self._stepper.stop(timeout)

    def step(self, query: Query) -> None:
        """Encode the query's text, with the next batch or by the fallback, then search if that is due."""
        self._stepper.step(query)

    def step_now(self, query: Query) -> None:
        """Encode the query's text at once, as its session's text is about to change."""
        self._stepper.step_now(query)

    def search(self, query: Query) -> None:
        """Search for a query that was stepped."""
        assert query.room is not None, "there is no index: no search can be due"
        if self._stepper.read(query):
            query.room.search(query)

    def drop(self, query: Query) -> None:
        """Forget a query that nobody wants; a search that has begun goes on in vain."""
        self._stepper.drop(query)
        if query.room is not None:
            query.room.drop(query)
