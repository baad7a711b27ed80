"""Opens ``documents.sqlite`` for reading. The content of an index folder is data, and may come from anybody.

A database file can bring its own views, triggers and tables, which run when others are read. So only the schema that
``documents`` writes is accepted (https://sqlite.org/security.html).
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

_Objects = Mapping[tuple[str, str], str | None]

#: The present schema (``PRAGMA user_version``).
SCHEMA_VERSION: Final = 3
#: What each schema has: type and name, and the SQL statement of tables that we define.
_DOCUMENTS: Final = (
    "CREATE TABLE documents( row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, "
    "url TEXT NOT NULL, fields TEXT NOT NULL, first INTEGER NOT NULL, passages INTEGER NOT NULL)"
)
_PASSAGES: Final = (
    "CREATE TABLE passages( row INTEGER PRIMARY KEY, document INTEGER NOT NULL, text TEXT NOT NULL, "
    "path TEXT NOT NULL, anchor TEXT NOT NULL)"
)
#: The statements that create the present schema.
SCHEMA: Final = f"{_DOCUMENTS}; {_PASSAGES};"
#: Earlier releases had the text in the same table, and the earliest also the words. FTS5 made its own tables, and their
#: statements vary with its version.
_TEXTS: Final = (
    "CREATE TABLE documents( row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, "
    "text TEXT NOT NULL, url TEXT NOT NULL)"
)
_WORDS: Final = (
    "CREATE VIRTUAL TABLE words USING fts5(title, text, content='documents', content_rowid='row', "
    "prefix='2 3 4', tokenize='unicode61 remove_diacritics 2')"
)
_IDS: Final = ("index", "sqlite_autoindex_documents_1")
_EARLIER: Final[_Objects] = {("table", "documents"): _TEXTS, _IDS: None}
_OBJECTS: Final[Mapping[int, _Objects]] = {
    1: {
        **_EARLIER,
        ("table", "words"): _WORDS,
        ("table", "words_config"): None,
        ("table", "words_data"): None,
        ("table", "words_docsize"): None,
        ("table", "words_idx"): None,
    },
    2: _EARLIER,
    SCHEMA_VERSION: {("table", "documents"): _DOCUMENTS, ("table", "passages"): _PASSAGES, _IDS: None},
}


class ForeignSchema(sqlite3.DatabaseError):
    """The database contains something that no index has, or lacks something that every index has."""


def schema_of(format_version: int) -> int:
    """Return the schema of the databases in indexes of some format (:mod:`typeahead.index.manifest`)."""
    return max(1, format_version - 1)


def open_database(path: Path, *, schema: int = SCHEMA_VERSION) -> sqlite3.Connection:
    """Open a finished database, read-only and usable from any thread; ``schema`` is the one that it must have.

    It is opened as immutable: SQLite takes no locks and looks for no journal. The caller sets ``query_only`` after
    creating the temporary tables it needs. Raises ``sqlite3.Error``.
    """
    uri = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
    try:
        harden(connection)
        check_schema(connection, schema=schema)
    except BaseException:
        connection.close()
        raise
    return connection


def harden(connection: sqlite3.Connection) -> None:
    """Stop SQLite from trusting anything in the file; call this before any read."""
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA cell_size_check=ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 0)
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER, False)
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_VIEW, False)


def check_schema(connection: sqlite3.Connection, *, schema: int = SCHEMA_VERSION) -> None:
    """Raise :class:`ForeignSchema`, naming the entry, if the schema has an entry too many or lacks one."""
    objects = _OBJECTS[schema]
    found = set()
    for kind, name, statement in connection.execute("SELECT type, name, sql FROM sqlite_master"):
        if (kind, name) not in objects:
            raise ForeignSchema(f"it has the {kind} {str(name)[:40]!r}, which does not belong in an index")
        ours = objects[kind, name]
        if ours is not None and " ".join(str(statement).split()) != ours:
            raise ForeignSchema(f"its {kind} {name!r} is not defined as in an index")
        if ours is None and kind == "table" and not str(statement).upper().startswith("CREATE TABLE "):
            raise ForeignSchema(f"its {kind} {name!r} was not made by FTS5")
        found.add((kind, name))
    if missing := sorted(set(objects) - found):
        raise ForeignSchema(f"no {missing[0][0]} {missing[0][1]!r}")
