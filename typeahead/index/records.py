"""Lines of a file as bytes, with their numbers and within bounds; what ``sources`` and ``notes`` read with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from typeahead.errors import SourceError

#: The longest line, or note, that is read: 16 MiB. A limit against running out of memory on a file that has no lines.
MAX_LINE = 16 << 20

_BYTE_ORDER_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_UTF8_BOM = b"\xef\xbb\xbf"
_KEPT = 20


@dataclass
class BadLines:
    """Counts what could not be used, and keeps the first 20 reasons."""

    count: int = 0
    first: list[SourceError] = field(default_factory=list)

    def add(self, problem: SourceError) -> None:
        """Count one."""
        self.count += 1
        if len(self.first) < _KEPT:
            self.first.append(problem)


def lines(path: Path, bad: BadLines | None) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each line, the line break included, a byte order mark not.

    Raises :class:`~typeahead.errors.SourceError` for a file that cannot be read or is UTF-16, and, unless ``bad``
    counts it, for a line of more than 16 MiB.
    """
    try:
        with path.open("rb") as file:
            mark = file.read(3)
            if mark[:2] in _BYTE_ORDER_MARKS:
                raise SourceError(f"is {_BYTE_ORDER_MARKS[mark[:2]]}: convert it to UTF-8", path=path)
            if mark != _UTF8_BOM:
                file.seek(0)
            number = 0
            while raw := file.readline(MAX_LINE + 1):
                number += 1
                if len(raw) <= MAX_LINE:
                    yield number, raw
                    continue
                problem = SourceError(f"the line is longer than {MAX_LINE} bytes", path=path, line=number)
                if bad is None:
                    raise problem
                bad.add(problem)
                while raw and not raw.endswith(b"\n"):
                    raw = file.readline(MAX_LINE)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or error}", path=path) from error


def decode(raw: bytes) -> str:
    """Decode UTF-8; ``ValueError`` names the first byte that is none."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: byte 0x{raw[error.start]:02x} at position {error.start}") from None
