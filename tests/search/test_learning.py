from __future__ import annotations

import asyncio
import math

import pytest

from tests.server.fakes import BruteForceIndex, MeanEncoder
from typeahead.core.engine import Engine
from typeahead.search.asking import Asker
from typeahead.search.learning import learn
from typeahead.search.scoring import UNCALIBRATED


@pytest.mark.parametrize("words", [True, False])
async def test_words_and_the_scale_are_learned_and_the_same_every_time(words: bool) -> None:
    scales = []
    for together in (64, 1):
        index = BruteForceIndex()
        asker = Asker(Engine(MeanEncoder()), words=words)
        assert not asker.read("bake bre").endings
        scales.append(await learn(index, asker, math.inf, together=together))
        assert [ending.text for ending in asker.read("bake bre").endings] == ["bake bread"]
        await index.close()
    assert scales[0] == scales[1] != UNCALIBRATED
    assert 0 < scales[0].low < scales[0].high
    assert 0 < scales[0].weak < 1


async def test_the_loop_has_its_turn_between_texts() -> None:
    index = BruteForceIndex()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    await learn(index, Asker(Engine(MeanEncoder()), words=False, continuations=0), math.inf, together=1)
    task.cancel()
    await index.close()
    # As often as there are texts, of which 128 are strings without meaning.
    assert turns > 128
