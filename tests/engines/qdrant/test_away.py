"""What happens while a server is slow, silent or gone, and after it is back: over a stand-in for a server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.engines.qdrant.collections import STRANGE, fill_own, fill_plain, silent
from tests.engines.qdrant.stand_in import StandIn
from tests.search.contract_oracles import LONG, asked, documents, later, unit_vectors
from typeahead.engines.qdrant.address import API_KEY
from typeahead.engines.qdrant.backend import QdrantBackend
from typeahead.errors import AddressError, BackendAway, DeadlinePassed, SearchError
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.filters import Range
from typeahead.search.port import Entry, Request
from typeahead.search.ranking import find
from typeahead.text.document import Document, Passage

REQUEST = Request(unit_vectors(1, 2)[0], asked("eggs"), 8)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    # A busy machine may take its time.
    monkeypatch.setattr("typeahead.engines.server.CONNECT_SECONDS", LONG)
    stand_in = StandIn()
    held = documents(fields=True)
    fill_plain(stand_in.client, "articles", held, unit_vectors(len(held), 1))
    fill_own(stand_in.client, "own", (), unit_vectors(1, 1))
    stand_in.start()
    yield stand_in
    stand_in.pause(on=False)
    stand_in.stop()


async def opened(server: StandIn, collection: str = "articles?vector=body&id=slug&") -> QdrantBackend:
    collection, _, parameters = collection.partition("?")
    address = f"qdrant://127.0.0.1:{server.port}/{collection}?{parameters}{STRANGE}"
    backend = await open_backend(address, OpenOptions(warn=silent))
    assert isinstance(backend, QdrantBackend)
    return backend


@pytest_asyncio.fixture
async def backend(server: StandIn) -> AsyncIterator[QdrantBackend]:
    backend = await opened(server)
    yield backend
    await backend.close()


async def back(backend: QdrantBackend) -> None:
    """Wait until searches are answered again."""
    deadline = later()
    while True:
        try:
            assert (await find(backend, [REQUEST], time.monotonic() + 5))[0].hits
        except (BackendAway, DeadlinePassed):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        else:
            return


async def test_a_batch_is_one_request(server: StandIn, backend: QdrantBackend) -> None:
    tree, words = Range("year", gte=2000), ("eggs", "cheese", "honey", "the")
    requests = [
        Request(vector, asked(word), 5, filter=tree) for vector, word in zip(unit_vectors(4, 3), words, strict=True)
    ]
    server.asked.clear()
    found = await backend.candidates(requests, later())
    assert [call for call in server.asked if call != "points/scroll"] == ["points/query/batch"]
    assert all(one.keys for one in found)


async def test_the_key_comes_from_the_environment(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_KEY, "secret")
    backend = await opened(server)
    await backend.close()
    assert server.headers["api-key"] == "secret"
    assert "secret" not in backend.address


async def test_while_the_server_is_gone_searches_fail_at_once_and_it_comes_back_by_itself(
    server: StandIn, backend: QdrantBackend
) -> None:
    before = await find(backend, [REQUEST], later())
    server.stop()
    server.asked.clear()
    for _ in range(20):
        with pytest.raises(BackendAway, match="cannot be reached"):
            await find(backend, [REQUEST], later())
    assert "points/query/batch" not in server.asked
    assert backend.count == 60
    server.failure = None
    server.start()
    await back(backend)
    assert (await find(backend, [REQUEST], later()))[0].hits == before[0].hits


async def test_a_server_that_accepts_and_never_answers_is_left_at_the_deadline(
    server: StandIn, backend: QdrantBackend
) -> None:
    server.pause()
    for _ in range(3):
        with pytest.raises(DeadlinePassed):
            # Far less than the connection would wait for.
            async with asyncio.timeout(3):
                await backend.candidates([REQUEST], time.monotonic() + 0.1)
    server.pause(on=False)
    await back(backend)


async def test_opening_a_silent_server_ends_with_one_line(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typeahead.engines.server.CONNECT_SECONDS", 0.2)
    server.pause()
    with pytest.raises(AddressError, match="does not answer"):
        await opened(server)


async def test_opening_where_no_server_listens_ends_with_one_line(
    server: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    server.stop()
    with pytest.raises(AddressError, match="the server cannot be reached: "):
        await opened(server)
    assert not caplog.records
    server.start()


@pytest.mark.parametrize(
    ("failure", "said"), [((401, "no key"), "401 Unauthorized: no key"), ((500, "panic"), "500 Internal .*: panic")]
)
async def test_what_a_server_refuses_is_told_in_one_line(
    server: StandIn, backend: QdrantBackend, failure: tuple[int, str], said: str
) -> None:
    server.failure = failure
    with pytest.raises(SearchError, match=said) as told:
        await backend.candidates([REQUEST], later())
    assert "\n" not in str(told.value)
    server.failure = None
    assert (await find(backend, [REQUEST], later()))[0].hits


async def test_a_collection_that_is_dropped_while_it_is_served_fails_searches_and_nothing_else(
    server: StandIn, backend: QdrantBackend
) -> None:
    server.client.delete_collection("articles")
    with pytest.raises(SearchError, match="there is no collection articles"):
        await find(backend, [REQUEST], later())
    held = documents(fields=True)
    fill_plain(server.client, "articles", held, unit_vectors(len(held), 1))
    assert (await find(backend, [REQUEST], later()))[0].hits


async def test_a_collection_that_was_made_again_with_other_vectors_is_told_in_one_line(
    server: StandIn, backend: QdrantBackend
) -> None:
    server.client.delete_collection("articles")
    fill_plain(server.client, "articles", documents(fields=True)[:3], unit_vectors(3, 1)[:, :4].copy())
    with pytest.raises(SearchError, match="cannot be searched: 400 Bad Request"):
        await backend.candidates([REQUEST], later())


async def test_documents_that_are_written_are_found_and_go_again(server: StandIn) -> None:
    backend = await opened(server, "own?")
    writes = backend.capabilities.writes
    assert writes is not None
    vectors = unit_vectors(3, 4)
    text = ("one ", "two ", "three")
    divided = Entry(Document("long", "Quince", "".join(text)), tuple(map(Passage, text)), vectors)
    await writes.upsert([divided])
    (found,) = await find(backend, [Request(vectors[2], None, 3)], later())
    assert [(hit.id, hit.text) for hit in found.hits] == [("long", "three")]
    # Passages that are left over go.
    await writes.upsert([Entry(Document("long", "Quince", "one"), (Passage("one"),), vectors[:1])])
    assert server.client.count("own").count == 1
    removed, version = await writes.delete(["long", "no such id"])
    assert (removed, str(version), backend.count) == (1, backend.version, 0)
    await backend.close()
