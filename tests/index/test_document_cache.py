"""Documents that were read lately come from memory, within its bounds, and are the same as from the file."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.index.hashing import HashingEncoder, documents
from typeahead.errors import IndexFolderError
from typeahead.index import Document, build_index, open_index
from typeahead.index.document_cache import DocumentCache, size_of
from typeahead.index.documents import Documents


def one(row: int, length: int = 100) -> Document:
    return Document(f"id {row}", f"title {row}", "x" * length)


def test_what_was_put_is_found_and_the_rest_is_named_once() -> None:
    cache = DocumentCache(10_000)
    cache.put({1: one(1), 3: one(3)})
    found, missing = cache.get([1, 2, 3, 2, 1])
    assert ({1: one(1), 3: one(3)}, [2]) == (found, missing)


def test_the_least_recently_used_goes_first() -> None:
    cache = DocumentCache(3 * size_of(one(1)))
    cache.put({row: one(row) for row in (1, 2, 3)})
    cache.get([1])
    cache.put({4: one(4)})
    assert (list(cache.get([1, 2, 3, 4])[0]), cache.get([1, 2, 3, 4])[1]) == ([1, 3, 4], [2])


def test_its_bytes_are_those_of_what_it_holds_and_never_too_many() -> None:
    rng = random.Random(0)
    cache = DocumentCache(20_000)
    for _ in range(500):
        row = rng.randrange(200)
        cache.put({row: one(row, 10 * row)})
        found, _ = cache.get(range(200))
        assert sum(map(size_of, found.values())) == cache.bytes <= 20_000
        assert len(found) == len(cache)


def test_a_document_larger_than_the_cache_is_not_held_and_drives_out_nothing() -> None:
    cache = DocumentCache(1000)
    cache.put({1: one(1)})
    cache.put({2: one(2, 5000)})
    assert list(cache.get([1, 2])[0]) == [1]


def test_a_cache_of_no_bytes_holds_nothing() -> None:
    cache = DocumentCache(0)
    cache.put({1: Document("1")})
    assert cache.get([1]) == ({}, [1])


def test_a_document_that_is_put_again_counts_once() -> None:
    cache = DocumentCache(10_000)
    for _ in range(3):
        cache.put({1: one(1)})
    assert size_of(one(1)) == cache.bytes


def test_the_utf8_form_of_a_text_counts() -> None:
    assert size_of(Document("1", text="天気" * 100)) - size_of(Document("1", text="ab" * 100)) > 600


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build_index(documents(300), tmp_path / "index", HashingEncoder())
    return tmp_path / "index"


@pytest.mark.parametrize("cache_bytes", [0, 2_000, 1 << 20])
def test_documents_are_the_same_from_the_cache_as_from_the_file(folder: Path, cache_bytes: int) -> None:
    reader = Documents(folder / "generation-1" / "documents.sqlite", 300, cache_bytes=cache_bytes)
    rng = random.Random(1)
    for _ in range(50):
        rows = [rng.randrange(300) for _ in range(20)]
        assert {row: documents(300)[row] for row in rows} == reader.read(rows)
    reader.close()


def test_a_document_is_read_from_the_file_once(folder: Path) -> None:
    reader = Documents(folder / "generation-1" / "documents.sqlite", 300)
    asked: list[str] = []
    reader._connection.set_trace_callback(asked.append)
    first, second = reader.read([5, 6]), reader.read([6, 5])
    assert (first, 1) == (second, len(asked))
    reader.close()


def test_threads_read_the_same_through_a_cache_that_is_too_small(folder: Path) -> None:
    reader = Documents(folder / "generation-1" / "documents.sqlite", 300, cache_bytes=5_000)
    wanted = [[(7 * start + 11 * i) % 300 for i in range(8)] for start in range(400)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(reader.read, wanted))
    assert [{row: documents(300)[row] for row in rows} for rows in wanted] == found
    reader.close()


def test_a_closed_index_gives_no_document_that_is_still_held(folder: Path) -> None:
    index = open_index(folder, document_cache_bytes=1 << 20)
    query = HashingEncoder().encode(["title 7 text of 7"])
    assert index.search(query, 1)[0][0].id == "d7"
    index.close()
    with pytest.raises(IndexFolderError, match="closed"):
        index.search(query, 1)
