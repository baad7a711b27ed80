"""The one way from a text to what a back end is asked: read, encoded, and made a request.

Every key, Enter, the HTTP API, the terminal, the measurements and :mod:`~typeahead.search.calibration` come this way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from typeahead.core.encoder import Vectors
from typeahead.core.engine import Engine
from typeahead.core.prefixes import Scope
from typeahead.core.session import Session
from typeahead.search.narrowing import NOTHING, Narrowing
from typeahead.search.port import Backend, Request
from typeahead.search.reading import CONTINUATIONS, Reader, Reading, Vocabulary
from typeahead.search.seeking import Seeker
from typeahead.search.terms import Words

#: The reading of a text that nobody searches for: nothing but the text is encoded.
UNREAD: Final = Reading(Words(()))


class Asker:
    """Asks by the words of an index. Use it only on the engine's thread.

    With ``words``, words are searched beside vectors; :func:`finds_words` tells whether a back end can do that.
    ``continuations`` of a half-typed word are encoded; 0 for none. :meth:`learn` gives it the words of the index.
    """

    def __init__(self, engine: Engine, *, words: bool, continuations: int = CONTINUATIONS) -> None:
        self.engine = engine
        self._words = words
        self._continuations = continuations
        self._seeker = Seeker(engine)
        self._reader = Reader(None, continuations=continuations)

    @property
    def reads(self) -> bool:
        """Whether texts are read at all, so whether it has any use for the words of the index."""
        return self._words or self._continuations > 0

    def learn(self, vocabulary: Vocabulary | None) -> None:
        """Read by these words from now on."""
        self._reader = Reader(vocabulary, continuations=self._continuations)

    def read(self, text: str, before: Reading | None = None) -> Reading:
        """Return what a text asks for; an earlier reading of the same session saves some of the work."""
        if not self.reads:
            return UNREAD
        reading = self._reader.read(text, before)
        return reading if self._words else replace(reading, words=UNREAD.words)

    def advance(
        self, sessions: Sequence[Session], readings: Sequence[Reading], *, shown: Sequence[bool] | None = None
    ) -> list[Vectors | None]:
        """Advance sessions in one batch, and return the vectors to search for: see :meth:`Seeker.advance`."""
        return self._seeker.advance(sessions, readings, shown=shown)

    def ask(
        self, texts: Sequence[str], k: int, *, scope: Scope | None = None, narrowing: Narrowing = NOTHING
    ) -> list[Request]:
        """Make the requests of whole texts, in a scope of their own unless one is given.

        Raises :class:`~typeahead.errors.TextError`, and what the encoder raises.
        """
        scope = self.engine.scope() if scope is None else scope
        sessions = []
        for text in texts:
            session = self.engine.session(max_chars=max(1, len(text)), scope=scope)
            session.set_text(text)
            sessions.append(session)
        readings = [self.read(text) for text in texts]
        return [
            request(reading, vector, k, scope, narrowing)
            for reading, vector in zip(readings, self.advance(sessions, readings), strict=True)
        ]


def request(
    reading: Reading, vector: Vectors | None, k: int, scope: int = 0, narrowing: Narrowing = NOTHING
) -> Request:
    """Make the request of a text by its reading and the vector to search for, float32 (dim,)."""
    # A text without a token finds nothing, whatever else it may hold.
    words = reading.words if vector is not None and any(reading.words) else None
    return Request(vector, words, k, narrowing.offset, narrowing.filter, narrowing.facets, scope)


def finds_words(backend: Backend) -> bool:
    """Whether a back end can search words."""
    return backend.capabilities.lexical
