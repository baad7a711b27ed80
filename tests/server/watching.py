"""A pipeline over a small index, and queries whose states a test can wait for."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.server.fakes import BruteForceIndex, MeanEncoder
from typeahead.core.engine import Engine
from typeahead.core.prefixes import Scope
from typeahead.core.session import Session
from typeahead.search.narrowing import NOTHING, Narrowing
from typeahead.search.port import Backend
from typeahead.search.vocabulary import Vocabulary
from typeahead.server.typing.pipeline import Pipeline
from typeahead.server.typing.query import Query, Stage
from typeahead.server.typing.room import Room
from typeahead.server.typing.settings import TypingSettings
from typeahead.server.typing.source import BackendSource


class Rig:
    """A pipeline and, with an index, its room."""

    def __init__(self, pipeline: Pipeline, room: Room | None) -> None:
        self.pipeline = pipeline
        self._room = room

    @property
    def room(self) -> Room:
        assert self._room is not None, "there is no index"
        return self._room

    @property
    def engine(self) -> Engine:
        return self.pipeline.engine

    def query(self, session: Session, k: int, due: Stage, notify: Callable[[], None], **options: Any) -> Query:
        """A query of this room."""
        return Query(session, k, due, notify, room=self._room, **options)


@asynccontextmanager
async def started(
    index: Backend | None,
    encoder: MeanEncoder | None = None,
    *,
    vocabulary: dict[str, int] | None = None,
    words: bool = False,
    complete: int = 0,
    clock: Callable[[], int] = time.perf_counter_ns,
    max_turn_ms: float = 1e6,
    changed: Callable[[], None] = lambda: None,
    **settings: Any,
) -> AsyncIterator[Rig]:
    """A pipeline that runs, by vectors alone unless the test wants ``words``, or to ``complete`` half-typed ones.

    No machine is so busy that its turns take too long, unless the test says so.
    """
    engine = Engine(encoder or MeanEncoder())
    pipeline = Pipeline(
        engine,
        TypingSettings(
            snippet_chars=20,
            max_search_batch=4,
            max_turn_ms=max_turn_ms,
            words=words,
            complete=complete,
            **settings,
        ),
        clock=clock,
    )
    room = None if index is None else Room(pipeline, BackendSource(index), changed=changed)
    pipeline.start()
    if room is not None:
        if vocabulary is not None:
            room.asker.learn(Vocabulary.of(vocabulary))
        room.start()
    try:
        yield Rig(pipeline, room)
    finally:
        if isinstance(index, BruteForceIndex):
            index.gate.set()
        if room is not None:
            room.stop()
        pipeline.stop(timeout=5)


class Watched:
    """A query whose stages can be waited for."""

    def __init__(
        self,
        rig: Rig,
        text: str,
        *,
        k: int = 2,
        due: Stage = Stage.SEARCHED,
        submitted: bool = False,
        min_score: float = 0.0,
        last: Query | None = None,
        scope: Scope | None = None,
        narrowing: Narrowing = NOTHING,
    ) -> None:
        self.changed = asyncio.Event()
        session = rig.engine.session(scope=scope)
        session.set_text(text)
        self.query = rig.query(
            session,
            k,
            due,
            self.changed.set,
            wanted=1,
            shown=True,
            submitted=submitted,
            min_score=min_score,
            last=last,
            narrowing=narrowing,
        )
        rig.pipeline.step(self.query)

    async def reach(self, stage: Stage) -> Query:
        """Wait until it has come so far, or has failed."""
        async with asyncio.timeout(10):
            while self.query.stage < stage and not self.query.state.failed:
                await self.changed.wait()
                self.changed.clear()
        return self.query


def first_title(query: Query) -> str:
    title: str = json.loads(query.hits)[0]["title"]
    return title
