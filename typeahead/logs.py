"""Logs that nobody can flood: one line of each kind in a while, with the number of lines that were left out.

A client that could make the server log a line for each request could fill its disk and hide other lines. Metrics count
what happens; the log says that it happens. A kind is a message before its arguments are filled in.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

#: Seconds between two lines of one kind, and between two tracebacks.
LINE_SECONDS: Final = 1.0
TRACEBACK_SECONDS: Final = 60.0
#: Kinds, at most. Messages are constants of the code, so there are few; this bounds the ones that libraries make up.
_MOST_KINDS: Final = 256


class RateLimit(logging.Filter):
    """Lets one record of each kind through in ``seconds``, and drops tracebacks that come too soon.

    Works as a filter of any logger, and from several threads.
    """

    def __init__(self, seconds: float = LINE_SECONDS, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        #: By kind: when its last line was written, and how many were left out since.
        self._lines: dict[str, tuple[float, int]] = {}
        self._tracebacks: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether ``record`` is written, and note in it how many of its kind were left out."""
        left_out = self.admit(str(record.msg))
        if left_out is None:
            return False
        self.annotate(record, left_out)
        return True

    def admit(self, kind: str) -> int | None:
        """Return how many of a kind were left out since the last line, or None if this one is left out too."""
        now = self._clock()
        with self._lock:
            last, left_out = self._lines.get(kind, (-float("inf"), 0))
            if now - last < self._seconds:
                self._lines[kind] = last, left_out + 1
                return None
            if len(self._lines) >= _MOST_KINDS:
                self._lines.clear()
                self._tracebacks.clear()
            self._lines[kind] = now, 0
            return left_out

    def annotate(self, record: logging.LogRecord, left_out: int) -> None:
        """Drop the traceback of a record if it comes too soon, and note how many lines were left out."""
        kind, now = str(record.msg), self._clock()
        if record.exc_info:
            with self._lock:
                if now - self._tracebacks.get(kind, -float("inf")) < TRACEBACK_SECONDS:
                    record.exc_info = record.exc_text = None
                else:
                    self._tracebacks[kind] = now
        if left_out:
            record.msg, record.args = f"{record.getMessage()} ({left_out} more such lines were left out)", ()


class LimitedLog:
    """Writes to ``logger``, under a limit of its own."""

    def __init__(
        self,
        logger: logging.Logger,
        *,
        seconds: float = LINE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._limit = RateLimit(seconds, clock=clock)

    # ``extra`` is as in :mod:`logging`: attributes of the record.

    def warning(self, message: str, *arguments: Any, extra: Mapping[str, Any] | None = None) -> None:
        """Write a line at level WARNING."""
        self._write(logging.WARNING, message, arguments, extra)

    def error(self, message: str, *arguments: Any, extra: Mapping[str, Any] | None = None) -> None:
        """Write a line at level ERROR."""
        self._write(logging.ERROR, message, arguments, extra)

    def exception(self, message: str, *arguments: Any, extra: Mapping[str, Any] | None = None) -> None:
        """Write a line at level ERROR, with the traceback of the current exception."""
        self._write(logging.ERROR, message, arguments, extra, exc_info=True)

    def _write(
        self,
        level: int,
        message: str,
        arguments: tuple[Any, ...],
        extra: Mapping[str, Any] | None,
        *,
        exc_info: bool = False,
    ) -> None:
        if not self._logger.isEnabledFor(level):
            return
        left_out = self._limit.admit(message)
        if left_out is None:
            return
        caller = sys._getframe(2)
        record = self._logger.makeRecord(
            self._logger.name,
            level,
            caller.f_code.co_filename,
            caller.f_lineno,
            message,
            arguments,
            sys.exc_info() if exc_info else None,
            caller.f_code.co_name,
            extra,
        )
        self._limit.annotate(record, left_out)
        self._logger.handle(record)


def limit_library(name: str) -> None:
    """Put a library's logger under a new limit, which replaces an earlier one from here."""
    logger = logging.getLogger(name)
    for known in [known for known in logger.filters if isinstance(known, RateLimit)]:
        logger.removeFilter(known)
    logger.addFilter(RateLimit())
