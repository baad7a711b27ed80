"""A search box in Python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import typeahead
from tests.index.hashing import HashingEncoder
from tests.server.fakes import MeanEncoder
from tests.server.shelf import Shelf
from typeahead.errors import (
    FilterError,
    IndexNotFound,
    TeacherMismatch,
    TextError,
    TypeaheadError,
    UnknownField,
)
from typeahead.index import Document, build_index

DOCUMENTS = [
    Document("a", "json.dumps", "Serialize an object to a string"),
    Document("b", "shutil.copytree", "Copy a whole directory"),
    Document("c", "tempfile", "Make a temporary file or directory"),
    Document("d", "tempfile", "Make a  temporary file or directory"),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("box") / "index"
    build_index(DOCUMENTS, folder, typeahead.load("minilm-doc"))
    return folder


@pytest.fixture(scope="module")
def box(index: Path) -> Iterator[typeahead.Box]:
    with typeahead.Box(index, typeahead.load("minilm-gru")) as box:
        yield box


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("json.dumps", "a"),
        ("json du", "a"),
        ("AN OBJECT", "a"),
        ("copytree", "b"),
        ("tempor", "c"),
        ("direktory copy", "b"),
    ],
)
def test_names_halves_and_slips_are_found(box: typeahead.Box, text: str, first: str) -> None:
    assert box.search(text, 2).hits[0].id == first


def test_documents_that_read_the_same_are_one_hit(box: typeahead.Box) -> None:
    found = box.search("temporary file", 8)
    assert (found.hits[0].id, found.hits[0].copies) == ("c", 2)
    assert len(found.hits) == 3


def test_a_text_of_nothing_finds_nothing_and_one_that_is_no_text_is_refused(box: typeahead.Box) -> None:
    assert box.search("").hits == []
    with pytest.raises(TextError):
        box.search("\ud800")
    with pytest.raises(ValueError, match="must be"):
        box.search("json", 0)


def test_an_encoder_of_passages_is_refused(index: Path) -> None:
    with pytest.raises(TypeaheadError, match="minilm-doc cannot encode what is typed"):
        typeahead.Box(index, typeahead.load("minilm-doc"))


def test_what_cannot_be_opened_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFound):
        typeahead.Box(tmp_path / "none", typeahead.load("minilm-gru"))
    build_index(DOCUMENTS, tmp_path / "other", HashingEncoder())
    with pytest.raises(TeacherMismatch):
        typeahead.Box(tmp_path / "other", typeahead.load("minilm-gru"))


def test_a_box_filters_counts_and_goes_on_from_an_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    async def open_shelf(*_: object) -> Shelf:
        return Shelf()

    monkeypatch.setattr("typeahead.box.open_backend", open_shelf)
    with typeahead.Box("anywhere", MeanEncoder()) as box:
        found = box.search("recipe", 100, filter={"tenant": "a", "year": {"lt": 3}}, facets=("year",))
        assert {hit.id for hit in found.hits} == {"a0", "a1", "a2"}
        assert found.facets == {"year": {0: 1, 1: 1, 2: 1}}
        whole = box.search("sweet recipe", 100).hits
        assert [hit for at in range(0, 20, 6) for hit in box.search("sweet recipe", 6, offset=at).hits] == whole
        nothing = box.search("", facets=("tenant", "tenant"), filter={"not": {"secret": True}})
        assert (nothing.hits, nothing.facets) == ([], {"tenant": {"a": 9, "b": 10}})
        with pytest.raises(UnknownField, match="no document has the field 'yaer'"):
            box.search("recipe", filter={"yaer": 3})
        with pytest.raises(FilterError, match="year is"):
            box.search("recipe", filter={"year": {"from": 3}})
