"""The record of what people searched for, which an operator has to ask for: a SQLite file with a bounded age and size.

One table, ``events``, holds a row for each event: ``at`` (seconds since 1970, UTC), ``kind`` ("query" or "select"),
``text``, ``results`` and ``weak`` of a query, and ``position`` and ``document`` of a choice. No row says who it was.
:mod:`typeahead.server.observe.metrics` counts the same events without the text.

A thread of its own writes, so that no key waits for the disk. Several processes may write to one file. If it cannot be
written, rows are lost and the log says so; searches go on.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from typeahead.errors import TypeaheadError
from typeahead.logs import LimitedLog
from typeahead.server.observe.counters import Counter

log = logging.getLogger(__name__)

#: Seconds between two looks for rows that are too old.
SWEEP_SECONDS: Final = 3600.0
#: Rows that may wait to be written. Beyond them rows are lost: the disk does not keep up.
MOST_WAITING: Final = 10_000

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    results INTEGER,
    weak INTEGER,
    position INTEGER,
    document TEXT
);
CREATE INDEX IF NOT EXISTS events_at ON events (at);
"""

_SHORTEN: Final = "DELETE FROM events WHERE number <= (SELECT max(number) FROM events) - ?"


class RecordError(TypeaheadError):
    """The file of recorded texts cannot be used."""


class Row(NamedTuple):
    """An event as it is recorded. ``results`` and ``weak`` are a query's, the last two are a choice's."""

    kind: str
    text: str
    results: int | None = None
    weak: bool | None = None
    position: int | None = None
    document: str | None = None


class QueryTexts:
    """Writes rows to ``path``, and deletes those older than ``days`` and beyond the newest ``rows``.

    Raises :class:`RecordError` if the file cannot be opened or is no SQLite file of this kind. ``clock`` returns
    seconds since 1970.
    """

    def __init__(
        self,
        path: Path,
        *,
        days: int,
        rows: int,
        outcomes: dict[str, Counter],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._days = days
        self._rows = rows
        self._outcomes = outcomes
        self._clock = clock
        self._log = LimitedLog(log)
        self._waiting = 0
        self._lock = threading.Lock()
        try:
            # Only the server's user reads what people typed.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(path, timeout=10.0, check_same_thread=False)
            # Deleted texts are overwritten with zeros, not only unlinked.
            for pragma in ("secure_delete = ON", "journal_mode = WAL", "synchronous = NORMAL"):
                self._connection.execute(f"PRAGMA {pragma}")
            with self._connection:
                self._connection.executescript(_SCHEMA)
                self._connection.execute("SELECT at, kind, text, results, weak, position, document FROM events LIMIT 1")
            self._sweep()
        except (OSError, sqlite3.Error) as error:
            raise RecordError(f"{path} cannot record texts: {error}") from error
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="query-texts")

    def add(self, rows: Sequence[Row]) -> None:
        """Record events soon. Returns at once."""
        with self._lock:
            full = self._waiting + len(rows) > MOST_WAITING
            if not full:
                self._waiting += len(rows)
        if full:
            self._lost(len(rows), "rows come faster than they can be written")
        else:
            self._thread.submit(self._write, int(self._clock()), tuple(rows))

    def sweep(self) -> None:
        """Delete what is too old, soon. Returns at once."""
        self._thread.submit(self._swept)

    def close(self) -> None:
        """Write what waits, and close the file."""
        self._thread.shutdown()
        self._connection.close()

    def _write(self, at: int, rows: Sequence[Row]) -> None:
        try:
            with self._connection as connection:
                connection.executemany(
                    "INSERT INTO events (at, kind, text, results, weak, position, document) VALUES (?,?,?,?,?,?,?)",
                    [(at, *row) for row in rows],
                )
                # Numbers only ever grow, so this looks at no more rows than it deletes.
                connection.execute(
                    "DELETE FROM events WHERE number <= (SELECT max(number) FROM events) - ?", (self._rows,)
                )
        except sqlite3.Error as error:
            self._lost(len(rows), str(error))
        else:
            self._count("written", len(rows))
        finally:
            with self._lock:
                self._waiting -= len(rows)

    def _swept(self) -> None:
        try:
            self._sweep()
        except sqlite3.Error as error:
            self._log.warning("old recorded texts could not be deleted: %s", error)

    def _sweep(self) -> None:
        oldest = int(self._clock()) - self._days * 86_400
        with self._connection as connection:
            connection.execute("DELETE FROM events WHERE at < ?", (oldest,))
        # Until then the deleted rows stand in the log of writes.
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _lost(self, count: int, reason: str) -> None:
        self._count("lost", count)
        self._log.warning("texts were not recorded: %s", reason)

    def _count(self, outcome: str, count: int) -> None:
        # Counters have one writer elsewhere, the event loop; here the thread writes too.
        with self._lock:
            self._outcomes[outcome].add(count)
