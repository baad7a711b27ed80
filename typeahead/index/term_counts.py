"""Counts the documents of an index that contain a term; the sibling modules find and read documents."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from typeahead.errors import IndexCorrupt
from typeahead.index.database import open_database
from typeahead.search.terms import PREFIX

_COUNTS = "CREATE VIRTUAL TABLE temp.counts USING fts5vocab('main', 'words', 'row')"
_WHOLE = "SELECT coalesce(max(doc), 0) FROM temp.counts WHERE term = ?"
#: A document with several words that share the prefix counts once, so the matches themselves are counted.
_BEGINNING = "SELECT count(*) FROM words WHERE words MATCH ?"


class TermCounts:
    """Counts terms in the SQLite file ``path`` of an index. Use it from one thread at a time.

    Raises :class:`~typeahead.errors.IndexCorrupt` for a file that cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._connection = open_database(path)
            self._connection.execute(_COUNTS)
        except sqlite3.Error as error:
            raise self._corrupt(error) from error

    def documents_with(self, terms: Sequence[str]) -> dict[str, int]:
        """Count the documents that contain each of ``terms`` (:func:`typeahead.search.terms.query_terms`)."""
        try:
            return {term: self._count(term) for term in terms}
        except sqlite3.Error as error:
            raise self._corrupt(error) from error

    def _count(self, term: str) -> int:
        if term.endswith(PREFIX):
            query, asked = _BEGINNING, f'"{term.removesuffix(PREFIX)}" *'
        else:
            query, asked = _WHOLE, term
        (count,) = self._connection.execute(query, (asked,)).fetchone()
        return int(count)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _corrupt(self, error: sqlite3.Error) -> IndexCorrupt:
        return IndexCorrupt(
            f"the words of {self._path} cannot be counted ({error}): rebuild the index",
            folder=self._path.parent.parent,
        )
