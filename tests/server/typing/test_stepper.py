from __future__ import annotations

from tests.server.fakes import MeanEncoder
from tests.server.watching import Watched, started
from typeahead.server.typing.query import Stage


async def test_a_broken_encoder_fails_its_batch_and_no_other() -> None:
    encoder = MeanEncoder()
    async with started(None, encoder) as pipeline:
        encoder.broken = True
        assert (await Watched(pipeline, "tea", due=Stage.STEPPED).reach(Stage.STEPPED)).state.failed
        encoder.broken = False
        assert not (await Watched(pipeline, "tea", due=Stage.STEPPED).reach(Stage.STEPPED)).state.failed


async def test_a_step_that_fails_fails_no_other_of_its_batch() -> None:
    encoder = MeanEncoder()
    encoder.poison = encoder.tokenizer.encode("poison")[0]
    async with started(None, encoder) as pipeline:
        together = [Watched(pipeline, text, due=Stage.STEPPED) for text in ("tea", "poison", "bake bread")]
        queries = [await watched.reach(Stage.STEPPED) for watched in together]
        assert [query.state.failed for query in queries] == [False, True, False]
        assert queries[2].embedding is not None
        assert (queries[2].embedding == MeanEncoder().encode(["bake bread"])[0]).all()
