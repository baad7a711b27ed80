"""Documents come back as they were written, from any thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.index.hashing import HashingEncoder, documents
from typeahead.errors import IndexFolderError
from typeahead.index import Document, build_index, open_index
from typeahead.index.documents import Documents

HOSTILE = [
    Document("quotes", 'a "b" \\ c', "line\nbreak\ttab\r", "https://example.org/?q=%22"),
    Document("controls", "\x01\x1f\x7f\u2028\u2029", "\ufeffbom"),
    Document("scripts", "한국어 \u1112\u1161 مرحبا 👩\u200d👧", "e\u0301 \U0010ffff"),
    Document("[1, 2]", "null", "{}"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build_index([*documents(300), *HOSTILE], tmp_path / "index", HashingEncoder())
    return tmp_path / "index"


def test_documents_are_as_they_were_written(folder: Path) -> None:
    reader = Documents(folder / "generation-1" / "documents.sqlite", 304)
    written = [*documents(300), *HOSTILE]
    assert reader.read(range(304)) == dict(enumerate(written))
    assert reader.read([303, 5, 303]) == {303: written[303], 5: written[5]}
    assert reader.read([]) == {}
    reader.close()


def test_each_answer_is_read_from_the_file_in_one_row(folder: Path) -> None:
    reader = Documents(folder / "generation-1" / "documents.sqlite", 304)
    asked: list[str] = []
    reader._connection.set_trace_callback(asked.append)
    assert reader.read([5, 6]) == reader.read([6, 5])
    assert len(asked) == 2
    reader.close()


def test_threads_read_the_same(folder: Path) -> None:
    reader = Documents(folder / "generation-1" / "documents.sqlite", 304)
    wanted = [[(7 * start + 11 * i) % 300 for i in range(8)] for start in range(400)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(reader.read, wanted))
    assert [{row: documents(300)[row] for row in rows} for rows in wanted] == found
    reader.close()


def test_a_closed_index_gives_no_document(folder: Path) -> None:
    index = open_index(folder)
    query = HashingEncoder().encode(["title 7 text of 7"])
    assert index.search(query, 1)[0][0].id == "d7"
    index.close()
    with pytest.raises(IndexFolderError, match="closed"):
        index.search(query, 1)
