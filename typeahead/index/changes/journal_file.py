"""The open file of a journal: one connection that writes, and others for whoever reads.

A file that was deleted or replaced while it is open takes no more: what is written to it would be lost.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from typeahead.errors import IndexFolderError
from typeahead.index.changes import journal_schema
from typeahead.index.changes.journal_schema import PATIENCE, explained

#: Pages that are given back at once.
_PAGES_AT_ONCE: Final = 512
#: Milliseconds that emptying SQLite's log may wait for others.
_BRIEF_MS: Final = 100


class JournalFile:
    """The file of a journal at ``path``, which the first write makes. May be used from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._closed = False
        #: Which file the connections are of.
        self._identity: tuple[int, int] | None = None

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is on disk when the context ends, or never was."""
        with self._lock, explained(self.path):
            connection = self.writer()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                self.check()
                connection.execute("COMMIT")
            except BaseException:
                # On a full disk, SQLite has already rolled back.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def writer(self) -> sqlite3.Connection:
        """Return the connection that writes; the caller holds the lock."""
        if self._writer is None:
            self._check_open()
            journal_schema.create(self.path)
            self._writer = self.open()
        return self._writer

    def open(self) -> sqlite3.Connection:
        """Return a new connection, for whoever reads. The file must exist."""
        self._check_open()
        connection = journal_schema.connect(self.path)
        try:
            self.check()
        except BaseException:
            connection.close()
            raise
        return connection

    def check(self) -> None:
        """Raise :class:`~typeahead.errors.IndexFolderError` if the path is another file than at first."""
        present = None
        with suppress(FileNotFoundError):
            found = self.path.stat()
            present = found.st_dev, found.st_ino
        if self._identity is None:
            self._identity = present
        if present is None or present != self._identity:
            raise IndexFolderError(
                f"{self.path} was deleted or replaced while it was in use, and nothing was changed: open the index "
                "again",
                folder=self.path.parent,
            )

    def shrink(self) -> None:
        """Give the space of deleted rows back, unless others are in the way."""
        with self._lock, explained(self.path), suppress(sqlite3.OperationalError):
            connection = self.writer()
            free = [_free(connection)]
            while free[-1] and free[-1:] != free[-2:-1]:
                connection.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})").fetchall()
                free.append(_free(connection))
            # While it waits for readers, nobody else can write.
            connection.execute(f"PRAGMA busy_timeout={_BRIEF_MS}")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            connection.execute(f"PRAGMA busy_timeout={int(1000 * PATIENCE)}")

    def close(self) -> None:
        """Close the connection that writes; no other one can be opened any more."""
        with self._lock:
            self._closed = True
            if self._writer is not None:
                self._writer.close()
            self._writer = None

    def _check_open(self) -> None:
        if self._closed:
            raise IndexFolderError(f"{self.path.parent} is closed: open it again", folder=self.path.parent)


def _free(connection: sqlite3.Connection) -> int:
    (pages,) = connection.execute("PRAGMA freelist_count").fetchone()
    return int(pages)
