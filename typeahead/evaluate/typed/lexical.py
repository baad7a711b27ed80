"""BM25 as a peer, by SQLite's FTS5 with nothing of ours: any word may match, and the last one also as a prefix.

Words of the title weigh three times as much as those of the text, as for :mod:`.typesense`. It forgives no slip. The
screen at Enter is that of the last key.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

from typeahead.evaluate.typed.boxes import DEPTH, Screen
from typeahead.text.document import Document

_SCHEMA = """
CREATE VIRTUAL TABLE words USING fts5(id UNINDEXED, title, text, prefix='2 3 4',
    tokenize='unicode61 remove_diacritics 2');
"""
_SEARCH = "SELECT id FROM words WHERE words MATCH ? ORDER BY bm25(words, 0.0, 3.0, 1.0), rowid LIMIT ?"


@contextmanager
def bm25_prefix(documents: Sequence[Document]) -> Iterator[Bm25PrefixBox]:
    """Index ``documents`` in memory."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(_SCHEMA)
        rows = ((one.id, one.title, one.text) for one in documents)
        connection.executemany("INSERT INTO words VALUES(?, ?, ?)", rows)
        yield Bm25PrefixBox(connection)


class Bm25PrefixBox:
    """A table of words."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._last = Screen()
        self.facts: Mapping[str, Any] = {
            "sqlite": sqlite3.sqlite_version,
            "ranking": "bm25(), title 3, text 1, words joined by OR, the last one as a prefix",
        }

    def key(self, text: str) -> Screen:
        """Search ``text``, its last word as a prefix."""
        start = time.perf_counter()
        ids = [key for (key,) in self._connection.execute(_SEARCH, (match(text), DEPTH))] if text.strip() else []
        self._last = Screen(ids, milliseconds=1000 * (time.perf_counter() - start))
        return self._last

    def enter(self) -> Screen:
        """The screen of the last key: there is nothing else to ask."""
        return Screen(self._last.ids)


def match(text: str) -> str:
    """The FTS5 query of a text: its pieces between spaces, joined by OR; the last one, if it is open, as a prefix.

    FTS5 itself splits a quoted piece into words, which then have to follow each other.
    """
    pieces = ['"{}"'.format(piece.replace('"', '""')) for piece in text.replace("\0", " ").split()]
    if pieces and not text[-1].isspace():
        pieces[-1] += " *"
    return " OR ".join(pieces)
