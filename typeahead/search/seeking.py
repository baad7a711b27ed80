"""What to search for while somebody types: the text as it stands, and what it may become.

A half-typed word makes a poor query: its word pieces mean something else, and no encoder was trained on the words of
*this* index. So the texts of a reading (:mod:`typeahead.search.reading`) are encoded, and the vector to search for is
the mean of their embeddings by their likelihood. The engine keeps the steps of these texts like all others, and
consecutive keystrokes mostly lead to the same words.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.core.engine import Engine
from typeahead.core.session import Session
from typeahead.search.reading import Reading


class Seeker:
    """Encodes readings with the engine of their sessions. Use it only on the engine's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._cosine = engine.encoder.config.similarity == "cosine"

    def advance(
        self, sessions: Sequence[Session], readings: Sequence[Reading], *, shown: Sequence[bool] | None = None
    ) -> list[Vectors | None]:
        """Advance sessions whose texts were read, and return what to search for: float32 (dim,); None without a token.

        ``shown`` tells of each session whether somebody wants the embedding of its own text; by default somebody always
        does. A session stays pending if nobody does and the search does not need it either.

        Raises the same errors as :meth:`Engine.advance <typeahead.core.engine.Engine.advance>`.
        """
        ended = []
        # All in one batch: further steps of a batch cost a fraction of the first.
        batch = []
        for row, (session, reading) in enumerate(zip(sessions, readings, strict=True)):
            texts = [
                (session if text == session.text else session.branch(text), weight) for text, weight in reading.endings
            ]
            ended.append(texts)
            # Where the text is not among its endings, the pieces of a half-typed word would be stepped for nothing. A
            # text without tokens takes no step.
            if not texts or shown is None or shown[row] or not session.tokens:
                batch.append(session)
                batch += [one for one, _ in texts if one is not session]
            else:
                batch += [one for one, _ in texts]
        self._engine.advance(batch)
        return [
            self._mean([(one.embedding, weight) for one, weight in texts]) if texts else session.embedding
            for session, texts in zip(sessions, ended, strict=True)
        ]

    def _mean(self, vectors: Sequence[tuple[Vectors | None, float]]) -> Vectors | None:
        known = [(vector, weight) for vector, weight in vectors if vector is not None]
        if not known:
            return None
        weights = np.array([weight for _, weight in known], np.float32)
        mean: Vectors = (weights / weights.sum()) @ np.stack([vector for vector, _ in known])
        if self._cosine:
            mean /= max(float(np.sqrt(mean @ mean)), 1e-12)
        return mean
