"""Names a file and, where it has several columns, the one to read: ``log.csv:query``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Source:
    """A file or folder, and the column that holds its texts.

    ``column`` is the name of a column or a member (a dotted path in JSON: ``request.q``), or the number of a column from
    1, which a file without a header needs. ``None``: the column is found by its name or its content.
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
