"""Lines of a plain or compressed file, with their numbers and within bounds.

A compressed file is unpacked while it is read. :func:`recognised_lines` reads any encoding and needs the file only once
from its start, so a pipe will do. :func:`utf8_lines` reads UTF-8 alone and can begin anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

from typeahead.errors import SourceError
from typeahead.text.bad_lines import BadLines, Notice, leave_out, log_notice
from typeahead.text.encodings import UTF8, decode
from typeahead.text.transcoding import transcoded
from typeahead.text.unpacking import UNREADABLE, open_bytes

_T = TypeVar("_T")

#: The longest line, note, or record of several lines: 16 MiB. Without a limit, a file without line breaks would fill
#: the memory.
MAX_LINE = 16 << 20

OTHER_ENCODING = "if the file has another encoding, name it with --encoding"

_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class RawLine(NamedTuple):
    """A line's number from 1, its offset in the unpacked file, and its bytes with the line break."""

    number: int
    offset: int
    #: Empty for a line with a problem.
    raw: bytes
    #: Set for a line that is longer than 16 MiB.
    problem: SourceError | None = None


class Line(NamedTuple):
    """A line's number from 1 and its text with the line break."""

    number: int
    #: For a line with a problem, what can be made of it.
    text: str
    #: Why the line cannot be used.
    problem: SourceError | None = None
    #: In the unpacked file, in bytes; 0 for every line of :func:`recognised_lines`.
    offset: int = 0


def recognised_lines(path: Path, encoding: str | None = None, notice: Notice = log_notice) -> Iterator[Line]:
    """Read the lines of ``path`` in ``encoding``, or in the one that the file seems to have.

    The encoding is looked for in all of a file, and in the first mebibyte of a pipe. A byte order mark is left out.
    Lines end in LF or CR LF, or in CR where the first mebibyte has no LF. ``notice`` is told of an encoding other than
    UTF-8 that was recognised. A line that is longer than 16 MiB or cannot be decoded has a problem.

    Raises :class:`~typeahead.errors.SourceError` for a file that cannot be read or is no text.
    """
    with open_bytes(path) as file:
        try:
            name, stream = transcoded(path, file, encoding, notice)
        except UNREADABLE as error:
            raise unreadable(path, error) from error
        for number, _, raw, problem in _raw_lines(stream, path, 0, 0):
            yield Line(number, "", problem) if problem else _decoded(path, number, 0, raw, name, OTHER_ENCODING)


def utf8_lines(path: Path, *, line: int = 1, offset: int = 0) -> Iterator[Line]:
    """Read the lines of a UTF-8 file from number ``line`` on, which begins at ``offset`` in the unpacked file.

    Lines end in LF, with or without a CR before it. A line that is longer than 16 MiB or is not UTF-8 has a problem.

    Raises :class:`~typeahead.errors.SourceError` for a file that cannot be read, and for UTF-16.
    """
    with open_bytes(path) as file:
        for number, at, raw, problem in utf8_raw_lines(file, path, line=line, offset=offset):
            if problem:
                yield Line(number, "", problem, at)
            else:
                yield _decoded(path, number, at, raw, UTF8, "convert the file to UTF-8")


def utf8_raw_lines(file: BinaryIO, path: Path, *, line: int = 1, offset: int = 0) -> Iterator[RawLine]:
    """Read the lines of an open UTF-8 file, not decoded; otherwise as :func:`utf8_lines`."""
    try:
        if not offset:
            mark = file.read(len(_UTF8_MARK))
            if mark[:2] in _UTF16_MARKS:
                raise SourceError("is UTF-16: convert it to UTF-8", path=path)
            offset = len(_UTF8_MARK) if mark == _UTF8_MARK else 0
        file.seek(offset)
    except UNREADABLE as error:
        raise unreadable(path, error) from error
    yield from _raw_lines(file, path, line - 1, offset)


def parsed(
    lines: Iterable[Line], parse: Callable[[str], _T], path: Path, bad: BadLines | None = None
) -> Iterator[tuple[Line, _T]]:
    """Give each line that is not empty to ``parse``, without its line break, and yield the line with the result.

    ``parse`` raises ``ValueError`` for a line that it cannot use. Such a line, and one that has a problem, is counted
    in ``bad``; without ``bad`` the first of them is raised as a :class:`~typeahead.errors.SourceError`.
    """
    try:
        for line in lines:
            problem = line.problem
            if problem is None:
                text = line.text.rstrip("\r\n")
                if not text:
                    continue
                try:
                    content = parse(text)
                except ValueError as error:
                    problem = SourceError(str(error), path=path, line=line.number)
                else:
                    yield line, content
                    continue
            leave_out(problem, bad)
    finally:
        # A traceback that somebody keeps would keep the file open.
        if isinstance(lines, Generator):
            lines.close()


def _raw_lines(stream: BinaryIO, path: Path, number: int, offset: int) -> Iterator[RawLine]:
    """Read on after line ``number``; the stream stands at ``offset``."""
    try:
        while raw := stream.readline(MAX_LINE + 1):
            number += 1
            start = offset
            offset += len(raw)
            if len(raw) <= MAX_LINE:
                yield RawLine(number, start, raw)
                continue
            problem = SourceError(f"the line is longer than {MAX_LINE} bytes", path=path, line=number)
            yield RawLine(number, start, b"", problem)
            while raw and not raw.endswith(b"\n"):
                raw = stream.readline(MAX_LINE)
                offset += len(raw)
    except UNREADABLE as error:
        raise unreadable(path, error, number) from error


def _decoded(path: Path, number: int, offset: int, raw: bytes, encoding: str, remedy: str) -> Line:
    try:
        return Line(number, decode(raw, encoding), None, offset)
    except ValueError as error:
        problem = SourceError(f"{error}: {remedy}", path=path, line=number)
        return Line(number, raw.decode(UTF8, "replace"), problem, offset)


def unreadable(path: Path, error: Exception, number: int = 0) -> SourceError:
    """Make the error for a file that failed after line ``number``."""
    after = f" after line {number}" if number else ""
    return SourceError(f"cannot be read{after}: {getattr(error, 'strerror', None) or error}", path=path)
