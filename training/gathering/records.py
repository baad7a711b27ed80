"""Texts out of records: objects of JSON, rows of Parquet and Arrow files, rows of a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from training.gathering import weblog
from training.gathering.cleaning import EMPTY, UNREADABLE
from training.gathering.columns import Choice, ColumnError, Wanted, choose
from training.gathering.lines import TextFile
from training.gathering.report import FileReport
from training.gathering.source import beginning
from typeahead.errors import SourceError
from typeahead.text.bad_lines import BadLines
from typeahead.text.formats.arrow import read_arrow
from typeahead.text.formats.json_values import read_json
from typeahead.text.paths import find
from typeahead.text.records import parse_object

#: Records that are looked at.
_SAMPLE = 500
#: How deep a member may lie that is found without being named.
_DEPTH = 3


class Row(NamedTuple):
    """A text, how often it was counted, and its title."""

    text: str
    times: int = 1
    title: str = ""


def chosen(
    records: Iterable[Mapping[str, Any]], wanted: Wanted, asked: str | None, path: Path
) -> tuple[Choice | None, Iterator[Mapping[str, Any]]]:
    """Choose the columns of records by the first of them, and return all records once more.

    ``None`` stands for a choice among no records. Raises :class:`~typeahead.errors.SourceError` if it is unclear.
    """
    left = iter(records)
    sample = list(islice(left, _SAMPLE))
    if not sample:
        return None, left
    columns: dict[str, list[Any]] = {}
    for record in sample:
        for name, value in _members(record):
            columns.setdefault(name, []).append(value)
    if asked is not None and asked not in columns and any(find(record, asked) is not _NONE for record in sample):
        columns[asked] = []
    try:
        choice = choose(columns, wanted, asked)
    except ColumnError as error:
        raise SourceError(str(error), path=path) from None
    return choice, chain(sample, left)


def picked(
    records: Iterable[Mapping[str, Any]], choice: Choice, report: FileReport, *, joined: bool = False
) -> Iterator[Row]:
    """Yield the texts of records; count records without one.

    A list of texts is as many rows, or one with ``joined``.
    """
    for record in records:
        value = find(record, choice.text)
        if isinstance(value, str):
            texts = [value]
        elif isinstance(value, list | tuple):
            texts = [one for one in value if isinstance(one, str)]
            texts = ["\n\n".join(texts)] if joined else texts
        else:
            texts = [str(value)] if type(value) in (int, float) else []
        title = find(record, choice.title) if choice.title is not None else ""
        title = title if isinstance(title, str) else ""
        if not texts and not title:
            report.drop(EMPTY)
            continue
        count = _number(find(record, choice.count)) if choice.count is not None else 1
        for text in texts or [""]:
            if choice.addresses:
                found = weblog.query_of(text)
                if found is None:
                    report.drop("addresses without a query")
                    continue
                text = found
            yield Row(text, count, title)


def json_lines(file: TextFile, report: FileReport) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of JSON lines; count lines that are none, and note the first of them."""
    first = True
    for text in file.texts(report):
        if not text.strip():
            report.drop(EMPTY)
            continue
        try:
            yield parse_object(text)
        except ValueError as error:
            report.drop(UNREADABLE)
            if first:
                report.notes.append(f"the first line that cannot be read: {error}")
                first = False


def json_values(path: Path, report: FileReport) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a JSON array, or its texts as the member "text"; count what is neither."""
    if (texts := _array_of_texts(path)) is not None:
        yield from ({"text": text} for text in texts)
        return
    bad = BadLines()
    for _, record in read_json(path, bad, None, report.notes.append):
        yield record
    if bad.count:
        report.drop(UNREADABLE, bad.count)
        report.notes.append(f"the first value that cannot be read: {bad.first[0]}")


def arrow_rows(path: Path, kind: str) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a Parquet or Arrow file, without columns of vectors."""
    return (record for _, record in read_arrow(path, kind, (), []))


def _array_of_texts(path: Path) -> list[str] | None:
    head = beginning(path, 1 << 12).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not head.startswith(b"[") or not head[1:].lstrip().startswith(b'"'):
        return None
    try:
        found = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"is no JSON array of texts: {error}", path=path) from None
    return [one for one in found if isinstance(one, str)]


def _members(record: Mapping[str, Any], prefix: str = "", depth: int = 1) -> Iterator[tuple[str, Any]]:
    """The members of a record, those of objects within it by dotted paths."""
    for name, value in record.items():
        if isinstance(value, Mapping) and depth < _DEPTH:
            yield from _members(value, f"{prefix}{name}.", depth + 1)
        else:
            yield f"{prefix}{name}", value


def _number(value: Any) -> int:
    try:
        return max(1, int(float(str(value).replace(",", ""))))
    except (ValueError, OverflowError):
        return 1


_NONE = find({}, "nothing")
