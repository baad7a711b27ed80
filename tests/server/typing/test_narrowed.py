"""A session that changes its filter, its facets and its place in the list, key by key: no answer mixes two of them."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.search.contract_living import count_values
from tests.server.fakes import MeanEncoder
from tests.server.shelf import DOCUMENTS, Shelf
from tests.server.watching import Watched, started
from typeahead.core.engine import Engine
from typeahead.search.asking import Asker
from typeahead.search.filters import Equal, matches, read_filter
from typeahead.search.narrowing import Narrowing
from typeahead.search.ranking import find
from typeahead.server.observe.metrics import ServerMetrics
from typeahead.server.typing.dialogue import Dialogue
from typeahead.server.typing.pipeline import Pipeline
from typeahead.server.typing.query import Stage, State
from typeahead.server.typing.room import Room
from typeahead.server.typing.settings import TypingSettings
from typeahead.server.typing.source import BackendSource
from typeahead.wire.conversation import Conversation
from typeahead.wire.protocol import Limits

K = 4
NAMED = {one.id: one for one in DOCUMENTS}

filters = st.sampled_from(
    [
        None,
        {},
        {"tenant": "a"},
        {"tenant": ["a", "b"]},
        {"year": {"lt": 3}},
        {"secret": True},
        {"not": {"secret": True}},
    ]
)
narrowings = st.fixed_dictionaries(
    {},
    optional={
        "filter": filters,
        "facets": st.sampled_from([[], ["tenant"], ["year", "tenant"]]),
        "offset": st.sampled_from([0, 0, 2, 5]),
    },
)
texts = st.sampled_from(["", "apple", "apple pie", "apricot", "sweet ", "recipe", "quince recipe"])
actions = st.one_of(
    st.builds(lambda text, narrowing: {"text": text, **narrowing}, texts, narrowings),
    st.builds(lambda narrowing: {"offset": 0, **narrowing}, narrowings),
    st.just({"submit": True}),
    st.sampled_from(["turn", "settle"]),
)


class Session:
    """What one client says, and what each of its messages is about."""

    def __init__(self, pipeline: Pipeline, room: Room) -> None:
        self.news = asyncio.Event()
        self.dialogue = Dialogue(
            Conversation(Limits()),
            room.session(max_chars=99),
            pipeline,
            ServerMetrics("any"),
            room=room,
            greet=lambda _: b"{}",
            wake=self.news.set,
            clock=lambda: 0,
            max_pending=10**6,
        )
        self.dialogue.receive(json.dumps({"hello": {"k": K}}))
        self.dialogue.take()
        self.text, self.tree, self.facets, self.offset = "", None, (), 0
        #: By seq: the text, what narrows it, and whether it was Enter.
        self.asked: dict[int, tuple[str, Narrowing, bool]] = {}
        self.latest = 0

    def say(self, message: dict[str, Any]) -> None:
        """Send a message, and note what it is about."""
        self.latest += 1
        self.text = message.get("text", self.text)
        if "filter" in message:
            self.tree = message["filter"]
        self.facets = tuple(message.get("facets", self.facets))
        self.offset = self.offset if "submit" in message else message.get("offset", 0)
        tree = None if self.tree is None else read_filter(self.tree)
        self.asked[self.latest] = self.text, Narrowing(tree, self.facets, self.offset), "submit" in message
        self.dialogue.receive(json.dumps({"seq": self.latest, **message}))

    def take(self) -> list[dict[str, Any]]:
        taken = []
        while (reply := self.dialogue.take()) is not None:
            taken.append(json.loads(reply[0]))
        return taken


@pytest.mark.parametrize("words", [True, False])
@settings(max_examples=60)
@given(script=st.lists(actions, max_size=25))
async def test_no_answer_has_a_hit_or_a_count_that_its_own_filter_excludes(words: bool, script: list[Any]) -> None:
    shelf = Shelf()
    # Without words, earlier hits stand for keys that hardly differ.
    pipeline = Pipeline(
        Engine(MeanEncoder()), TypingSettings(words=words, complete=0, anytime=0.5, max_turn_ms=1e6, max_search_batch=2)
    )
    room = Room(pipeline, BackendSource(shelf))
    pipeline.start()
    room.start()
    session = Session(pipeline, room)
    asker = Asker(Engine(MeanEncoder()), words=words, continuations=0)

    async def check(reply: dict[str, Any]) -> None:
        text, narrowing, entered = session.asked[reply["seq"]]
        assert "error" not in reply
        passing = [one for one in DOCUMENTS if narrowing.filter is None or matches(narrowing.filter, one)]
        shown = [hit["id"] for hit in reply["hits"]]
        assert set(shown) <= {one.id for one in passing}
        assert set(reply.get("facets", ())) == set(narrowing.facets)
        if narrowing.facets:
            # There are fewer documents than candidates, so both ways to count come to the same.
            counts = count_values(passing, narrowing.facets)
            assert reply["facets_over"] == ("candidates" if text else "filter")
            for name, field in reply["facets"].items():
                assert {one["value"]: one["count"] for one in field["values"]} == dict(counts[name])
        if words or entered:
            (expected,) = await find(shelf, asker.ask([text], K, narrowing=narrowing), math.inf)
            assert shown == [hit.id for hit in expected.hits]

    async def settle() -> None:
        answered = -1
        while answered < session.latest:
            for reply in session.take():
                await check(reply)
                answered = max(answered, reply["seq"])
            if answered < session.latest:
                await session.news.wait()
                session.news.clear()

    try:
        async with asyncio.timeout(60):
            typed = waiting = False
            for action in script:
                if isinstance(action, dict):
                    if "submit" in action and not typed:
                        continue
                    typed = True
                    session.say(action)
                    waiting = True
                elif action == "turn":
                    await asyncio.sleep(0)
                elif waiting:
                    await settle()
                    waiting = False
            if waiting:
                await settle()
    finally:
        session.dialogue.abandon()
        room.stop()
        pipeline.stop(5)


async def test_hits_of_another_filter_facets_or_offset_do_not_stand() -> None:
    async with started(Shelf(), anytime=0.1) as rig:
        france = Narrowing(Equal("tenant", "a"), ("year",))
        first = await Watched(rig, "apple", narrowing=france).reach(Stage.SEARCHED)
        for narrowing in (
            Narrowing(Equal("tenant", "b"), ("year",)),
            Narrowing(None, ("year",)),
            Narrowing(Equal("tenant", "a")),
            Narrowing(Equal("tenant", "a"), ("year",), 1),
        ):
            query = await Watched(rig, "apple", last=first, narrowing=narrowing).reach(Stage.SEARCHED)
            assert query.state is State.FOUND
            assert query.result is not None
            assert query.result.search_ns > 0
        # One that is equal, and no more than equal, does.
        again = Narrowing(Equal("tenant", "a"), ("year",))
        query = await Watched(rig, "apple", last=first, narrowing=again).reach(Stage.SEARCHED)
        assert query.result is not None
        assert (query.result.search_ns, query.facets, query.version) == (0, first.facets, first.version)


async def test_numbers_and_truths_are_different_filters() -> None:
    shelf = Shelf()
    async with started(shelf) as rig:
        number = await Watched(rig, "apple", k=9, narrowing=Narrowing(Equal("year", 1))).reach(Stage.SEARCHED)
        truth = Narrowing(Equal("year", True))
        query = await Watched(rig, "apple", k=9, last=number, narrowing=truth).reach(Stage.SEARCHED)
        assert (len(json.loads(number.hits)), json.loads(query.hits)) == (2, [])
