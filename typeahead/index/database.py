"""Opens ``documents.sqlite`` for reading. The content of an index folder is data, and may come from anybody.

A database file can bring its own views, triggers and tables, which run when others are read. So only the schema that
``documents`` writes is accepted (https://sqlite.org/security.html).
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from urllib.parse import quote

#: The schema of a database: type, and the SQL statement for tables that we define.
_DOCUMENTS = (
    "CREATE TABLE documents( row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, "
    "text TEXT NOT NULL, url TEXT NOT NULL)"
)
#: Earlier releases had the words here, too. FTS5 made its own tables, and their statements vary with its version.
_WORDS = (
    "CREATE VIRTUAL TABLE words USING fts5(title, text, content='documents', content_rowid='row', "
    "prefix='2 3 4', tokenize='unicode61 remove_diacritics 2')"
)
_OBJECTS: dict[tuple[str, str], str | None] = {
    ("table", "documents"): _DOCUMENTS,
    ("index", "sqlite_autoindex_documents_1"): None,
}
_EARLIER: dict[tuple[str, str], str | None] = {
    **_OBJECTS,
    ("table", "words"): _WORDS,
    ("table", "words_config"): None,
    ("table", "words_data"): None,
    ("table", "words_docsize"): None,
    ("table", "words_idx"): None,
}


class ForeignSchema(sqlite3.DatabaseError):
    """The database contains something that no index has, or lacks something that every index has."""


def open_database(path: Path, *, earlier: bool = False) -> sqlite3.Connection:
    """Open a finished database, read-only and usable from any thread; with ``earlier``, one of an earlier release.

    It is opened as immutable: SQLite takes no locks and looks for no journal. The caller sets ``query_only`` after
    creating the temporary tables it needs. Raises ``sqlite3.Error``.
    """
    uri = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
    try:
        harden(connection)
        check_schema(connection, earlier=earlier)
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


def check_schema(connection: sqlite3.Connection, *, earlier: bool = False) -> None:
    """Raise :class:`ForeignSchema`, naming the entry, if the schema has an entry too many or lacks one.

    With ``earlier``, the schema must be that of earlier releases, with words.
    """
    objects = _EARLIER if earlier else _OBJECTS
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
