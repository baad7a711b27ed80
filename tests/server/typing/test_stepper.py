from __future__ import annotations

from tests.server.fakes import BruteForceIndex, MeanEncoder
from tests.server.watching import Watched, first_title, started
from typeahead.server.typing.query import Stage, State


async def test_a_broken_encoder_fails_its_batch_and_no_other() -> None:
    encoder = MeanEncoder()
    async with started(None, encoder) as rig:
        encoder.broken = True
        assert (await Watched(rig, "tea", due=Stage.STEPPED).reach(Stage.STEPPED)).state.failed
        encoder.broken = False
        assert not (await Watched(rig, "tea", due=Stage.STEPPED).reach(Stage.STEPPED)).state.failed


async def test_a_step_that_fails_fails_no_other_of_its_batch() -> None:
    encoder = MeanEncoder()
    encoder.poison = encoder.tokenizer.encode("poison")[0]
    async with started(None, encoder) as rig:
        together = [Watched(rig, text, due=Stage.STEPPED) for text in ("tea", "poison", "bake bread")]
        queries = [await watched.reach(Stage.STEPPED) for watched in together]
        assert [query.state.failed for query in queries] == [False, True, False]
        assert queries[2].embedding is not None
        assert (queries[2].embedding == MeanEncoder().encode(["bake bread"])[0]).all()


async def test_a_way_to_finish_a_word_that_breaks_the_encoder_costs_that_key_and_no_other() -> None:
    encoder = MeanEncoder()
    encoder.poison = encoder.tokenizer.encode("poison")[0]
    words = {"poison": 1, "bread": 1}
    async with started(BruteForceIndex(), encoder, vocabulary=words, complete=8) as rig:
        ill, well = Watched(rig, "bake poi"), Watched(rig, "bake bre")
        assert (await ill.reach(Stage.SEARCHED)).state.failed
        assert first_title(await well.reach(Stage.SEARCHED)) == "bake bread"


async def test_what_a_key_finds_does_not_depend_on_how_many_are_typing() -> None:
    async with started(BruteForceIndex(), vocabulary={"bread": 3}, complete=8) as rig:
        alone = await Watched(rig, "bake bre").reach(Stage.SEARCHED)
        watched = [Watched(rig, "bake bre") for _ in range(40)]
        assert {(await one.reach(Stage.SEARCHED)).hits for one in watched} == {alone.hits}


async def test_a_text_that_was_not_due_is_read_at_enter() -> None:
    async with started(BruteForceIndex(), vocabulary={"bread": 3}, complete=8) as rig:
        watched = Watched(rig, "bake bre", due=Stage.STEPPED)
        query = await watched.reach(Stage.STEPPED)
        assert query.reading is None
        query.entered(Stage.SEARCHED)
        rig.pipeline.search(query)
        await watched.reach(Stage.SEARCHED)
        assert query.hits == (await Watched(rig, "bake bre").reach(Stage.SEARCHED)).hits


async def test_endings_that_break_the_encoder_at_enter_fail_the_search() -> None:
    encoder = MeanEncoder()
    encoder.poison = encoder.tokenizer.encode("poison")[0]
    async with started(BruteForceIndex(), encoder, vocabulary={"poison": 1}, complete=8) as rig:
        watched = Watched(rig, "bake poi", due=Stage.STEPPED)
        query = await watched.reach(Stage.STEPPED)
        query.entered(Stage.SEARCHED)
        rig.pipeline.search(query)
        assert query.state is State.SEARCH_FAILED
