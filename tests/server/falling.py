"""A pipeline with a fallback whose texts wait until the test lets them through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.server.fakes import BruteForceIndex, MeanEncoder, WholeEncoder
from typeahead.core.encoder import Vectors
from typeahead.core.engine import Engine
from typeahead.server.config import ServerConfig
from typeahead.server.observe.metrics import Reason, ServerMetrics
from typeahead.server.typing.fallback import Fallback
from typeahead.server.typing.pipeline import Pipeline
from typeahead.server.typing.query import Query, Stage
from typeahead.server.typing.room import Room
from typeahead.server.typing.settings import TypingSettings
from typeahead.server.typing.source import BackendSource

LONG = " ".join(f"word{number}" for number in range(6))


class Desk:
    """A pipeline with a fallback that takes texts of more than five tokens, at a time that the test tells."""

    def __init__(self, index: BruteForceIndex | None, **settings: Any) -> None:
        self.encoder = MeanEncoder()
        self.whole = WholeEncoder()
        self.metrics = ServerMetrics("mean")
        self.now_ns = 0
        config = ServerConfig(fallback_tokens=5, **settings)
        self.fallback = Fallback(self.whole, self.encoder, config, self.metrics, clock=lambda: self.now_ns)
        engine = Engine(self.encoder)
        # No machine is so busy that keystrokes are turned away.
        patient = TypingSettings(snippet_chars=20, max_search_batch=4, max_turn_ms=1e6)
        self.pipeline = Pipeline(engine, patient, fallback=self.fallback)
        self.room = None if index is None else Room(self.pipeline, BackendSource(index))

    def ask(self, text: str, *, best: bool = False, due: Stage = Stage.STEPPED) -> Asked:
        return Asked(self, text, best=best, due=due)

    def count(self, reason: Reason, outcome: str) -> int:
        return self.metrics.fallback[reason, outcome].value


class Asked:
    """A query whose stages can be waited for."""

    def __init__(self, desk: Desk, text: str, *, best: bool, due: Stage) -> None:
        self.changed = asyncio.Event()
        self.session = desk.pipeline.engine.session()
        self.session.set_text(text)
        self.query = Query(self.session, 2, due, self.changed.set, room=desk.room, wanted=1, best=best, shown=True)
        desk.pipeline.step(self.query)

    async def answer(self) -> Query:
        async with asyncio.timeout(10):
            while self.query.stage < self.query.due and not self.query.state.failed:
                await self.changed.wait()
                self.changed.clear()
        return self.query


@asynccontextmanager
async def started(index: BruteForceIndex | None = None, **settings: Any) -> AsyncIterator[Desk]:
    desk = Desk(index, **settings)
    desk.pipeline.start()
    if desk.room is not None:
        desk.room.start()
    try:
        yield desk
    finally:
        desk.whole.gate.set()
        desk.pipeline.stop(timeout=5)


def same(a: Vectors | None, b: Vectors) -> bool:
    return a is not None and a.tolist() == b.tolist()
