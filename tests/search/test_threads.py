"""A blocking engine in a thread: deadlines are kept, nobody waits for what was given up, errors reach who asked."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Sequence

import numpy as np
import pytest

from tests.search.test_ranking import Scripted
from typeahead.errors import BackendClosed, DeadlinePassed
from typeahead.search import threads
from typeahead.search.port import DENSE, Backend, Candidates, Request
from typeahead.search.ranking import find
from typeahead.search.threads import ThreadedBackend

REQUEST = Request(np.ones(2, np.float32), None, 3)


class Slow(Scripted):
    """Waits at a gate."""

    def __init__(self) -> None:
        super().__init__({DENSE: [("a", 0, 0.9)]})
        self.gate = threading.Event()
        self.threads: list[int] = []

    async def candidates(self, requests: Sequence[Request], deadline: float) -> Sequence[Candidates]:
        self.threads.append(threading.get_ident())
        assert self.gate.wait(30), "the test never opened the gate"
        return await super().candidates(requests, deadline)


def later() -> float:
    return time.monotonic() + 60


async def test_a_deadline_is_kept_while_the_engine_hangs_and_what_was_given_up_is_not_done() -> None:
    engine = Slow()
    backend = ThreadedBackend(engine)
    with pytest.raises(DeadlinePassed):
        await backend.candidates([REQUEST], time.monotonic() + 0.01)
    with pytest.raises(DeadlinePassed):
        await backend.candidates([REQUEST], time.monotonic() + 0.01)
    engine.gate.set()
    assert (await backend.candidates([REQUEST], later()))[0].keys[0].document == "a"
    # The first was under way, the second was never begun.
    assert len(engine.threads) == 2
    assert threading.get_ident() not in engine.threads
    await backend.close()


async def test_several_calls_run_in_one_go() -> None:
    engine = Slow()
    engine.gate.set()
    backend = ThreadedBackend(engine)
    assert backend.capabilities.together is not None
    found = await backend.capabilities.together(lambda inner: find(inner, [REQUEST], later()))
    assert [hit.id for hit in found[0].hits] == ["a"]
    await backend.close()


async def test_an_error_reaches_the_one_who_asked() -> None:
    backend = ThreadedBackend(Slow())

    async def broken(_: Backend) -> None:
        raise RuntimeError("broken")

    async def waiting(_: Backend) -> None:
        await asyncio.sleep(0)

    assert backend.capabilities.together is not None
    with pytest.raises(RuntimeError, match="broken"):
        await backend.capabilities.together(broken)
    with pytest.raises(RuntimeError, match="awaited something"):
        await backend.capabilities.together(waiting)
    await backend.close()
    with pytest.raises(BackendClosed):
        await backend.capabilities.together(broken)


async def test_closing_does_not_wait_for_ever_for_an_engine_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_CLOSE_SECONDS", 0.01)
    engine = Slow()
    backend = ThreadedBackend(engine)
    call = asyncio.ensure_future(backend.candidates([REQUEST], later()))
    await asyncio.sleep(0)
    await backend.close()
    engine.gate.set()
    await asyncio.wait([call])


def test_a_loop_that_was_closed_during_a_search_does_not_end_the_thread() -> None:
    engine = Slow()
    backend = ThreadedBackend(engine)

    async def ask_and_leave() -> None:
        call = asyncio.ensure_future(backend.candidates([REQUEST], later()))
        while not engine.threads:
            await asyncio.sleep(0)
        call.cancel()

    asyncio.run(ask_and_leave())
    engine.gate.set()
    assert asyncio.run(backend.candidates([REQUEST], later()))[0].keys
    asyncio.run(backend.close())


async def test_a_thread_that_waits_keeps_nothing_of_what_it_did() -> None:
    class Held:
        pass

    async def done(held: Held) -> None:
        assert held

    engine = Slow()
    backend = ThreadedBackend(engine)
    assert backend.capabilities.together is not None
    held = Held()
    kept = weakref.ref(held)
    await backend.capabilities.together(lambda _, held=held: done(held))  # type: ignore[misc]
    del held
    # The thread drops the job right after it has told the loop.
    async with asyncio.timeout(30):
        while kept() is not None:
            gc.collect()
            await asyncio.sleep(0)
    await backend.close()
