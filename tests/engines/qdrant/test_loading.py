"""``typeahead index SOURCE --out qdrant://…`` makes a collection, and it is searched and written to as an index is."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from qdrant_client import QdrantClient

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


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"qdrant://{tmp_path}/qdrant?collection=made"


def index(*arguments: str) -> int:
    return main(["index", *arguments])


async def test_documents_are_encoded_into_a_collection_that_is_opened_without_a_warning(
    address: str, source: Path, passage_encoder: TransformerEncoder
) -> None:
    assert await asyncio.to_thread(index, str(source), "--out", address) == 0
    told: list[str] = []
    backend = await open_backend(address, OpenOptions(warn=told.append))
    assert (told, backend.count, backend.space.teacher) == ([], 3, passage_encoder.config.teacher.name)
    assert backend.capabilities.documents is not None
    documents = await backend.capabilities.documents(["eggs", "long"])
    assert (documents["eggs"].title, documents["eggs"].url) == ("Boiled eggs", "/eggs")
    assert dict(documents["eggs"].fields) == {"year": 2019}
    assert documents["long"].text == SEAS
    assert backend.capabilities.writes is not None
    assert await backend.capabilities.writes.delete(["rain"]) == (1, int(backend.version))
    await backend.close()


def test_a_collection_that_is_there_is_never_touched(
    address: str, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert index(str(source), "--out", address) == 0
    before = points(address)
    assert index(str(source), "--out", address) != 0
    assert "there is a collection made already: delete it" in capsys.readouterr().err
    assert points(address) == before


def test_a_source_with_an_error_leaves_no_collection(
    address: str, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with source.open("a") as file:
        file.write(json.dumps({"id": "bad", "text": "x", "year": "2019"}) + "\n")
    assert index(str(source), "--out", address) != 0
    assert "year" in capsys.readouterr().err
    client = QdrantClient(path=address.partition("?")[0].removeprefix("qdrant://"))
    assert not client.collection_exists("made")
    client.close()


def points(address: str) -> set[str]:
    client = QdrantClient(path=address.partition("?")[0].removeprefix("qdrant://"))
    found, _ = client.scroll("made", limit=1000)
    client.close()
    return {str(point.id) for point in found}
