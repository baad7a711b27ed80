"""How far a text has to come by itself: with each key, at the end of each word, or at Enter only."""

from __future__ import annotations

import re

from typeahead.server.typing.query import Stage
from typeahead.wire.protocol import SearchMode

#: The word that is still being typed. In scripts that put no spaces between words, each character ends one.
_OPEN_WORD = re.compile(r"[^\W\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+\Z")


class DueStage:
    """Tells the stage that is due for each text of one session; ``searches`` says whether there is an index."""

    def __init__(self, *, searches: bool) -> None:
        self._searches = searches
        #: The whole words of the text that was last due to be searched.
        self._words = ""

    @property
    def at_enter(self) -> Stage:
        """What is due once Enter was pressed."""
        return Stage.SEARCHED if self._searches else Stage.STEPPED

    def of(self, text: str, mode: SearchMode, *, owed: bool) -> Stage:
        """Return what is due for the session's present text; ``owed`` if a search that was due never came."""
        if not self._searches or mode is SearchMode.SUBMIT:
            return Stage.STEPPED
        if mode is SearchMode.WORD:
            words = _OPEN_WORD.sub("", text).rstrip()
            if words == self._words and not owed:
                return Stage.STEPPED
            self._words = words
        return Stage.SEARCHED
