"""Reads the passages of a file or folder in any form, as documents with a title, headings and a text.

Pages and folders are read as ``typeahead index`` reads them. Tables and records need no id here, and their columns are
found by their names or their content.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from training.gathering.cleaning import UNREADABLE
from training.gathering.columns import PASSAGES
from training.gathering.folders import dataset_rows, index_documents, is_dataset, is_index
from training.gathering.lines import TextFile, form_of
from training.gathering.queries import is_binary
from training.gathering.records import Row, arrow_rows, chosen, json_lines, json_values, picked
from training.gathering.report import FileReport
from training.gathering.source import Source, beginning
from training.gathering.tables import describe, layout_of, read_rows
from typeahead.errors import SourceError
from typeahead.text import beir
from typeahead.text.bad_lines import BadLines
from typeahead.text.document import Document
from typeahead.text.kinds import kind_by_name, kind_of
from typeahead.text.skipped import Skipped
from typeahead.text.sources import read_source
from typeahead.text.unpacking import unpacked_name

#: A text file of this many lines without an empty one between them holds a passage a line.
_LINES = 20


def read_passages(source: Source, report: FileReport) -> Iterator[Document]:
    """Open a file or folder and return its documents. ``report.taken_as`` says what it is.

    Ids are empty or as they stand there. What cannot be read is counted in ``report``. Raises
    :class:`~typeahead.errors.SourceError`, also while reading, :class:`~typeahead.errors.IndexFolderError` for an
    index that cannot be read, and :class:`~typeahead.errors.MissingExtra`.
    """
    path = source.path
    if not path.exists():
        raise SourceError("there is no such file or folder", path=path)
    if path.is_dir():
        return _folder(source, report)
    kind = kind_by_name(path) or (kind_of(path) if is_binary(path) else None)
    if kind in ("parquet", "arrow"):
        return _records(arrow_rows(path, kind), {"parquet": "Parquet", "arrow": "Arrow"}[kind], source, report)
    if kind == "json":
        return _records(json_values(path, report), "JSON", source, report)
    if kind == "notes" and path.suffix.lower() != ".txt":
        return _page(path, report)
    file = TextFile.open(path, report)
    form = {"jsonl": "jsonl", "csv": "csv", "tsv": "table"}.get(kind or "") or form_of(file.head)
    if form == "jsonl":
        return _records(json_lines(file, report), "JSON lines", source, report)
    if form in ("csv", "table"):
        tabs = form != "csv"
        layout = layout_of(file, PASSAGES, source.column, tabs=tabs)
        report.taken_as = describe(layout, tabs=tabs)
        return map(_document, picked(read_rows(file, layout, report, tabs=tabs), layout.choice, report, joined=True))
    if source.column is not None:
        raise SourceError(f"has no column {source.column!r}: it is plain text", path=path)
    if unpacked_name(path) == path and kind == "notes" and not _is_list(path):
        return _page(path, report)
    report.taken_as = "a list with a passage a line"
    return (Document("", "", line) for line in file.texts(report))


def _records(records: Iterator[Mapping[str, Any]], what: str, source: Source, report: FileReport) -> Iterator[Document]:
    choice, records = chosen(records, PASSAGES, source.column, source.path)
    report.taken_as = what if choice is None else f"{what}, {choice}"
    return iter(()) if choice is None else map(_document, picked(records, choice, report, joined=True))


def _document(row: Row) -> Document:
    return Document("", row.title.strip(), row.text)


def _folder(source: Source, report: FileReport) -> Iterator[Document]:
    path = source.path
    if is_index(path):
        return index_documents(path, report)
    if is_dataset(path):
        rows = dataset_rows(path, report)
        return _records(rows, report.taken_as, source, report)
    if source.column is not None:
        raise SourceError("is a folder, which has no columns: name one of its files", path=path)
    report.taken_as = "a BEIR folder" if beir.existing(path, beir.CORPUS) else "a folder of pages and records"
    return _read(path, report)


def _page(path: Path, report: FileReport) -> Iterator[Document]:
    report.taken_as = "a page"
    return _read(path, report)


def _read(path: Path, report: FileReport) -> Iterator[Document]:
    bad, skipped = BadLines(), Skipped()
    yield from read_source(path, bad=bad, skipped=skipped, repeated=True, notice=_nobody)
    if bad.count:
        report.drop(UNREADABLE, bad.count)
        report.notes.append(f"the first that cannot be read: {bad.first[0]}")
    if skipped:
        report.notes.append(f"not read: {skipped}")


def _is_list(path: Path) -> bool:
    """Whether a text file holds a passage a line: many lines, and no empty one parts paragraphs."""
    lines = beginning(path, 1 << 20).splitlines()
    return len(lines) >= _LINES and all(line.strip() for line in lines[:-1])


def _nobody(message: str) -> None:
    """What is a field of a document does not matter here."""
