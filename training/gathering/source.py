"""Names a file and, where it has several columns, the one to read: ``log.csv:query``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from typeahead.errors import SourceError


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

    @property
    def name(self) -> str:
        """The name of the file as it can be printed: a name that is no UTF-8 has lone surrogates."""
        return os.fsencode(self.path.name).decode(errors="replace")


def beginning(path: Path, size: int) -> bytes:
    """The first bytes of a file, none of a pipe; raises :class:`~typeahead.errors.SourceError`."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or error}", path=path) from error
