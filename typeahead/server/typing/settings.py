"""The settings of the rooms between a dialogue and its answers."""

from __future__ import annotations

from dataclasses import dataclass

from typeahead.search.reading import CONTINUATIONS
from typeahead.search.reuse import THRESHOLD


@dataclass(frozen=True, slots=True)
class TypingSettings:
    """How texts are read, stepped and searched.

    The names and defaults are those of :class:`~typeahead.server.config.ServerConfig`, which checks the values and says
    what they are good for.
    """

    #: Code points of a hit's text that are sent.
    snippet_chars: int = 300
    #: Queries in one call of the index.
    max_search_batch: int = 16
    #: Queries that may wait for a search before keystrokes are turned away.
    max_waiting_searches: int = 256
    #: Seconds that one search may take before its queries fail.
    search_seconds: float = 10.0
    #: Milliseconds of one turn of reading before keystrokes that need a step are turned away.
    max_turn_ms: float = 15.0
    #: Cosine from which the hits of the last search stand for a keystroke.
    anytime: float = THRESHOLD
    #: Whether words are searched beside vectors, where the back end can.
    words: bool = True
    #: Ways to finish a half-typed word that are encoded, 0 for none.
    complete: int = CONTINUATIONS
    #: Whether all sessions share what is remembered of texts.
    shared_cache: bool = False
