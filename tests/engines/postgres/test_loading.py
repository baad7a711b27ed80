"""``typeahead index SOURCE --out postgresql://…`` makes a table, and it is searched and written to as an index is."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from benchmarks.postgres_server import PostgresServer
from tests.engines.postgres.conftest import Run
from typeahead.cli import main
from typeahead.encoders.transformer import TransformerEncoder
from typeahead.search.addresses import OpenOptions, open_backend

SEAS = " ".join(f"The sea number {n} is deep." for n in range(120))
DOCUMENTS = [
    {"id": "eggs", "title": "Boiled eggs", "text": "Eight minutes in hot water.", "url": "/eggs", "year": 2019},
    {"id": "rain", "title": "", "text": "It rains a lot in Bergen.", "year": 2020},
    {"id": "long", "title": "Seas", "text": SEAS},
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "documents.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in DOCUMENTS))
    return path


def index(*arguments: str) -> int:
    return main(["index", *arguments])


async def test_documents_are_encoded_into_a_table_that_is_opened_without_a_warning(
    server: PostgresServer, schema: str, source: Path, passage_encoder: TransformerEncoder, run: Run
) -> None:
    address = server.address(table=f"{schema}.made")
    assert await asyncio.to_thread(index, str(source), "--out", address) == 0
    told: list[str] = []
    backend = await open_backend(address, OpenOptions(warn=told.append))
    assert (told, backend.count, backend.space.teacher) == ([], 3, passage_encoder.config.teacher.name)
    assert backend.capabilities.documents is not None
    documents = await backend.capabilities.documents(["eggs", "long"])
    assert (documents["eggs"].title, documents["eggs"].url) == ("Boiled eggs", "/eggs")
    assert dict(documents["eggs"].fields) == {"year": 2019}
    assert documents["long"].text == SEAS
    assert run("SELECT count(*) FROM made WHERE id = 'long'") != [(1,)]
    assert backend.capabilities.writes is not None
    assert await backend.capabilities.writes.delete(["rain"]) == (1, int(backend.version))
    await backend.close()


def test_a_table_that_is_there_is_never_touched(
    server: PostgresServer, schema: str, source: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run("CREATE TABLE made (x int)")
    assert index(str(source), "--out", server.address(table=f"{schema}.made")) != 0
    assert f"there is a table {schema}.made already: DROP TABLE" in capsys.readouterr().err
    assert run("SELECT count(*) FROM made")[0][0] == 0


def test_documents_that_cannot_be_written_leave_no_table(
    server: PostgresServer, schema: str, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "twice.jsonl"
    path.write_text('{"id": "a", "text": "one"}\n{"id": "a", "text": "two"}\n')
    assert index(str(path), "--out", server.address(table=f"{schema}.made")) != 0
    assert "ids must be unique" in capsys.readouterr().err
    assert run("SELECT to_regclass('made')")[0][0] is None
