"""Documents in SQLite: written once while an index is built, and read-only afterwards.

A row number links a document to its vector; ``exact`` and ``approximate`` know only row numbers. The schema (``PRAGMA
user_version`` 2)::

    documents(row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title, text, url: TEXT NOT NULL), rows 0 … count-1

Version 1 had a table of words, too; now :mod:`typeahead.index.lexical` has them.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from typeahead.core.tokens import is_unicode
from typeahead.errors import IndexCorrupt, IndexFolderError, SourceError
from typeahead.index.database import check_schema, harden, open_database
from typeahead.text.document import Document
from typeahead.text.ids import PassageIds

_SCHEMA_VERSION = 2
_SCHEMA = """
CREATE TABLE documents(
    row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, text TEXT NOT NULL, url TEXT NOT NULL);
"""
#: All results, as one row of text. Python releases the GIL while SQLite looks for a row; with busy threads, most of the
#: time goes into reacquiring it for each of eight rows.
_READ = "SELECT json_group_array(json_array(row, id, title, text, url)) FROM documents WHERE row IN ({})"
_NAMED = "SELECT json_group_array(json_array(row, id, title, text, url)) FROM documents WHERE id IN ({})"
#: Row numbers per statement. SQLite before 3.32 accepts at most 999 variables.
_ROWS_PER_QUERY = 500
#: Documents in memory while all are read; they may be long.
_ROWS_AT_ONCE = 16


class DocumentWriter:
    """Appends documents by row number, in transactions that survive a kill.

    A kill loses what was not committed. A power failure may also lose the last commits, but never corrupts the file:
    the write-ahead log is not synced at each commit, which saves about 10 ms a batch. :meth:`finish` merges the log
    into the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = sqlite3.connect(path, isolation_level=None)
        try:
            harden(self._connection)
            self._connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
            if not self._connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                self._connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={_SCHEMA_VERSION}; COMMIT;")
            check_schema(self._connection)
        except BaseException as error:
            self._connection.close()
            # An OperationalError, such as a full disk, is not damage.
            if not isinstance(error, sqlite3.DatabaseError) or isinstance(error, sqlite3.OperationalError):
                raise
            raise IndexCorrupt(
                f"{path} from an interrupted build is damaged ({error}): build with --no-resume",
                folder=path.parent.parent,
            ) from error

    @property
    def count(self) -> int:
        """Number of committed documents."""
        (count,) = self._connection.execute("SELECT count(*) FROM documents").fetchone()
        return int(count)

    def __iter__(self) -> Iterator[Document]:
        """Iterate over committed documents by row, reading them on demand."""
        rows = self._connection.execute("SELECT id, title, text, url FROM documents ORDER BY row")
        return (Document(*row) for row in rows)

    def append(self, first_row: int, documents: Iterable[Document]) -> None:
        """Commit ``documents`` as rows ``first_row``, ``first_row + 1``, … in one transaction.

        If an id already exists, adds none of them and raises :class:`~typeahead.errors.SourceError`.
        """
        self.put(enumerate(documents, first_row))

    def put(self, rows: Iterable[tuple[int, Document]]) -> None:
        """Commit documents with their row numbers in one transaction; otherwise like :meth:`append`."""
        insert = "INSERT INTO documents VALUES(?, ?, ?, ?, ?)"
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for row, document in rows:
                if document.fields:
                    raise SourceError(
                        f"document {row + 1} ({document.id!r}) has fields: index folders cannot store them"
                    )
                try:
                    values = (row, document.id, document.title, document.text, document.url)
                    self._connection.execute(insert, values)
                except sqlite3.IntegrityError:
                    raise self._duplicate(row, document.id) from None
                except UnicodeEncodeError as error:
                    raise SourceError(
                        f"document {row + 1} ({document.id!r}) has a lone surrogate: fix its text"
                    ) from error
        except BaseException:
            # On a full disk, SQLite has already rolled back.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def _duplicate(self, row: int, key: str) -> SourceError:
        found = self._connection.execute("SELECT row FROM documents WHERE id = ?", (key,)).fetchone()
        first = f"documents {found[0] + 1} and {row + 1}" if found else f"document {row + 1} and an earlier one"
        return SourceError(f"{first} have the same id {key!r}: ids must be unique")

    def truncate(self, count: int) -> None:
        """Delete the documents from row ``count`` on."""
        self._connection.execute("DELETE FROM documents WHERE row >= ?", (count,))

    def finish(self) -> None:
        """Merge the log into the file; call this before :class:`Documents` reads it."""
        self._connection.execute("PRAGMA journal_mode=DELETE")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class Documents:
    """Reads documents by row, from any thread.

    The file is opened as immutable, which saves a quarter of the query time. A newer index may unlink the file while it
    is open, so there is only one connection, behind a lock, and none is opened later. Reading eight documents takes
    about 30 µs. Documents are not cached: otherwise a user could tell from the reply time what another user has found.

    Raises :class:`~typeahead.errors.IndexCorrupt` for a file that is missing, is no such database, or does not hold
    ``count`` rows.
    """

    def __init__(self, path: Path, count: int) -> None:
        self.path = path
        self._count = count
        self._lock = threading.Lock()
        self._closed = False
        try:
            self._connection = open_database(path)
        except sqlite3.Error as error:
            raise self._corrupt(str(error)) from error
        try:
            self._connection.execute("PRAGMA query_only=ON")
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version != _SCHEMA_VERSION:
                raise self._corrupt(f"schema {version}, not {_SCHEMA_VERSION}")
            # The last row rather than count(*), which would read the whole table. Row numbers have no gaps.
            (last,) = self._connection.execute("SELECT max(row) FROM documents").fetchone()
            if (-1 if last is None else last) != count - 1:
                raise self._corrupt(f"{0 if last is None else last + 1} documents, not {count}")
        except sqlite3.Error as error:
            self._connection.close()
            raise self._corrupt(str(error)) from error
        except IndexCorrupt:
            self._connection.close()
            raise

    def read(self, rows: Sequence[int]) -> dict[int, Document]:
        """Return the documents of ``rows``, in one query for every 500.

        Raises :class:`~typeahead.errors.IndexCorrupt` if one cannot be read, and
        :class:`~typeahead.errors.IndexFolderError` after :meth:`close`.
        """
        self.check_open()
        wanted = list(dict.fromkeys(rows))
        found: dict[int, Document] = {}
        for start in range(0, len(wanted), _ROWS_PER_QUERY):
            part = wanted[start : start + _ROWS_PER_QUERY]
            fetched = self._read(_READ.format(",".join("?" * len(part))), part)
            found |= {row: Document(*values) for row, *values in fetched}
        if len(found) != len(wanted):
            missing = next(row for row in wanted if row not in found)
            raise self._corrupt(f"document {missing} is missing")
        return found

    def __iter__(self) -> Iterator[Document]:
        """Iterate over all documents by row, reading a few at a time; raises the same errors as :meth:`read`."""
        for start in range(0, self._count, _ROWS_AT_ONCE):
            rows = range(start, min(start + _ROWS_AT_ONCE, self._count))
            found = self.read(rows)
            yield from (found[row] for row in rows)

    def _read(self, query: str, values: Sequence[object]) -> list[Any]:
        try:
            with self._lock:
                self.check_open()
                (fetched,) = self._connection.execute(query, values).fetchone()
            rows: list[Any] = json.loads(fetched)
        except (sqlite3.DatabaseError, ValueError) as error:  # ValueError: the text is not UTF-8
            raise self._corrupt(str(error)) from error
        return rows

    def named(self, ids: Sequence[str]) -> dict[int, Document]:
        """Return the documents of ``ids`` by row, in the order of ``ids``, without ids that do not exist.

        Raises the same errors as :meth:`read`.
        """
        self.check_open()
        wanted = [one for one in dict.fromkeys(ids) if is_unicode(one)]
        found: dict[str, tuple[int, Document]] = {}
        for start in range(0, len(wanted), _ROWS_PER_QUERY):
            part = wanted[start : start + _ROWS_PER_QUERY]
            for row, *values in self._read(_NAMED.format(",".join("?" * len(part))), part):
                found[values[0]] = row, Document(*values)
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
