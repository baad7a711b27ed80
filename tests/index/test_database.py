"""A database that somebody else wrote is data: what could run when it is read is refused by name."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.index.hashing import HashingEncoder, documents
from typeahead.errors import IndexCorrupt
from typeahead.index import build_index
from typeahead.index.database import open_database
from typeahead.index.document_writer import DocumentWriter, undivided
from typeahead.index.documents import Documents


@pytest.fixture
def path(tmp_path: Path) -> Path:
    build_index(documents(20), tmp_path, HashingEncoder())
    return tmp_path / "generation-1" / "documents.sqlite"


def change(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA writable_schema=ON")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


#: A column that is computed when it is read.
GENERATED = (
    "UPDATE sqlite_master SET sql = replace(sql, 'url TEXT NOT NULL', 'url TEXT AS (title || ''x'')') "
    "WHERE name = 'documents'"
)


@pytest.mark.parametrize(
    ("statements", "named"),
    [
        (["CREATE VIEW spy AS SELECT * FROM documents"], "view 'spy'"),
        (
            ["ALTER TABLE documents RENAME TO kept", "CREATE VIEW documents AS SELECT * FROM kept"],
            "kept",
        ),
        (["CREATE TRIGGER spy AFTER INSERT ON documents BEGIN SELECT 1; END"], "trigger 'spy'"),
        (["CREATE TABLE extra(x)"], "table 'extra'"),
        (["CREATE VIRTUAL TABLE extra USING fts5(x)"], "table 'extra'"),
        (["CREATE INDEX spy ON documents(title)"], "index 'spy'"),
        ([GENERATED], "'documents' is not defined"),
        (["CREATE VIRTUAL TABLE words USING fts5(title, text)"], "words"),
    ],
)
def test_what_is_not_an_index_s_is_named(path: Path, statements: list[str], named: str) -> None:
    change(path, *statements)
    with pytest.raises(IndexCorrupt, match=named) as caught:
        Documents(path, 20)
    assert "\n" not in str(caught.value)


def test_nothing_is_written_by_whoever_reads(path: Path) -> None:
    reader = Documents(path, 20)
    for statement in ("DELETE FROM documents", "CREATE TEMP TABLE x(y)", "ATTACH ':memory:' AS other"):
        with pytest.raises(sqlite3.OperationalError):
            reader._connection.execute(statement)
    assert reader._connection.execute("PRAGMA trusted_schema").fetchone() == (0,)
    assert reader._connection.execute("PRAGMA query_only").fetchone() == (1,)
    reader.close()


def test_a_closed_database_leaves_no_connection_when_it_is_refused(path: Path) -> None:
    change(path, "CREATE TABLE extra(x)")
    with pytest.raises(sqlite3.DatabaseError, match="does not belong in an index"):
        open_database(path)
    # Where a connection were open, the schema could not be changed exclusively.
    change(path, "DROP TABLE extra")
    open_database(path).close()


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("CREATE TRIGGER spy BEFORE INSERT ON documents BEGIN SELECT RAISE(IGNORE); END", "trigger 'spy'"),
        ("CREATE TABLE extra(x)", "table 'extra'"),
    ],
)
def test_an_interrupted_build_goes_on_only_in_a_database_of_its_own(tmp_path: Path, statement: str, named: str) -> None:
    path = tmp_path / "generation-1" / "documents.sqlite"
    path.parent.mkdir()
    writer = DocumentWriter(path)
    writer.append((document, undivided(document)) for document in documents(3))
    writer.close()
    DocumentWriter(path).close()
    change(path, statement)
    with pytest.raises(IndexCorrupt, match=f"{named}.*--no-resume"):
        DocumentWriter(path)


def test_an_interrupted_build_does_not_go_on_in_a_damaged_database(tmp_path: Path) -> None:
    path = tmp_path / "generation-1" / "documents.sqlite"
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(IndexCorrupt, match=r"damaged.*--no-resume"):
        DocumentWriter(path)
