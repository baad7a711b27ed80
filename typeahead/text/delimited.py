"""Records of CSV and TSV files; ``sources`` makes documents of them.

Python's :mod:`csv` reads CSV by the rules of RFC 4180: a quote within quotes is doubled, and a quoted field may hold
line breaks. This module adds what happens where a file breaks the rules. A quote that opens and never closes would make
one record of all lines after it. So the lines of a record that failed are read once more, and reading goes on at the
first of them that is a record. A TSV file has no quotes, and so no line breaks in a field.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from typeahead.errors import SourceError
from typeahead.text import reading
from typeahead.text.bad_lines import BadLines, Notice, leave_out
from typeahead.text.reading import Line

#: Delimiters of CSV files and their names. If several fit equally well, the first is taken.
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
#: Number of lines from which the delimiter is recognised.
_HEAD = 50
#: Records that a doubtful one is compared with.
_ALIKE = 64
#: A first line that tells Excel the delimiter.
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)

#: Number of a record's first line, and its values by column.
Record = tuple[int, Mapping[str, str]]


def read_table(
    lines: Iterator[Line],
    path: Path,
    *,
    quoted: bool,
    delimiter: str | None,
    columns: Sequence[str] | None,
    is_header: Callable[[Sequence[str]], bool],
    bad: BadLines | None,
    notice: Notice,
) -> Iterator[Record]:
    """Stream the records of a table.

    Args:
        lines: the lines of the file.
        path: the file, for error messages.
        quoted: true for CSV, false for TSV.
        delimiter: ``None`` chooses the one with which ``is_header`` accepts the first line, or else the one that gives
            the most columns.
        columns: names of the columns of a file without a header line.
        is_header: says whether the names of columns are those of documents.
        bad: counts lines that are left out; without it the first is a :class:`~typeahead.errors.SourceError`.
        notice: gets a message if the delimiter was recognised and is no comma.
    """
    # The limit is one for the whole process. Its default of 131,072 characters is too low for some documents.
    csv.field_size_limit(max(csv.field_size_limit(), reading.MAX_LINE))
    feed = _Feed(lines)
    if not quoted:
        delimiter = "\t"
    elif delimiter is None:
        delimiter = _delimiter([line.text for line in feed.ahead(_HEAD)], columns, is_header)
        if delimiter != ",":
            notice(f"{path}: columns are separated by {DELIMITERS.get(delimiter, repr(delimiter))}")
    return _Table(feed, path, quoted, delimiter, columns, bad).read()


def header_names(row: Sequence[str]) -> list[str]:
    """Names of columns without the spaces round them."""
    return [name.strip() for name in row]


def header(row: Sequence[str], who: str) -> list[str]:
    """Names of columns without the spaces round them; ``ValueError`` if ``who`` names one twice."""
    names = header_names(row)
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{who} {twice!r} twice")
    return names


def _delimiter(head: list[str], columns: Sequence[str] | None, is_header: Callable[[Sequence[str]], bool]) -> str:
    if head and (told := _SEPARATOR_LINE.fullmatch(head[0])):
        return told[1]
    rows = {delimiter: _rows(head, delimiter) for delimiter in DELIMITERS}
    if columns is None:
        named = [delimiter for delimiter, found in rows.items() if found and is_header(header_names(found[0]))]
        if named:
            return named[0]
        # Text has commas, so only the header counts here. No column's name is known; an error will name them.
        return max(rows, key=lambda delimiter: len(rows[delimiter][0]) if rows[delimiter] else 0)
    return max(rows, key=lambda delimiter: sum(len(row) == len(columns) for row in rows[delimiter]))


def _rows(lines: list[str], delimiter: str) -> list[list[str]]:
    """Rows that are not empty, as far as they can be read."""
    try:
        return [row for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return []


class _TooLongError(Exception):
    """A record of more than 16 MiB."""


class _Feed:
    """Gives :func:`csv.reader` its lines, and gives the lines of a failed record once more."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._again: deque[Line] = deque()
        #: Lines of the present record.
        self.taken: list[Line] = []
        self._length = 0
        self.ended = False

    def ahead(self, count: int) -> list[Line]:
        """The next lines, without taking them."""
        self._again.extend(islice(self._lines, max(0, count - len(self._again))))
        return list(self._again)

    def begin(self) -> None:
        """Begin another record."""
        self.taken = []
        self._length = 0

    def give_again(self, lines: Sequence[Line]) -> None:
        """Give ``lines`` before any others."""
        self._again.extendleft(reversed(lines))
        self.ended = False

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines, None)
        if line is None:
            self.ended = True
            raise StopIteration
        self.taken.append(line)
        self._length += len(line.text)
        if self._length > reading.MAX_LINE:
            raise _TooLongError
        return line.text


@dataclass(frozen=True, slots=True)
class _Shape:
    """Which columns hold only digits, and which hold single words. Ids are one or the other, prose is neither."""

    digits: Sequence[bool]
    words: Sequence[bool]

    def fits(self, row: Sequence[str]) -> bool:
        """Whether ``row`` has the same shape."""
        digits = all(value.isdecimal() for value, only in zip(row, self.digits, strict=False) if only)
        words = all(value and not re.search(r"\s", value) for value, only in zip(row, self.words, strict=False) if only)
        return digits and words


class _Table:
    def __init__(
        self,
        feed: _Feed,
        path: Path,
        quoted: bool,
        delimiter: str,
        columns: Sequence[str] | None,
        bad: BadLines | None,
    ) -> None:
        self._feed = feed
        self._path = path
        self._quoted = quoted
        self._delimiter = delimiter
        self._columns = columns
        self._bad = bad
        #: Whether the next lines may be the rest of a failed record: then not all that can be read is a record.
        self._doubtful = False
        #: The latest records, which show what the next one should look like.
        self._before: deque[list[str]] = deque(maxlen=_ALIKE)
        field = rf'(?:"(?:[^"]|"")*+"|[^"\r\n{re.escape(delimiter)}]*+)'
        self._grammar = re.compile(rf"{field}(?:{re.escape(delimiter)}{field})*+[\r\n]*")

    def _reader(self, lines: Iterator[str]) -> Iterator[list[str]]:
        if self._quoted:
            return csv.reader(lines, delimiter=self._delimiter, strict=True)
        return csv.reader(lines, delimiter=self._delimiter, quoting=csv.QUOTE_NONE)

    def read(self) -> Iterator[Record]:
        feed, reader = self._feed, self._reader(self._feed)
        first = feed.ahead(1)
        if self._quoted and first and _SEPARATOR_LINE.fullmatch(first[0].text):
            next(feed)
        while True:
            feed.begin()
            try:
                row = next(reader, None)
            except (csv.Error, _TooLongError) as error:
                self._failed(error)
                continue
            if row is None:
                return
            problem = next((line.problem for line in feed.taken if line.problem is not None), None)
            if problem is not None:
                self._leave_out(problem, len(feed.taken))
            elif not row:
                continue
            elif self._columns is None:
                try:
                    self._columns = header(row, "the header names the column")
                except ValueError as error:
                    raise self._error(str(error), feed.taken[0]) from None
            elif len(row) != len(self._columns):
                self._wrong_columns(len(row))
            elif (reason := self._doubt(row)) is not None:
                self._leave_out(self._error(reason, feed.taken[0]), len(feed.taken))
            else:
                self._doubtful = False
                self._before.append(row)
                yield feed.taken[0].number, dict(zip(self._columns, row, strict=True))

    def _doubt(self, row: list[str]) -> str | None:
        """Why this row is probably a piece of a record; ``None`` if it is a record."""
        if not self._quoted or not (self._doubtful or any('"' in value for value in row)):
            return None
        well_formed = self._grammar.fullmatch("".join(line.text for line in self._feed.taken))
        if well_formed and not self._doubtful:
            return None
        if self._shape().fits(row) and (well_formed or not self._doubtful):
            return None
        if self._doubtful:
            return "the rest of a record that is left out"
        return "a quote within a field, in a line unlike those before it: is the quote missing that opens the field?"

    def _failed(self, error: csv.Error | _TooLongError) -> None:
        """The quotes of a record make no sense: leave out its lines up to the quote that opened last."""
        taken = self._feed.taken
        endless = isinstance(error, _TooLongError) or self._feed.ended
        opening = _opening([line.text for line in taken], self._delimiter) if self._quoted else 0
        inner = taken[opening + 1 :]
        if isinstance(error, _TooLongError):
            reason = f"a quote opens in this line and is not closed within {reading.MAX_LINE} bytes"
            reason = reason if self._quoted else f"the record is longer than {reading.MAX_LINE} bytes"
        elif endless:
            reason = "a quote opens in this line and is never closed"
        elif inner:
            reason = f"a quote opens in this line and closes in line {taken[-1].number}, within a field: {error}"
        else:
            reason = str(error)
        if endless and inner and not self._mostly_records(inner):
            left_out = len(taken)
            reason += f", so {left_out} lines are left out" if self._bad is not None else ""
        else:
            left_out = opening + 1
            self._feed.give_again(inner)
        self._leave_out(self._error(reason, taken[opening]), left_out)

    def _wrong_columns(self, found: int) -> None:
        taken = self._feed.taken
        columns = self._columns or ()
        reason = f"{found} columns, not {len(columns)} as the header names"
        left_out = len(taken)
        if left_out > 1:
            reason += f", in a record that goes on to line {taken[-1].number}: is a quote missing?"
            if self._mostly_records(taken[1:]):
                self._feed.give_again(taken[1:])
                left_out = 1
        self._leave_out(self._error(reason, taken[0]), left_out)

    def _mostly_records(self, lines: Sequence[Line]) -> bool:
        """Whether lines that a quote joined are mostly records of their own, not lines of one text."""
        shape = self._shape()
        kinds = Counter(self._is_line(line.text, shape) for line in lines if line.text.strip())
        return kinds[True] > kinds[False]

    def _is_line(self, text: str, shape: _Shape) -> bool:
        if not self._grammar.fullmatch(text):
            return False
        row = next(self._reader(iter([text])), [])
        return len(row) == len(self._columns or ()) and shape.fits(row)

    def _shape(self) -> _Shape:
        columns = list(zip(*self._before, strict=True))
        return _Shape(
            [all(value.isdecimal() for value in values) for values in columns],
            [all(value and not re.search(r"\s", value) for value in values) for values in columns],
        )

    def _leave_out(self, problem: SourceError, count: int) -> None:
        if self._columns is None:
            raise problem
        leave_out(problem, self._bad, count)
        self._doubtful = self._quoted and (self._doubtful or any('"' in line.text for line in self._feed.taken))

    def _error(self, reason: str, line: Line) -> SourceError:
        return SourceError(reason, path=self._path, line=line.number)


def _opening(lines: Sequence[str], delimiter: str) -> int:
    """Index of the line, among those of a failed record, that holds the quote that opened last."""
    opened = 0
    inside = False
    for number, text in enumerate(lines):
        at = 0
        while at < len(text):
            if inside:
                at = text.find('"', at)
                if at < 0:
                    break
                if text.startswith('""', at):
                    at += 2
                    continue
                inside = False
                at += 1
                if at < len(text) and text[at] not in (delimiter, "\r", "\n"):
                    return opened
            elif text[at] == '"':
                opened, inside = number, True
                at += 1
                continue
            at = text.find(delimiter, at)
            if at < 0:
                break
            at += 1
    return opened
