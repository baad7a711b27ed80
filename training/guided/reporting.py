"""Says how far a guided training is: a bar and lines on a terminal, and a log file with the same and the time to go."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from training.guided.plan import minutes
from typeahead.progress import ProgressBar

#: Seconds between two lines of the log on the same work.
_EVERY = 10.0


class Reporter:
    """Reports on a run: lines for people, and an ``OnProgress`` callback for what takes long."""

    def __init__(self, *, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._bar = ProgressBar(stream=self._stream)
        self._log: Path | None = None
        self._work = ""
        self._began = self._logged = 0.0
        self._first = 0

    def to_file(self, path: Path) -> None:
        """Append everything that follows to a file, too."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._log = path

    def say(self, line: str = "") -> None:
        """Write a line."""
        self._bar.__exit__(None, None, None)
        print(line, file=self._stream, flush=True)
        self._append(line)
        self._work = ""

    def progress(self, work: str, done: int, total: int | None) -> None:
        """Say that ``done`` of ``total`` are done."""
        self._bar(work, done, total)
        now = time.monotonic()
        if work != self._work:
            self._work, self._began, self._first, self._logged = work, now, done, now
            return
        if now - self._logged < _EVERY and done != total:
            return
        self._logged = now
        speed = (done - self._first) / max(now - self._began, 1e-9)
        left = f", {minutes((total - done) / speed)} left" if total and speed > 0 else ""
        share = f" of {total:,}" if total else ""
        self._append(f"{work}: {done:,}{share}{left}")

    def judged(self, entry: Mapping[str, Any]) -> None:
        """Say what the development split says of a student: an entry of the log of its run."""
        agreement = next((value for name, value in entry.items() if name.endswith(" agreement")), None)
        batch = f" after {entry['batches']:,} batches" if "batches" in entry else ""
        found = f"agreement {agreement:.1%}" if agreement is not None else "not judged"
        self.say(f"{entry['stage']}{batch}: {found}")

    def _append(self, line: str) -> None:
        if self._log is not None:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%H:%M:%S')} {line}\n")

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.__exit__(kind, error, traceback)
        if error is not None:
            self._append(f"{kind.__name__ if kind else ''}: {error}")
