"""Opens ``documents.sqlite`` for reading: what lies in an index folder is data, whoever wrote it.

A database can bring views, triggers and tables of its own that run when others are read, so nothing but what
``documents`` writes is accepted (https://sqlite.org/security.html).
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from urllib.parse import quote

#: What the schema of a finished database holds: type, and the statement for what is ours to say. FTS5 makes the others,
#: whose statements vary with its version.
_DOCUMENTS = (
    "CREATE TABLE documents( row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, "
    "text TEXT NOT NULL, url TEXT NOT NULL)"
)
_WORDS = (
    "CREATE VIRTUAL TABLE words USING fts5(title, text, content='documents', content_rowid='row', "
    "prefix='2 3 4', tokenize='unicode61 remove_diacritics 2')"
)
_OBJECTS: dict[tuple[str, str], str | None] = {
    ("table", "documents"): _DOCUMENTS,
    ("index", "sqlite_autoindex_documents_1"): None,
    ("table", "words"): _WORDS,
    ("table", "words_config"): None,
    ("table", "words_data"): None,
    ("table", "words_docsize"): None,
    ("table", "words_idx"): None,
}
_UNFINISHED = {("table", "documents"), ("index", "sqlite_autoindex_documents_1")}


class ForeignSchema(sqlite3.DatabaseError):
    """The database holds something that no index has, or lacks what each has."""


def open_database(path: Path) -> sqlite3.Connection:
    """Open a finished database, for reading alone and from any thread.

    As immutable: SQLite takes no locks and looks for no journal. The caller sets ``query_only`` once it has made the
    temporary tables that it needs. Raises ``sqlite3.Error``.
    """
    uri = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
    try:
        harden(connection)
        check_schema(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def harden(connection: sqlite3.Connection) -> None:
    """Have SQLite trust nothing that the file says of itself; to be called before anything is read."""
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA cell_size_check=ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 0)
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER, False)
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_VIEW, False)


def check_schema(connection: sqlite3.Connection, *, finished: bool = True) -> None:
    """Raise :class:`ForeignSchema`, which names what is not an index's, or is missing.

    An unfinished database may lack its words.
    """
    found = set()
    for kind, name, statement in connection.execute("SELECT type, name, sql FROM sqlite_master"):
        if (kind, name) not in _OBJECTS:
            raise ForeignSchema(f"it holds the {kind} {str(name)[:40]!r}, which is none of an index's")
        ours = _OBJECTS[kind, name]
        if ours is not None and " ".join(str(statement).split()) != ours:
            raise ForeignSchema(f"its {kind} {name!r} is not made as an index's is")
        if ours is None and kind == "table" and not str(statement).upper().startswith("CREATE TABLE "):
            raise ForeignSchema(f"its {kind} {name!r} is not FTS5's")
        found.add((kind, name))
    if missing := sorted((set(_OBJECTS) if finished else _UNFINISHED) - found):
        raise ForeignSchema(f"no {missing[0][0]} {missing[0][1]!r}")
