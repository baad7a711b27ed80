"""Cuts a body into documents while it comes: lines of JSON (NDJSON), or the elements of a JSON array.

The first byte that is no white space decides: ``[`` begins an array. Nothing is parsed here beyond strings and
brackets, and no more than one unfinished document is held.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_MARK: Final = b"\xef\xbb\xbf"
_SPACE: Final = b" \t\r\n"
#: What can end a string, open or close something, and, between elements, end an element.
_STRING: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_INSIDE: Final = re.compile(rb'["\[\]{}]')
_BETWEEN: Final = re.compile(rb'["\[\]{},]')


class Piece(NamedTuple):
    """A document as it was sent, or what is wrong with it."""

    #: Of its line, or of its element in the array, from 1.
    number: int
    data: bytes
    #: Code and message of an error, None where there is none.
    problem: tuple[str, str] | None = None


class Cutter:
    """Cuts one body. A document of more than ``limit`` bytes is skipped to its end, and comes out as a problem."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._head = b""
        self._cutter: _Lines | _Elements | None = None

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Yield the documents that end in ``data``."""
        if self._cutter is None:
            self._head += data
            # More may come of a byte order mark, or of white space that is not worth an error yet.
            begun = self._head.lstrip(_SPACE) and not _MARK.startswith(self._head)
            if not begun and len(self._head) <= self._limit:
                return
            yield from self._begin()
        else:
            yield from self._cutter.feed(data)

    def end(self) -> Iterator[Piece]:
        """Yield what the end of the body ends."""
        if self._cutter is None:
            yield from self._begin()
        assert self._cutter is not None
        yield from self._cutter.end()

    def _begin(self) -> Iterator[Piece]:
        data, self._head = self._head.removeprefix(_MARK), b""
        text = data.lstrip(_SPACE)
        is_array = text.startswith(b"[")
        self._cutter = _Elements(self._limit) if is_array else _Lines(self._limit)
        yield from self._cutter.feed(text[1:] if is_array else data)


class _Unfinished:
    """The bytes of one document until it ends, if they are not too many."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = bytearray()
        self._too_long = False

    def add(self, data: bytes) -> None:
        if self._too_long or len(self._bytes) + len(data) > self._limit:
            self._too_long = True
            self._bytes.clear()
        else:
            self._bytes += data

    @property
    def blank(self) -> bool:
        return not self._too_long and not self._bytes.strip()

    def take(self, number: int) -> Piece:
        data, too_long = bytes(self._bytes), self._too_long
        self._bytes.clear()
        self._too_long = False
        if too_long:
            message = f"the document has more than {self._limit} bytes: divide it, or raise max_document_bytes"
            return Piece(number, b"", ("document_too_long", message))
        return Piece(number, data)


class _Lines:
    def __init__(self, limit: int) -> None:
        self._unfinished = _Unfinished(limit)
        self._number = 0

    def feed(self, data: bytes) -> Iterator[Piece]:
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._unfinished.add(data[start:end])
            self._number += 1
            piece = None if self._unfinished.blank else self._unfinished.take(self._number)
            if piece is None:
                self._unfinished.take(self._number)
            else:
                yield piece
            start = end + 1
        self._unfinished.add(data[start:])

    def end(self) -> Iterator[Piece]:
        yield from self.feed(b"\n")


class _Elements:
    """Cuts what follows the ``[`` of an array."""

    def __init__(self, limit: int) -> None:
        self._unfinished = _Unfinished(limit)
        self._number = 0
        self._depth = 1
        self._in_string = False
        self._escaped = False
        self._told = False

    def feed(self, data: bytes) -> Iterator[Piece]:
        start = place = 0
        while place < len(data) and self._depth:
            if self._in_string:
                place = self._skip_string(data, place)
                continue
            found = (_INSIDE if self._depth > 1 else _BETWEEN).search(data, place)
            if found is None:
                break
            place = found.end()
            mark = found[0]
            if mark == b'"':
                self._in_string = True
            elif mark in b"[{":
                self._depth += 1
            elif mark == b"," or self._depth == 1:
                self._unfinished.add(data[start : found.start()])
                start = place
                last = mark != b","
                if not (last and self._unfinished.blank and not self._number):
                    self._number += 1
                    yield self._unfinished.take(self._number)
                self._depth -= last
            else:
                self._depth -= 1
        if self._depth:
            self._unfinished.add(data[start:])
        elif not self._told and data[place:].strip(_SPACE):
            self._told = True
            yield Piece(self._number + 1, b"", ("bad_json", "something follows the end of the array: send one array"))

    def end(self) -> Iterator[Piece]:
        if self._depth:
            message = "the body ends within the array: was it cut short?"
            yield Piece(self._number + 1, b"", ("bad_json", message))

    def _skip_string(self, data: bytes, place: int) -> int:
        """Go to the end of a string, or of ``data``."""
        if self._escaped:
            self._escaped = False
            return place + 1
        found = _STRING.match(data, place)
        assert found is not None
        place = found.end()
        if place < len(data):
            # A quotation mark, or a backslash that is the last byte.
            self._escaped = data[place : place + 1] == b"\\"
            self._in_string = self._escaped
            place += 1
        return place
