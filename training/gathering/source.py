"""Names a file and, where it has several columns, the one to read: ``log.csv:query``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Source:
    """A file or folder, and the column that holds its texts.

    ``column`` is the name of a column or a member, in JSON a dotted path such as ``request.q``. A column of a file
    without a header has a number, from 1. In the log of a web server it is the parameter of the addresses. ``None``:
    the column is found by its name or its content.
    """

    path: Path
    column: str | None = None

    @classmethod
    def of(cls, given: Source | Path | str) -> Source:
        """Read ``FILE`` or ``FILE:COLUMN``. A file that exists under the whole name has no column."""
        if isinstance(given, Source):
            return given
        text = str(given)
        file, colon, column = text.rpartition(":")
        if colon and file and column and not Path(text).exists() and Path(file).exists():
            return cls(Path(file), column)
        return cls(Path(given))
