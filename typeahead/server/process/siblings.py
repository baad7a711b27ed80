"""How the worker processes of one server share their counts, so that metrics add up.

Each worker has one socket to the process that started it, :mod:`typeahead.server.process.supervisor`, and both sides
speak JSON, an object a line:

====================================  ======================================================================
worker says                           meaning
====================================  ======================================================================
``{"ready": true}``                   it is warm and takes sessions
``{"failed": "…"}``                   it cannot serve, and why; it ends
``{"report": R}``                     its counts, once a second, in case it dies
``{"report": R, "to": n}``            the same, when asked
``{"collect": n}``                    asks for the counts of all others
====================================  ======================================================================

====================================  ======================================================================
worker hears                          meaning
====================================  ======================================================================
``{"ask": n}``                        a report is wanted
``{"collected": n, "reports": [R]}``  the answer to ``collect``, with one report for all dead workers
====================================  ======================================================================

A report holds ``metrics``, as in :mod:`typeahead.server.observe.counters`, ``slow``, as in
:mod:`typeahead.server.observe.slow`, and ``started``, seconds since 1970. When the socket ends, the worker is an orphan
and stops.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any, Final, TypeAlias

from typeahead.errors import TypeaheadError

Report: TypeAlias = dict[str, Any]

#: Seconds between reports that nobody asked for, and seconds that a worker waits for an answer.
REPORT_SECONDS: Final = 1.0
COLLECT_SECONDS: Final = 2.0

#: Bytes of a line, at most. A report has some 30 kB.
LINE_LIMIT: Final = 16 << 20


def write_line(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    """Send one message."""
    if not writer.is_closing():
        writer.write(json.dumps(message).encode() + b"\n")


@contextmanager
def telling_failure(control: int) -> Iterator[None]:
    """Send the error that ends a worker to the process that started it, which writes it once for all workers.

    ``control`` is the number of the worker's socket. Raises ``SystemExit`` where the block raises an error that has an
    explanation.
    """
    # The socket itself is closed by the time that the server has ended.
    spare = os.dup(control)
    try:
        yield
    except (TypeaheadError, OSError) as error:
        said = str(error)
        if isinstance(error, OSError) and error.strerror:
            said = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        with suppress(OSError):
            os.write(spare, json.dumps({"failed": said}).encode() + b"\n")
        raise SystemExit(1) from error
    finally:
        os.close(spare)


class Siblings:
    """A worker's side of the socket ``control``."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._writer: asyncio.StreamWriter | None = None
        self._ready = False
        self._numbers = count()
        self._asked: dict[int, asyncio.Future[list[Report]]] = {}

    async def run(self, report: Callable[[], Report], orphaned: Callable[[], None]) -> None:
        """Answer and report until the other side is gone, then call ``orphaned``."""
        reader, self._writer = await asyncio.open_connection(sock=self._control, limit=LINE_LIMIT)
        if self._ready:
            self.ready()
        reporting = asyncio.create_task(self._report(report))
        try:
            while line := await reader.readline():
                message = json.loads(line)
                if "ask" in message:
                    write_line(self._writer, {"report": report(), "to": message["ask"]})
                elif (answer := self._asked.pop(message["collected"], None)) is not None and not answer.done():
                    answer.set_result(message["reports"])
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            reporting.cancel()
            self._writer.close()
        orphaned()

    def ready(self) -> None:
        """Tell that this worker takes sessions."""
        self._ready = True
        if self._writer is not None:
            write_line(self._writer, {"ready": True})

    async def others(self) -> list[Report]:
        """Return the counts of all other workers, dead ones included; nothing if no answer comes in time."""
        if self._writer is None:
            return []
        number = next(self._numbers)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        write_line(self._writer, {"collect": number})
        with suppress(TimeoutError):
            return await asyncio.wait_for(answer, COLLECT_SECONDS)
        self._asked.pop(number, None)
        return []

    async def _report(self, report: Callable[[], Report]) -> None:
        assert self._writer is not None
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            write_line(self._writer, {"report": report()})
