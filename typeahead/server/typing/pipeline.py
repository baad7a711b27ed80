"""The way of all queries from text to hits, in one object. Dialogues and HTTP requests put their queries into it.

A query is stepped (:mod:`typeahead.server.typing.stepper`) and then searched for
(:mod:`typeahead.server.typing.searcher`). Both work in batches, and nobody waits for a batch to fill. A query that
nobody wants any more is taken out of all queues, so the number that waits is bounded by the sessions and by the submits
that each of them may have pending.

Under more load than it can bear, the server keeps its latency for the queries that it takes and turns the others away.
A keystroke is turned away when the loop has been reading from other clients for longer than ``max_turn_ms`` and the
cache does not hold its text, or when ``max_waiting_searches`` queries wait. Enter is never turned away.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from typeahead.core.engine import Engine
from typeahead.core.session import Session
from typeahead.search.asking import Asker, finds_words
from typeahead.search.port import Backend
from typeahead.search.scoring import Scale
from typeahead.server.typing.fallback import Fallback
from typeahead.server.typing.query import Query
from typeahead.server.typing.searcher import Searcher
from typeahead.server.typing.settings import TypingSettings
from typeahead.server.typing.stepper import Stepper
from typeahead.server.typing.steps import Overload, StepQueue


class Pipeline:
    """The stepper and, with an index, the searcher. Belongs to one event loop; all methods are called on it.

    ``backend`` and ``fallback`` are None where the server has no such thing. ``changed`` is called when documents have
    changed; ``clock`` tells nanoseconds.
    """

    def __init__(
        self,
        engine: Engine,
        backend: Backend | None,
        settings: TypingSettings,
        *,
        fallback: Fallback | None = None,
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.engine = engine
        self.fallback = fallback
        self._shared_scope = engine.scope() if settings.shared_cache else None
        self._overload = Overload(clock)
        words = settings.words and backend is not None and finds_words(backend)
        #: Reads what is typed. It has to :meth:`~typeahead.search.asking.Asker.learn` the words of the index.
        self.asker = Asker(engine, words=words, continuations=settings.complete)
        self._searcher = None if backend is None else Searcher(backend, settings, self._overload, changed=changed)
        self._stepper = Stepper(
            self.asker,
            StepQueue(round(settings.max_turn_ms * 1e6), engine.knows, clock),
            self._overload,
            search=None if self._searcher is None else self._searcher.search,
            behind=lambda: self._searcher is not None and self._searcher.behind,
            fallback=fallback,
        )

    @property
    def searches(self) -> bool:
        """Whether there is an index."""
        return self._searcher is not None

    @property
    def overloaded(self) -> bool:
        """Whether keystrokes were turned away within the last second: there is no room for more people."""
        return self._overload.recent

    @property
    def searched(self) -> int:
        """Number of searches that were made."""
        return 0 if self._searcher is None else self._searcher.searched

    @property
    def stood(self) -> int:
        """Number of keystrokes for which the hits of an earlier search stood."""
        return 0 if self._searcher is None else self._searcher.stood

    def weigh_by(self, scale: Scale) -> None:
        """Make scores by ``scale`` from now on."""
        assert self._searcher is not None, "there is no index: nothing is weighed"
        self._searcher.scale = scale

    def session(self, *, max_chars: int) -> Session:
        """Start a session, in the scope that all share if the settings say so, otherwise in one of its own."""
        return self.engine.session(max_chars=max_chars, scope=self._shared_scope)

    def start(self) -> None:
        """Start the threads, and tie the pipeline to the running event loop."""
        self._stepper.start()
        if self._searcher is not None:
            self._searcher.start()

    def stop(self, timeout: float) -> None:
        """Stop the threads after what they are busy with, and wait for that at most ``timeout`` seconds."""
        if self._searcher is not None:
            self._searcher.stop()
        self._stepper.stop(timeout)

    def step(self, query: Query) -> None:
        """Encode the query's text, with the next batch or by the fallback, then search if that is due."""
        self._stepper.step(query)

    def step_now(self, query: Query) -> None:
        """Encode the query's text at once, as its session's text is about to change."""
        self._stepper.step_now(query)

    def search(self, query: Query) -> None:
        """Search for a query that was stepped."""
        assert self._searcher is not None, "there is no index: no search can be due"
        if self._stepper.read(query):
            self._searcher.search(query)

    def drop(self, query: Query) -> None:
        """Forget a query that nobody wants; a search that has begun goes on in vain."""
        self._stepper.drop(query)
        if self._searcher is not None:
            self._searcher.drop(query)
