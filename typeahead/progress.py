"""A progress bar on a terminal, and nothing in a pipe."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

_WIDTH = 30
#: Seconds between two drawings.
_INTERVAL = 0.1


class Progress:
    """Draws ``stage [#####     ] done/total`` on a terminal, over itself, a line for each stage.

    An instance is the callback ``progress(stage, done, total)`` that long-running functions of this package take;
    ``total`` is ``None`` while it is not known.
    """

    def __init__(self, *, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._shown = self._stream.isatty()
        self._stage = ""
        self._started = self._drawn = 0.0
        self._first = 0
        self._width = 0

    def __enter__(self) -> Progress:
        return self

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Show that ``done`` of ``total`` are done in a stage."""
        now = time.monotonic()
        if stage != self._stage:
            self._end_line()
            self._stage, self._started, self._drawn, self._first = stage, now, 0.0, done
        if not self._shown or (now - self._drawn < _INTERVAL and done != total):
            return
        self._drawn = now
        # What an earlier run had finished does not count as speed.
        rate = (done - self._first) / max(now - self._started, 1e-9)
        if total:
            filled = _WIDTH * min(done, total) // total
            text = f"{stage} [{'#' * filled:{_WIDTH}}] {done:,}/{total:,}"
            if rate and done < total:
                text += f", {(total - done) / rate:.0f} s left"
        else:
            text = f"{stage} {done:,}, {rate:.0f} a second"
        self._stream.write("\r" + text.ljust(self._width))
        self._stream.flush()
        self._width = len(text)

    def _end_line(self) -> None:
        if self._width:
            self._stream.write("\n")
            self._stream.flush()
            self._width = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end_line()
