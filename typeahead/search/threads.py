"""Lets a blocking engine stand behind the search port: all of its calls run in one thread of their own.

A blocking engine is written as a :class:`~typeahead.search.port.Backend` whose methods simply do their work and never
await anything. :class:`ThreadedBackend` puts a thread round it. Each call is one way to the thread and back, some 50 µs
on a busy event loop; ``capabilities.together`` runs several calls in one go.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from queue import SimpleQueue
from typing import Any, Final, ParamSpec, TypeVar

from typeahead.errors import BackendClosed, DeadlinePassed
from typeahead.search.filters import Filter
from typeahead.search.port import Backend, Candidates, Entry, Key, Request, Writes
from typeahead.text.document import Document

T = TypeVar("T")
P = ParamSpec("P")
_Work = Callable[[Backend], Awaitable[Any]]

#: How long :meth:`ThreadedBackend.close` waits for what the thread is busy with.
_CLOSE_SECONDS: Final = 1.0


class ThreadedBackend:
    """``engine``, a back end that blocks, with a thread of its own. See :class:`~typeahead.search.port.Backend`."""

    def __init__(self, engine: Backend) -> None:
        self._engine = engine
        self.address = engine.address
        self.space = engine.space
        capabilities = engine.capabilities
        self.capabilities = replace(
            capabilities,
            together=self._together,
            vocabulary=self._threaded(capabilities.vocabulary),
            documents=self._threaded(capabilities.documents),
            fields=self._threaded(capabilities.fields),
            facets=self._threaded(capabilities.facets),
            describe=self._threaded(capabilities.describe),
            scoped=None if capabilities.scoped is None else self._scoped,
            writes=None if capabilities.writes is None else _ThreadedWrites(self),
        )
        self._closed = False
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        # A daemon, as a search that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="typeahead-search", daemon=True)
        self._thread.start()

    @property
    def version(self) -> str:
        """See :attr:`~typeahead.search.port.Backend.version`."""
        return self._engine.version

    @property
    def count(self) -> int:
        """Number of documents."""
        return self._engine.count

    async def candidates(self, requests: Sequence[Request], deadline: float) -> Sequence[Candidates]:
        """See :meth:`~typeahead.search.port.Backend.candidates`."""
        return await self._by(deadline, lambda engine: engine.candidates(requests, deadline))

    async def fetch(self, keys: Sequence[Key], deadline: float) -> Mapping[Key, Document]:
        """See :meth:`~typeahead.search.port.Backend.fetch`."""
        return await self._by(deadline, lambda engine: engine.fetch(keys, deadline))

    async def close(self) -> None:
        """Close the engine, once the thread has finished what it is busy with, for which it has a second."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join, _CLOSE_SECONDS)
            # What the thread hangs in may hold a lock that closing the engine would wait for.
            if not self._thread.is_alive():
                _finished(self._engine.close())

    def _threaded(self, call: Callable[P, Awaitable[T]] | None) -> Callable[P, Awaitable[T]] | None:
        """Make a function of the engine run in the thread."""
        if call is None:
            return None

        def threaded(*args: P.args, **options: P.kwargs) -> Awaitable[T]:
            return self._together(lambda _: call(*args, **options))

        return threaded

    async def _scoped(self, tree: Filter) -> Backend:
        """Make a back end of a part of the documents, with a thread of its own."""
        scoped = self._engine.capabilities.scoped
        assert scoped is not None
        return ThreadedBackend(await self._together(lambda _: scoped(tree)))

    async def _by(self, deadline: float, work: Callable[[Backend], Awaitable[T]]) -> T:
        """Run ``work`` in the thread; :class:`~typeahead.errors.DeadlinePassed` if it takes too long."""
        limit = asyncio.timeout(deadline - time.monotonic())
        try:
            async with limit:
                return await self._together(work)
        except TimeoutError:
            if limit.expired():
                raise DeadlinePassed(f"{self.address} did not answer in time") from None
            raise

    def _together(self, work: Callable[[Backend], Awaitable[T]]) -> asyncio.Future[T]:
        """Run ``work`` over the engine in the thread, in one go; it must not await anything but the engine."""
        if self._closed:
            raise BackendClosed(self.address)
        loop = asyncio.get_running_loop()
        job = _Job(work, loop, loop.create_future())
        self._jobs.put(job)
        return job.future

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._do(job)
            # The next job may be long in coming, and this one holds an event loop, with all that runs in it.
            del job

    def _do(self, job: _Job) -> None:
        # One that nobody waits for any more, as its deadline has passed.
        if job.future.cancelled():
            return
        result, error = None, None
        try:
            result = _finished(job.work(self._engine))
        except Exception as caught:
            error = caught
        # The loop may have been closed meanwhile; another one may still ask.
        with suppress(RuntimeError):
            job.loop.call_soon_threadsafe(job.settle, result, error)


class _Job:
    """Something to do in the thread, and the future that waits for it."""

    __slots__ = ("future", "loop", "work")

    def __init__(self, work: _Work, loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any]) -> None:
        self.work = work
        self.loop = loop
        self.future = future

    def settle(self, result: object, error: Exception | None) -> None:
        """Hand the outcome over, on the event loop."""
        if self.future.cancelled():
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)


class _ThreadedWrites:
    """The capability to change documents, in the thread."""

    def __init__(self, backend: ThreadedBackend) -> None:
        self._backend = backend

    @property
    def divides(self) -> bool:
        """See :attr:`~typeahead.search.port.Writes.divides`."""
        return _writes(self._backend._engine).divides

    async def upsert(self, entries: Sequence[Entry]) -> int:
        """See :meth:`~typeahead.search.port.Writes.upsert`."""
        return await self._backend._together(lambda engine: _writes(engine).upsert(entries))

    async def delete(self, ids: Sequence[str]) -> tuple[int, int]:
        """See :meth:`~typeahead.search.port.Writes.delete`."""
        return await self._backend._together(lambda engine: _writes(engine).delete(ids))

    async def matching(self, tree: Filter, most: int) -> Sequence[str]:
        """See :meth:`~typeahead.search.port.Writes.matching`."""
        return await self._backend._together(lambda engine: _writes(engine).matching(tree, most))

    async def kinds(self) -> Mapping[str, str]:
        """See :meth:`~typeahead.search.port.Writes.kinds`."""
        return await self._backend._together(lambda engine: _writes(engine).kinds())


def _writes(engine: Backend) -> Writes:
    assert engine.capabilities.writes is not None
    return engine.capabilities.writes


def _finished(work: Awaitable[T]) -> T:
    """The result of something that never waits, without an event loop."""
    steps = work.__await__()
    try:
        next(steps)
    except StopIteration as end:
        result: T = end.value
        return result
    raise RuntimeError("a blocking engine awaited something: only what never waits can run in its thread")
