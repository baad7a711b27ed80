"""Reads the queries of a file in any form, and says what the file was taken for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from training.gathering import weblog
from training.gathering.columns import QUERIES
from training.gathering.folders import dataset_rows, is_dataset, is_index
from training.gathering.lines import TextFile, counted, form_of
from training.gathering.records import Row, arrow_rows, chosen, json_lines, json_values, picked
from training.gathering.report import FileReport
from training.gathering.source import Source, beginning
from training.gathering.tables import describe, layout_of, read_rows
from typeahead.errors import SourceError
from typeahead.text import beir
from typeahead.text.kinds import kind_by_name, kind_of
from typeahead.text.unpacking import unpacked_name

#: Pages of documentation. They are no logs; ``.txt`` may be one.
_PAGES = frozenset({".md", ".mdx", ".markdown", ".rst", ".html", ".htm"})


def read_queries(source: Source, report: FileReport) -> Iterator[Row]:
    """Open a file and return its queries as they stand there, line by line. ``report.taken_as`` says what it is.

    Lines that cannot be read are counted in ``report``. Raises :class:`~typeahead.errors.SourceError`, also while
    reading, and :class:`~typeahead.errors.MissingExtra`.
    """
    path = source.path
    if not path.exists():
        raise SourceError("there is no such file or folder", path=path)
    if path.is_dir():
        return _folder(source, report)
    if unpacked_name(path).suffix.lower() in _PAGES:
        raise SourceError("is a page of documentation, not a list of queries: give it as passages", path=path)
    kind = kind_by_name(path) or (kind_of(path) if is_binary(path) else None)
    if kind in ("parquet", "arrow"):
        return _records(arrow_rows(path, kind), {"parquet": "Parquet", "arrow": "Arrow"}[kind], source, report)
    if kind == "json":
        return _records(json_values(path, report), "JSON", source, report)
    file = TextFile.open(path, report)
    form = {"jsonl": "jsonl", "csv": "csv", "tsv": "tsv"}.get(kind or "") or form_of(file.head)
    return _text_file(file, form, source, report)


def _text_file(file: TextFile, form: str, source: Source, report: FileReport) -> Iterator[Row]:
    if form == "jsonl":
        return _records(json_lines(file, report), "JSON lines", source, report)
    if form == "json":
        return _records(json_values(file.path, report), "JSON", source, report)
    if form == "tsv" and sum("\t" in line for line in file.head) * 2 < len(file.head):
        form = "list"
    if form in ("csv", "tsv", "table") and file.head:
        tabs = form != "csv"
        layout = layout_of(file, QUERIES, source.column, tabs=tabs)
        report.taken_as = describe(layout, tabs=tabs)
        return picked(read_rows(file, layout, report, tabs=tabs), layout.choice, report)
    if form in ("log", "addresses"):
        report.taken_as = "the log of a web server" if form == "log" else "a list of addresses"
        return _requests(file, source.column, report)
    if source.column is not None:
        raise SourceError(f"has no column {source.column!r}: it is a list with a query a line", path=file.path)
    if form == "counted":
        report.taken_as = "a list with counts, as uniq -c writes it"
        return (Row(*counted(line)) for line in file.texts(report))
    report.taken_as = "a list with a query a line"
    return (Row(line) for line in file.texts(report))


def _records(records: Iterator[Mapping[str, Any]], what: str, source: Source, report: FileReport) -> Iterator[Row]:
    choice, records = chosen(records, QUERIES, source.column, source.path)
    report.taken_as = what if choice is None else f"{what}, {choice}"
    return iter(()) if choice is None else picked(records, choice, report)


def _folder(source: Source, report: FileReport) -> Iterator[Row]:
    path = source.path
    queries = beir.existing(path, beir.QUERIES)
    if queries is not None:
        return _records(json_lines(TextFile.open(queries, report), report), "BEIR queries", source, report)
    if is_dataset(path):
        rows = dataset_rows(path, report)
        return _records(rows, report.taken_as, source, report)
    if is_index(path):
        raise SourceError("is an index, which holds no queries: give it as passages", path=path)
    raise SourceError("is neither a BEIR folder nor one that datasets wrote: name its files one by one", path=path)


def _requests(file: TextFile, parameter: str | None, report: FileReport) -> Iterator[Row]:
    for line in file.texts(report):
        query = weblog.query_of(weblog.address_of(line), parameter)
        if query is None:
            report.drop("requests without a query")
        elif weblog.is_by_bot(line):
            report.drop("requests of bots")
        else:
            yield Row(query)


def is_binary(path: Path) -> bool:
    """Whether a file without a telling name is Parquet, Arrow or a database."""
    return beginning(path, 6).startswith((b"PAR1", b"ARROW1", b"SQLite"))
