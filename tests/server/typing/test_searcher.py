from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.server.fakes import TITLES, BruteForceElsewhere, BruteForceIndex, MeanEncoder
from tests.server.watching import Watched, first_title, started
from typeahead.core.encoder import Vectors
from typeahead.errors import DeadlinePassed
from typeahead.search.ranking import Found, find
from typeahead.search.scoring import Scale
from typeahead.server.typing import source
from typeahead.server.typing.query import Stage, State
from typeahead.server.typing.room import Room
from typeahead.server.typing.searcher import FEW_WAITING
from typeahead.server.typing.source import BackendSource


async def test_a_text_without_a_token_finds_nothing_without_a_search() -> None:
    index = BruteForceIndex()
    async with started(index) as rig:
        query = await Watched(rig, "  ").reach(Stage.SEARCHED)
        assert (query.hits, query.embedding, index.batches) == (b"[]", None, [])


async def test_a_broken_index_fails_its_batch_and_no_other() -> None:
    index = BruteForceIndex()
    async with started(index) as rig:
        index.broken = True
        assert (await Watched(rig, "tea").reach(Stage.SEARCHED)).state.failed
        index.broken = False
        assert not (await Watched(rig, "tea").reach(Stage.SEARCHED)).state.failed


async def test_a_search_that_fails_fails_no_other_of_its_batch() -> None:
    index = BruteForceIndex()
    index.gate.clear()
    async with started(index) as rig:
        busy = Watched(rig, "tea")
        await asyncio.to_thread(index.await_search)
        index.poison = MeanEncoder().encode(["poison"])[0]
        together = [Watched(rig, text) for text in ("boil an egg", "poison", "bake bread")]
        for watched in together:
            await watched.reach(Stage.STEPPED)
        index.gate.set()
        queries = [await watched.reach(Stage.SEARCHED) for watched in (busy, *together)]
        assert [query.state.failed for query in queries] == [False, False, True, False]
        assert json.loads(queries[-1].hits)[0]["title"] == "bake bread"
        assert index.batches == [1, 3, 1, 1, 1]


async def test_beyond_so_many_waiting_searches_new_keystrokes_are_turned_away_but_enter_is_not() -> None:
    index = BruteForceIndex()
    index.gate.clear()
    async with started(index, max_waiting_searches=2) as rig:
        first = Watched(rig, "boil an egg")
        await asyncio.to_thread(index.await_search)
        waiting = [Watched(rig, title) for title in TITLES[:2]]
        for watched in waiting:
            await watched.reach(Stage.STEPPED)
        assert not rig.pipeline.overload.recent
        shed = await Watched(rig, TITLES[2]).reach(Stage.SEARCHED)
        assert shed.state.shed
        assert rig.pipeline.overload.recent
        entered = Watched(rig, TITLES[3], submitted=True)
        oldest = await waiting[0].reach(Stage.SEARCHED)
        assert oldest.state.shed
        index.gate.set()
        for watched in (first, waiting[1], entered):
            assert not (await watched.reach(Stage.SEARCHED)).state.failed


async def test_an_engine_elsewhere_searches_as_many_batches_at_once_as_it_says() -> None:
    index = BruteForceElsewhere()
    async with started(index) as rig:
        index.open.clear()
        index.begun, index.most = asyncio.Semaphore(0), 0
        keys = []
        for title in TITLES[:3]:
            keys.append(Watched(rig, title))
            await keys[-1].reach(Stage.STEPPED)
            if len(keys) <= 2:
                # The third waits for one of them to end.
                await asyncio.wait_for(index.begun.acquire(), 20)
        index.open.set()
        for key in keys:
            assert (await key.reach(Stage.SEARCHED)).state is State.FOUND
        assert index.most == 2


def _slow(room: Room) -> None:
    """Have a room believe that a search takes a second."""
    room._searcher._pace_ns = 1e9


def _weigh_by(room: Room, scale: Scale) -> None:
    assert isinstance(room.source, BackendSource)
    room.source.scale = scale


async def test_a_keystroke_whose_search_would_come_too_late_is_turned_away_before_any_work() -> None:
    index = BruteForceIndex()
    async with started(index) as rig:
        index.gate.clear()
        running = Watched(rig, TITLES[0])
        await running.reach(Stage.STEPPED)
        waiting = [Watched(rig, f"{TITLES[1]} {number}") for number in range(4 + FEW_WAITING)]
        for one in waiting:
            await one.reach(Stage.STEPPED)
        _slow(rig.room)
        late, enter = Watched(rig, TITLES[2]), Watched(rig, TITLES[2], submitted=True)
        assert (await late.reach(Stage.STEPPED)).state is State.STEP_SHED
        assert late.query.embedding is None
        assert rig.pipeline.overload.recent
        index.gate.set()
        for one in (running, *waiting, enter):
            assert (await one.reach(Stage.SEARCHED)).state is State.FOUND
        # The queue is empty, so however long searches take, the next key is searched for.
        _slow(rig.room)
        assert (await Watched(rig, TITLES[2]).reach(Stage.SEARCHED)).state is State.FOUND


async def test_a_slow_back_end_is_no_reason_to_turn_the_few_away_who_type() -> None:
    index = BruteForceIndex()
    async with started(index) as rig:
        index.gate.clear()
        _slow(rig.room)
        few = [Watched(rig, f"{TITLES[1]} {number}") for number in range(FEW_WAITING)]
        for one in few:
            await one.reach(Stage.STEPPED)
        index.gate.set()
        for one in few:
            assert (await one.reach(Stage.SEARCHED)).state is State.FOUND


async def test_the_same_embedding_is_searched_once_and_its_snippets_follow_the_text() -> None:
    index = BruteForceIndex()
    async with started(index) as rig:
        first = await Watched(rig, "boil an egg").reach(Stage.SEARCHED)
        again = await Watched(rig, "boil an  egg", last=first).reach(Stage.SEARCHED)
        assert index.batches == [1]
        assert [hit["id"] for hit in json.loads(again.hits)] == [hit["id"] for hit in json.loads(first.hits)]
        assert again.state is State.FOUND
        assert (rig.pipeline.counts.searched, rig.pipeline.counts.stood) == (1, 1)
        # More than the last search found is not there.
        await Watched(rig, "boil an egg", k=5, last=first).reach(Stage.SEARCHED)
        assert index.batches == [1, 1]


async def test_the_least_score_holds_for_reused_hits_too() -> None:
    index = BruteForceIndex()
    async with started(index) as rig:
        everything = await Watched(rig, "boil an egg", k=5).reach(Stage.SEARCHED)
        scores = [hit["score"] for hit in json.loads(everything.hits)]
        first = await Watched(rig, "boil an egg", k=5, min_score=scores[1]).reach(Stage.SEARCHED)
        again = await Watched(rig, "boil an  egg", k=5, min_score=scores[0], last=first).reach(Stage.SEARCHED)
        assert [hit["score"] for hit in json.loads(first.hits)] == [score for score in scores if score >= scores[1]]
        assert [hit["score"] for hit in json.loads(again.hits)] == [score for score in scores if score >= scores[0]]
        assert index.batches == [1, 1]


async def test_weak_hits_stay_weak_where_they_are_reused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def poor(*arguments: Any) -> list[Found]:
        return [found._replace(weak=True) for found in await find(*arguments)]

    monkeypatch.setattr(source, "find", poor)
    async with started(BruteForceIndex(), anytime=0.5) as rig:
        first = await Watched(rig, "boil an egg").reach(Stage.SEARCHED)
        same = await Watched(rig, "boil an  egg", last=first).reach(Stage.SEARCHED)
        near = await Watched(rig, "boil an egg now", last=first).reach(Stage.SEARCHED)
        assert (first.weak, same.weak, near.weak) == (True, True, True)


async def test_results_stand_while_the_embedding_hardly_moves_and_are_searched_for_behind_the_others() -> None:
    index = BruteForceIndex()
    async with started(index, anytime=0.5) as rig:
        first = await Watched(rig, "boil an egg").reach(Stage.SEARCHED)
        await asyncio.to_thread(index.await_search)
        index.gate.clear()
        busy = Watched(rig, "bake bread")
        await asyncio.to_thread(index.await_search)
        near = await Watched(rig, "boil an egg now", last=first).reach(Stage.SEARCHED)
        assert near.state is State.STANDING
        assert [hit["id"] for hit in json.loads(near.hits)] == [hit["id"] for hit in json.loads(first.hits)]
        far = Watched(rig, "café au lait", last=first)
        dropped = await Watched(rig, "boil an egg then", last=first).reach(Stage.SEARCHED)
        rig.pipeline.drop(dropped)
        index.gate.set()
        await busy.reach(Stage.SEARCHED)
        assert (await far.reach(Stage.SEARCHED)).state is State.FOUND
        while near.state is State.STANDING:
            await asyncio.sleep(0)
        own = await Watched(rig, "boil an egg now").reach(Stage.SEARCHED)
        assert near.hits == own.hits
        # The first, the busy one, the far one, then the one that stood, and at last the comparison.
        assert index.batches == [1] * 5


async def test_what_stands_for_a_keystroke_does_not_for_enter() -> None:
    index = BruteForceIndex()
    async with started(index, anytime=0.5) as rig:
        first = await Watched(rig, "boil an egg").reach(Stage.SEARCHED)
        entered = await Watched(rig, "boil an egg now", submitted=True, last=first).reach(Stage.SEARCHED)
        assert index.batches == [1, 1]
        assert json.loads(entered.hits) != json.loads(first.hits)


class StepwiseIndex(BruteForceIndex):
    """Closes its gate behind each search."""

    def rank(self, queries: Vectors, k: int) -> list[list[tuple[int, float]]]:
        ranked = super().rank(queries, k)
        self.gate.clear()
        return ranked


@pytest.mark.parametrize("broken", [False, True])
async def test_enter_during_its_own_search_behind_other_hits_shares_it(broken: bool) -> None:
    index = StepwiseIndex()
    async with started(index, anytime=0.5) as rig:
        first = await Watched(rig, "boil an egg").reach(Stage.SEARCHED)
        watched = Watched(rig, "boil an egg now", last=first)
        query = await watched.reach(Stage.SEARCHED)
        assert (query.state, first_title(query)) == (State.STANDING, "boil an egg")
        for _ in range(2):
            await asyncio.to_thread(index.await_search)
        # The second search waits at the gate, and Enter is pressed.
        assert query.entered(Stage.SEARCHED)
        rig.pipeline.search(query)
        index.broken = broken
        index.gate.set()
        await watched.reach(Stage.SEARCHED)
        assert query.state.failed is broken
        index.broken = False
        index.gate.set()
        await Watched(rig, "café au lait").reach(Stage.SEARCHED)
        assert index.batches == [1, 1, 1]


async def test_a_search_that_takes_too_long_fails_and_later_ones_are_answered() -> None:
    index = BruteForceIndex()
    async with started(index, search_seconds=0.02) as rig:
        index.gate.clear()
        hanging = await Watched(rig, "boil an egg").reach(Stage.SEARCHED)
        assert hanging.state is State.SEARCH_FAILED
        index.gate.set()
        while True:
            later = await Watched(rig, "bake bread").reach(Stage.SEARCHED)
            if later.state is State.FOUND:  # the thread may still have been busy
                break
        assert first_title(later) == "bake bread"


async def test_an_error_of_the_back_end_fails_the_batch_and_is_not_asked_again() -> None:
    class Down(BruteForceIndex):
        def rank(self, queries: Vectors, k: int) -> list[list[tuple[int, float]]]:
            super().rank(queries, k)
            raise DeadlinePassed("the engine is down")

    index = Down()
    async with started(index) as rig:
        watched = [Watched(rig, text) for text in TITLES[:3]]
        assert [(await one.reach(Stage.SEARCHED)).state for one in watched] == [State.SEARCH_FAILED] * 3
        assert index.batches == [3]


async def test_a_back_end_that_was_closed_fails_queries_at_once() -> None:
    index = BruteForceIndex()
    async with started(index) as rig:
        await index.close()
        assert (await Watched(rig, "boil an egg").reach(Stage.SEARCHED)).state is State.SEARCH_FAILED


async def test_nothing_stands_once_documents_have_changed() -> None:
    index = BruteForceIndex()
    changes: list[str] = []
    async with started(index, anytime=0.5, changed=lambda: changes.append(index.version)) as rig:
        first = await Watched(rig, "boil an egg").reach(Stage.SEARCHED)
        assert changes == []
        index.set_version("generation-2")
        # The embedding is the very same, and still it is searched for anew.
        await Watched(rig, "boil an egg", last=first).reach(Stage.SEARCHED)
        assert index.batches == [1, 1]
        assert changes == ["generation-2"]


async def test_with_words_nothing_stands_but_what_was_found_for_the_same_words_and_vector() -> None:
    index = BruteForceIndex()
    async with started(index, words=True, anytime=0.5) as rig:
        first = await Watched(rig, "boil an egg ").reach(Stage.SEARCHED)
        again = await Watched(rig, "boil an  egg ", last=first).reach(Stage.SEARCHED)
        assert (again.state, again.hits, index.batches) == (State.FOUND, first.hits, [1])
        # Another letter may follow here, so other words are looked for by the same vector.
        unfinished = await Watched(rig, "boil an egg", last=first).reach(Stage.SEARCHED)
        assert (unfinished.state, index.batches) == (State.FOUND, [1, 1])
        near = await Watched(rig, "boil an egg now ", last=first).reach(Stage.SEARCHED)
        assert (near.state, index.batches) == (State.FOUND, [1, 1, 1])


async def test_scores_are_made_by_the_scale_of_the_index() -> None:
    async with started(BruteForceIndex()) as rig:
        scores = []
        for scale in (Scale(), Scale(low=-1.0)):
            _weigh_by(rig.room, scale)
            query = await Watched(rig, "bake cake").reach(Stage.SEARCHED)
            assert query.result is not None
            scores.append(query.result.hits[0].score)
        assert scores[0] < scores[1]


async def test_a_query_says_whether_even_its_best_hit_is_poor_and_so_does_one_that_stands() -> None:
    async with started(BruteForceIndex(), anytime=0.5) as rig:
        for weak in (1.0, 0.0):
            _weigh_by(rig.room, Scale(weak=weak))
            first = await Watched(rig, "boil an egg").reach(Stage.SEARCHED)
            near = await Watched(rig, "boil an egg now", last=first).reach(Stage.SEARCHED)
            assert (first.weak, near.weak) == (weak == 1.0, weak == 1.0)
