"""A room: documents that are searched together, with the words by which texts are read there.

What is remembered of texts in one room is never used in another: their sessions share no scope, so none is faster for
what was typed elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable

from typeahead.core.session import Session
from typeahead.search.asking import Asker
from typeahead.search.learning import TOGETHER
from typeahead.search.reading import Reading
from typeahead.server.typing.pipeline import Pipeline
from typeahead.server.typing.query import Query
from typeahead.server.typing.searcher import Searcher
from typeahead.server.typing.source import Source


class Room:
    """The searcher of a source, and what reads texts for it. Belongs to the event loop of its pipeline.

    ``index`` is the name by which clients ask for it; ``changed`` is called when its documents have changed.
    """

    def __init__(
        self, pipeline: Pipeline, source: Source, index: str = "", *, changed: Callable[[], None] = lambda: None
    ) -> None:
        settings, engine = pipeline.settings, pipeline.engine
        self.index = index
        self.source = source
        #: Reads what is typed. It has to :meth:`learn` the words of the documents.
        self.asker = Asker(engine, words=settings.words and source.words, continuations=settings.complete)
        self.changed = changed
        self._engine = engine
        self._scope = engine.scope() if settings.shared_cache else None
        self._searcher = Searcher(source, settings, pipeline.overload, pipeline.counts, changed=lambda: self.changed())

    @property
    def behind(self) -> bool:
        """Whether a keystroke that is typed now would wait for too long."""
        return self._searcher.behind

    @property
    def stale(self) -> bool:
        """Whether its documents may have changed meanwhile in a database that cannot be read."""
        return self.source.stale

    def session(self, *, max_chars: int) -> Session:
        """Start a session, in the scope that all share here if the settings say so, otherwise in one of its own."""
        return self._engine.session(max_chars=max_chars, scope=self._scope)

    def start(self) -> None:
        """Tie it to the running event loop."""
        self._searcher.start()

    def stop(self) -> None:
        """Begin no more searches, and forget the one that is under way."""
        self._searcher.stop()

    async def learn(self, deadline: float, *, together: int = TOGETHER) -> None:
        """Learn what its documents hold; see :meth:`~typeahead.server.typing.source.Source.learn`."""
        await self.source.learn(self.asker, deadline, together=together)

    def read(self, text: str, before: Reading | None) -> Reading:
        """Return what a text asks for; an earlier reading of the same session saves some of the work."""
        return self.asker.read(text, before)

    def search(self, query: Query) -> None:
        """Search for a query that was read."""
        self._searcher.search(query)

    def drop(self, query: Query) -> None:
        """Forget a query that nobody wants; a search that has begun goes on in vain."""
        self._searcher.drop(query)
