"""Writes into a table of somebody else, and updates of tables from files."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.postgres_server import PostgresServer
from tests.engines.postgres.conftest import Run
from tests.engines.postgres.tables import STRANGE
from tests.search.contract_living import entry
from tests.search.contract_oracles import unit_vectors
from typeahead.cli import main
from typeahead.commands.serve import _recorded_encoder
from typeahead.errors import AddressError, DocumentRefused
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.port import Backend
from typeahead.text.document import Document

Address = Callable[..., str]
VECTOR = unit_vectors(1, 1)


@pytest.fixture
def address(server: PostgresServer, schema: str) -> Address:
    return lambda **more: server.address(**{"table": f"{schema}.notes", "writes": "yes", **STRANGE, **more})


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[Backend]:
    backend = await open_backend(address, OpenOptions(warn=lambda _: None))
    yield backend
    await backend.close()


async def write(backend: Backend, *documents: Document) -> None:
    assert backend.capabilities.writes is not None
    await backend.capabilities.writes.upsert([entry(one, VECTOR) for one in documents])


async def test_a_table_of_somebody_else_takes_documents_only_if_its_address_says_so(address: Address, run: Run) -> None:
    run("CREATE TABLE notes (id text PRIMARY KEY, title text, embedding vector(16))")
    for writes, taken in (("yes", True), ("no", False)):
        async with opened(address(writes=writes)) as backend:
            assert (backend.capabilities.writes is not None) == taken
    async with opened(address().replace("&writes=yes", "")) as backend:
        assert backend.capabilities.writes is None


async def test_values_go_into_the_columns_that_they_are_read_from_and_other_columns_stay(
    address: Address, run: Run
) -> None:
    run("CREATE TYPE state AS ENUM ('draft', 'done')")
    run(
        "CREATE TABLE notes (id bigint PRIMARY KEY, headline text, body text NOT NULL, link text, state state,"
        " tags text[], years int[], price numeric, day date, at timestamptz, good bool, metadata jsonb,"
        " secret text DEFAULT 'kept', embedding halfvec(16))"
    )
    fields: dict[str, Any] = {
        "state": "done",
        "tags": ['a "quoted" \\ one', "b,{c}", ""],
        "years": [1999, -3],
        "price": 2.5,
        "day": "2024-02-29",
        "at": "2024-02-29T10:00:00Z",
        "good": False,
        "other": ["x", "y"],
        "number": 7,
    }
    document = Document("12", "Title", "Text", "https://example.org", fields)
    async with opened(address(fields="state,tags,years,price,day,at,good,metadata")) as backend:
        await write(backend, document)
        run('UPDATE notes SET secret = \'changed\', metadata = metadata || \'{"nested": {"a": 1}, "old": 1}\'')
        await write(backend, document, Document("13", "Another"))
        assert backend.capabilities.documents is not None
        found = await backend.capabilities.documents(["12", "13"])
        assert found["12"] == document
        assert dict(found["13"].fields) == {}
        # What no field can hold stays, and what another field held goes.
        assert run("SELECT secret, metadata->'nested', metadata->'old' FROM notes WHERE id = 12") == [
            ("changed", {"a": 1}, None)
        ]
        assert run("SELECT secret, tags, headline, link FROM notes WHERE id = 13") == [("kept", None, "Another", "")]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (Document("1", "t", url="u"), "has a url, and notes has no column for it: leave it out, or name one with url="),
        (Document("1", "t", fields={"new": 1}), "notes has no column for the field 'new': leave it out"),
        (Document("1", "t", fields={"year": "x"}), "'year' is 'x', but its column holds values of the kind 'number'"),
        (Document("1", "t", fields={"year": [1, 2]}), "'year' has 2 values, and its column takes one"),
        (Document("1", "t", fields={"year": 1 << 40}), "does not take the documents: .*out of range"),
        (Document("1", "t" * 30), "does not take the documents: value too long"),
        (Document("1", "t\0"), "has a character that PostgreSQL cannot hold"),
    ],
)
async def test_what_has_no_column_is_refused_in_one_line_and_nothing_is_written(
    address: Address, run: Run, document: Document, message: str
) -> None:
    run("CREATE TABLE notes (id text PRIMARY KEY, title varchar(20), year int, embedding vector(16))")
    async with opened(address()) as backend:
        with pytest.raises(DocumentRefused, match=message) as caught:
            await write(backend, Document("good", "Good"), document)
        assert "\n" not in str(caught.value)
        assert backend.count == 0
        await write(backend, Document("good", "Good", fields={"year": 3}))
        assert backend.count == 1


async def test_a_document_in_passages_is_refused(address: Address, run: Run) -> None:
    run("CREATE TABLE notes (id text PRIMARY KEY, title text, body text, embedding vector(16))")
    async with opened(address()) as backend:
        assert backend.capabilities.writes is not None
        assert not backend.capabilities.writes.divides
        with pytest.raises(DocumentRefused, match="one row for a document"):
            await backend.capabilities.writes.upsert([entry(Document("1", "", "one two"), unit_vectors(2, 3))])


async def test_a_table_that_cannot_be_written_is_refused_at_the_start(schema: str, address: Address, run: Run) -> None:
    run("CREATE TABLE notes (id text, title text, embedding vector(16))")
    with pytest.raises(AddressError, match=r"writes need ids that are unique: CREATE UNIQUE INDEX ON .*notes \(id\)"):
        await open_backend(address(id="id"), OpenOptions(warn=lambda _: None))
    run("ALTER TABLE notes ADD PRIMARY KEY (id)")
    run(f"CREATE ROLE {schema}_reader LOGIN")
    run(f"GRANT USAGE ON SCHEMA {schema} TO {schema}_reader")
    run(f"GRANT SELECT, INSERT ON notes TO {schema}_reader")
    try:
        with pytest.raises(AddressError, match="GRANT INSERT, UPDATE, DELETE ON"):
            await open_backend(address().replace("postgres@", f"{schema}_reader@"), OpenOptions(warn=lambda _: None))
    finally:
        run(f"DROP OWNED BY {schema}_reader")
        run(f"DROP ROLE {schema}_reader")


def lines(path: Path, *documents: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(one) + "\n" for one in documents))
    return str(path)


def index(*arguments: str) -> int:
    return main(["index", *arguments])


EGGS = {"id": "eggs", "title": "Boiled eggs", "text": "Eight minutes in hot water.", "year": 2019}
RAIN = {"id": "rain", "text": "It rains a lot in Bergen.", "tags": ["wet"]}


def test_an_update_encodes_and_writes_only_what_has_changed(
    server: PostgresServer, schema: str, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", server.address(table=f"{schema}.made"), "--update"]
    source = tmp_path / "documents.jsonl"
    # Without a table, one is made.
    assert index(lines(source, EGGS, RAIN), *out) == 0
    assert "2 documents" in capsys.readouterr().out
    before = run("SELECT id, xmin::text FROM made WHERE id = 'eggs'")
    assert index(lines(source, EGGS, RAIN), *out) == 0
    assert "0 added, 0 changed, 2 unchanged, 0 deleted; 0 passages encoded" in capsys.readouterr().out
    changed = {**RAIN, "tags": ["wet", "cold"]}
    assert index(lines(source, EGGS, changed, {"id": "new", "text": "One more."}), *out) == 0
    assert "1 added, 1 changed, 1 unchanged, 0 deleted; 2 passages encoded" in capsys.readouterr().out
    assert run("SELECT id, xmin::text FROM made WHERE id = 'eggs'") == before
    assert run("SELECT fields->'tags' FROM made WHERE id = 'rain'") == [(["wet", "cold"],)]
    assert index(lines(source, EGGS), *out, "--delete-missing", "--max-shrink", "0.5") != 0
    assert "2 of 3 documents are missing from the sources" in capsys.readouterr().err
    assert index(lines(source, EGGS), *out, "--delete-missing", "--max-shrink", "1") == 0
    assert "2 deleted" in capsys.readouterr().out
    assert run("SELECT id FROM made") == [("eggs",)]


def test_an_update_names_documents_that_cannot_be_written_and_writes_the_others(
    server: PostgresServer, schema: str, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run("CREATE TABLE notes (id text PRIMARY KEY, title varchar(20), body text, embedding vector(384))")
    out = ["--out", server.address(table=f"{schema}.notes", writes="yes"), "--update"]
    source = lines(
        tmp_path / "documents.jsonl", {"id": "long", "title": "t" * 30, "text": "x"}, {"id": "new", "text": "One more."}
    )
    assert index(source, *out) != 0
    assert "does not take document 'long': value too long" in capsys.readouterr().err
    assert run("SELECT id FROM notes") == [("new",)]
    # A table that takes no documents says so.
    assert index(source, out[0], out[1].replace("&writes=yes", ""), out[2]) != 0
    assert "it takes no documents: add writes=yes" in capsys.readouterr().err


def test_the_documents_of_a_source_are_spread_over_several_tables_and_updated_there(
    server: PostgresServer, schema: str, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    addresses = [server.address(table=f"{schema}.{name}") for name in ("one", "two")]
    documents = [{"id": f"d{number}", "text": f"Text number {number}."} for number in range(12)]
    source = tmp_path / "documents.jsonl"
    assert index(lines(source, *documents), "--out", " ".join(addresses)) == 0
    first, second = (run(f"SELECT id FROM {name}") for name in ("one", "two"))
    assert first
    assert second
    assert sorted(key for (key,) in [*first, *second]) == sorted(one["id"] for one in documents)
    capsys.readouterr()
    documents[3]["text"] = "Another text."
    assert index(lines(source, *documents), "--out", " ".join(addresses), "--update") == 0
    assert "0 added, 1 changed, 11 unchanged" in capsys.readouterr().out
    assert run("SELECT id FROM one") == first or run("SELECT id FROM two") == second
    with pytest.raises(SystemExit):
        index("-", "--format", "jsonl", "--out", " ".join(addresses))
    assert "give a file instead of standard input" in capsys.readouterr().err


def test_the_encoder_of_passages_is_that_of_the_record(
    server: PostgresServer, schema: str, tmp_path: Path, run: Run
) -> None:
    made = server.address(table=f"{schema}.made")
    assert _recorded_encoder(made) is None
    assert index(lines(tmp_path / "a.jsonl", EGGS), "--out", made, "--encoder", "minilm-doc") == 0
    assert _recorded_encoder(made) == "minilm-doc"
    assert _recorded_encoder(f"{made} {made}") == "minilm-doc"
    run("CREATE TABLE notes (id text)")
    assert _recorded_encoder(server.address(table=f"{schema}.notes", encoder="mine")) == "mine"
    assert _recorded_encoder("postgresql:///nowhere?host=/nowhere&table=x") is None
