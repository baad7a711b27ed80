"""Streams the objects of a JSON file: an array of them, or one after the other, with line breaks anywhere.

JSONL needs none of this: there, each line is an object of its own. Here the end of an object is found by counting
brackets outside of strings, so memory holds one object at a time, and an object that cannot be used does not hide the
next one. ``ijson`` streams too, but gives up at the first error in a file.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from typeahead.errors import SourceError
from typeahead.text import reading
from typeahead.text.bad_lines import BadLines, Notice, leave_out
from typeahead.text.formats import Record
from typeahead.text.records import parse_object
from typeahead.text.transcoding import transcoded
from typeahead.text.unpacking import UNREADABLE, open_bytes

_CHUNK = 1 << 16
#: A whole string, the beginning of one whose end was not read yet, or a bracket.
_WITHIN = re.compile(r'"(?:[^"\\]|\\.)*+"|"|[\[\]{}]', re.DOTALL)
#: The same between objects, or any other value.
_OUTSIDE = re.compile(_WITHIN.pattern + r'|[^\s,\[\]{}"]+', re.DOTALL)
_OPEN_STRING = re.compile(r'"(?:[^"\\]|\\.)*+', re.DOTALL)
_BETWEEN = re.compile(r"[\s,]*")


def read_json(path: Path, bad: BadLines | None, encoding: str | None, notice: Notice) -> Iterator[Record]:
    """Stream the objects of a file with the line in which each begins.

    An object that cannot be read or is longer than 16 MiB, and any other value, is counted by ``bad``; without it the
    first is a :class:`~typeahead.errors.SourceError`.
    """
    with open_bytes(path) as file:
        try:
            name, stream = transcoded(path, file, encoding, notice)
        except UNREADABLE as error:
            raise reading.unreadable(path, error) from error
        scanner = _Scanner(path, stream)
        for line, text, problem in scanner.values():
            if problem is None:
                try:
                    if not text.isascii():
                        text.encode()
                    yield line, parse_object(text)
                    continue
                except UnicodeEncodeError:
                    problem = f"not {name}: {reading.OTHER_ENCODING}"
                except ValueError as error:
                    problem = str(error)
            leave_out(SourceError(problem, path=path, line=line), bad)


def is_array(path: Path) -> bool:
    """Whether a file holds an array, as far as its first bytes tell."""
    with open_bytes(path) as file:
        try:
            head = file.read(_CHUNK)
        except UNREADABLE as error:
            raise reading.unreadable(path, error) from error
    return head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"[")


class _Scanner:
    """Cuts a text into JSON values."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self._path = path
        self._stream = stream
        # Bytes that are no UTF-8 become lone surrogates, which are found in the value that holds them.
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text = ""
        #: Where the unused part of the text begins, and in which line of the file.
        self._at = 0
        self._line = 1
        self._ended = False

    def values(self) -> Iterator[tuple[int, str, str | None]]:
        """The line, the text and perhaps a problem of each value at the top level, or in the array there."""
        inside = self._next() == "["
        if inside:
            self._take(self._at + 1)
        while character := self._next():
            if inside and character == "]":
                self._take(self._at + 1)
                inside = False
                continue
            line = self._line
            end, problem = self._end()
            yield line, self._take(end), problem
        if inside:
            yield self._line, "", "the file ends within a JSON array: was it cut short?"

    def _next(self) -> str:
        """Skip what stands between values, and return the next character: empty at the end of the file."""
        while True:
            between = _BETWEEN.match(self._text, self._at)
            self._take(between.end() if between else self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _end(self) -> tuple[int, str | None]:
        """Find the end of the value that begins here, reading on where it takes more, and what is wrong with it."""
        depth, at = 0, self._at
        too_long = f"the object is longer than {reading.MAX_LINE} bytes"
        problem = None
        while True:
            found = (_WITHIN if depth else _OUTSIDE).search(self._text, at)
            token = found[0] if found else ""
            goes_on = found is not None and found.end() == len(self._text) and token[0] not in '[]{}"'
            if found is None or token == '"' or (goes_on and not self._ended):
                at = (found.start() if found else len(self._text)) - self._at
                if at > reading.MAX_LINE or len(self._text) - self._at > 2 * reading.MAX_LINE:
                    # Only its end matters now.
                    problem = too_long
                    at = self._forget(self._at + at)
                if self._more():
                    at += self._at
                    continue
                if not goes_on:
                    return len(self._text), "the file ends within this object: was it cut short?"
            at = found.end() if found else at
            depth += (token in "[{") - (token in "]}")
            if depth <= 0:
                return at, too_long if at - self._at > reading.MAX_LINE else problem

    def _forget(self, at: int) -> int:
        """Drop the text up to ``at``, and all of an unfinished string there but its quote."""
        string = _OPEN_STRING.match(self._text, at)
        self._take(string.end() if string else at)
        if string:
            self._text = '"' + self._text[self._at :]
            self._at = 0
        return 0

    def _take(self, end: int) -> str:
        taken = self._text[self._at : end]
        self._line += taken.count("\n")
        self._at = end
        return taken

    def _more(self) -> bool:
        """Read on; false at the end of the file. What is unused begins at 0 then."""
        if self._ended:
            return False
        self._text = self._text[self._at :]
        self._at = 0
        try:
            # As much as there is already, so that a long value is not looked through again and again.
            chunk = self._stream.read(max(_CHUNK, len(self._text)))
        except UNREADABLE as error:
            raise reading.unreadable(self._path, error, self._line) from error
        self._ended = not chunk
        self._text += self._decoder.decode(chunk, final=self._ended)
        return True
