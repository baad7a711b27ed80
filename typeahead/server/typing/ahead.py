"""Where texts are going that somebody is still typing: what the encoder guesses, or the ways to finish their last word.

A keystroke is then answered with what the whole text is likely to find, and searched for itself behind that
(:mod:`typeahead.server.typing.searcher`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from typeahead.core.completion import Completions
from typeahead.core.encoder import Vectors
from typeahead.server.typing.query import Query

#: Keystrokes of one batch up to which last words are finished: others should not wait for the steps of more.
MOST_COMPLETED: Final = 8


class LookAhead:
    """Guesses by the completions of :meth:`complete_by`, if there are any.

    Without them, and beyond :data:`MOST_COMPLETED` keystrokes of one batch, the encoder's guess is taken, if
    ``encoder_guesses``.
    """

    def __init__(self, *, encoder_guesses: bool) -> None:
        self._completions: Completions | None = None
        self._encoder_guesses = encoder_guesses
        self._guesses = encoder_guesses

    def complete_by(self, completions: Completions) -> None:
        """Finish last words by the vocabulary of ``completions`` from now on."""
        self._completions = completions
        self._encoder_guesses = completions.engine.looks_ahead
        self._guesses = True

    def guesses(self, batch: Sequence[Query]) -> Mapping[Query, Vectors]:
        """Guess for the queries whose sessions were just advanced: float32 (dim,) where there is a guess worth having.

        Raises what :meth:`Engine.advance <typeahead.core.engine.Engine.advance>` raises.
        """
        if not self._guesses:
            return {}
        typed = [query for query in batch if query.typing]
        guesses: Sequence[Vectors | None]
        if not typed:
            return {}
        if self._completions is not None and len(typed) <= MOST_COMPLETED:
            guesses = list(self._completions.ahead([query.session for query in typed]))
        elif self._encoder_guesses:
            guesses = [query.session.ahead for query in typed]
        else:
            return {}
        return {
            query: guess
            for query, guess in zip(typed, guesses, strict=True)
            # A guess that is the text as it is needs no search of its own.
            if guess is not None
            and (embedding := query.session.embedding) is not None
            and not np.array_equal(guess, embedding)
        }
