from __future__ import annotations

import asyncio
import logging

import pytest

from tests.server.fakes import BruteForceIndex
from tests.server.watching import started
from typeahead.search.scoring import UNCALIBRATED
from typeahead.server.typing.learning import Learning
from typeahead.server.typing.source import BackendSource


class Growing(BruteForceIndex):
    """Its words are those of :attr:`words`, which are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.words = {"bread": 1}
        self.counted = asyncio.Event()
        self.broken_words = False
        object.__setattr__(self.capabilities, "vocabulary", self.count_words)

    async def count_words(self) -> dict[str, int]:
        self.counted.set()
        if self.broken_words:
            raise RuntimeError("the words broke")
        return self.words


async def test_what_has_changed_is_learned_once_no_more_changes() -> None:
    index = Growing()
    async with started(index, words=True, complete=8) as rig, asyncio.timeout(10):
        learning = Learning(rig.room, quiet_seconds=0.0)
        await learning.learn()
        assert isinstance(rig.room.source, BackendSource)
        assert rig.room.source.scale != UNCALIBRATED
        index.words = {"breakfast": 1}
        index.set_version("generation-2")
        for _ in range(3):
            learning.changed()
        while [ending.text for ending in rig.room.asker.read("bre").endings] != ["breakfast"]:
            await asyncio.sleep(0)


async def test_what_cannot_be_learned_leaves_the_words_as_they_were(caplog: pytest.LogCaptureFixture) -> None:
    index = Growing()
    async with started(index, words=True, complete=8) as rig, asyncio.timeout(10):
        learning = Learning(rig.room, quiet_seconds=0.0)
        await learning.learn()
        index.broken_words = True
        index.set_version("generation-2")
        index.counted.clear()
        with caplog.at_level(logging.ERROR):
            learning.changed()
            await index.counted.wait()
            while "could not be learned" not in caplog.text:
                await asyncio.sleep(0)
        assert [ending.text for ending in rig.room.asker.read("bre").endings] == ["bread"]


async def test_a_server_that_stops_learns_no_more() -> None:
    index = Growing()
    async with started(index, words=True) as rig:
        learning = Learning(rig.room, quiet_seconds=1e6)
        learning.changed()
        await asyncio.sleep(0)
        learning.stop()
        await asyncio.sleep(0)
        assert not index.counted.is_set()
