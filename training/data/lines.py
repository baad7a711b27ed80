"""Lines of a UTF-8 file, plain or gzip, and an account of those that could not be used.

Every reader of this package is built on :func:`read_lines` and :class:`BadLines`; a reader finds out what is wrong with
a line, this module sees to it that somebody hears of it.
"""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from typeahead.errors import SourceError

log = logging.getLogger(__name__)

#: The longest line that is read, 16 MiB: a bound on memory for a file that has no lines.
MAX_LINE = 16 << 20

_NAMED = 5
_UTF8_BOM = b"\xef\xbb\xbf"


@dataclass
class BadLines:
    """The lines of one file that could not be used: how many, and the first of them with the reason."""

    path: Path
    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, number: int, reason: str) -> None:
        """Count line ``number``, from 1."""
        self.count += 1
        if self.count <= _NAMED:
            self.first.append(f"{self.path}:{number}: {reason}")

    def report(self) -> None:
        """Log a warning with the count and the first lines, if there are any."""
        if self.count:
            more = f"; and {self.count - _NAMED} more" if self.count > _NAMED else ""
            lines = "line" if self.count == 1 else "lines"
            log.warning("%s: %d %s left out: %s%s", self.path, self.count, lines, "; ".join(self.first), more)


@contextmanager
def accounted(path: Path) -> Iterator[BadLines]:
    """A :class:`BadLines` that reports when the reading ends, also where the reader was left half way."""
    bad = BadLines(path)
    try:
        yield bad
    finally:
        bad.report()


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading, unpacking ``.gz``. Raises :class:`~typeahead.errors.SourceError` where it cannot."""
    try:
        return cast("BinaryIO", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or error}", path=path) from error


def numbered(file: BinaryIO, path: Path, bad: BadLines) -> Iterator[tuple[int, int, bytes]]:
    """Number from 1, byte offset and bytes of each line, without line break and byte order mark.

    A line of more than 16 MiB goes to ``bad``. Raises :class:`~typeahead.errors.SourceError` for UTF-16 and for a file
    that breaks off.
    """
    number = offset = 0
    try:
        while raw := file.readline(MAX_LINE + 1):
            number += 1
            start, offset = offset, offset + len(raw)
            if number == 1 and raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
                raise SourceError("is UTF-16: convert it to UTF-8", path=path)
            if len(raw) > MAX_LINE:
                bad.add(number, f"longer than {MAX_LINE} bytes")
                while raw and not raw.endswith(b"\n"):
                    raw = file.readline(MAX_LINE)
                    offset += len(raw)
                continue
            if number == 1 and raw.startswith(_UTF8_BOM):
                start, raw = start + len(_UTF8_BOM), raw[len(_UTF8_BOM) :]
            yield number, start, raw.rstrip(b"\r\n")
    except (OSError, EOFError) as error:
        raise SourceError(f"breaks off: {error}", path=path, line=number + 1) from error


def read_lines(path: Path, bad: BadLines) -> Iterator[tuple[int, str]]:
    """Number from 1 and text of each line. Empty lines come, too; those that are not UTF-8 go to ``bad``."""
    with open_bytes(path) as file:
        for number, _, raw in numbered(file, path, bad):
            try:
                yield number, decode(raw)
            except ValueError as error:
                bad.add(number, str(error))


def decode(raw: bytes) -> str:
    """Decode UTF-8; ``ValueError`` names the first byte that is none."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: byte 0x{raw[error.start]:02x} at position {error.start}") from None


def parse_object(line: str) -> dict[str, Any]:
    """Read a JSON object; ``ValueError`` says why it is none."""
    try:
        record = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(record, dict):
        raise ValueError(f"a JSON {type(record).__name__}, not an object")
    return record


def clean(value: Any, name: str) -> str:
    """Return a text without blanks round it that can be tokenized; ``ValueError`` says what is wrong with ``name``."""
    if not isinstance(value, str):
        raise ValueError(f"{name} holds {type(value).__name__} {str(value)[:40]!r}, not text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} holds a lone surrogate at position {error.start}") from None
    return value.strip()


def identifier(value: Any, name: str) -> str:
    """Return an id as text; JSON files hold some as integers. ``ValueError`` says why it is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    found = clean(value, name)
    if not found:
        raise ValueError(f"{name} is empty")
    return found
