"""Finds documents by words, where the last word may be unfinished: the lexical arm of a hybrid search.

The score is BM25 from SQLite's FTS5 over the table ``words`` of :mod:`typeahead.index.documents`. FTS5 splits the text
into words (``unicode61``, diacritics removed). Any word may match. The last one also matches as a prefix, if only its
own characters follow it. A document's score is the sum of FTS5's ``bm25()`` over its matching words, negated so that
higher is better (https://sqlite.org/fts5.html#the_bm25_function).

Each scope's look-ups are cached, so a keystroke costs one word look-up and a sum of arrays. The cache is not shared: a
look-up takes up to 8 ms, so other scopes could tell from the time what was typed. A word in more than :data:`COMMON`
documents tells little and takes long, so it is ignored, and so is a single letter that may still become any word. The
sibling ``vectors`` is the other arm, and ``fusion`` merges both rankings.
"""

from __future__ import annotations

import sqlite3
import threading
from bisect import bisect_left
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from typeahead.core.tokens import check_text
from typeahead.errors import IndexCorrupt
from typeahead.index.database import open_database

#: Words in more documents than this are too common to look up: for 5,000 documents, FTS5 takes about 8 ms.
COMMON = 5_000
#: Rows and scores in the cache, 8 bytes each.
_REMEMBERED = 8 << 20
#: Pieces of text whose words are cached. They are dropped all at once; dropping 4,096 takes almost no time.
_PIECES = 4096

#: Maximum number of words from :func:`count_words`, which returns the most frequent ones; this limits their memory.
MOST_WORDS = 500_000

#: FTS5 itself splits texts into words: this is a table of texts, and a list of its words by position. It is in a
#: separate in-memory database, so the connection to the documents never writes.
_SCHEMA = """
CREATE VIRTUAL TABLE texts USING fts5(text, content='', tokenize='unicode61 remove_diacritics 2');
CREATE VIRTUAL TABLE texts_words USING fts5vocab('texts', 'instance');
"""

#: All matches as one row of text: Python releases the GIL while SQLite looks for a row and reacquires it for each one;
#: with other threads busy, that takes most of the time.
_MATCH = """
SELECT count(*), group_concat(row, ' '), group_concat(score, ' ')
FROM (SELECT rowid AS row, -rank AS score FROM words WHERE words MATCH ? LIMIT ?)
"""

#: The document frequency of each word.
_COUNTS = "CREATE VIRTUAL TABLE temp.counts USING fts5vocab('main', 'words', 'row')"

_Found = tuple[NDArray[np.int32], NDArray[np.float32]]
_NOTHING: _Found = np.empty(0, np.int32), np.empty(0, np.float32)


class Words:
    """The words of ``count`` documents in the SQLite file ``path``. Usable from any thread, one at a time.

    Raises :class:`~typeahead.errors.IndexCorrupt` for a file that cannot be read.
    """

    def __init__(self, path: Path, count: int) -> None:
        self.path = path
        self._count = count
        self._lock = threading.Lock()
        #: Matches of each term for each scope, the most recently used last.
        self._found: dict[tuple[int, str], _Found] = {}
        self._remembered = 0
        self._pieces: dict[tuple[int, str], tuple[str, ...]] = {}
        #: Words that are too common, sorted. They are looked up only once: otherwise each would cost 8 ms in every
        #: scope.
        self._common: list[str] = []
        try:
            self._connection = open_database(path)
            self._connection.execute("PRAGMA query_only=ON")
            self._tokenizer = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
            self._tokenizer.executescript(_SCHEMA)
            with closing(open_database(path)) as connection:
                connection.execute(_COUNTS)
                found = connection.execute("SELECT term FROM temp.counts WHERE doc > ?", (COMMON,))
                self._common = sorted(term for (term,) in found)
        except sqlite3.Error as error:
            raise _corrupt(path, error) from error

    def search(self, text: str, depth: int, scope: int = 0) -> list[tuple[int, float]]:
        """Find the ``depth`` documents with the highest scores: rows with scores, best first, ties by row.

        Entries cached for one ``scope`` (:mod:`typeahead.core.prefixes`) do not make searches of other scopes faster.
        Raises :class:`~typeahead.errors.TextError` for a lone surrogate, and :class:`~typeahead.errors.IndexCorrupt` if
        the file cannot be read.
        """
        check_text(text)
        try:
            with self._lock:
                return self._best([self._term(term, scope) for term in self.terms(text, scope)], depth)
        except sqlite3.Error as error:
            raise _corrupt(self.path, error) from error

    def terms(self, text: str, scope: int = 0) -> list[str]:
        """Return the FTS5 query of each word of ``text`` that counts."""
        # Spaces separate words in every script, so the pieces between them can be processed one by one.
        *whole, last = text.split(" ")
        words = [word for piece in whole for word in self._words(piece, scope)]
        ending = self._words(last, scope)
        terms = [f'"{word}"' for word in (*words, *ending)]
        # Append a letter to test whether the last word is still open: an open word absorbs it.
        if ending and len(self._words(f"{last}x", scope)) == len(ending):
            word = ending[-1]
            if len(word) == 1 and word.isascii():
                terms.pop()
            else:
                terms[-1] += " *"
        return terms

    def _words(self, piece: str, scope: int) -> tuple[str, ...]:
        """Return FTS5's words in a piece of text."""
        known = self._pieces.get((scope, piece))
        if known is None:
            execute = self._tokenizer.execute
            execute("INSERT INTO texts(rowid, text) VALUES(1, ?)", (piece,))
            known = tuple(word for (word,) in execute("SELECT term FROM texts_words ORDER BY offset"))
            execute("INSERT INTO texts(texts) VALUES('delete-all')")
            if len(self._pieces) >= _PIECES:
                self._pieces.clear()
            self._pieces[scope, piece] = known
        return known

    def _term(self, term: str, scope: int) -> _Found:
        """Return the rows that match a term, and their scores; none for a term that is too common."""
        if self._is_common(term):
            return _NOTHING
        found = self._found.pop((scope, term), None)
        if found is None:
            count, rows, scores = self._connection.execute(_MATCH, (term, COMMON + 1)).fetchone()
            found = _NOTHING
            if 0 < count <= COMMON:
                found = np.fromstring(rows, np.int32, sep=" "), np.fromstring(scores, np.float32, sep=" ")
            self._remembered += len(found[0]) + 1
        self._found[scope, term] = found
        while self._remembered > _REMEMBERED and len(self._found) > 1:
            self._remembered -= len(self._found.pop(next(iter(self._found)))[0]) + 1
        return found

    def _is_common(self, term: str) -> bool:
        """Whether a term is a word that is too common, or a prefix of one."""
        word = term[1 : term.rindex('"')]
        at = bisect_left(self._common, word)
        return at < len(self._common) and (
            self._common[at].startswith(word) if term.endswith("*") else self._common[at] == word
        )

    def _best(self, found: list[_Found], depth: int) -> list[tuple[int, float]]:
        found = [pair for pair in found if len(pair[0])]
        if not found:
            return []
        scores = np.zeros(self._count, np.float32)
        for rows, values in found:
            scores[rows] += values
        # No score is 0, because inverse document frequencies are positive.
        matching = np.flatnonzero(scores)
        values = scores[matching]
        if len(matching) > depth:
            best = np.flatnonzero(values >= np.partition(values, len(values) - depth)[len(values) - depth])
            matching, values = matching[best], values[best]
        order = np.lexsort((matching, -values))[:depth]
        return list(zip(matching[order].tolist(), values[order].tolist(), strict=True))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
            self._tokenizer.close()


def count_words(path: Path) -> dict[str, int]:
    """Return the document frequencies of the :data:`MOST_WORDS` most frequent words in the SQLite file ``path``.

    Raises :class:`~typeahead.errors.IndexCorrupt` for a file that cannot be read.
    """
    try:
        with closing(open_database(path)) as connection:
            connection.execute(_COUNTS)
            rows = connection.execute("SELECT term, doc FROM temp.counts ORDER BY doc DESC LIMIT ?", (MOST_WORDS,))
            return dict(rows)
    except sqlite3.Error as error:
        raise _corrupt(path, error) from error


def _corrupt(path: Path, error: sqlite3.Error) -> IndexCorrupt:
    return IndexCorrupt(f"the words of {path} cannot be read ({error}): rebuild the index", folder=path.parent.parent)
