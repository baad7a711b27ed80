"""Several worker processes on one port: started, replaced when they die, stopped together.

Each worker has its own listening sockets on the same address (SO_REUSEPORT), and the system spreads the connections
over them. On a unix socket they take turns at one listening socket. A second server on the port is refused, because it
would get a share of them too. The sockets belong to this process, so a client that connects to a dead worker waits for
the next one instead of being refused. Only the dead worker's connections are lost: clients send their text again, and
the worker's counts stay in the sums (:mod:`typeahead.server.process.siblings`). Each worker follows the changes of the
index for itself (:mod:`typeahead.index.living`). A single process is :mod:`typeahead.server.process.run`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from typeahead.errors import TypeaheadError
from typeahead.server.observe.counters import Counter, Registry, merge
from typeahead.server.observe.metrics import add_worker_deaths
from typeahead.server.observe.process_metrics import add_process_metrics
from typeahead.server.observe.slow import merge_slow
from typeahead.server.process.listening import claim, listen, listener_port
from typeahead.server.process.run import hears_hangup
from typeahead.server.process.siblings import LINE_LIMIT, Report, write_line
from typeahead.server.process.unix_sockets import listen_unix

log = logging.getLogger(__name__)

#: Seconds that a worker has to report what it has counted.
_ASK_SECONDS: Final = 0.5
#: A worker that ran for so many seconds was sound, and is replaced at once. The longest wait before replacing others.
_STEADY_SECONDS: Final = 5.0
_LONGEST_WAIT: Final = 5.0
#: Workers that may die in a row before any was ready.
_FAILURES: Final = 3
#: Seconds that workers have to end, beyond those that the settings give them.
_ENDING_SECONDS: Final = 5.0


class WorkersError(TypeaheadError):
    """The workers do not start."""


class _Worker:
    """One slot: its sockets, and the process that uses them now."""

    def __init__(self, listeners: list[socket.socket]) -> None:
        self.listeners = listeners
        self.process: asyncio.subprocess.Process | None = None
        self.writer: asyncio.StreamWriter | None = None
        self.ready = False
        #: Whether the present process has been told to end.
        self.told = False
        #: Why the present process cannot serve, if it said so.
        self.failure: str | None = None
        #: What the present process last reported.
        self.report: Report | None = None
        self.answers: dict[int, asyncio.Future[None]] = {}


class Supervisor:
    """Runs ``count`` processes of ``command`` on one address, with ``--worker`` and its arguments added.

    ``on_ready`` is called once with the server's address, when all workers are ready. With ``share_port`` another
    server may use the port too, if it also shares it; without it, a port in use raises
    :class:`~typeahead.server.process.listening.ListenError`. ``unix`` is a path and a mode instead of host and port;
    there ``share_port`` takes the path over. Workers that were told to end and have not done so within
    ``ending_seconds`` and five more are killed.
    """

    def __init__(
        self,
        command: Sequence[str],
        host: str,
        port: int,
        *,
        count: int,
        ending_seconds: float,
        on_ready: Callable[[str], None],
        share_port: bool = False,
        unix: tuple[Path, int] | None = None,
    ) -> None:
        self._command = command
        self._ending_seconds = ending_seconds
        self._on_ready: Callable[[str], None] | None = on_ready
        if unix is None:
            sockets = _shared_port(host, port, count, alone=not share_port)
            self.address = f"http://{f'[{host}]' if ':' in host else host}:{listener_port(sockets[0])}"
        else:
            path, mode = unix
            # The system does not spread the connections of one path over several sockets.
            sockets = [[listen_unix(path, mode, take_over=share_port)]] * count
            self.address = f"unix:{path}"
        self._workers = [_Worker(listeners) for listeners in sockets]
        self._registry = Registry()
        self._deaths = Counter()
        add_worker_deaths(self._registry, self._deaths)
        add_process_metrics(self._registry)
        self._retired: Report = {"metrics": [], "slow": [], "started": time.time()}
        self._stopping: asyncio.Event | None = None
        self._failures = 0
        self._failure: TypeaheadError | None = None
        self._numbers = iter(range(sys.maxsize))

    def run(self) -> None:
        """Serve until SIGTERM, SIGINT or SIGHUP. Raises :class:`WorkersError` if no worker gets ready."""
        try:
            asyncio.run(self._run())
        finally:
            self.close()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Close the sockets, as :meth:`run` does when it ends."""
        for worker in self._workers:
            for listener in worker.listeners:
                listener.close()

    async def _run(self) -> None:
        self._stopping = stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if hears_hangup() else [])):
            loop.add_signal_handler(number, stopping.set)
        keepers = [asyncio.create_task(self._keep(worker)) for worker in self._workers]
        await stopping.wait()
        await self._end(self._workers)
        await asyncio.gather(*keepers)

    async def _end(self, workers: Sequence[_Worker]) -> None:
        """Let workers answer what is pending and end; kill the ones that do not end in time."""
        ending = []
        for worker in workers:
            if worker.process is not None:
                worker.told = True
                _signal(worker, signal.SIGTERM)
                ending.append(asyncio.ensure_future(worker.process.wait()))
        if not ending:
            return
        _, late = await asyncio.wait(ending, timeout=self._ending_seconds + _ENDING_SECONDS)
        for worker in workers if late else ():
            _signal(worker, signal.SIGKILL)
        await asyncio.gather(*ending)

    async def _keep(self, worker: _Worker) -> None:
        """Keep a process running in this slot until it is time to stop."""
        assert self._stopping is not None
        wait = 0.0
        while not self._stopping.is_set():
            started = time.monotonic()
            status = await self._live(worker)
            if self._stopping.is_set():
                return
            if worker.told:
                self._retire(worker)
                continue
            self._deaths.add()
            if worker.failure is not None and self._on_ready is not None:
                # The others would fail for the same reason, and so would a second try.
                self._failure = WorkersError(worker.failure)
                self._stopping.set()
                return
            if not worker.ready:
                self._failures += 1
                if self._failures >= _FAILURES:
                    self._failure = WorkersError(f"a worker ended with status {status} before it was ready: see above")
                    self._stopping.set()
                    return
            if worker.failure is not None:
                log.error("a worker could not start: %s", worker.failure)
            log.warning("a worker ended with status %s: starting another", status)
            self._retire(worker)
            lasted = time.monotonic() - started >= _STEADY_SECONDS
            wait = 0.0 if lasted else min(_LONGEST_WAIT, 2 * wait + 0.1)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)

    async def _live(self, worker: _Worker) -> int:
        """Run one process to its end, and return its status."""
        ours, theirs = socket.socketpair()
        worker.ready, worker.told, worker.failure, worker.report = False, False, None, None
        passed = [theirs, *worker.listeners]
        try:
            worker.process = await asyncio.create_subprocess_exec(
                *self._command,
                "--worker",
                ",".join(str(end.fileno()) for end in passed),
                pass_fds=[end.fileno() for end in passed],
            )
        finally:
            theirs.close()
        reader, worker.writer = await asyncio.open_connection(sock=ours, limit=LINE_LIMIT)
        if self._stopping is not None and self._stopping.is_set():
            _signal(worker, signal.SIGTERM)
        try:
            with suppress(ConnectionError):
                while line := await reader.readline():
                    self._hear(worker, json.loads(line))
        finally:
            worker.writer.close()
        return await worker.process.wait()

    def _hear(self, worker: _Worker, message: dict[str, Any]) -> None:
        if "ready" in message:
            worker.ready = True
            self._failures = 0
            if self._on_ready is not None and all(other.ready for other in self._workers):
                self._on_ready(self.address)
                self._on_ready = None
        elif "failed" in message:
            worker.failure = message["failed"]
        elif "report" in message:
            worker.report = message["report"]
            answer = worker.answers.pop(message.get("to", -1), None)
            if answer is not None and not answer.done():
                answer.set_result(None)
        else:
            task = asyncio.get_running_loop().create_task(self._collect(worker, message["collect"]))
            task.add_done_callback(lambda done: done.exception())

    async def _collect(self, asking: _Worker, number: int) -> None:
        """Send a worker the counts of all others."""
        others = [worker for worker in self._workers if worker is not asking]
        asked = [self._ask(worker) for worker in others if worker.ready and worker.writer is not None]
        if asked:
            # A late report is replaced by the last one, which is a second old.
            await asyncio.wait(asked, timeout=_ASK_SECONDS)
        reports = [worker.report for worker in others if worker.report is not None]
        assert asking.writer is not None
        counted = merge([self._registry.snapshot(), self._retired["metrics"]])
        write_line(asking.writer, {"collected": number, "reports": [*reports, self._retired | {"metrics": counted}]})

    def _ask(self, worker: _Worker) -> asyncio.Future[None]:
        assert worker.writer is not None
        number = next(self._numbers)
        answer = worker.answers[number] = asyncio.get_running_loop().create_future()
        write_line(worker.writer, {"ask": number})
        return answer

    def _retire(self, worker: _Worker) -> None:
        """Keep the counts of a dead worker, so that sums do not fall. Its gauges are gone."""
        worker.writer = None
        for answer in worker.answers.values():
            answer.cancel()
        worker.answers.clear()
        report, worker.report = worker.report, None
        if report is not None:
            counted = [family for family in report["metrics"] if family["kind"] != "gauge"]
            self._retired |= {
                "metrics": merge([self._retired["metrics"], counted]),
                "slow": merge_slow([self._retired["slow"], report["slow"]]),
            }


def _shared_port(host: str, port: int, count: int, *, alone: bool) -> list[list[socket.socket]]:
    """Listen ``count`` times on one port; ``alone`` refuses a port that another server uses."""
    claimed = claim(host, port) if alone else []
    first = listen(host, listener_port(claimed) or port, shared=True)
    for listener in claimed:
        listener.close()
    return [first, *(listen(host, listener_port(first), shared=True) for _ in range(count - 1))]


def _signal(worker: _Worker, number: signal.Signals) -> None:
    if worker.process is not None and worker.process.returncode is None:
        with suppress(ProcessLookupError):
            worker.process.send_signal(number)
