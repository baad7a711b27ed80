"""What happens to lines that cannot be used: they are an error, or they are counted and reported."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from typeahead.errors import SourceError

log = logging.getLogger(__name__)

_KEPT = 20
_NAMED = 5

#: Gets one line of text about what was guessed of a file.
Notice = Callable[[str], None]


def log_notice(message: str) -> None:
    """Log the message as a warning."""
    log.warning("%s", message)


@dataclass
class BadLines:
    """Counts lines that could not be used, and keeps the first 20 reasons."""

    count: int = 0
    first: list[SourceError] = field(default_factory=list)

    def add(self, problem: SourceError, lines: int = 1) -> None:
        """Count ``lines`` lines that are left out for one reason."""
        self.count += lines
        if len(self.first) < _KEPT:
            self.first.append(problem)


def leave_out(problem: SourceError, bad: BadLines | None, lines: int = 1) -> None:
    """Count the problem in ``bad``; without ``bad`` it is raised."""
    if bad is None:
        raise problem from None
    bad.add(problem, lines)


@contextmanager
def accounted(path: Path) -> Iterator[BadLines]:
    """Give a :class:`BadLines` and, when the reading ends or is broken off, log how many lines it counted and why."""
    bad = BadLines()
    try:
        yield bad
    finally:
        if bad.count:
            named = "; ".join(map(str, bad.first[:_NAMED]))
            more = f"; and {bad.count - _NAMED} more" if bad.count > _NAMED else ""
            lines = "line" if bad.count == 1 else "lines"
            log.warning("%s: %d %s left out: %s%s", path, bad.count, lines, named, more)
