"""The database of a journal: makes it, opens it, and refuses whatever no journal has.

It lies in an index folder, and the content of such a folder is data that may come from anybody
(:mod:`typeahead.index.database`).
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from typeahead.errors import IndexCorrupt, IndexFolderError, IndexTooNew
from typeahead.index.database import ForeignSchema, harden
from typeahead.index.manifest import sync_folder

JOURNAL: Final = "journal.sqlite"
#: What SQLite puts beside it while it is open, and what a kill leaves there.
BESIDE: Final = ("-wal", "-shm")
#: Seconds that a write waits for those of other processes.
PATIENCE: Final = 30.0
_SCHEMA_VERSION: Final = 1
#: ``number`` is the version of a change, times :data:`MOST_AT_ONCE`, and its place among those of this version.
_TABLES: Final = {
    "changes": "CREATE TABLE changes(number INTEGER PRIMARY KEY, id TEXT NOT NULL, passages INTEGER NOT NULL, "
    "document TEXT, vectors BLOB, forms TEXT, words BLOB)",
    # version: the last one; dropped: up to which one changes are gone; passages: those of all changes.
    "counters": "CREATE TABLE counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    # The kind of value of each field in the index.
    "kinds": "CREATE TABLE kinds(name TEXT PRIMARY KEY, kind TEXT NOT NULL) WITHOUT ROWID",
}
COUNTERS: Final = ("version", "dropped", "passages")
#: Changes in one transaction, at most.
MOST_AT_ONCE: Final = 1 << 20
#: Bytes of the log of SQLite that are kept once everything in it is in the file.
_LOG_LIMIT: Final = 16 << 20
_SYSTEM: Final = frozenset(
    {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
)


def create(path: Path) -> None:
    """Make an empty journal, unless there is one. Other processes see none, or all of it."""
    if path.exists():
        return
    with tempfile.TemporaryDirectory(prefix=f"{path.name}-", dir=path.parent) as place:
        made = Path(place) / path.name
        connection = sqlite3.connect(made, isolation_level=None)
        try:
            # Pages of deleted rows can be given back only if this is set before the first table.
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("PRAGMA journal_mode=WAL")
            counters = "; ".join(f"INSERT INTO counters VALUES('{name}', 0)" for name in COUNTERS)
            tables = "; ".join(_TABLES.values())
            connection.executescript(f"BEGIN; {tables}; {counters}; PRAGMA user_version={_SCHEMA_VERSION}; COMMIT;")
        finally:
            connection.close()
        with made.open("rb+") as file:
            os.fsync(file.fileno())
        try:
            # Fails if another process was faster.
            with suppress(FileExistsError):
                os.link(made, path)
        except OSError:
            # A file system without links. Two processes that begin at the same moment are not safe here.
            if not path.exists():
                made.replace(path)
        sync_folder(path.parent)


def connect(path: Path) -> sqlite3.Connection:
    """Open a journal that exists, for reading and writing, from any thread; each commit is on disk when it returns.

    One in a folder that cannot be written to is opened for reading. Raises ``sqlite3.Error`` and
    :class:`~typeahead.errors.IndexTooNew`.
    """
    try:
        return _connect(path, "mode=rw")
    except sqlite3.OperationalError:
        # Without a folder to write to, SQLite needs to be told that nobody else writes.
        if os.access(path, os.R_OK) and not os.access(path.parent, os.W_OK) and not _has_log(path):
            return _connect(path, "mode=ro&immutable=1")
        raise


def _connect(path: Path, options: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.absolute()))}?{options}"
    connection = sqlite3.connect(uri, uri=True, timeout=PATIENCE, check_same_thread=False, isolation_level=None)
    try:
        harden(connection)
        _check(connection, path)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA journal_size_limit={_LOG_LIMIT}")
    except BaseException:
        connection.close()
        raise
    return connection


def _has_log(path: Path) -> bool:
    log = path.with_name(path.name + BESIDE[0])
    return log.exists() and log.stat().st_size > 0


def _check(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > _SCHEMA_VERSION:
        raise IndexTooNew(
            f"{path} has format {version}, and this typeahead reads up to {_SCHEMA_VERSION}: install a newer one",
            folder=path.parent,
        )
    found = set()
    for kind, name, statement in connection.execute("SELECT type, name, sql FROM sqlite_master"):
        if kind != "table" or " ".join(str(statement).split()) != _TABLES.get(name):
            raise ForeignSchema(f"it has the {kind} {str(name)[:40]!r}, which does not belong in a journal")
        found.add(name)
    if missing := sorted(_TABLES.keys() - found):
        raise ForeignSchema(f"no table {missing[0]!r}")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn errors of the journal's file into errors of this package."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        # The low byte of an extended error code is the primary code.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        if code == sqlite3.SQLITE_BUSY:
            advice = "other processes are writing: try again"
        elif code == sqlite3.SQLITE_FULL:
            advice = "free some space, then write again"
        elif code in _SYSTEM or isinstance(error, OSError):
            advice = "check the disk and its permissions, then write again"
        elif isinstance(error, sqlite3.ProgrammingError):
            raise IndexFolderError(f"{path} is closed: open the index again", folder=path.parent) from error
        else:
            raise damaged(path, reason) from error
        raise IndexFolderError(
            f"{path} cannot be used ({reason}), and nothing was changed: {advice}", folder=path.parent
        ) from error


def damaged(path: Path, reason: object) -> IndexCorrupt:
    """Return the error for a journal that cannot be read."""
    return IndexCorrupt(
        f"{path} is damaged ({reason}): restore a snapshot, or delete the file, which gives up the changes that are "
        "not in the index proper yet",
        folder=path.parent,
    )
