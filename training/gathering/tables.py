"""Rows of CSV and TSV files, with a header or without: which line is the header, and what separates the columns.

:mod:`typeahead.text.delimited` reads the rows and knows what to do with broken quotes.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.gathering.cleaning import EMPTY, UNREADABLE
from training.gathering.columns import Choice, ColumnError, Wanted, choose, is_known, normal
from training.gathering.lines import TextFile
from training.gathering.report import FileReport
from typeahead.errors import SourceError
from typeahead.text import reading
from typeahead.text.bad_lines import BadLines
from typeahead.text.delimited import DELIMITERS, header_names, read_table

_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
#: Separates nothing: a column alone may hold commas.
_NOTHING = "\x1f"
#: Rows that are looked at.
_SAMPLE = 500
_NUMBER = re.compile(r"[+-]?\d[\d.,]*%?")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a table is to be read. ``columns`` are its names, "1", "2", … without a header."""

    delimiter: str
    columns: tuple[str, ...]
    header: bool
    choice: Choice


def layout_of(file: TextFile, wanted: Wanted, asked: str | None, *, tabs: bool) -> Layout:
    """Find out how to read a table; ``tabs`` says that its columns are separated by tabs.

    Raises:
        SourceError: it is unclear which column to read.
    """
    head = list(file.head)
    told = _SEPARATOR_LINE.fullmatch(head[0]) if head and not tabs else None
    head = head[1:] if told else head
    delimiter = "\t" if tabs else told[1] if told else _delimiter(head, wanted)
    rows = _rows(head, delimiter, tabs)[:_SAMPLE]
    if not rows:
        raise SourceError("holds no rows", path=file.path)
    width = Counter(map(len, rows)).most_common(1)[0][0]
    header = len(rows[0]) == width and _is_header(rows[0], rows[1:], wanted)
    names = _unique(header_names(rows[0])) if header else [str(number) for number in range(1, width + 1)]
    body = [row for row in rows[1 if header else 0 :] if len(row) == width]
    sample = {name: [row[at] for row in body] for at, name in enumerate(names)}
    if not header and width == 1:
        choice = Choice(names[0])
    else:
        try:
            choice = choose(sample, wanted, asked, named=header)
        except ColumnError as error:
            raise SourceError(str(error), path=file.path) from None
    return Layout(delimiter, tuple(names), header, choice)


def read_rows(file: TextFile, layout: Layout, report: FileReport, *, tabs: bool) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a table by column; count those that cannot be read, and note the first of them."""
    if tabs:
        yield from _tabbed(file, layout, report)
        return
    bad = BadLines()
    rows = read_table(
        file.lines,
        file.path,
        quoted=True,
        delimiter=layout.delimiter,
        columns=layout.columns,
        is_header=lambda _: False,
        bad=bad,
        notice=lambda _: None,
    )
    skip = layout.header
    for _, row in rows:
        if skip:
            skip = False
            continue
        yield row
    if bad.count:
        report.drop(UNREADABLE, bad.count)
        report.notes.append(f"the first row that cannot be read: {bad.first[0]}")


def _tabbed(file: TextFile, layout: Layout, report: FileReport) -> Iterator[Mapping[str, Any]]:
    columns = layout.columns
    skip, strange = layout.header, 0
    for line in file.texts(report):
        if skip:
            skip = False
            continue
        values = line.split("\t")
        if len(values) == len(columns):
            yield dict(zip(columns, values if '"' not in line else map(_unquoted, values), strict=True))
        elif not line.strip():
            report.drop(EMPTY)
        else:
            report.drop(UNREADABLE)
            strange += 1
            if strange == 1:
                report.notes.append(f"the first row that cannot be read: {len(values)} columns, not {len(columns)}")


def describe(layout: Layout, *, tabs: bool) -> str:
    """What a report says of the layout: "CSV, column 'query'"."""
    names = {"\t": "tabs"} | DELIMITERS
    kind = "TSV" if tabs else "CSV"
    if not tabs and layout.delimiter not in (",", _NOTHING):
        kind += f" with {names.get(layout.delimiter, repr(layout.delimiter))}"
    if not layout.header and len(layout.columns) == 1:
        return f"{kind} of one column without a header"
    return f"{kind}{'' if layout.header else ' without a header'}, {layout.choice}"


def _delimiter(head: Sequence[str], wanted: Wanted) -> str:
    rows = {delimiter: _rows(head[:50], delimiter, False) for delimiter in DELIMITERS}
    for delimiter, found in rows.items():
        if found and len(found[0]) > 1 and any(is_known(name, wanted) for name in found[0]):
            return delimiter
    for delimiter, found in rows.items():
        width, count = Counter(map(len, found)).most_common(1)[0] if found else (1, 0)
        if width > 1 and len(found[0]) == width and count >= 0.9 * len(found):
            return delimiter
    return _NOTHING


def _rows(lines: Sequence[str], delimiter: str, tabs: bool) -> list[list[str]]:
    if tabs:
        return [[_unquoted(value) for value in line.split("\t")] for line in lines]
    # The limit is one for the whole process.
    csv.field_size_limit(max(csv.field_size_limit(), reading.MAX_LINE))
    try:
        return [row for row in csv.reader((f"{line}\n" for line in lines), delimiter=delimiter) if row]
    except csv.Error:
        return []


def _is_header(first: Sequence[str], rest: Sequence[Sequence[str]], wanted: Wanted) -> bool:
    if len(first) == 1:
        # Any word may be the first query of a list, so fewer names count.
        return normal(first[0]) in wanted.names
    if any(is_known(name, wanted) for name in first):
        return len(set(map(str.strip, first))) == len(first) and not any(map(_NUMBER.fullmatch, first))
    for at, name in enumerate(first):
        values = [row[at] for row in rest if len(row) == len(first) and row[at]]
        if values and not _NUMBER.fullmatch(name) and all(map(_NUMBER.fullmatch, values)):
            return True
    return _has_short_names(first, [row for row in rest if len(row) == len(first)])


def _has_short_names(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether the first row has single words in all columns in which nearly all others have several."""
    texts = [at for at in range(len(first)) if sum(" " in row[at].strip() for row in rest) >= 0.9 * len(rest)]
    return len(rest) >= 10 and bool(texts) and not any(" " in first[at].strip() for at in texts)


def _unique(names: Sequence[str]) -> list[str]:
    """Names of columns, made different where a header has one twice or leaves one empty."""
    found: list[str] = []
    for number, name in enumerate(names, 1):
        name = name or str(number)
        found.append(f"{name} ({number})" if name in found else name)
    return found


def _unquoted(value: str) -> str:
    """A field without the quotes that programs put round a field with quotes in it, in TSV as in CSV."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        inner = value[1:-1]
        if '""' in inner and '"' not in inner.replace('""', ""):
            return inner.replace('""', '"')
    return value
