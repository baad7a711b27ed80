"""Lines of a file as text, with their numbers and within bounds; what ``sources`` and ``notes`` read with.

A file is read once from its start, so a pipe will do. Its encoding is looked for first (see ``encodings``): in all of a
file, and in the first mebibyte of a pipe.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from typeahead.errors import SourceError
from typeahead.text.encodings import UTF8, Encoding, as_utf8, confirm, decode, recognise

#: The longest line, note, or record of several lines, that is read: 16 MiB. A limit against running out of memory on a
#: file that has no lines.
MAX_LINE = 16 << 20

_CHUNK = 1 << 20
_KEPT = 20
OTHER_ENCODING = "if the file has another encoding, name it with --encoding"

__all__ = ["MAX_LINE", "BadLines", "Line", "Notice", "decode", "leave_out", "lines", "log_notice"]

#: Told in one line what was guessed about a file.
Notice = Callable[[str], None]


def log_notice(message: str) -> None:
    """Log it as a warning."""
    logging.getLogger(__name__).warning("%s", message)


@dataclass
class BadLines:
    """Counts lines that could not be used, and keeps the first 20 reasons."""

    count: int = 0
    first: list[SourceError] = field(default_factory=list)

    def add(self, problem: SourceError, lines: int = 1) -> None:
        """Count ``lines`` that are left out for one reason."""
        self.count += lines
        if len(self.first) < _KEPT:
            self.first.append(problem)


def leave_out(problem: SourceError, bad: BadLines | None, lines: int = 1) -> None:
    """Raise ``problem``, unless ``bad`` is there to count it."""
    if bad is None:
        raise problem from None
    bad.add(problem, lines)


class Line(NamedTuple):
    """A line with its break. One with a ``problem`` cannot be used; its text is what can be made of it."""

    number: int
    text: str
    problem: SourceError | None = None


def lines(path: Path, encoding: str | None = None, notice: Notice = log_notice) -> Iterator[Line]:
    """Read the lines of ``path``, in ``encoding`` or in what is recognised; a byte order mark is left out.

    Lines end in LF or CR LF, or in CR where the first mebibyte has no LF. ``notice`` is told of any encoding other than
    UTF-8 that was not named. A line that is longer than 16 MiB or cannot be decoded has a problem.

    Raises :class:`~typeahead.errors.SourceError` for a file that cannot be read or is no text.
    """
    number = 0
    try:
        with path.open("rb") as file:
            name, stream = _recognised(path, file, encoding, notice)
            while raw := stream.readline(MAX_LINE + 1):
                number += 1
                if len(raw) <= MAX_LINE:
                    yield _line(path, number, raw, name)
                    continue
                problem = SourceError(f"the line is longer than {MAX_LINE} bytes", path=path, line=number)
                yield Line(number, "", problem)
                while raw and not raw.endswith(b"\n"):
                    raw = stream.readline(MAX_LINE)
    except OSError as error:
        after = f" after line {number}" if number else ""
        raise SourceError(f"cannot be read{after}: {error.strerror or error}", path=path) from error


def _line(path: Path, number: int, raw: bytes, encoding: str) -> Line:
    try:
        return Line(number, decode(raw, encoding))
    except ValueError as error:
        reason = f"{error}: {OTHER_ENCODING}"
        return Line(number, raw.decode(UTF8, "replace"), SourceError(reason, path=path, line=number))


class _Recognised(NamedTuple):
    encoding: str
    #: UTF-8 whose lines end in LF.
    stream: BinaryIO


def _recognised(path: Path, file: BinaryIO, encoding: str | None, notice: Notice) -> _Recognised:
    head = file.read(_CHUNK)
    if encoding is not None:
        found = confirm(encoding, head)
    else:
        try:
            found = recognise(_with_rest(head, file) if file.seekable() else [head])
        except ValueError as error:
            raise SourceError(str(error), path=path) from None
        if found.reason:
            notice(f"{path}: read as {found.name}, {found.reason}")
    old_breaks = _has_old_breaks(head, found)
    if file.seekable():
        file.seek(found.mark)
        if found.name == UTF8 and not old_breaks:
            return _Recognised(UTF8, file)
        chunks = _chunks(file)
    else:
        chunks = _with_rest(head[found.mark :], file)
    chunks = as_utf8(chunks, found.name)
    if old_breaks:
        chunks = (chunk.replace(b"\r", b"\n") for chunk in chunks)
    return _Recognised(found.name, io.BufferedReader(_Pieces(chunks), 1 << 16))


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _with_rest(head: bytes, file: BinaryIO) -> Iterator[bytes]:
    yield head
    yield from _chunks(file)


def _has_old_breaks(head: bytes, found: Encoding) -> bool:
    """Whether lines end in CR, as on the Macintosh of old."""
    text = b"".join(as_utf8([head[found.mark :]], found.name))
    return b"\r" in text[:-1] and b"\n" not in text


class _Pieces(io.RawIOBase):
    """Pieces of bytes as one stream."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = memoryview(piece)
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count
