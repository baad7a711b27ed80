"""Documents in SQLite, read-only: ``document_writer`` writes the file while an index is built.

Row numbers link passages to their vectors; ``exact`` and ``approximate`` know nothing else. The schema (``PRAGMA
user_version`` 3)::

    documents(row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title, url, fields: TEXT NOT NULL,
              first, passages: INTEGER NOT NULL), rows 0 … count-1
    passages(row INTEGER PRIMARY KEY, document INTEGER NOT NULL, text, path, anchor: TEXT NOT NULL)

``fields`` is a JSON object. The passages of a document have the rows ``first`` … ``first + passages - 1``, and the
document's text is their texts, one after the other. ``path`` is a JSON array of headings. Version 2 had no fields and
no passages: the text stood in ``documents``. Version 1 had a table of words, too; now :mod:`typeahead.index.lexical`
has them.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from typeahead.core.tokens import is_unicode
from typeahead.errors import IndexCorrupt, IndexFolderError
from typeahead.index.database import SCHEMA_VERSION, open_database
from typeahead.index.document_writer import Divided
from typeahead.index.kinds import read_fields
from typeahead.text.document import Document, Passage
from typeahead.text.ids import PassageIds

#: All results come as one row of text. Python releases the GIL while SQLite looks for a row; with busy threads, most of
#: the time goes into reacquiring it for each of eight rows.
_RESULTS: Final = "SELECT json_group_array(json_array({columns})) FROM {tables} WHERE {{}} IN ({{}})"
#: The documents of passages, with the passage's text and the URL of its section.
_SHOWN: Final = _RESULTS.format(
    columns="p.row, d.id, d.title, p.text, "
    "CASE p.anchor WHEN '' THEN d.url ELSE d.url || '#' || p.anchor END, d.fields",
    tables="passages p CROSS JOIN documents d ON d.row = p.document",
)
#: Whole documents: the text is that of one passage, or is put together.
_WHOLE: Final = _RESULTS.format(
    columns="d.row, d.id, d.title, p.text, d.url, d.fields",
    tables="documents d CROSS JOIN passages p ON p.row = d.first",
)
_TEXTS: Final = "SELECT text FROM passages WHERE row >= d.first AND row < d.first + d.passages ORDER BY row"
_WHOLE_DIVIDED: Final = _RESULTS.format(
    columns=f"d.row, d.id, d.title, (SELECT group_concat(text, '') FROM ({_TEXTS})), d.url, d.fields",
    tables="documents d",
)
_ROWS: Final = _RESULTS.format(columns="d.id, d.row", tables="documents d")
_PASSAGES: Final = _RESULTS.format(columns="p.row, p.document, p.text, p.path, p.anchor", tables="passages p")
#: Row numbers per statement. SQLite before 3.32 accepts at most 999 variables.
_ROWS_PER_QUERY: Final = 500
#: Documents in memory while all are read; they may be long.
_ROWS_AT_ONCE: Final = 16


class Documents:
    """Reads documents by row, from any thread.

    The file is opened as immutable, which saves a quarter of the query time. A newer index may unlink the file while it
    is open, so there is only one connection, behind a lock, and none is opened later. Reading eight documents takes a
    few tens of µs. Documents are not cached: otherwise a user could tell from the reply time what another user has
    found.

    Raises :class:`~typeahead.errors.IndexCorrupt` for a file that is missing, is no such database, or does not hold
    ``count`` documents with ``passages`` passages (by default, as many).
    """

    def __init__(self, path: Path, count: int, passages: int | None = None) -> None:
        self.path = path
        self._count = count
        self._passages = count if passages is None else passages
        self._lock = threading.Lock()
        self._closed = False
        try:
            self._connection = open_database(path)
        except sqlite3.Error as error:
            raise self._corrupt(str(error)) from error
        try:
            self._connection.execute("PRAGMA query_only=ON")
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version != SCHEMA_VERSION:
                raise self._corrupt(f"schema {version}, not {SCHEMA_VERSION}")
            for table, number in (("documents", count), ("passages", self._passages)):
                # The last row rather than count(*), which would read the whole table. Row numbers have no gaps.
                (last,) = self._connection.execute(f"SELECT max(row) FROM {table}").fetchone()
                if (-1 if last is None else last) != number - 1:
                    raise self._corrupt(f"{0 if last is None else last + 1} {table}, not {number}")
        except sqlite3.Error as error:
            self._connection.close()
            raise self._corrupt(str(error)) from error
        except IndexCorrupt:
            self._connection.close()
            raise
        self._whole = _WHOLE if self._passages == count else _WHOLE_DIVIDED

    def read(self, rows: Sequence[int]) -> dict[int, Document]:
        """Return the whole documents of ``rows``, in one query for every 500.

        Raises :class:`~typeahead.errors.IndexCorrupt` if one cannot be read, and
        :class:`~typeahead.errors.IndexFolderError` after :meth:`close`.
        """
        return self._by_number(self._whole, "d.row", rows, "document")

    def shown(self, passages: Sequence[int]) -> dict[int, Document]:
        """Return the documents of ``passages`` as hits show them, by passage: each with the passage's text alone.

        The URL leads to the passage's section. Raises the same errors as :meth:`read`.
        """
        return self._by_number(_SHOWN, "p.row", passages, "passage")

    def _by_number(self, query: str, column: str, numbers: Sequence[int], what: str) -> dict[int, Document]:
        self.check_open()
        wanted = list(dict.fromkeys(numbers))
        found: dict[int, Document] = {}
        for number, key, title, text, url, fields in self._read(query, column, wanted):
            found[number] = Document(key, title, text, url, {} if fields == "{}" else self._fields(key, fields))
        if len(found) != len(wanted):
            missing = next(number for number in wanted if number not in found)
            raise self._corrupt(f"{what} {missing} is missing")
        return found

    def __iter__(self) -> Iterator[Document]:
        """Iterate over all whole documents by row, reading a few at a time; raises the same errors as :meth:`read`."""
        for start in range(0, self._count, _ROWS_AT_ONCE):
            rows = range(start, min(start + _ROWS_AT_ONCE, self._count))
            found = self.read(rows)
            yield from (found[row] for row in rows)

    def divided(self) -> Iterator[Divided]:
        """Iterate over all documents with their passages, otherwise like :meth:`__iter__`."""
        for start in range(0, self._count, _ROWS_AT_ONCE):
            rows = range(start, min(start + _ROWS_AT_ONCE, self._count))
            found, passages = self.read(rows), self.passages(rows)
            yield from ((found[row], passages[row]) for row in rows)

    def passages(self, rows: Sequence[int]) -> dict[int, tuple[Passage, ...]]:
        """Return the passages of some documents by row; raises the same errors as :meth:`read`."""
        self.check_open()
        found: dict[int, list[Passage]] = {row: [] for row in rows}
        places = self._read(_RESULTS.format(columns="d.first, d.passages", tables="documents d"), "d.row", list(found))
        wanted = [place for first, size in sorted(places) for place in range(first, first + min(size, self._passages))]
        for place, document, text, path, anchor in sorted(self._read(_PASSAGES, "p.row", wanted)):
            try:
                found[document].append(Passage(text, tuple(json.loads(path)), anchor))
            except (KeyError, TypeError, ValueError) as error:
                raise self._corrupt(f"passage {place} is not that of its document") from error
        return {row: tuple(passages) for row, passages in found.items()}

    def _fields(self, key: str, fields: str) -> dict[str, Any]:
        try:
            return read_fields(fields)
        except ValueError as error:
            raise self._corrupt(f"fields of document {key!r:.60}: {error}") from error

    def _read(self, query: str, column: str, values: Sequence[object]) -> list[list[Any]]:
        """Return the results of a query for some values of a column."""
        if len(values) > _ROWS_PER_QUERY:
            parts = range(0, len(values), _ROWS_PER_QUERY)
            return [one for at in parts for one in self._read(query, column, values[at : at + _ROWS_PER_QUERY])]
        try:
            with self._lock:
                self.check_open()
                made = query.format(column, ",".join("?" * len(values)))
                (fetched,) = self._connection.execute(made, values).fetchone()
            results: list[list[Any]] = json.loads(fetched)
        except (sqlite3.DatabaseError, ValueError) as error:  # ValueError: the text is not UTF-8
            raise self._corrupt(str(error)) from error
        return results

    def rows(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the rows of ``ids``, without ids that do not exist; raises the same errors as :meth:`read`."""
        self.check_open()
        found = dict(self._read(_ROWS, "d.id", [one for one in dict.fromkeys(ids) if is_unicode(one)]))
        return {one: found[one] for one in ids if one in found}

    def named(self, ids: Sequence[str]) -> dict[int, Document]:
        """Return the whole documents of ``ids`` by row, in the order of ``ids``, without ids that do not exist.

        Raises the same errors as :meth:`read`.
        """
        self.check_open()
        wanted = [one for one in dict.fromkeys(ids) if is_unicode(one)]
        found = {
            key: (row, Document(key, title, text, url, self._fields(key, fields)))
            for row, key, title, text, url, fields in self._read(self._whole, "d.id", wanted)
        }
        return dict(found[one] for one in wanted if one in found)

    def ids(self) -> PassageIds:
        """Return the ids of all documents by row; raises the same errors as :meth:`read`."""
        self.check_open()
        try:
            with self._lock:
                self.check_open()
                return PassageIds(one for (one,) in self._connection.execute("SELECT id FROM documents ORDER BY row"))
        except (sqlite3.DatabaseError, ValueError) as error:
            raise self._corrupt(str(error)) from error

    def check_open(self) -> None:
        """Raise :class:`~typeahead.errors.IndexFolderError` after :meth:`close`."""
        if self._closed:
            folder = self.path.parent.parent
            raise IndexFolderError(f"the index {folder} is closed: open it again", folder=folder)

    def close(self) -> None:
        """Close the file, after any running query."""
        with self._lock:
            self._closed = True
            self._connection.close()

    def _corrupt(self, what: str) -> IndexCorrupt:
        return IndexCorrupt(f"{self.path} is damaged ({what}): rebuild the index", folder=self.path.parent.parent)
