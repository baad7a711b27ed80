from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

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


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock goes on to the next timer as soon as there is nothing else to do."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        select = self._selector.select  # type: ignore[attr-defined]

        def leap(timeout: float | None) -> Any:
            if timeout:
                self.now += timeout
            return select(0)

        self._selector.select = leap  # type: ignore[attr-defined]

    def time(self) -> float:
        return self.now


class Written:
    """A room whose documents change at some times; remembers when it was learned."""

    def __init__(self, changes: Sequence[float]) -> None:
        self.changes = changes
        self.learned: list[float] = []
        self.source = self

    @property
    def version(self) -> str:
        now = asyncio.get_running_loop().time() - 1000
        return str(sum(change <= now for change in self.changes))

    async def learn(self, deadline: float, *, together: int) -> None:
        del deadline
        assert together == 1 or not self.learned
        self.learned.append(asyncio.get_running_loop().time() - 1000)
        await asyncio.sleep(0.5)


def learned(changes: Sequence[float], until: float) -> list[float]:
    """When a room learns whose documents change at these times, while people search ten times a second."""

    async def run() -> list[float]:
        room: Any = Written(changes)
        learning = Learning(room)
        await learning.learn()
        for _ in range(round(until * 10)):
            learning.changed()
            await asyncio.sleep(0.1)
        learning.stop()
        return [round(when, 1) for when in room.learned]

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(run())


def test_constant_writes_are_learned_once_a_minute() -> None:
    times = learned([number / 50 for number in range(50 * 300)], 400)
    # At the start, after a minute, and so on; at last what came since, and then no more.
    assert len(times) <= 7
    assert all(later - earlier >= 60 for earlier, later in pairwise(times[1:]))
    assert times[-1] >= 300


def test_a_few_writes_with_pauses_between_them_are_learned_once_a_minute() -> None:
    times = learned([10.0 * number for number in range(1, 19)], 300)
    assert times[1] == pytest.approx(12, abs=0.5)
    assert all(later - earlier >= 60 for earlier, later in pairwise(times[1:]))
    assert times[-1] >= 180
    assert len(times) <= 5


def test_where_nothing_changes_nothing_is_learned_again() -> None:
    assert learned([], 300) == [0]


async def test_rooms_learn_one_after_the_other() -> None:
    busy = 0

    class Slow(Written):
        async def learn(self, deadline: float, *, together: int) -> None:
            nonlocal busy
            del deadline, together
            busy += 1
            assert busy == 1
            await asyncio.sleep(0)
            busy -= 1
            self.learned.append(0)

    turn = asyncio.Lock()
    rooms: list[Any] = [Slow([0]) for _ in range(3)]
    learnings = [Learning(room, quiet_seconds=0, rest_seconds=0, turn=turn) for room in rooms]
    for learning in learnings:
        learning.changed()
    async with asyncio.timeout(10):
        while not all(room.learned for room in rooms):
            await asyncio.sleep(0)
