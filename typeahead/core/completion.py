"""Guesses where unfinished text is going, by the words of the documents that it is searched in.

Half a word is a poor query: its pieces mean something else, and nobody trained an encoder on the words of *this* index.
So the word that is being typed is taken for each of the commonest words of the documents that begin with it, and the
guess is the mean of what the encoder makes of those texts, each word weighed by the square root of how many documents
hold it. Root and number were chosen on the development queries of a collection that nothing else is measured on
(``training/README.md``, "What was tried"). The steps that this takes are kept in the engine's tree like all others, and
from letter to letter mostly the same words come again.

A text whose last word nobody can finish, one that ends with a blank, say, is guessed by what it is.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Mapping, Sequence

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.core.engine import Engine
from typeahead.core.session import Session

#: Words that an unfinished one is taken for.
COUNT = 8
#: And at most, since each of them takes steps at every key.
MAX_COUNT = 32
#: The word that is being typed.
_OPEN = re.compile(r"\w+\Z")
#: Behind every word that begins in the same way.
_LAST = chr(0x10FFFF)
_DIACRITICS = frozenset(map(chr, range(0x300, 0x370)))
#: Code points of a word beyond which it is no word that anybody finishes.
_LONGEST = 64


def fold(word: str) -> str:
    """A word as SQLite's ``unicode61`` indexes it: in lower case, without diacritics."""
    if word.isascii():
        return word.lower()
    apart = unicodedata.normalize("NFD", word.lower())
    return unicodedata.normalize("NFC", "".join(one for one in apart if one not in _DIACRITICS))


class Vocabulary:
    """The words of some documents, folded, with how many documents hold each."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._words = sorted(counts)
        self._counts = np.array([counts[word] for word in self._words], np.int64)

    def __len__(self) -> int:
        return len(self._words)

    def complete(self, beginning: str, count: int) -> list[tuple[str, int]]:
        """The ``count`` commonest words that begin so, the commonest first, each with how many documents hold it.

        If ``beginning`` is a word itself it is always among them. A single letter of ASCII may still become any word:
        there is nothing for it.
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
    """Where the texts of an engine's sessions are going. One thread at a time, the engine's."""

    def __init__(self, engine: Engine, vocabulary: Vocabulary, *, count: int = COUNT) -> None:
        self.engine = engine
        self._vocabulary = vocabulary
        self._count = count

    def ahead(self, sessions: Sequence[Session]) -> Vectors:
        """Where the texts of sessions that were just advanced are going: float32 (n, dim), zeros where no token is.

        That is the mean of what the encoder says of each way to finish the last word. Raises what
        :meth:`Engine.advance <typeahead.core.engine.Engine.advance>` raises.
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
        """A session for each way to finish the last word of one, with its weight."""
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
            # What stands before the word is tokenized for the first of them alone.
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
