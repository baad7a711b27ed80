from __future__ import annotations

import asyncio
import json

import pytest

from tests.server.fakes import BruteForceIndex, GuessingEncoder, MeanEncoder
from tests.server.watching import Watched, first_title, started
from typeahead.server.typing.query import Stage, State


async def test_a_keystroke_is_answered_with_what_the_text_will_find_and_searched_for_itself_behind() -> None:
    index = BruteForceIndex()
    async with started(index, GuessingEncoder(), look_ahead=True) as pipeline:
        query = await Watched(pipeline, "boil an egg", typing=True).reach(Stage.SEARCHED)
        assert first_title(query) == "bake bread"
        async with asyncio.timeout(10):
            while query.state is State.STANDING:
                await asyncio.sleep(0)
        assert first_title(query) == "boil an egg"
        assert index.batches == [1, 1]


async def test_an_unfinished_word_is_answered_as_the_word_that_it_may_become() -> None:
    async with started(BruteForceIndex(), words={"bread": 3, "egg": 2}) as pipeline:
        typing = await Watched(pipeline, "bake bre", typing=True).reach(Stage.SEARCHED)
        assert json.loads(typing.hits)[0]["score"] == pytest.approx(1.0, abs=1e-5)
        assert first_title(typing) == "bake bread"
        async with asyncio.timeout(10):
            while typing.state is State.STANDING:
                await asyncio.sleep(0)
        assert json.loads(typing.hits)[0]["score"] < 0.99
        entered = await Watched(pipeline, "bake bre", submitted=True).reach(Stage.SEARCHED)
        assert json.loads(entered.hits)[0]["score"] < 0.99


@pytest.mark.parametrize(("count", "guessed"), [(8, True), (9, False)])
async def test_words_are_not_finished_where_many_are_typing(count: int, guessed: bool) -> None:
    async with started(BruteForceIndex(), words={"bread": 3}) as pipeline:
        watched = [Watched(pipeline, "bake bre", typing=True) for _ in range(count)]
        queries = [await one.reach(Stage.SEARCHED) for one in watched]
        assert [query.ahead is not None for query in queries] == [guessed] * count


async def test_a_guess_that_is_the_text_itself_is_searched_once() -> None:
    index = BruteForceIndex()
    async with started(index, words={"bread": 3}) as pipeline:
        query = await Watched(pipeline, "bake bread ", typing=True).reach(Stage.SEARCHED)
        assert query.ahead is None
        assert query.state is State.FOUND
    assert index.batches == [1]


async def test_a_way_to_finish_a_word_that_breaks_the_encoder_costs_that_key_and_no_other() -> None:
    encoder = MeanEncoder()
    encoder.poison = encoder.tokenizer.encode("poison")[0]
    async with started(BruteForceIndex(), encoder, words={"poison": 1, "bread": 1}) as pipeline:
        ill, well = Watched(pipeline, "bake poi", typing=True), Watched(pipeline, "bake bre", typing=True)
        assert (await ill.reach(Stage.SEARCHED)).state.failed
        assert first_title(await well.reach(Stage.SEARCHED)) == "bake bread"


async def test_a_guess_is_for_who_is_typing_and_not_for_enter() -> None:
    index = BruteForceIndex()
    async with started(index, GuessingEncoder(), look_ahead=True) as pipeline:
        for entered in (False, True):
            watched = Watched(pipeline, "boil an egg", typing=entered, submitted=entered)
            query = await watched.reach(Stage.SEARCHED)
            assert first_title(query) == "boil an egg"
            assert query.state is State.FOUND
        assert index.batches == [1, 1]
    async with started(BruteForceIndex(), GuessingEncoder()) as pipeline:
        assert first_title(await Watched(pipeline, "boil an egg", typing=True).reach(Stage.SEARCHED)) == "boil an egg"


async def test_a_key_that_changes_no_token_shows_the_guess_again_and_is_searched_for_itself() -> None:
    index = BruteForceIndex()
    async with started(index, GuessingEncoder(), look_ahead=True) as pipeline:
        index.gate.clear()
        first = Watched(pipeline, "boil an egg", typing=True)
        await asyncio.to_thread(index.await_search)
        index.gate.set()
        before = await first.reach(Stage.SEARCHED)
        pipeline.drop(before)
        again = await Watched(pipeline, "boil an egg ", typing=True, last=before).reach(Stage.SEARCHED)
        assert first_title(again) == "bake bread"
        async with asyncio.timeout(10):
            while again.state is State.STANDING:
                await asyncio.sleep(0)
        assert first_title(again) == "boil an egg"
