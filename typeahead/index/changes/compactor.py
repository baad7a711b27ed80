"""Has an index compacted when that is due, in a process of its own.

Several processes may follow one folder, and one at a time compacts. So the others find the lock held and wait. After a
failure, such as a full disk, the wait doubles, and the log hears of a reason once.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from typeahead.errors import TypeaheadError
from typeahead.index.changes.compacting import BUSY
from typeahead.index.staging import IndexBusy, lock_folder

log = logging.getLogger(__name__)

#: Seconds between two questions whether a compaction is due, and after another process was found at work.
_ASK_SECONDS: Final = 1.0
#: Seconds after a failure, which double with each further one up to a limit.
_RETRY_SECONDS: Final = 10.0
_MOST_SECONDS: Final = 600.0
#: Seconds that a child has to end once it was told to.
_END_SECONDS: Final = 5.0
#: The least of all priorities.
_NICENESS: Final = 19


class Compactor:
    """Starts compactions of the index in ``folder``, one at a time. Belongs to one thread."""

    def __init__(
        self, folder: Path, *, command: Sequence[str] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder, self._clock = folder, clock
        self._command = command or (sys.executable, "-m", "typeahead.index.changes.compacting", str(folder))
        self._process: subprocess.Popen[bytes] | None = None
        self._words: IO[bytes] | None = None
        self._not_before = 0.0
        self._failures = 0
        self._told = ""

    def step(self, due: Callable[[], bool]) -> None:
        """Look after the compaction that is running, or start one if ``due`` says so. Returns at once."""
        if self._process is not None:
            code = self._process.poll()
            if code is not None:
                self._ended(code)
            return
        now = self._clock()
        if now < self._not_before:
            return
        self._not_before = now + _ASK_SECONDS
        if due() and not _is_busy(self._folder):
            self._start()

    def close(self) -> None:
        """End the compaction that is running; the index stays as it was."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._forget()

    def _start(self) -> None:
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - until the process has ended
        try:
            # A process of its own: it takes seconds of a core, and Python has one lock for all threads.
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._words
            )
        except OSError as error:
            self._failed(str(error))
            self._forget()
        else:
            _step_back(self._process.pid)

    def _ended(self, code: int) -> None:
        assert self._words is not None
        self._words.seek(0)
        words = self._words.read().decode(errors="replace").strip().splitlines()
        self._forget()
        if code == 0:
            self._failures, self._told = 0, ""
        elif code != BUSY:
            self._failed(words[-1] if words else f"its process ended with status {code}")

    def _failed(self, reason: str) -> None:
        wait = min(_MOST_SECONDS, _RETRY_SECONDS * 2**self._failures)
        self._failures += 1
        self._not_before = self._clock() + wait
        if reason != self._told:
            self._told = reason
            message = "the changes of %s could not be merged (%s): nothing is lost, and it is tried again"
            log.error(message, self._folder, reason)

    def _forget(self) -> None:
        self._process = None
        if self._words is not None:
            self._words.close()
        self._words = None


def _step_back(process: int) -> None:
    """Let a process run only where nothing else wants to, as far as the system knows such a thing."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, process, _NICENESS)
    # To Linux, a core with such a process is a free one, so threads that answer keys are not kept together on another.
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(process, os.SCHED_IDLE, os.sched_param(0))


def _is_busy(folder: Path) -> bool:
    """Whether another process builds or compacts there. What else is wrong, the compaction will tell."""
    try:
        lock_folder(folder).close()
    except IndexBusy:
        return True
    except TypeaheadError:
        return False
    return False
