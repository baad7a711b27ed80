"""BM25 with a prefix match on the word that is being typed: the lexical search box to compare with.

SQLite's FTS5, as :mod:`typeahead.index.documents` uses it, but over whole passages (title, one blank, text) and
without their text: an index only. Words are FTS5's ``unicode61`` tokens: runs of letters, digits and private-use
characters by SQLite's tables, case folded, diacritics removed. A text's query is::

    "how" OR "to" OR "boi" *

every word in its order, repeated ones too, joined by OR, the last with a prefix match if nothing but its own
characters follows it. OR, because BM25 is a sum over the words that match: with AND a question in whole sentences
finds nothing. The score is FTS5's ``bm25()`` with its constants k1 = 1.2 and b = 0.75, its sign turned so that higher
is better; an unfinished word counts as one word that stands wherever a word begins with it. Its inverse document
frequency is log((N − n + 0.5) / (n + 0.5)) for n of N passages, and 10⁻⁶ where that is not positive: a word of every
second passage only just counts (https://sqlite.org/fts5.html#the_bm25_function).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from typeahead.core.tokens import check_text
from typeahead.errors import SourceError
from typeahead.text.ids import PassageIds

_TOKENIZE = "tokenize='unicode61 remove_diacritics 2'"
#: The words of a text are asked of FTS5 itself: a table of the texts, and its list of words by place.
_SCHEMA = f"""
PRAGMA main.journal_mode=OFF;
PRAGMA main.synchronous=OFF;
CREATE VIRTUAL TABLE passages USING fts5(text, content='', prefix='1 2 3', {_TOKENIZE});
CREATE VIRTUAL TABLE temp.texts USING fts5(text, content='', {_TOKENIZE});
CREATE VIRTUAL TABLE temp.words USING fts5vocab('temp', 'texts', 'instance');
"""
#: Passages in a transaction.
_BATCH = 10_000
#: Hits of single words that are remembered: 256 MB.
_REMEMBERED = 16 << 20


class IdentifiedText(Protocol):
    """A :class:`~typeahead.evaluate.data.datasets.Passage`."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def text(self) -> str:
        """Its title and text."""


class LexicalIndex:
    """An index of words over passages, by row number. One thread at a time.

    Built anew in memory, some 620 bytes for each MS MARCO passage, or in ``path``, which must not exist and is the
    caller's to delete. Raises :class:`~typeahead.errors.SourceError` for a text with a lone surrogate, by passage id,
    for a file that exists, and where this Python's SQLite lacks FTS5.
    """

    def __init__(self, passages: Iterable[IdentifiedText], *, path: Path | None = None) -> None:
        if path is not None and path.exists():
            raise SourceError("exists: the words are indexed anew, into a new file", path=path)
        self._ids = PassageIds()
        self._memo: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
        self._remembered = 0
        try:
            self._connection = sqlite3.connect(":memory:" if path is None else path, isolation_level=None)
        except sqlite3.Error as error:
            raise _failed(error, path) from error
        try:
            self._build(passages)
        except sqlite3.Error as error:
            self._connection.close()
            raise _failed(error, path) from error
        except BaseException:
            self._connection.close()
            raise

    def _build(self, passages: Iterable[IdentifiedText]) -> None:
        self._connection.executescript(_SCHEMA)
        rows = self._rows(passages)
        while part := list(islice(rows, _BATCH)):
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT INTO passages(rowid, text) VALUES(?, ?)", part)
            self._connection.execute("COMMIT")
        self._connection.execute("INSERT INTO passages(passages) VALUES('optimize')")
        #: The words before the last one of the latest query, and the sums of their scores.
        self._head: tuple[list[str], NDArray[np.float64]] = ([], np.zeros(len(self._ids)))

    def _rows(self, passages: Iterable[IdentifiedText]) -> Iterator[tuple[int, str]]:
        for row, passage in enumerate(passages):
            self._ids.append(passage.id)
            try:
                yield row, check_text(passage.text)
            except ValueError as error:
                raise SourceError(f"passage {passage.id!r}: {error}") from error

    def __enter__(self) -> LexicalIndex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._ids)

    def words(self, texts: Sequence[str]) -> list[list[str]]:
        """The words of each text, as FTS5 reads them. Raises :class:`~typeahead.errors.TextError`."""
        rows = [(row, check_text(text)) for row, text in enumerate(texts)]
        found: list[list[str]] = [[] for _ in texts]
        connection = self._connection
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO temp.texts(rowid, text) VALUES(?, ?)", rows)
        for row, word in connection.execute("SELECT doc, term FROM temp.words ORDER BY doc, offset"):
            found[row].append(word)
        connection.execute("INSERT INTO temp.texts(texts) VALUES('delete-all')")
        connection.execute("COMMIT")
        return found

    def terms(self, texts: Sequence[str]) -> list[list[str]]:
        """The FTS5 query of each word of each text as it is being typed, to be joined by OR."""
        # One more letter tells whether the last word is still open: an open one takes it in.
        words = self.words([*texts, *(f"{text}x" for text in texts)])
        found = []
        for plain, longer in zip(words[: len(texts)], words[len(texts) :], strict=True):
            terms = [f'"{word}"' for word in plain]
            if plain and len(plain) == len(longer):
                terms[-1] += " *"
            found.append(terms)
        return found

    def word_counts(self) -> dict[str, int]:
        """How many passages hold each word."""
        self._connection.execute(
            "CREATE VIRTUAL TABLE IF NOT EXISTS temp.counts USING fts5vocab('main', 'passages', 'row')"
        )
        return dict(self._connection.execute("SELECT term, doc FROM temp.counts"))

    def match(self, expression: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """All passages that match an FTS5 query: row numbers int64 (n,) and scores float64 (n,)."""
        hits = self._connection.execute("SELECT rowid, -rank FROM passages WHERE passages MATCH ?", (expression,))
        found = np.fromiter(hits, [("row", np.int64), ("score", np.float64)])
        return np.ascontiguousarray(found["row"]), np.ascontiguousarray(found["score"])

    def search(self, text: str, depth: int) -> list[tuple[int, float]]:
        """The ``depth`` best passages for a text that is being typed, as :meth:`best` gives them."""
        return self.best(self.terms([text])[0], depth)

    def best(self, terms: Sequence[str], depth: int) -> list[tuple[int, float]]:
        """The ``depth`` passages of the highest sum of scores over ``terms``, of those that match any.

        Row numbers and scores, best first, ties by passage id, descending.
        """
        if not terms:
            return []
        *head, last = terms
        if self._head[0] != head:
            self._head = head, self._sum(head)
        scores = self._head[1].copy()
        rows, values = self._known(last)
        scores[rows] += values
        # No score is 0: inverse document frequencies are positive.
        matching = np.flatnonzero(scores)
        if len(matching) > depth:
            found = scores[matching]
            matching = matching[found >= np.partition(found, len(found) - depth)[len(found) - depth]]
        hits = zip(matching.tolist(), scores[matching].tolist(), strict=True)
        return sorted(hits, key=lambda hit: (hit[1], self._ids[hit[0]]), reverse=True)[:depth]

    def _sum(self, terms: Sequence[str]) -> NDArray[np.float64]:
        scores = np.zeros(len(self._ids))
        for term in terms:
            rows, values = self._known(term)
            scores[rows] += values
        return scores

    def _known(self, term: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        found = self._memo.get(term)
        if found is None:
            found = self._memo[term] = self.match(term)
            self._remembered += len(found[0])
            while self._remembered > _REMEMBERED and len(self._memo) > 1:
                self._remembered -= len(self._memo.pop(next(iter(self._memo)))[0])
        return found

    def close(self) -> None:
        """Close the index; one in memory is gone."""
        self._connection.close()


def _failed(error: sqlite3.Error, path: Path | None) -> SourceError:
    return SourceError(f"SQLite {sqlite3.sqlite_version} could not index the words: {error}", path=path)
