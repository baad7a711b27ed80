"""Rooms: made when they are entered, learned before the first answer, bounded, and closed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.search.memory_backend import MemoryBackend
from tests.server.fakes import MeanEncoder
from tests.server.shelf import DOCUMENTS, Shelf, shelved
from typeahead.core.engine import Engine
from typeahead.errors import SearchError
from typeahead.search.filters import And, Equal, Filter, Range
from typeahead.search.narrowing import NOTHING, Narrowing
from typeahead.search.port import Backend
from typeahead.search.scoring import UNCALIBRATED
from typeahead.server.typing.pipeline import Pipeline
from typeahead.server.typing.query import Query, Stage
from typeahead.server.typing.room import Room
from typeahead.server.typing.rooms import Key, Rooms, RoomsFull, UnknownIndex
from typeahead.server.typing.settings import TypingSettings
from typeahead.server.typing.source import BackendSource
from typeahead.text.document import Document
from typeahead.wire.access import SEARCH, Grant

ALL = Grant(frozenset({SEARCH}))
A, B = (Grant(frozenset({SEARCH}), Equal("tenant", tenant)) for tenant in "ab")


class House:
    """Rooms, and searches in them."""

    def __init__(self, indexes: Mapping[str, Backend], most: int, **settings: Any) -> None:
        self.pipeline = Pipeline(Engine(MeanEncoder()), TypingSettings(max_turn_ms=1e6, **settings))
        self.rooms = Rooms(indexes, self.pipeline, most=most)

    async def enter(self, grant: Grant = ALL, asked: str = "") -> Room:
        return await self.rooms.enter(self.rooms.key(asked, grant), grant.filter)

    async def search(self, room: Room, text: str, k: int = 100, narrowing: Narrowing = NOTHING) -> Query:
        changed = asyncio.Event()
        session = room.session(max_chars=99)
        session.set_text(text)
        query = Query(session, k, Stage.SEARCHED, changed.set, room=room, narrowing=narrowing, wanted=1, submitted=True)
        self.pipeline.step(query)
        while query.stage is not Stage.SEARCHED and not query.state.failed:
            await changed.wait()
            changed.clear()
        return query

    async def hits(self, room: Room, text: str, k: int = 100, narrowing: Narrowing = NOTHING) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((await self.search(room, text, k, narrowing)).hits)
        return found


@asynccontextmanager
async def house(
    indexes: Mapping[str, Backend] | None = None, *, most: int = 2, **settings: Any
) -> AsyncIterator[House]:
    built = House({"default": Shelf()} if indexes is None else indexes, most, **settings)
    built.pipeline.start()
    try:
        async with asyncio.timeout(30):
            await built.rooms.open()
            yield built
    finally:
        await built.rooms.close()
        built.pipeline.stop(5)


def endings(room: Room, text: str) -> set[str]:
    return {ending.text for ending in room.asker.read(text).endings}


async def test_a_scope_holds_its_documents_and_words_alone() -> None:
    async with house() as at:
        whole, a, b = await at.enter(), await at.enter(A), await at.enter(B)
        assert [room.source.count for room in (whole, a, b)] == [20, 10, 10]
        assert endings(whole, "recipe ap") == {"recipe apple", "recipe apples", "recipe apricot"}
        assert endings(a, "recipe ap") == {"recipe apple", "recipe apples"}
        assert endings(b, "recipe ap") == {"recipe apricot", "recipe apricots"}
        for room, tenant in ((a, "a"), (b, "b")):
            for text in ("recipe", "quince", "medlar", "sweet", "ap", "quinze"):
                assert {hit["id"][0] for hit in await at.hits(room, text)} == {tenant}
        # Corrections, too, are made of the words of the scope.
        assert whole.asker.read("quinse ").corrections
        assert a.asker.read("quinse ").corrections == whole.asker.read("quinse ").corrections
        assert not b.asker.read("quinse ").corrections


async def test_what_a_scope_answers_does_not_depend_on_other_documents() -> None:
    alone = Shelf([one for one in DOCUMENTS if one.fields["tenant"] == "a"])
    async with house() as shared, house({"default": alone}) as separate:
        ours, theirs = await shared.enter(A), await separate.enter(A)
        narrowing = Narrowing(facets=("tenant", "year", "secret", "draft"))
        for text in ("", "apple", "recipe", "medlar", "sweet apr", "quince jam", "xyz"):
            one = await shared.search(ours, text, 8, narrowing)
            other = await separate.search(theirs, text, 8, narrowing)
            assert (one.hits, one.facets, one.weak) == (other.hits, other.facets, other.weak)
            assert one.version == other.version
        source = ours.source
        assert isinstance(source, BackendSource)
        assert source.scale != UNCALIBRATED
        assert isinstance(theirs.source, BackendSource)
        assert source.scale == theirs.source.scale


async def test_a_room_is_made_once_for_all_that_enter_it_and_closed_when_another_needs_its_place() -> None:
    shelf = Shelf()
    async with house({"default": shelf}) as at:
        first, second = await asyncio.gather(at.enter(A), at.enter(A))
        assert first is second
        assert len(shelf.views) == 1
        await at.enter(B)
        third = Grant(frozenset({SEARCH}), Equal("tenant", "c"))
        with pytest.raises(RoomsFull):
            await at.enter(third)
        at.rooms.leave(first)
        with pytest.raises(RoomsFull):
            await at.enter(third)
        at.rooms.leave(second)
        await at.enter(third)
        await asyncio.sleep(0)
        assert [view._closed for view in shelf.views] == [True, False, False]
        # Nobody was in B longer ago than in the third, but it is in use.
        with pytest.raises(RoomsFull):
            await at.enter(A)
    assert all(view._closed for view in shelf.views)
    assert not shelf._closed


async def test_the_room_that_was_left_the_longest_ago_is_closed_first() -> None:
    shelf = Shelf()
    async with house({"default": shelf}) as at:
        for grant in (A, B, A):
            at.rooms.leave(await at.enter(grant))
        at.rooms.leave(await at.enter(Grant(frozenset({SEARCH}), Equal("tenant", "c"))))
        await asyncio.sleep(0)
        assert [view._closed for view in shelf.views] == [False, True, False]


async def test_a_room_that_could_not_be_made_is_made_again() -> None:
    shelf = Shelf()
    whole, failures = shelf.scoped, iter([True, False])

    async def failing(tree: Filter) -> MemoryBackend:
        if next(failures):
            raise RuntimeError("no view")
        return await whole(tree)

    object.__setattr__(shelf.capabilities, "scoped", failing)
    async with house({"default": shelf}) as at:
        for error in await asyncio.gather(at.enter(A), at.enter(A), return_exceptions=True):
            assert isinstance(error, RuntimeError)
        assert (await at.enter(A)).source.count == 10
        assert len(at.rooms) == 2


async def test_whoever_stops_waiting_for_a_room_does_not_keep_it() -> None:
    async with house(most=1) as at:
        waiting = asyncio.create_task(at.enter(A))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await at.enter(B)


async def test_an_index_that_makes_no_views_is_not_searched_by_a_token_with_a_filter() -> None:
    shelf = Shelf()
    object.__setattr__(shelf.capabilities, "scoped", None)
    async with house({"default": shelf}) as at:
        with pytest.raises(SearchError, match="cannot be searched in part"):
            await at.enter(A)


async def test_an_index_is_unknown_alike_if_it_is_not_there_and_if_the_token_does_not_admit_it() -> None:
    async with house({"docs": Shelf(), "shop": Shelf([])}) as at:
        shop = Grant(frozenset({SEARCH}), indexes=frozenset({"shop", "gone"}))
        messages = []
        for asked in ("docs", "gone", "docs,shop", "nothing"):
            with pytest.raises(UnknownIndex) as error:
                at.rooms.key(asked, shop)
            messages.append(str(error.value).replace(repr(asked.split(",")[0]), "X"))
        assert len(set(messages)) == 1
        assert at.rooms.key("", shop) == at.rooms.key("shop", shop) == Key(("shop",), "")
        assert at.rooms.key("", ALL) == Key(("docs",), "")
        assert at.rooms.key("docs,shop,docs", ALL) == Key(("docs", "shop"), "")
        with pytest.raises(UnknownIndex, match="admits no index"):
            at.rooms.key("", Grant(frozenset({SEARCH}), indexes=frozenset({"gone"})))
        with pytest.raises(UnknownIndex, match="name fewer"):
            at.rooms.key(",".join(f"i{number}" for number in range(17)), ALL)


async def test_filters_that_python_takes_for_the_same_have_rooms_of_their_own() -> None:
    shelf = Shelf([Document("one", "one", fields={"x": 1}), Document("true", "true", fields={"y": True})])
    async with house({"default": shelf}) as at:
        number, truth = (Grant(frozenset({SEARCH}), Equal("x", value)) for value in (1, True))
        assert (await at.enter(number)).source.count == 1
        assert (await at.enter(truth)).source.count == 0


async def test_several_indexes_are_merged_by_score() -> None:
    a = Shelf([one for one in DOCUMENTS if one.fields["tenant"] == "a"])
    b = Shelf([one for one in DOCUMENTS if one.fields["tenant"] == "b"])
    async with house({"a": a, "b": b}, complete=0) as at:
        joined = await at.enter(asked="b,a")
        parts = {name: await at.enter(asked=name) for name in ("b", "a")}
        assert joined.source.count == 20
        for text in ("apple", "recipe", "apricot jar", "sweet", "quince"):
            single = {name: await at.hits(room, text) for name, room in parts.items()}
            expected = sorted(
                ({**hit, "index": name} for name, hits in single.items() for hit in hits), key=lambda hit: -hit["score"]
            )
            found = await at.hits(joined, text)
            assert {hit["index"] for hit in found} == {"a", "b"}
            assert [sorted(hit.items(), key=str) for hit in found] == [sorted(hit.items(), key=str) for hit in expected]
            pages = [
                hit for offset in range(0, 20, 3) for hit in await at.hits(joined, text, 3, Narrowing(offset=offset))
            ]
            assert pages == found
        query = await at.search(joined, "", narrowing=Narrowing(Range("year", lt=2), facets=("tenant",)))
        assert json.loads(b"{" + query.facets[1:] + b"}") == {
            "facets": {"tenant": {"values": [{"value": "a", "count": 2}, {"value": "b", "count": 2}]}},
            "facets_over": "filter",
        }
        assert query.version == f"{b.version},{a.version}"
        # A field that one of them has is known; one that none has is not.
        assert (await at.search(joined, "recipe", narrowing=Narrowing(Equal("secret", True)))).refusal is None
        refused = await at.search(joined, "recipe", narrowing=Narrowing(Equal("sceret", True)))
        assert "the fields are draft, secret, tenant, year" in str(refused.refusal)


async def test_several_indexes_in_a_scope_hold_its_documents_alone() -> None:
    async with house({"one": Shelf(), "two": Shelf()}, most=3) as at:
        joined = await at.enter(A, "one,two")
        assert joined.source.count == 20
        assert {hit["id"][0] for hit in await at.hits(joined, "recipe")} == {"a"}
        assert endings(joined, "recipe apr") == set()
        # It keeps the rooms that it joins, and they keep their places.
        with pytest.raises(RoomsFull):
            await at.enter(B, "one")
        at.rooms.leave(joined)
        await at.enter(B, "one")


async def test_a_write_is_found_at_once_and_learned_later() -> None:
    shelf = Shelf()
    async with house({"default": shelf}) as at:
        a, b = await at.enter(A), await at.enter(B)
        version = (await at.search(b, "recipe")).version
        await shelf.upsert([shelved(Document("a-new", "zucchini soup", fields={"tenant": "a"}))])
        assert (await at.hits(a, "zucchini"))[0]["id"] == "a-new"
        assert "a-new" not in {hit["id"] for hit in await at.hits(b, "zucchini")}
        assert (await at.search(b, "recipe")).version == version


async def test_a_filter_on_an_unknown_field_is_refused_and_names_those_of_the_room() -> None:
    async with house() as at:
        for grant, known in ((ALL, "draft, secret, tenant, year"), (A, "secret, tenant, year")):
            room = await at.enter(grant)
            query = await at.search(room, "apple", narrowing=Narrowing(And((Equal("tenant", "a"), Equal("yaer", 3)))))
            assert str(query.refusal) == f"no document has the field 'yaer': the fields are {known}"
            # Others of the same batch are answered.
            texts: Sequence[Narrowing] = (NOTHING, Narrowing(Equal("yaer", 1)), Narrowing(Equal("year", 1)))
            found = await asyncio.gather(*(at.search(room, "apple", narrowing=one) for one in texts))
            assert [one.refusal is None for one in found] == [True, False, True]


async def test_a_filter_that_the_index_cannot_apply_is_refused_alone() -> None:
    shelf = Shelf()
    object.__setattr__(shelf.capabilities, "filters", frozenset({"equal"}))
    async with house({"default": shelf}) as at:
        room = await at.enter()
        narrowings = (Narrowing(Equal("year", 1)), Narrowing(Range("year", lt=2)), NOTHING)
        found = await asyncio.gather(*(at.search(room, "apple", narrowing=one) for one in narrowings))
        assert [one.refusal is None for one in found] == [True, False, True]
        assert "cannot filter by range" in str(found[1].refusal)


async def test_rooms_share_no_prefixes_even_where_everybody_shares_the_cache() -> None:
    async with house(shared_cache=True) as at:
        whole, a, b = await at.enter(), await at.enter(A), await at.enter(B)
        await at.search(a, "quince")
        scopes = {room.session(max_chars=9).scope for room in (whole, a, b)}
        assert len(scopes) == 3
        assert a.session(max_chars=9).scope == a.session(max_chars=9).scope
        session = b.session(max_chars=9)
        session.set_text("quince")
        assert not at.pipeline.engine.knows(session)
