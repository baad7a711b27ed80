from __future__ import annotations

import asyncio
import json

import pytest

from tests.server.fakes import TITLES, BruteForceIndex
from tests.server.watching import Watched, started
from typeahead.search.scoring import Scale
from typeahead.server.typing.query import Stage


async def test_a_query_is_stepped_and_searched_for_the_k_best() -> None:
    async with started(BruteForceIndex()) as rig:
        query = await Watched(rig, "boil an egg", k=3).reach(Stage.SEARCHED)
        hits = json.loads(query.hits)
        assert next(hit["title"] for hit in hits) == "boil an egg"
        assert len(hits) == 3
        assert list(hits[0]) == ["id", "score", "title", "text", "url", "marks", "arms"]
        assert hits[0]["score"] == pytest.approx(Scale().unit(1.0), abs=1e-5)


async def test_what_arrives_together_is_one_batch_of_steps_and_what_arrives_in_a_search_is_the_next() -> None:
    index = BruteForceIndex()
    index.gate.clear()
    async with started(index) as rig:
        first = Watched(rig, TITLES[0])
        await asyncio.to_thread(index.await_search)
        later = [Watched(rig, title, k=1) for title in TITLES[:6]]
        for watched in later:
            await watched.reach(Stage.STEPPED)
        index.gate.set()
        assert len(json.loads((await first.reach(Stage.SEARCHED)).hits)) == 2
        for title, watched in zip(TITLES, later, strict=False):
            (hit,) = json.loads((await watched.reach(Stage.SEARCHED)).hits)
            assert hit["title"] == title
        assert index.batches == [1, 4, 2]


async def test_a_query_that_nobody_wants_is_neither_stepped_nor_searched() -> None:
    index = BruteForceIndex()
    index.gate.clear()
    async with started(index) as rig:
        busy = Watched(rig, "tea")
        await asyncio.to_thread(index.await_search)
        unstepped = Watched(rig, "never stepped")
        rig.pipeline.drop(unstepped.query)
        unsearched = await Watched(rig, "never searched").reach(Stage.STEPPED)
        rig.pipeline.drop(unsearched)
        index.gate.set()
        await busy.reach(Stage.SEARCHED)
        await Watched(rig, "last").reach(Stage.SEARCHED)
        assert (unstepped.query.stage, unsearched.stage) == (Stage.TYPED, Stage.STEPPED)
        assert index.batches == [1, 1]


async def test_a_turn_that_takes_too_long_serves_what_the_cache_holds_of_ones_own_and_turns_the_rest_away() -> None:
    now = [0]
    async with started(None, max_turn_ms=20, clock=lambda: now[0]) as rig:
        scope = rig.engine.scope()
        await Watched(rig, "boil an egg", due=Stage.STEPPED, scope=scope).reach(Stage.STEPPED)
        early = Watched(rig, "bake bread", due=Stage.STEPPED)
        now[0] = 21_000_000
        known = Watched(rig, "boil an egg", due=Stage.STEPPED, scope=scope)
        strange = Watched(rig, "boil an egg", due=Stage.STEPPED)
        late = Watched(rig, "poach an egg", due=Stage.STEPPED)
        entered = Watched(rig, "café au lait", due=Stage.STEPPED, submitted=True)
        assert not late.query.state.failed  # a newer key of the same person may be read yet
        for watched in (late, strange):
            assert (await watched.reach(Stage.STEPPED)).state.shed
        for watched in (early, known, entered):
            assert not (await watched.reach(Stage.STEPPED)).state.failed
        assert rig.pipeline.overload.recent
        assert not rig.pipeline.overloaded
        following = Watched(rig, "poach an egg", due=Stage.STEPPED)
        assert not (await following.reach(Stage.STEPPED)).state.failed
        now[0] += 10**9
        assert not rig.pipeline.overload.recent


async def test_enter_on_a_key_that_came_too_late_in_the_same_turn_is_answered() -> None:
    now = [0]
    async with started(None, max_turn_ms=20, clock=lambda: now[0]) as rig:
        Watched(rig, "bake bread", due=Stage.STEPPED)
        now[0] = 21_000_000
        late = Watched(rig, "poach an egg", due=Stage.STEPPED)
        late.query.entered(Stage.STEPPED)
        assert not (await late.reach(Stage.STEPPED)).state.failed
        assert not rig.pipeline.overloaded
