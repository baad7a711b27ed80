"""Opening collections of somebody else: what is found by looking, and what cannot be used."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

import typeahead
from tests.engines.qdrant.collections import STRANGE, silent, upsert
from tests.search.contract_oracles import asked, later, unit_vectors
from typeahead.core.encoder import Vectors
from typeahead.errors import AddressError, UnsupportedFilter
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.filters import Equal, Range
from typeahead.search.port import Backend, Key, Request
from typeahead.search.ranking import find
from typeahead.text.document import Document

TEXTS = ("Tea is hot water with leaves", "Coffee is made of roasted beans", "Bread needs flour and time")
Make = Callable[..., str]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a collection ``t`` of payloads in a folder, and returns its address."""

    def made(
        payloads: Sequence[dict[str, Any]],
        vectors: Any = None,
        params: Any = None,
        parameters: str = STRANGE,
        ids: Sequence[Any] | None = None,
    ) -> str:
        client = QdrantClient(path=str(tmp_path / "qdrant"))
        plain = models.VectorParams(size=4, distance=models.Distance.COSINE)
        client.create_collection("t", plain if params is None else params)
        every = vectors_of(len(payloads)) if vectors is None else vectors
        sent = every.tolist() if isinstance(every, np.ndarray) else every
        if ids is None:
            upsert(client, "t", payloads, sent)
        else:
            client.upsert("t", [models.PointStruct(id=one, payload=payload, vector=vector)
                                for one, payload, vector in zip(ids, payloads, sent, strict=True)])  # fmt: skip
        client.close()
        return f"qdrant://{tmp_path}/qdrant?collection=t{'&' if parameters else ''}{parameters}"

    return made


def vectors_of(number: int) -> Vectors:
    return unit_vectors(number, 1)[:, :4].copy()


async def opened(address: str, told: list[str] | None = None) -> Backend:
    return await open_backend(address, OpenOptions(warn=silent if told is None else told.append))


async def only(backend: Backend, key: str) -> Document:
    assert backend.capabilities.documents is not None
    return (await backend.capabilities.documents([key]))[key]


async def test_keys_of_usual_names_are_found_and_what_is_short_is_a_field(make: Make) -> None:
    address = make(
        [{"doc_id": 7, "headline": "Tea", "body": TEXTS[0], "link": "/tea", "year": 2001, "tags": ["a", "b"],
          "deep": {"x": 1}, "long": "x" * 500, "nothing": None}]
    )  # fmt: skip
    backend = await opened(address)
    expected = Document("7", "Tea", TEXTS[0], "/tea", {"year": 2001, "tags": ["a", "b"]})
    assert await only(backend, "7") == expected
    assert dict(await backend.fetch([Key("7")], later())) == {Key("7"): expected}
    await backend.close()


async def test_without_a_key_of_ids_they_are_those_of_the_points(make: Make) -> None:
    # The key is no id, as two have the same.
    uuid = "0b0e7a9e-6a4b-4f57-8f0a-1d2f3c4b5a69"
    address = make([{"id": 1, "text": text} for text in TEXTS], ids=[7, 8, uuid])
    backend = await opened(address)
    found = await backend.fetch([Key("7"), Key(uuid), Key("1"), Key("9" * 5000), Key("no")], later())
    assert {key.document: one.text for key, one in found.items()} == {"7": TEXTS[0], uuid: TEXTS[2]}
    await backend.close()


async def test_named_keys_may_stand_in_objects(make: Make) -> None:
    address = make(
        [{"page_content": TEXTS[0], "metadata": {"title": "Tea", "source": "/tea", "page": 3}}],
        parameters=f"{STRANGE}&title=metadata.title&fields=metadata",
        ids=[1],
    )
    backend = await opened(address)
    assert await only(backend, "1") == Document("1", "Tea", TEXTS[0], "/tea", {"page": 3})
    await backend.close()


async def test_points_that_cannot_be_found_are_counted(make: Make) -> None:
    told: list[str] = []
    payloads = [{"key": "a", "text": "one"}, {"key": "a", "text": "two"}, {"text": "three"}, {"key": "b"}]
    backend = await opened(make(payloads, parameters=f"{STRANGE}&id=key"), told)
    assert backend.count == 1
    assert any("3 points are left out" in line for line in told)
    await backend.close()


@pytest.mark.parametrize(
    ("params", "parameters", "said"),
    [
        (models.VectorParams(size=4, distance=models.Distance.MANHATTAN), STRANGE, "compare by Manhattan"),
        ({}, STRANGE, "no dense vectors"),
        (None, f"{STRANGE}&vector=body", "have no name"),
        (None, f"{STRANGE}&text=nothing", "no point has the key 'nothing' for text: there are .*text"),
        (None, "", "4 dimensions, and those of .* 384"),
        (None, "teacher=test&similarity=dot", "scaled them to length 1"),
    ],
)
async def test_what_cannot_be_used_is_told_in_one_line(make: Make, params: Any, parameters: str, said: str) -> None:
    vectors: Any = [{}] * 3 if params == {} else None
    address = make([{"text": text} for text in TEXTS], vectors, params, parameters)
    with pytest.raises(AddressError, match=said) as told:
        await opened(address)
    assert "\n" not in str(told.value)


async def test_one_of_several_vectors_has_to_be_named(make: Make) -> None:
    one = models.VectorParams(size=4, distance=models.Distance.COSINE)
    vectors = [{"a": [1.0, 0, 0, 0], "b": [0, 1.0, 0, 0]}, {"a": [0, 1.0, 0, 0]}, {"b": [1.0, 0, 0, 0]}]
    address = make([{"text": text} for text in TEXTS], vectors, {"a": one, "b": one}, STRANGE, [1, 2, 3])
    with pytest.raises(AddressError, match="add vector=NAME, one of a, b"):
        await opened(address)
    backend = await opened(f"{address}&vector=b")
    query = np.array([0, 1, 0, 0], np.float32)
    (found,) = await find(backend, [Request(query, None, 3)], later())
    # A point without this vector is no document.
    assert ([hit.id for hit in found.hits], backend.count) == (["1", "3"], 2)
    await backend.close()


@pytest.mark.parametrize("distance", [models.Distance.EUCLID, models.Distance.DOT])
async def test_other_distances_serve_only_vectors_of_length_one(make: Make, distance: models.Distance) -> None:
    params = models.VectorParams(size=4, distance=distance)
    vectors = vectors_of(3)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    address = make([{"text": text} for text in TEXTS], vectors, params, STRANGE, [1, 2, 3])
    backend = await opened(address)
    (found,) = await backend.candidates([Request(3 * vectors[1], None, 3)], later())
    exact = {str(row + 1): value for row, value in enumerate((vectors @ vectors[1]).tolist())}
    assert found.similarities == pytest.approx([exact[key.document] for key in found.keys], abs=1e-5)
    await backend.close()
    client = QdrantClient(path=address.partition("?")[0].removeprefix("qdrant://"))
    client.upsert("t", [models.PointStruct(id=1, payload={"text": "long"}, vector=[3.0, 0, 0, 0])])
    client.close()
    with pytest.raises(AddressError, match="only for vectors of length 1"):
        await opened(address)


async def test_vectors_of_the_encoder_are_taken_and_others_refused(make: Make) -> None:
    vectors = np.asarray(typeahead.load("minilm-doc").encode(list(TEXTS)), np.float32)
    params = models.VectorParams(size=vectors.shape[1], distance=models.Distance.COSINE)
    address = make([{"text": text} for text in TEXTS], vectors, params, "")
    backend = await opened(address)
    assert backend.space.revision
    await backend.close()
    client = QdrantClient(path=address.partition("?")[0].removeprefix("qdrant://"))
    client.delete_collection("t")
    client.create_collection("t", params)
    upsert(client, "t", [{"text": text} for text in TEXTS], [*vectors[::-1].tolist()[:2], vectors[1].tolist()])
    client.close()
    with pytest.raises(AddressError, match="are not those that minilm-doc makes of its texts"):
        await opened(address)


# The client leaves the lock file open that it could not lock.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_folders_that_cannot_be_opened_are_told_in_one_line(make: Make, tmp_path: Path) -> None:
    with pytest.raises(AddressError, match=r"it has no meta\.json"):
        await opened(f"qdrant://{tmp_path}?collection=t")
    address = make([{"text": text} for text in TEXTS])
    with pytest.raises(AddressError, match="there is no collection other"):
        await opened(address.replace("collection=t", "collection=other"))
    backend = await opened(address)
    with pytest.raises(AddressError, match="already accessed"):
        await opened(address)
    await backend.close()
    # Now, and not in a test that does not expect it.
    gc.collect()


async def test_an_empty_collection_has_to_have_its_keys_named(make: Make) -> None:
    address = make([])
    with pytest.raises(AddressError, match="is empty"):
        await opened(address)
    backend = await opened(f"{address}&text=body")
    assert backend.count == 0
    await backend.close()


async def test_without_words_vectors_alone_are_searched_and_results_are_the_same(make: Make) -> None:
    address = make(
        [{"text": text, "year": 2000 + row} for row, text in enumerate(TEXTS)], None, None, STRANGE, [1, 2, 3]
    )
    query = vectors_of(3)[1]
    requests = [
        Request(query, asked("coffee"), 3),
        Request(query, asked("coffee"), 3, filter=Range("year", gte=2001)),
        Request(query, None, 2, filter=Equal("year", 2002)),
    ]
    found = []
    for words in ("yes", "no"):
        backend = await opened(f"{address}&words={words}")
        assert backend.capabilities.lexical == (words == "yes")
        assert backend.count == 3
        found.append([[hit.id for hit in one.hits] for one in await find(backend, requests, later())])
        if words == "no":
            with pytest.raises(UnsupportedFilter):
                await find(backend, [Request(query, None, 2, filter=Range("title", gte="a"))], later())
        await backend.close()
    assert found[0] == found[1]
