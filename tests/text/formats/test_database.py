"""SQL queries, read from real SQLite files."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest

from typeahead.errors import MissingExtra, SourceError
from typeahead.index import BadLines, Document, read_source
from typeahead.text.formats.database import shown


@pytest.fixture
def shop(tmp_path: Path) -> str:
    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.execute("CREATE TABLE products(id INTEGER, name TEXT, body TEXT, price REAL)")
    connection.executemany(
        "INSERT INTO products VALUES(?, ?, ?, ?)", [(1, "Egg", None, 2.5), (2, "Tofu", "100%: x", 3)]
    )
    connection.commit()
    connection.close()
    return f"sqlite:///{tmp_path}/shop.db"


SELECT = "SELECT id, name AS title, body AS text, price FROM products"


def test_colons_and_percent_signs_of_a_query_mean_themselves(shop: str) -> None:
    found = read_source(shop, query=f"{SELECT} WHERE body LIKE '100%: x' AND ':no' <> '%s'")
    assert list(found) == [Document("2", "Tofu", "100%: x", "", {"price": 3})]


def test_a_row_without_text_is_found_by_its_title(shop: str) -> None:
    first, _ = read_source(shop, query=SELECT)
    assert first == Document("1", "Egg", "", "", {"price": 2.5})


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT weight FROM products", "the query failed: no such column: weight"),
        ("SELECT id, name AS id FROM products", "two columns are called 'id': rename one with AS"),
        ("DELETE FROM products", "readonly|read-only|read only"),
        ("SELECT id FROM products", "row 1: no field 'text' for the text"),
        (f"{SELECT}; DROP TABLE products", "one statement"),
    ],
)
def test_a_query_that_cannot_be_used_is_an_error(shop: str, query: str, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        list(read_source(shop, query=query))
    assert str(caught.value).startswith("sqlite:///")
    assert len(list(read_source(shop, query=SELECT))) == 2


def test_bad_rows_are_counted_by_their_number(shop: str) -> None:
    bad = BadLines()
    union = f"{SELECT} UNION ALL SELECT NULL, 'x', 'y', 1"
    assert [document.id for document in read_source(shop, query=union, bad=bad)] == ["1", "2"]
    assert [problem.line for problem in bad.first] == [3]


def test_a_database_needs_a_query_and_a_file_has_none(shop: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"give --query \"SELECT"):
        read_source(shop)
    (tmp_path / "x.jsonl").write_text("")
    with pytest.raises(SourceError, match="a query is for the address of a database"):
        read_source(tmp_path / "x.jsonl", query=SELECT)
    with pytest.raises(SourceError, match=r"is an SQLite database: index sqlite:///.*--query"):
        read_source(tmp_path / "shop.db")


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no such database"):
        list(read_source(f"sqlite:///{tmp_path}/none.db", query=SELECT))
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(SourceError, match="names no file"):
        list(read_source("sqlite://", query=SELECT))


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "mysql", "mariadb"])
def test_no_message_holds_a_password(scheme: str) -> None:
    with pytest.raises(SourceError) as caught:
        list(read_source(f"{scheme}://reader:secret@127.0.0.1:1/shop", query=SELECT))
    assert "secret" not in str(caught.value)
    assert f"{scheme}://reader:***@127.0.0.1:1/shop: the query failed" in str(caught.value)


def test_an_unknown_kind_of_database_is_an_error() -> None:
    with pytest.raises(SourceError, match="nosuch"):
        list(read_source("nosuch://host/db", query=SELECT))


def test_addresses_are_shown_without_passwords() -> None:
    assert shown("mysql://a:b@c@host/db") == "mysql://a:***@host/db"
    assert shown("mysql://a@host/db") == "mysql://a@host/db"
    assert shown("sqlite:///a.db") == "sqlite:///a.db"


@pytest.mark.parametrize(
    ("module", "source"),
    [("sqlalchemy", "sqlite:///x.db"), ("psycopg", "postgresql://h/d"), ("pymysql", "mysql://h/d")],
)
def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, module: str, source: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=r"is not installed: pip install .*\[sql\]"):
        list(read_source(source, query=SELECT))
