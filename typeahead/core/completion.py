"""Guesses what unfinished text will become, using the words of the indexed documents.

A half-typed word makes a poor query: its word pieces mean something else, and no encoder was trained on the words of
*this* index. So we complete the open word with each of the most frequent words that start with it, and encode each
completed text. The guess is the mean of the embeddings, weighted by the square root of each word's document frequency.
The square root and the number of words were chosen on the development queries of a collection used for no other
measurement (``training/TRIED.md``). The engine caches these steps in its tree like all others, and
consecutive keystrokes mostly complete to the same words.

If the last word has no completions (the text ends with a space, for example), the guess is the text's own embedding.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.core.engine import Engine
from typeahead.core.folding import fold
from typeahead.core.session import Session

#: Completions tried for an unfinished word.
COUNT = 8
#: Upper limit for that number: each completion costs steps on every keystroke.
MAX_COUNT = 32
#: The word being typed.
_OPEN = re.compile(r"\w+\Z")
#: Sorts after every word with the same prefix.
_LAST = chr(0x10FFFF)
#: Longer words, in code points, are not completed.
_LONGEST = 64


class Vocabulary:
    """The folded words of some documents, with each word's document frequency."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._words = sorted(counts)
        self._counts = np.array([counts[word] for word in self._words], np.int64)

    def __len__(self) -> int:
        return len(self._words)

    def complete(self, beginning: str, count: int) -> list[tuple[str, int]]:
        """Return the ``count`` most frequent words with this prefix and their document frequencies, sorted.

        If ``beginning`` is itself a word, it is always included. A single ASCII letter has no completions, because it
        could still become any word.
        """
        if len(beginning) > _LONGEST or (len(beginning) < 2 and beginning.isascii()):
            return []
        words, first = self._words, bisect_left(self._words, beginning)
        last = bisect_left(words, beginning + _LAST, first)
        counts = self._counts[first:last]
        places = np.arange(len(counts))
        if len(counts) > count:
            places = np.flatnonzero(counts >= np.partition(counts, len(counts) - count)[len(counts) - count])
        places = places[np.lexsort((places, -counts[places]))][:count]
        if len(counts) and words[first] == beginning and 0 not in places:
            places = np.append(places[: count - 1], 0)
        return [(words[first + place], int(counts[place])) for place in places.tolist()]


class Completions:
    """Guesses where the texts of an engine's sessions are going. Use it only on the engine's thread."""

    def __init__(self, engine: Engine, vocabulary: Vocabulary, *, count: int = COUNT) -> None:
        self.engine = engine
        self._vocabulary = vocabulary
        self._count = count

    def ahead(self, sessions: Sequence[Session]) -> Vectors:
        """Guess the finished texts of sessions that were just advanced: float32 (n, dim), zero rows without tokens.

        The guess is the mean embedding of all completions of the last word. Raises the same errors as
        :meth:`Engine.advance <typeahead.core.engine.Engine.advance>`.
        """
        finished = [self._finished(session) for session in sessions]
        self.engine.advance([one for texts in finished for one, _ in texts])
        guesses = np.zeros((len(sessions), self.engine.encoder.dim), np.float32)
        for guess, session, texts in zip(guesses, sessions, finished, strict=True):
            vectors = [(one.ahead, weight) for one, weight in texts if one.ahead is not None]
            if vectors:
                guess[:] = self._mean(vectors)
            elif session.ahead is not None:
                guess[:] = session.ahead
        return guesses

    def _finished(self, session: Session) -> list[tuple[Session, float]]:
        """Make one session for each completion of the last word, with its weight."""
        open_word = _OPEN.search(session.text)
        if open_word is None:
            return []
        begun = session.text[: open_word.start()]
        texts = []
        encoder = self.engine.encoder
        head = ""
        head_tokens: tuple[int, ...] = ()
        for word, documents in self._vocabulary.complete(fold(open_word[0]), self._count):
            one = self.engine.session(max_chars=session.max_chars, scope=session.scope)
            # Only the first session tokenizes the text before the word; the others reuse the result.
            tokens, head, head_tokens = encoder.tokenizer.encode_on(begun + word, head, head_tokens)
            one.tokens = tokens[: encoder.max_tokens]
            one.pending = True
            texts.append((one, documents**0.5))
        return texts

    def _mean(self, vectors: Sequence[tuple[Vectors, float]]) -> Vectors:
        weights = np.array([weight for _, weight in vectors], np.float32)
        mean: Vectors = (weights / weights.sum()) @ np.stack([vector for vector, _ in vectors])
        if self.engine.encoder.config.similarity == "cosine":
            mean /= max(float(np.sqrt(mean @ mean)), 1e-12)
        return mean
