"""Parts that are away or late, documents that are in several, and writes."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from tests.search.contract_oracles import asked, documents, later, unit_vectors
from tests.search.memory_backend import MemoryBackend
from typeahead.core.encoder import Vectors
from typeahead.engines.parts import part
from typeahead.engines.parts.backend import PartedBackend
from typeahead.engines.parts.opening import open_parts
from typeahead.engines.parts.placing import part_of
from typeahead.errors import AddressError, BackendAway, DeadlinePassed, UnsupportedFilter
from typeahead.search.filters import Equal
from typeahead.search.port import Backend, Candidates, Entry, Incomplete, Key, Request
from typeahead.search.ranking import find
from typeahead.search.terms import Words
from typeahead.text.document import Document, Passage

HELD = documents(fields=True)
VECTORS = unit_vectors(len(HELD), 1)
REQUEST = Request(unit_vectors(1, 2)[0], asked("eggs"), len(HELD))


class Failing(MemoryBackend):
    """A part that may be away, or late."""

    away = late = False

    def __init__(self, documents: Sequence[Document], vectors: Vectors, address: str = "memory://") -> None:
        super().__init__(documents, vectors, address)
        #: How long each search might take.
        self.waited: list[float] = []

    async def candidates(self, requests: Sequence[Request], deadline: float) -> list[Candidates]:
        await self._fail(deadline)
        return await super().candidates(requests, deadline)

    async def fetch(self, keys: Sequence[Key], deadline: float) -> dict[Key, Document]:
        await self._fail(deadline)
        return await super().fetch(keys, deadline)

    async def _fail(self, deadline: float) -> None:
        self.waited.append(deadline - time.monotonic())
        if self.away:
            raise BackendAway(self.address, "it is gone")
        if self.late:
            await asyncio.sleep(deadline - time.monotonic())
            raise DeadlinePassed(f"{self.address} did not answer in time")


@pytest.fixture
def parts() -> list[Failing]:
    return [Failing(HELD[place::3], VECTORS[place::3], f"memory://{place}") for place in range(3)]


@pytest.fixture
def whole(parts: list[Failing]) -> PartedBackend:
    return PartedBackend(parts)


async def found(backend: Backend) -> tuple[set[str], bool]:
    """What a search finds, and whether it says that hits may be missing."""
    (one,) = await find(backend, [REQUEST], later())
    return {hit.id for hit in one.hits}, one.partial


@pytest.mark.parametrize("failure", ["away", "late"])
async def test_the_others_answer_for_a_part_that_fails_and_the_answer_says_so(
    whole: PartedBackend, parts: list[Failing], failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, "PATIENCE_SECONDS", 0.05)
    assert await found(whole) == ({one.id for one in HELD}, False)
    setattr(parts[1], failure, True)
    for _ in range(3):
        assert await found(whole) == ({one.id for one in [*HELD[::3], *HELD[2::3]]}, True)
    setattr(parts[1], failure, False)
    assert await found(whole) == ({one.id for one in HELD}, False)


async def test_where_all_parts_are_away_a_search_fails_as_with_one_database(
    whole: PartedBackend, parts: list[Failing]
) -> None:
    for one in parts:
        one.away = True
    with pytest.raises(BackendAway, match="it is gone"):
        await find(whole, [REQUEST], later())


async def test_a_part_that_was_late_is_hardly_waited_for_until_it_is_in_time_again(
    whole: PartedBackend, parts: list[Failing], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(part, "REQUEST_SECONDS", 0)
    monkeypatch.setattr(part, "LATE_SECONDS", 0.02)
    slow = parts[2]
    slow.late = True
    for _ in range(3):
        await whole.candidates([REQUEST], later())
    slow.late = False
    for _ in range(2):
        await whole.candidates([REQUEST], later())
    assert [round(seconds, 1) for seconds in slow.waited] == [0.3, 0, 0, 0, 0.3]


async def test_half_of_the_time_is_left_for_the_documents(whole: PartedBackend, parts: list[Failing]) -> None:
    await whole.candidates([REQUEST], time.monotonic() + 0.5)
    assert parts[0].waited[0] < 0.26


async def test_documents_that_a_part_does_not_hand_out_in_time_are_missing_and_the_answer_says_so(
    whole: PartedBackend, parts: list[Failing], monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = await whole.candidates([REQUEST], later())
    parts[0].away = True
    fetched = await whole.fetch(one.keys, later())
    assert isinstance(fetched, Incomplete)
    assert {key.document for key in fetched} == {document.id for document in [*HELD[1::3], *HELD[2::3]]}
    parts[0].away = False
    assert not isinstance(await whole.fetch(one.keys, later()), Incomplete)
    # In a search, the part may go between its two answers.
    monkeypatch.setattr(Failing, "candidates", MemoryBackend.candidates)
    parts[0].away = True
    assert await found(whole) == ({document.id for document in [*HELD[1::3], *HELD[2::3]]}, True)


async def test_a_part_that_fails_is_told_once_and_so_is_its_return(
    whole: PartedBackend, parts: list[Failing], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, "PATIENCE_SECONDS", 0.01)
    caplog.set_level(logging.WARNING, part.__name__)
    parts[1].late = True
    for _ in range(2):
        await whole.candidates([REQUEST], later())
    parts[1].late = False
    for _ in range(2):
        await whole.candidates([REQUEST], later())
    assert [record.getMessage() for record in caplog.records] == [
        "searches go on without memory://1: did not answer in time",
        "memory://1 answers again",
    ]


async def test_of_a_document_in_several_parts_the_first_counts() -> None:
    twice = Document("twice", "Quince eggs", "the first")
    other = Document("twice", "Quince eggs", "the second")
    vectors = unit_vectors(2, 5)
    whole = PartedBackend([MemoryBackend([twice], vectors[:1]), MemoryBackend([other], vectors[1:])])
    for vector in vectors:
        (one,) = await find(whole, [Request(vector, asked("quince"), 5)], later())
        assert [(hit.id, hit.text) for hit in one.hits] == [("twice", "the first")]
    assert whole.capabilities.documents is not None
    assert await whole.capabilities.documents(["twice"]) == {"twice": twice}


async def test_what_a_request_is_refused_for_is_no_failure_of_a_part(
    whole: PartedBackend, parts: list[Failing], monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = Equal("year", 2000)

    async def refuse(*_: object) -> list[Candidates]:
        raise UnsupportedFilter("memory://", frozenset({"equal"}))

    monkeypatch.setattr(parts[0], "candidates", refuse)
    with pytest.raises(UnsupportedFilter):
        await whole.candidates([replace(REQUEST, filter=tree)], later())


async def test_a_document_is_written_where_it_is_and_a_new_one_by_the_hash_of_its_id(
    whole: PartedBackend, parts: list[Failing]
) -> None:
    assert whole.capabilities.writes is not None
    elsewhere = next(one for one in HELD[::3] if part_of(one.id, 3) != 0)
    entries = [
        Entry(one, (Passage(one.text),), unit_vectors(1, 7))
        for one in [replace(elsewhere, title="Changed"), *(Document(f"new {row}", "New") for row in range(20))]
    ]
    version = await whole.capabilities.writes.upsert(entries)
    assert str(version) == whole.version
    assert (whole.count, parts[0].count + parts[1].count + parts[2].count) == (len(HELD) + 20,) * 2
    assert (await parts[0].documents([elsewhere.id]))[elsewhere.id].title == "Changed"
    for row in range(20):
        assert await parts[part_of(f"new {row}", 3)].documents([f"new {row}"])


async def test_writes_fail_while_a_part_is_away(whole: PartedBackend, parts: list[Failing]) -> None:
    assert whole.capabilities.writes is not None

    async def gone(_: Sequence[str]) -> dict[str, Document]:
        raise BackendAway("memory://1", "it is gone")

    parts[1].capabilities = replace(parts[1].capabilities, documents=gone)
    before = whole.version
    with pytest.raises(BackendAway):
        await whole.capabilities.writes.upsert([Entry(HELD[0], (Passage(""),), VECTORS[:1])])
    assert whole.version == before


def test_what_a_part_cannot_do_the_whole_cannot_do(parts: list[Failing]) -> None:
    parts[1].capabilities = replace(parts[1].capabilities, vocabulary=None, lexical=False, scoped=None, documents=None)
    offered = PartedBackend(parts).capabilities
    assert not offered.lexical
    assert [offered.vocabulary, offered.scoped, offered.documents, offered.writes] == [None] * 4
    assert offered.facets is not None


def test_the_lag_is_the_largest(parts: list[Failing]) -> None:
    assert PartedBackend(parts).capabilities.lag is None
    for place, seconds in enumerate((1, 3)):
        parts[place].capabilities = replace(parts[place].capabilities, lag=partial(float, seconds))
    lag = PartedBackend(parts).capabilities.lag
    assert lag is not None
    assert math.isclose(lag(), 3.0)


async def test_parts_need_one_space_and_each_is_named_once() -> None:
    async def opened(address: str) -> Backend:
        backend = MemoryBackend(HELD[:3], VECTORS[:3], address)
        if address == "memory://other":
            backend.space = replace(backend.space, teacher="another")
        return backend

    with pytest.raises(AddressError, match="'memory://other': its vectors are another, 16 dimensions, cosine, and tho"):
        await open_parts(["memory://a", "memory://other"], opened)
    with pytest.raises(AddressError, match="'memory://a': this part is named twice"):
        await open_parts(["memory://a", "memory://a"], opened)
    whole = await open_parts(["memory://a", "memory://b"], opened)
    assert (whole.address, whole.count) == ("memory://a memory://b", 6)


def test_the_place_of_an_id_never_changes() -> None:
    assert [part_of(key, 4) for key in ("a", "b", "ïd/7", "\ud800")] == [3, 1, 3, 0]


@pytest.mark.parametrize("words", [None, asked("eggs cheese the")])
async def test_nothing_is_lost_where_one_part_has_all_of_the_best(words: Words | None) -> None:
    near = unit_vectors(1, 9)[0] + 0.1 * unit_vectors(120, 10)
    far = -near
    vectors = np.concatenate([near, far, far]).astype(np.float32)
    every = [Document(f"d{row}", f"eggs {row}" if row < 120 else f"other {row}", "the") for row in range(360)]
    parts = [Failing(every[first : first + 120], vectors[first : first + 120]) for first in (0, 120, 240)]
    whole, alone = PartedBackend(parts), MemoryBackend(every, vectors)
    request = Request(unit_vectors(1, 9)[0], words, 100)
    for _ in range(14):
        (one,), (other,) = await whole.candidates([request], later()), await alone.candidates([request], later())
        dense = {key.document for key, found in zip(one.keys, one.arms["dense"], strict=True) if found}
        assert dense == {key.document for key, found in zip(other.keys, other.arms["dense"], strict=True) if found}
        assert len(dense) == 100
    # It was asked twice, and for everything at once later on.
    assert 14 < len(parts[0].waited) < 2 * 14
    hits = (await find(whole, [request], later()))[0].hits
    assert [hit.id for hit in hits] == [hit.id for hit in (await find(alone, [request], later()))[0].hits]


async def test_a_part_is_asked_for_its_share_and_again_only_if_it_has_more(parts: list[Failing]) -> None:
    whole = PartedBackend(parts)
    for query in unit_vectors(10, 11):
        await whole.candidates([Request(query, None, 30)], later())
    assert [len(one.waited) for one in parts] == [10, 10, 10]
