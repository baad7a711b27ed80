from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.server.fakes import TITLES, BruteForceIndex, FakeHit, GuessingEncoder, MeanEncoder
from typeahead.core.completion import Completions, Vocabulary
from typeahead.core.encoder import Vectors
from typeahead.core.engine import Engine
from typeahead.core.prefixes import Scope
from typeahead.server.typing.pipeline import MAX_TITLE, MAX_URL, Pipeline
from typeahead.server.typing.query import Query, Stage


@asynccontextmanager
async def started(
    index: BruteForceIndex | None,
    encoder: MeanEncoder | None = None,
    *,
    words: dict[str, int] | None = None,
    **options: Any,
) -> AsyncIterator[Pipeline]:
    engine = Engine(encoder or MeanEncoder())
    completions = None if words is None else Completions(engine, Vocabulary(words))
    pipeline = Pipeline(engine, index, snippet_chars=20, max_search_batch=4, completions=completions, **options)
    pipeline.start()
    try:
        yield pipeline
    finally:
        if index is not None:
            index.gate.set()
        pipeline.stop(timeout=5)


class Watched:
    """A query whose stages can be waited for."""

    def __init__(
        self,
        pipeline: Pipeline,
        text: str,
        *,
        k: int = 2,
        due: Stage = Stage.SEARCHED,
        entered: bool = False,
        typing: bool = False,
        last: Query | None = None,
        scope: Scope | None = None,
    ) -> None:
        self.changed = asyncio.Event()
        session = pipeline.engine.session(scope=scope)
        session.set_text(text)
        self.query = Query(session, k, due, self.changed.set, wanted=1, shown=True)
        self.query.entered = entered
        self.query.typing = typing
        self.query.last = last
        pipeline.step(self.query)

    async def reach(self, stage: Stage) -> Query:
        async with asyncio.timeout(10):
            while self.query.stage < stage and not self.query.failed:
                await self.changed.wait()
                self.changed.clear()
        return self.query


async def test_a_query_is_stepped_and_searched_for_the_k_best() -> None:
    async with started(BruteForceIndex()) as pipeline:
        query = await Watched(pipeline, "boil an egg", k=3).reach(Stage.SEARCHED)
        hits = json.loads(query.hits)
        assert next(hit["title"] for hit in hits) == "boil an egg"
        assert len(hits) == 3
        assert list(hits[0]) == ["id", "score", "title", "text", "url", "marks"]
        assert hits[0]["score"] == pytest.approx(1.0, abs=1e-5)


async def test_what_arrives_together_is_one_batch_of_steps_and_what_arrives_in_a_search_is_the_next() -> None:
    index = BruteForceIndex()
    index.gate.clear()
    async with started(index) as pipeline:
        first = Watched(pipeline, TITLES[0])
        await asyncio.to_thread(index.await_search)
        later = [Watched(pipeline, title, k=1) for title in TITLES[:6]]
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
    async with started(index) as pipeline:
        busy = Watched(pipeline, "tea")
        await asyncio.to_thread(index.await_search)
        unstepped = Watched(pipeline, "never stepped")
        pipeline.drop(unstepped.query)
        unsearched = await Watched(pipeline, "never searched").reach(Stage.STEPPED)
        pipeline.drop(unsearched)
        index.gate.set()
        await busy.reach(Stage.SEARCHED)
        await Watched(pipeline, "last").reach(Stage.SEARCHED)
        assert (unstepped.query.stage, unsearched.stage) == (Stage.TYPED, Stage.STEPPED)
        assert index.batches == [1, 1]


async def test_a_text_without_a_token_finds_nothing_without_a_search() -> None:
    index = BruteForceIndex()
    async with started(index) as pipeline:
        query = await Watched(pipeline, "  ").reach(Stage.SEARCHED)
        assert (query.hits, query.embedding, index.batches) == (b"[]", None, [])


async def test_a_broken_index_fails_its_batch_and_no_other() -> None:
    index = BruteForceIndex()
    async with started(index) as pipeline:
        index.broken = True
        assert (await Watched(pipeline, "tea").reach(Stage.SEARCHED)).failed
        index.broken = False
        assert not (await Watched(pipeline, "tea").reach(Stage.SEARCHED)).failed


async def test_a_broken_encoder_fails_its_batch_and_no_other() -> None:
    encoder = MeanEncoder()
    async with started(None, encoder) as pipeline:
        encoder.broken = True
        assert (await Watched(pipeline, "tea", due=Stage.STEPPED).reach(Stage.STEPPED)).failed
        encoder.broken = False
        assert not (await Watched(pipeline, "tea", due=Stage.STEPPED).reach(Stage.STEPPED)).failed


async def test_a_search_that_fails_fails_no_other_of_its_batch() -> None:
    index = BruteForceIndex()
    index.gate.clear()
    async with started(index) as pipeline:
        busy = Watched(pipeline, "tea")
        await asyncio.to_thread(index.await_search)
        index.poison = MeanEncoder().encode(["poison"])[0]
        together = [Watched(pipeline, text) for text in ("boil an egg", "poison", "bake bread")]
        for watched in together:
            await watched.reach(Stage.STEPPED)
        index.gate.set()
        queries = [await watched.reach(Stage.SEARCHED) for watched in (busy, *together)]
        assert [query.failed for query in queries] == [False, False, True, False]
        assert json.loads(queries[-1].hits)[0]["title"] == "bake bread"
        assert index.batches == [1, 3, 1, 1, 1]


async def test_a_step_that_fails_fails_no_other_of_its_batch() -> None:
    encoder = MeanEncoder()
    encoder.poison = encoder.tokenizer.encode("poison")[0]
    async with started(None, encoder) as pipeline:
        together = [Watched(pipeline, text, due=Stage.STEPPED) for text in ("tea", "poison", "bake bread")]
        queries = [await watched.reach(Stage.STEPPED) for watched in together]
        assert [query.failed for query in queries] == [False, True, False]
        assert queries[2].embedding is not None
        assert (queries[2].embedding == MeanEncoder().encode(["bake bread"])[0]).all()


def test_hits_are_cut_to_what_fits_on_a_page() -> None:
    pipeline = Pipeline(Engine(MeanEncoder()), None, snippet_chars=20, max_search_batch=4)
    long = FakeHit("a", 0.123456789, "t" * 1_000_000, "🙂" * 21, "https://example.org/" + "u" * MAX_URL)
    short = FakeHit("b", 1.0, "t", "🙂" * 20, "u")
    first, second = json.loads(pipeline.write_hits([long, short], "tea"))
    assert first == {
        "id": "a",
        "score": 0.123457,
        "title": "t" * (MAX_TITLE - 1) + "…",
        "text": "🙂" * 19 + "…",
        "url": "",
        "marks": {"title": [], "text": []},
    }
    assert (second["text"], second["url"]) == ("🙂" * 20, "u")


def test_marks_are_places_in_the_title_and_text_that_are_sent() -> None:
    pipeline = Pipeline(Engine(MeanEncoder()), None, snippet_chars=40, max_search_batch=4)
    hit = FakeHit("a", 1.0, "🙂 Kettles for two", "on and on " * 20 + "until the kettle boils" + " and on" * 20, "")
    (sent,) = json.loads(pipeline.write_hits([hit], "green kettle"))
    assert sent["marks"]["title"] == [[2, 8]]
    ((start, end),) = sent["marks"]["text"]
    assert sent["text"][start:end] == "kettle"


async def test_a_hit_shows_what_stands_round_the_querys_words() -> None:
    async with started(BruteForceIndex(text="it goes on and on until the tea is ready to drink")) as pipeline:
        query = await Watched(pipeline, "ready").reach(Stage.SEARCHED)
        assert {hit["text"] for hit in json.loads(query.hits)} == {"… is ready to drink"}


async def test_beyond_so_many_waiting_searches_new_keystrokes_are_turned_away_but_enter_is_not() -> None:
    index = BruteForceIndex()
    index.gate.clear()
    async with started(index, max_waiting_searches=2) as pipeline:
        first = Watched(pipeline, "boil an egg")
        await asyncio.to_thread(index.await_search)
        waiting = [Watched(pipeline, title) for title in TITLES[:2]]
        for watched in waiting:
            await watched.reach(Stage.STEPPED)
        assert not pipeline.overloaded
        shed = await Watched(pipeline, TITLES[2]).reach(Stage.SEARCHED)
        assert shed.shed
        assert pipeline.overloaded
        entered = Watched(pipeline, TITLES[3], entered=True)
        oldest = await waiting[0].reach(Stage.SEARCHED)
        assert oldest.shed
        index.gate.set()
        for watched in (first, waiting[1], entered):
            assert not (await watched.reach(Stage.SEARCHED)).failed


async def test_a_turn_that_takes_too_long_serves_what_the_cache_holds_of_ones_own_and_turns_the_rest_away() -> None:
    now = [0]
    async with started(None, max_turn_ms=20, clock=lambda: now[0]) as pipeline:
        scope = pipeline.engine.scope()
        await Watched(pipeline, "boil an egg", due=Stage.STEPPED, scope=scope).reach(Stage.STEPPED)
        early = Watched(pipeline, "bake bread", due=Stage.STEPPED)
        now[0] = 21_000_000
        known = Watched(pipeline, "boil an egg", due=Stage.STEPPED, scope=scope)
        strange = Watched(pipeline, "boil an egg", due=Stage.STEPPED)
        late = Watched(pipeline, "poach an egg", due=Stage.STEPPED)
        entered = Watched(pipeline, "café au lait", due=Stage.STEPPED, entered=True)
        assert not late.query.failed  # a newer key of the same person may be read yet
        for watched in (late, strange):
            assert (await watched.reach(Stage.STEPPED)).shed
        for watched in (early, known, entered):
            assert not (await watched.reach(Stage.STEPPED)).failed
        assert pipeline.overloaded
        following = Watched(pipeline, "poach an egg", due=Stage.STEPPED)
        assert not (await following.reach(Stage.STEPPED)).failed
        now[0] += 10**9
        assert not pipeline.overloaded


async def test_the_same_embedding_is_searched_once_and_its_snippets_follow_the_text() -> None:
    index = BruteForceIndex()
    async with started(index) as pipeline:
        first = await Watched(pipeline, "boil an egg").reach(Stage.SEARCHED)
        again = await Watched(pipeline, "boil an  egg", last=first).reach(Stage.SEARCHED)
        assert index.batches == [1]
        assert [hit["id"] for hit in json.loads(again.hits)] == [hit["id"] for hit in json.loads(first.hits)]
        assert not again.stood
        assert (pipeline.searched, pipeline.stood) == (1, 1)
        # More than the last search found is not there.
        await Watched(pipeline, "boil an egg", k=5, last=first).reach(Stage.SEARCHED)
        assert index.batches == [1, 1]


async def test_results_stand_while_the_embedding_hardly_moves_and_are_searched_for_behind_the_others() -> None:
    index = BruteForceIndex()
    async with started(index, anytime=0.5) as pipeline:
        first = await Watched(pipeline, "boil an egg").reach(Stage.SEARCHED)
        await asyncio.to_thread(index.await_search)
        index.gate.clear()
        busy = Watched(pipeline, "bake bread")
        await asyncio.to_thread(index.await_search)
        near = await Watched(pipeline, "boil an egg now", last=first).reach(Stage.SEARCHED)
        assert near.stood
        assert [hit["id"] for hit in json.loads(near.hits)] == [hit["id"] for hit in json.loads(first.hits)]
        far = Watched(pipeline, "café au lait", last=first)
        dropped = await Watched(pipeline, "boil an egg then", last=first).reach(Stage.SEARCHED)
        pipeline.drop(dropped)
        index.gate.set()
        await busy.reach(Stage.SEARCHED)
        assert not (await far.reach(Stage.SEARCHED)).stood
        while near.stood:
            await asyncio.sleep(0)
        own = await Watched(pipeline, "boil an egg now").reach(Stage.SEARCHED)
        assert near.hits == own.hits
        # The first, the busy one, the far one, then the one that stood, and at last the comparison.
        assert index.batches == [1] * 5


async def test_what_stands_for_a_keystroke_does_not_for_enter() -> None:
    index = BruteForceIndex()
    async with started(index, anytime=0.5) as pipeline:
        first = await Watched(pipeline, "boil an egg").reach(Stage.SEARCHED)
        entered = await Watched(pipeline, "boil an egg now", entered=True, last=first).reach(Stage.SEARCHED)
        assert index.batches == [1, 1]
        assert json.loads(entered.hits) != json.loads(first.hits)


def first_title(query: Query) -> str:
    title: str = json.loads(query.hits)[0]["title"]
    return title


async def test_a_keystroke_is_answered_with_what_the_text_will_find_and_searched_for_itself_behind() -> None:
    index = BruteForceIndex()
    async with started(index, GuessingEncoder(), look_ahead=True) as pipeline:
        query = await Watched(pipeline, "boil an egg", typing=True).reach(Stage.SEARCHED)
        assert first_title(query) == "bake bread"
        async with asyncio.timeout(10):
            while query.stood:
                await asyncio.sleep(0)
        assert first_title(query) == "boil an egg"
        assert index.batches == [1, 1]


async def test_an_unfinished_word_is_answered_as_the_word_that_it_may_become() -> None:
    async with started(BruteForceIndex(), words={"bread": 3, "egg": 2}) as pipeline:
        typing = await Watched(pipeline, "bake bre", typing=True).reach(Stage.SEARCHED)
        assert json.loads(typing.hits)[0]["score"] == pytest.approx(1.0, abs=1e-5)
        assert first_title(typing) == "bake bread"
        async with asyncio.timeout(10):
            while typing.stood:
                await asyncio.sleep(0)
        assert json.loads(typing.hits)[0]["score"] < 0.99
        entered = await Watched(pipeline, "bake bre", entered=True).reach(Stage.SEARCHED)
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
        assert not query.stood
    assert index.batches == [1]


async def test_a_way_to_finish_a_word_that_breaks_the_encoder_costs_that_key_and_no_other() -> None:
    encoder = MeanEncoder()
    encoder.poison = encoder.tokenizer.encode("poison")[0]
    async with started(BruteForceIndex(), encoder, words={"poison": 1, "bread": 1}) as pipeline:
        ill, well = Watched(pipeline, "bake poi", typing=True), Watched(pipeline, "bake bre", typing=True)
        assert (await ill.reach(Stage.SEARCHED)).failed
        assert first_title(await well.reach(Stage.SEARCHED)) == "bake bread"


async def test_a_guess_is_for_who_is_typing_and_not_for_enter() -> None:
    index = BruteForceIndex()
    async with started(index, GuessingEncoder(), look_ahead=True) as pipeline:
        for entered in (False, True):
            watched = Watched(pipeline, "boil an egg", typing=entered, entered=entered)
            query = await watched.reach(Stage.SEARCHED)
            assert first_title(query) == "boil an egg"
            assert not query.stood
        assert index.batches == [1, 1]
    async with started(BruteForceIndex(), GuessingEncoder()) as pipeline:
        assert first_title(await Watched(pipeline, "boil an egg", typing=True).reach(Stage.SEARCHED)) == "boil an egg"


async def test_enter_during_the_search_for_a_guess_waits_for_its_own() -> None:
    index = BruteForceIndex()
    async with started(index, GuessingEncoder(), look_ahead=True) as pipeline:
        index.gate.clear()
        watched = Watched(pipeline, "boil an egg", typing=True)
        await asyncio.to_thread(index.await_search)
        watched.query.entered = True
        index.gate.set()
        assert first_title(await watched.reach(Stage.SEARCHED)) == "boil an egg"
        assert not watched.query.stood
        assert index.batches == [1, 1]


class StepwiseIndex(BruteForceIndex):
    """Closes its gate behind each search."""

    def search(self, queries: Vectors, k: int) -> list[list[FakeHit]]:
        hits = super().search(queries, k)
        self.gate.clear()
        return hits


@pytest.mark.parametrize("broken", [False, True])
async def test_enter_during_its_own_search_behind_a_guess_shares_it(broken: bool) -> None:
    index = StepwiseIndex()
    async with started(index, GuessingEncoder(), look_ahead=True) as pipeline:
        watched = Watched(pipeline, "boil an egg", typing=True)
        assert first_title(await watched.reach(Stage.SEARCHED)) == "bake bread"
        for _ in range(2):
            await asyncio.to_thread(index.await_search)
        # The second search waits at the gate, and Enter is pressed.
        query = watched.query
        query.stage, query.stood, query.entered = Stage.STEPPED, False, True
        pipeline.search(query)
        index.broken = broken
        index.gate.set()
        await watched.reach(Stage.SEARCHED)
        assert query.failed is broken
        assert first_title(query) == ("bake bread" if broken else "boil an egg")
        index.broken = False
        index.gate.set()
        await Watched(pipeline, "café au lait").reach(Stage.SEARCHED)
        assert index.batches == [1, 1, 1]


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
            while again.stood:
                await asyncio.sleep(0)
        assert first_title(again) == "boil an egg"


async def test_a_guess_that_nobody_waits_for_any_more_is_not_searched_behind() -> None:
    index = BruteForceIndex()
    async with started(index, GuessingEncoder(), look_ahead=True) as pipeline:
        index.gate.clear()
        watched = Watched(pipeline, "boil an egg", typing=True)
        await asyncio.to_thread(index.await_search)
        watched.query.wanted = 0
        index.gate.set()
        await watched.reach(Stage.SEARCHED)
        await Watched(pipeline, "café au lait").reach(Stage.SEARCHED)
        assert index.batches == [1, 1]
