"""What happens while a server is slow, silent or gone, and after it is back: through a relay."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.engines.milvus.collections import STRANGE, fill_own, fill_plain, silent
from tests.engines.milvus.relay import Relay
from tests.engines.milvus.servers import Milvus
from tests.search.contract_oracles import LONG, asked, documents, later, unit_vectors
from typeahead.engines.milvus.address import TOKEN
from typeahead.engines.milvus.backend import MilvusBackend
from typeahead.errors import AddressError, BackendAway, DeadlinePassed, SearchError
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.filters import Range
from typeahead.search.port import Entry, Request
from typeahead.search.ranking import find
from typeahead.text.document import Document, Passage

REQUEST = Request(unit_vectors(1, 2)[0], asked("eggs"), 8)
HELD = documents(fields=True)


@pytest.fixture
def relay(milvus: Milvus, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    # A busy machine may take its time.
    monkeypatch.setattr("typeahead.engines.server.CONNECT_SECONDS", LONG)
    relay = Relay(milvus.port)
    relay.start()
    yield relay
    relay.pause(on=False)
    relay.stop()


@pytest.fixture
def name(milvus: Milvus) -> Iterator[str]:
    name = milvus.name()
    fill_plain(milvus, name, HELD, unit_vectors(len(HELD), 1))
    yield name
    milvus.client.drop_collection(name)


async def opened(relay: Relay, name: str, parameters: str = "&id=slug&text=body") -> MilvusBackend:
    address = f"milvus://127.0.0.1:{relay.port}/{name}?{STRANGE}{parameters}"
    backend = await open_backend(address, OpenOptions(warn=silent))
    assert isinstance(backend, MilvusBackend)
    return backend


@pytest_asyncio.fixture
async def backend(relay: Relay, name: str) -> AsyncIterator[MilvusBackend]:
    backend = await opened(relay, name)
    yield backend
    await backend.close()


async def back(backend: MilvusBackend) -> None:
    """Wait until searches are answered again."""
    deadline = later()
    while True:
        try:
            assert (await find(backend, [REQUEST], time.monotonic() + 5))[0].hits
        except (BackendAway, DeadlinePassed, SearchError):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        else:
            return


async def test_a_batch_of_one_filter_is_two_searches(backend: MilvusBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    call = backend._server.call

    async def counted(method: str, *arguments: object, **named: object) -> object:
        if named.get("output_fields") != backend._layout.payload:
            called.append(method)
        return await call(method, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(backend._server, "call", counted)
    words = ("eggs", "cheese", "honey", "bread")
    requests = [
        Request(vector, asked(word), 5, filter=Range("year", gte=1990))
        for vector, word in zip(unit_vectors(4, 3), words, strict=True)
    ]
    found = await backend.candidates(requests, later())
    assert called == ["search", "search"]
    assert all(one.keys for one in found)


async def test_while_the_server_is_gone_searches_fail_at_once_and_it_comes_back_by_itself(
    relay: Relay, backend: MilvusBackend
) -> None:
    before = await find(backend, [REQUEST], later())
    relay.stop()
    for _ in range(20):
        with pytest.raises(BackendAway, match="cannot be reached"):
            await find(backend, [REQUEST], later())
    assert backend.count == len(HELD)
    relay.start()
    await back(backend)
    assert (await find(backend, [REQUEST], later()))[0].hits == before[0].hits


async def test_a_server_that_accepts_and_never_answers_is_left_at_the_deadline(
    relay: Relay, backend: MilvusBackend
) -> None:
    relay.pause()
    for _ in range(3):
        with pytest.raises(DeadlinePassed):
            await backend.candidates([REQUEST], time.monotonic() + 0.1)
    relay.pause(on=False)
    await back(backend)


async def test_after_many_calls_without_an_answer_the_server_counts_as_gone(
    relay: Relay, backend: MilvusBackend
) -> None:
    relay.pause()
    until = later()
    while backend._server.away is None:
        # An answer that was on its way when the relay stopped would begin the count again.
        assert time.monotonic() < until
        with pytest.raises((DeadlinePassed, BackendAway)):
            await backend.candidates([REQUEST], time.monotonic() + 0.1)
    with pytest.raises(BackendAway, match="were not answered in time"):
        await backend.candidates([REQUEST], later())
    relay.pause(on=False)
    await back(backend)


async def test_opening_tells_whether_a_server_is_gone_or_silent(
    relay: Relay, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typeahead.engines.server.CONNECT_SECONDS", 0.5)
    relay.pause()
    with pytest.raises(AddressError, match=r"accepts connections and does not answer for 0\.5 seconds"):
        await opened(relay, name)
    relay.pause(on=False)
    relay.stop()
    with pytest.raises(AddressError, match="cannot be reached") as told:
        await opened(relay, name)
    assert "\n" not in str(told.value)
    relay.start()


async def test_a_collection_that_is_dropped_while_it_is_served_fails_searches_and_nothing_else(
    milvus: Milvus, name: str, backend: MilvusBackend
) -> None:
    milvus.client.drop_collection(name)
    with pytest.raises(SearchError, match=f"there is no collection {name}") as told:
        await find(backend, [REQUEST], later())
    assert "\n" not in str(told.value)
    fill_plain(milvus, name, HELD, unit_vectors(len(HELD), 1))
    await back(backend)


async def test_a_collection_that_was_made_again_with_other_vectors_is_told_in_one_line(
    milvus: Milvus, name: str, backend: MilvusBackend
) -> None:
    milvus.client.drop_collection(name)
    fill_plain(milvus, name, HELD[:3], unit_vectors(3, 1)[:, :4].copy())
    with pytest.raises(SearchError, match="cannot be searched: ") as told:
        await backend.candidates([Request(REQUEST.vector, None, 8)], later())
    assert "\n" not in str(told.value)


async def test_documents_that_are_written_are_found_and_go_again(milvus: Milvus, relay: Relay) -> None:
    name = milvus.name()
    fill_own(milvus, name, (), unit_vectors(1, 1))
    backend = await opened(relay, name, "")
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
    (row,) = milvus.client.query(name, filter="", output_fields=["count(*)"], consistency_level="Strong")
    assert row["count(*)"] == 1
    with pytest.raises(SearchError, match="Milvus holds 65,535: shorten it"):
        await writes.upsert([Entry(Document("l", "", "x" * 70_000), (Passage("x" * 70_000),), vectors[:1])])
    removed, version = await writes.delete(["long", "no such id", "bell\a"])
    assert (removed, str(version), backend.count) == (1, backend.version, 0)
    await backend.close()


async def test_a_user_without_rights_is_told_in_one_line(
    milvus: Milvus, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not milvus.guarded:
        pytest.skip("this Milvus knows no users")
    milvus.client.create_user("reader", "reader-secret")
    for token, said in (("reader:reader-secret", "permission denied|PermissionDenied"), ("reader:wrong", "auth")):
        monkeypatch.setenv(TOKEN, token)
        with pytest.raises(AddressError, match=f"(?i){said}") as told:
            await open_backend(milvus.address(name, STRANGE), OpenOptions(warn=silent))
        assert "\n" not in str(told.value)
        assert "secret" not in str(told.value)
    milvus.client.drop_user("reader")
