"""Opening collections of somebody else: what is found by looking, and what cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from pymilvus import DataType, FieldSchema

import typeahead
from tests.engines.milvus.collections import STRANGE, make, put, silent
from tests.engines.milvus.servers import Milvus
from tests.search.contract_oracles import asked, later, unit_vectors
from typeahead.core.encoder import Vectors
from typeahead.engines.milvus.backend import MilvusBackend
from typeahead.engines.milvus.server import OLD
from typeahead.errors import AddressError, UnsupportedFilter
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.filters import Equal, Exists
from typeahead.search.port import LEXICAL, Backend, Key, Request
from typeahead.search.ranking import find
from typeahead.text.document import Document

TEXTS = ("Tea is hot water with leaves", "Coffee is made of roasted beans", "Bread needs flour and time")
DIM = 4
ROW = FieldSchema("row", DataType.INT64, is_primary=True)
BODY = FieldSchema("body", DataType.VARCHAR, max_length=1000)


def vectors_of(number: int) -> Vectors:
    vectors = unit_vectors(number, 1)[:, :DIM].copy()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def made(milvus: Milvus, fields: Sequence[FieldSchema] = (), rows: Any = None, vectors: Any = None, **how: Any) -> str:
    """Make a collection of rows of a text each, and return its name."""
    name = milvus.name()
    held = [{"row": row, "body": text} for row, text in enumerate(TEXTS)] if rows is None else rows
    make(milvus, name, [ROW, BODY, *fields], held, vectors_of(len(held)) if vectors is None else vectors, **how)
    return name


async def opened(address: str, told: list[str] | None = None) -> Backend:
    return await open_backend(address, OpenOptions(warn=silent if told is None else told.append))


async def only(backend: Backend, key: str) -> Document:
    assert backend.capabilities.documents is not None
    return (await backend.capabilities.documents([key]))[key]


async def test_fields_of_usual_names_are_found_and_what_is_short_is_a_field(milvus: Milvus) -> None:
    name = made(
        milvus,
        [FieldSchema("headline", DataType.VARCHAR, max_length=100), FieldSchema("doc_id", DataType.INT64)],
        [{"row": 1, "doc_id": 7, "headline": "Tea", "body": TEXTS[0], "link": "/tea", "year": 2001, "tags": ["a"],
          "deep": {"x": 1}, "long": "x" * 500}],
        dynamic=True,
    )  # fmt: skip
    backend = await opened(milvus.address(name, STRANGE))
    expected = Document("7", "Tea", TEXTS[0], "/tea", {"year": 2001, "tags": ["a"]})
    assert await only(backend, "7") == expected
    assert dict(await backend.fetch([Key("7"), Key("1"), Key("\ud800")], later())) == {Key("7"): expected}
    await backend.close()


async def test_without_a_field_of_ids_they_are_the_primary_keys(milvus: Milvus) -> None:
    backend = await opened(milvus.address(made(milvus), STRANGE))
    found = await backend.fetch([Key("1"), Key("9" * 50), Key("01"), Key("x")], later())
    assert {key.document: one.text for key, one in found.items()} == {"1": TEXTS[1]}
    await backend.close()


async def test_rows_that_cannot_be_found_are_counted(milvus: Milvus) -> None:
    rows = [
        {"row": 1, "key": "a", "body": "one"},
        {"row": 2, "key": "a", "body": "two"},
        {"row": 3, "key": "", "body": "three"},
        {"row": 4, "key": "b", "body": ""},
    ]
    told: list[str] = []
    name = made(milvus, [FieldSchema("key", DataType.VARCHAR, max_length=9)], rows)
    backend = await opened(milvus.address(name, f"{STRANGE}&id=key"), told)
    assert backend.count == 1
    assert any("3 rows are left out" in line for line in told)
    await backend.close()


async def test_texts_that_are_null_leave_their_rows_out(milvus: Milvus) -> None:
    if OLD:
        pytest.skip("fields may be NULL since Milvus 2.5")
    fields = [FieldSchema("title", DataType.VARCHAR, max_length=9, nullable=True)]
    rows = [{"row": 1, "title": None, "body": "one"}, {"row": 2, "title": None, "body": ""}]
    told: list[str] = []
    backend = await opened(milvus.address(made(milvus, fields, rows), STRANGE), told)
    assert await only(backend, "1") == Document("1", "", "one", "")
    assert any("1 rows are left out" in line for line in told)
    await backend.close()


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (f"{STRANGE}&vector=body", "there is no field of vectors 'body': the collection has embedding"),
        (f"{STRANGE}&text=nothing", "no point has the key 'nothing' for text: there are body, row"),
        ("", "4 dimensions, and those of .* 384"),
    ],
)
async def test_what_cannot_be_used_is_told_in_one_line(milvus: Milvus, parameters: str, said: str) -> None:
    with pytest.raises(AddressError, match=said) as told:
        await opened(milvus.address(made(milvus), parameters))
    assert "\n" not in str(told.value)


async def test_a_collection_of_other_vectors_is_refused(milvus: Milvus) -> None:
    if milvus.lite:
        pytest.skip("Milvus Lite has no binary vectors")
    name = milvus.name()
    fields = [ROW, BODY]
    binary = FieldSchema("embedding", DataType.BINARY_VECTOR, dim=8)
    make(milvus, name, fields, [], vectors_of(1), vector=binary, metric="HAMMING", index="BIN_FLAT", params={})
    with pytest.raises(AddressError, match="has no field of FLOAT_VECTOR"):
        await opened(milvus.address(name, STRANGE))


async def test_a_collection_that_is_missing_or_not_loaded_or_empty_is_told(milvus: Milvus) -> None:
    with pytest.raises(AddressError, match="there is no collection nothing: name another"):
        await opened(milvus.address("nothing", STRANGE))
    name = made(milvus, rows=[])
    with pytest.raises(AddressError, match="is empty: fill it first"):
        await opened(milvus.address(name, STRANGE))
    backend = await opened(milvus.address(name, f"{STRANGE}&text=body"))
    assert backend.count == 0
    await backend.close()
    milvus.client.release_collection(name)
    with pytest.raises(AddressError, match="is not loaded: load it"):
        await opened(milvus.address(name, f"{STRANGE}&text=body"))


@pytest.mark.parametrize("metric", ["L2", "IP"])
async def test_other_metrics_serve_only_vectors_of_length_one(milvus: Milvus, metric: str) -> None:
    name = made(milvus, metric=metric)
    backend = await opened(milvus.address(name, STRANGE))
    vectors = vectors_of(3)
    (found,) = await backend.candidates([Request(3 * vectors[1], None, 3)], later())
    exact = {str(row): value for row, value in enumerate((vectors @ vectors[1]).tolist())}
    assert found.similarities == pytest.approx([exact[key.document] for key in found.keys], abs=1e-5)
    await backend.close()
    put(milvus, name, [{"row": 9, "body": "long"}], np.array([[3, 0, 0, 0]], np.float32))
    with pytest.raises(AddressError, match="only for vectors of length 1"):
        await opened(milvus.address(name, STRANGE))


@pytest.mark.parametrize(("index", "params"), [("IVF_SQ8", {"nlist": 4}), ("IVF_FLAT", {"nlist": 4}), ("FLAT", {})])
async def test_whatever_the_index_keeps_of_vectors_similarities_are_exact(
    milvus: Milvus, index: str, params: dict[str, int]
) -> None:
    if milvus.lite and index == "FLAT":
        pytest.skip("Milvus Lite calls it otherwise")
    vectors = unit_vectors(300, 5)
    rows = [{"row": row, "body": f"text {row}"} for row in range(300)]
    backend = await opened(
        milvus.address(made(milvus, rows=rows, vectors=vectors, index=index, params=params), STRANGE)
    )
    for query in unit_vectors(5, 6):
        (found,) = await backend.candidates([Request(query, asked("7"), 8)], later())
        assert "7" in {key.document for key in found.keys}
        exact = [float(vectors[int(key.document)] @ query) for key in found.keys]
        assert found.similarities == pytest.approx(exact, abs=1e-5)
    await backend.close()


async def test_half_precision_is_searched_as_it_is(milvus: Milvus) -> None:
    if OLD:
        pytest.skip("FLOAT16_VECTOR is there since Milvus 2.4")
    half = FieldSchema("embedding", DataType.FLOAT16_VECTOR, dim=DIM)
    try:
        name = made(milvus, vectors=vectors_of(3).astype(np.float16), vector=half)
    except Exception as error:
        pytest.skip(f"this Milvus takes no FLOAT16_VECTOR: {error}")
    backend = await opened(milvus.address(name, STRANGE))
    (found,) = await backend.candidates([Request(vectors_of(3)[1], asked("tea"), 3)], later())
    best = max(zip(found.similarities.tolist(), found.keys, strict=True))
    assert (best[1], best[0]) == (Key("1"), pytest.approx(1, abs=1e-3))
    await backend.close()


async def test_vectors_of_the_encoder_are_taken_and_others_refused(milvus: Milvus) -> None:
    vectors = np.asarray(typeahead.load("minilm-doc").encode(list(TEXTS)), np.float32)
    backend = await opened(milvus.address(made(milvus, vectors=vectors)))
    assert backend.space.revision
    await backend.close()
    with pytest.raises(AddressError, match="are not those that minilm-doc makes of its texts"):
        await opened(milvus.address(made(milvus, vectors=vectors[::-1].copy())))


async def test_without_words_vectors_alone_are_searched_and_results_are_the_same(milvus: Milvus) -> None:
    rows = [{"row": row, "body": text, "year": 2000 + row} for row, text in enumerate(TEXTS)]
    name = made(milvus, [FieldSchema("year", DataType.INT64)], rows)
    query = vectors_of(3)[1]
    requests = [
        Request(query, asked("coffee"), 3),
        Request(query, asked("coffee"), 3, filter=Equal("year", 2001)),
    ]
    found = []
    for words in ("yes", "no"):
        backend = await opened(milvus.address(name, f"{STRANGE}&words={words}"))
        assert (backend.capabilities.lexical, backend.count) == (words == "yes", 3)
        found.append([[hit.id for hit in one.hits] for one in await find(backend, requests, later())])
        await backend.close()
    assert found[0] == found[1]


async def test_a_filter_that_neither_words_nor_milvus_can_apply_is_refused(milvus: Milvus) -> None:
    backend = await opened(milvus.address(made(milvus, dynamic=True), f"{STRANGE}&words=no"))
    with pytest.raises(UnsupportedFilter):
        await find(backend, [Request(vectors_of(1)[0], None, 2, filter=Exists("free"))], later())
    await backend.close()


async def test_what_is_written_by_others_is_found_and_what_they_delete_is_gone(milvus: Milvus) -> None:
    name = made(milvus)
    backend = await opened(milvus.address(name, STRANGE))
    put(milvus, name, [{"row": 9, "body": "quince"}], np.eye(1, DIM, dtype=np.float32))
    await backend._copy.refresh()  # type: ignore[attr-defined]
    (found,) = await find(backend, [Request(None, asked("quince"), 3)], later())
    assert [hit.id for hit in found.hits] == ["9"]
    milvus.client.delete(name, filter="row in [9]")
    await backend._copy.refresh()  # type: ignore[attr-defined]
    (found,) = await find(backend, [Request(None, asked("quince"), 3)], later())
    assert not found.hits
    await backend.close()


async def test_few_are_all_found_though_a_search_passes_by_some(
    milvus: Milvus, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = unit_vectors(60, 5)
    rows = [{"row": row, "body": f"text {row}", "half": row % 2} for row in range(60)]
    name = made(milvus, [FieldSchema("half", DataType.INT64)], rows, vectors)
    backend = await opened(milvus.address(name, STRANGE))
    assert isinstance(backend, MilvusBackend)
    call = backend._server.call

    async def short(method: str, *arguments: Any, **named: Any) -> Any:
        answer = await call(method, *arguments, **named)
        return [list(hits)[:7] for hits in answer] if method == "search" else answer

    monkeypatch.setattr(backend._server, "call", short)
    query = unit_vectors(1, 6)[0]
    for tree, number in ((None, 60), (Equal("half", 1), 30)):
        (found,) = await backend.candidates([Request(query, None, 60, filter=tree)], later())
        assert len(found.keys) == number
        exact = [float(vectors[int(key.document)] @ query) for key in found.keys]
        assert found.similarities == pytest.approx(exact, abs=1e-5)
        assert exact == pytest.approx(sorted(exact, reverse=True), abs=1e-5)
    # What words found is compared, wherever a search came upon it.
    (found,) = await backend.candidates([Request(query, asked("text"), 20, filter=Equal("half", 1))], later())
    assert found.arms[LEXICAL].sum() == 20
    await backend.close()
