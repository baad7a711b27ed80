"""Makes documents of files: JSONL, CSV, TSV, BEIR folders and folders of Markdown or text.

``delimited`` reads the records of CSV and TSV, ``notes`` Markdown and text. Everything streams, once from the start, so
a pipe will do as well as a file; a file whose name ends in ``.gz`` is unpacked. A line that cannot be used is an error
that names file and line, or is counted if the caller asks for that. Two documents with one id are always an error,
which names both places.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from typeahead.errors import SourceError
from typeahead.text import beir
from typeahead.text.bad_lines import BadLines, Notice, leave_out, log_notice
from typeahead.text.delimited import header, read_table
from typeahead.text.document import Document
from typeahead.text.encodings import named
from typeahead.text.notes import SUFFIXES as NOTES
from typeahead.text.notes import Pages, read_notes
from typeahead.text.reading import Line, parsed, recognised_lines
from typeahead.text.records import clean, identifier, parse_object

KINDS = ("jsonl", "csv", "tsv", "beir", "notes")
_SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", **dict.fromkeys(NOTES, "notes")}

__all__ = ["KINDS", "BadLines", "FieldMap", "Pages", "read_ids", "read_source"]


@dataclass(frozen=True, slots=True)
class FieldMap:
    """Which fields of a record make a document.

    ``None`` stands for the usual names: ``_id`` or ``id``, ``title``, ``text``, ``url``. A record may lack title and
    URL, also if their fields are named here.
    """

    id: str | None = None
    title: str | None = None
    text: str | None = None
    url: str | None = None

    def are_in(self, names: Sequence[str]) -> bool:
        """Whether ``names`` contain an id and a text."""
        keys = ("_id", "id") if self.id is None else (self.id,)
        return (self.text or "text") in names and any(key in names for key in keys)


@dataclass
class _Ids:
    """Where each id was seen first. Takes some 150 bytes of memory a document, a tenth of its vector."""

    places: dict[str, str | int] = field(default_factory=dict)

    def add(self, key: str, path: Path, line: int | None) -> None:
        place = line if line is not None else str(path)
        first = self.places.setdefault(key, place)
        if first is not place:
            where = f"line {first}" if isinstance(first, int) else first
            raise SourceError(f"the id {key!r} is that of {where} already: ids must be unique", path=path, line=line)


def read_source(
    path: Path,
    fields: FieldMap | None = None,
    *,
    kind: str = "auto",
    columns: Sequence[str] | None = None,
    bad: BadLines | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    notice: Notice = log_notice,
    pages: Pages | None = None,
) -> Iterator[Document]:
    """Stream the documents of ``path``.

    Args:
        path: a file, a pipe or a folder.
        fields: which fields of a record make a document; ignored for notes.
        kind: "jsonl", "csv", "tsv", "beir" (a folder with ``corpus.jsonl``), "notes" (a folder of pages of
            documentation, or one of them: see :mod:`~typeahead.text.notes`); "auto" decides by the name, or by the
            content of the folder. A pipe needs its kind.
        columns: names of the columns of a CSV or TSV file without a header line; spaces round them are left out.
        bad: counts lines that cannot be used, and reading goes on; without it the first is an error.
        delimiter: one character between the columns of a CSV file; ``None`` recognises comma, semicolon, tab and
            vertical bar.
        encoding: of the file; ``None`` recognises UTF-8, UTF-16, UTF-32 and guesses older ones. In a folder of notes,
            the files that are UTF-8 are read as UTF-8 all the same.
        notice: gets a line of text for a recognised delimiter other than the comma, and for a recognised encoding
            other than UTF-8; by default it is logged.
        pages: URLs and drafts of notes.

    Raises:
        SourceError: there is no such file, its kind is unclear, ``columns`` or ``delimiter`` are given for another
            kind, a column is named twice, a line cannot be used, or two documents have one id. The last two are raised
            during iteration.
        ValueError: there is no such ``kind``, ``delimiter`` or ``encoding``.
    """
    path = Path(path)
    if encoding is not None:
        try:
            encoding = named(encoding)
        except LookupError as error:
            raise ValueError(str(error)) from None
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n\0'):
        raise ValueError(f"delimiter {delimiter!r} is not one character that can separate columns")
    fields = fields or FieldMap()
    chosen = _kind(path) if kind == "auto" else kind
    if chosen not in KINDS:
        raise ValueError(f"kind {kind!r} is none of 'auto', {', '.join(map(repr, KINDS))}")
    if not path.exists():
        raise SourceError("there is no such file or folder", path=path)
    if columns is not None and chosen not in ("csv", "tsv"):
        raise SourceError(f"columns are for CSV and TSV files, but it is read as {chosen}", path=path)
    if columns is not None:
        try:
            columns = header(columns, "the columns name")
        except ValueError as error:
            raise SourceError(str(error), path=path) from None
    if delimiter is not None and chosen != "csv":
        raise SourceError(f"a delimiter is for CSV files, but it is read as {chosen}", path=path)
    if chosen == "notes":
        return _unique_notes(path, bad, encoding, notice, pages)
    if chosen == "beir":
        corpus = beir.existing(path, beir.CORPUS)
        if corpus is None:
            raise SourceError(
                "there is no such file: a BEIR folder holds its documents in corpus.jsonl", path=path / beir.CORPUS
            )
        path = corpus
    read = recognised_lines(path, encoding, notice)
    if chosen in ("jsonl", "beir"):
        return _closing(_documents(_json_records(read, path, bad), path, fields, bad), read)
    table = read_table(
        read,
        path,
        quoted=chosen == "csv",
        delimiter=delimiter,
        columns=columns,
        is_header=fields.are_in,
        bad=bad,
        notice=notice,
    )
    return _closing(_documents(table, path, fields, bad), read)


def _closing(documents: Iterator[Document], read: Iterator[Line]) -> Iterator[Document]:
    """Close the file when the documents end, also by an error whose traceback somebody keeps."""
    try:
        yield from documents
    finally:
        if isinstance(read, Generator):
            read.close()


def _kind(path: Path) -> str:
    if not path.exists():
        raise SourceError("there is no such file or folder", path=path)
    if path.is_dir():
        return "beir" if beir.existing(path, beir.CORPUS) else "notes"
    packed = path.suffix == ".gz"
    kind = _SUFFIXES.get((path.with_suffix("") if packed else path).suffix.lower())
    if kind is None or (packed and kind == "notes"):
        raise SourceError(f"its name does not tell what it holds: give --format, one of {', '.join(KINDS)}", path=path)
    return kind


_Record = tuple[int, Mapping[str, Any]]


def _documents(records: Iterator[_Record], path: Path, fields: FieldMap, bad: BadLines | None) -> Iterator[Document]:
    ids = _Ids()
    for line, record in records:
        try:
            document = _document(record, fields)
        except ValueError as error:
            leave_out(SourceError(str(error), path=path, line=line), bad)
            continue
        ids.add(document.id, path, line)
        yield document


def _document(record: Mapping[str, Any], fields: FieldMap) -> Document:
    key_field = fields.id or ("_id" if "_id" in record else "id")
    text_field = fields.text or "text"
    for name, use, flag in ((key_field, "id", "--id-field"), (text_field, "text", "--text-field")):
        if name not in record:
            there = ", ".join(repr(field) for field in list(record)[:10]) or "none"
            raise ValueError(f"no field {name!r} for the {use}; the fields are {there}: name another with {flag}")
    title = record.get(fields.title or "title")
    url = record.get(fields.url or "url")
    if url is None and fields.url is None and isinstance(record.get("metadata"), dict):
        # BEIR's own corpora keep it there.
        url = record["metadata"].get("url")
    return Document(
        identifier(record[key_field], key_field),
        "" if title is None else _text(title, fields.title or "title"),
        _text(record[text_field], text_field),
        "" if url is None else _text(url, fields.url or "url"),
    )


def _text(value: Any, name: str) -> str:
    return clean(value, name, nul=False).strip()


def _json_records(read: Iterator[Line], path: Path, bad: BadLines | None) -> Iterator[_Record]:
    for line, record in parsed((line for line in read if line.problem or line.text.strip()), parse_object, path, bad):
        yield line.number, record


def _unique_notes(
    path: Path, bad: BadLines | None, encoding: str | None, notice: Notice, pages: Pages | None
) -> Iterator[Document]:
    ids = _Ids()
    for file, document in read_notes(path, bad, encoding, notice, pages):
        ids.add(document.id, file, None)
        yield document


def read_ids(path: Path, *, encoding: str | None = None, notice: Notice = log_notice) -> list[str]:
    """Read a list of ids: a ``.npy`` array of strings or integers, a JSON array, or a text file with one id a line.

    ``encoding`` and ``notice`` as for :func:`read_source`. Raises :class:`~typeahead.errors.SourceError`.
    """
    if not path.exists():
        raise SourceError("there is no such file of ids", path=path)
    if path.suffix == ".npy":
        try:
            array = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise SourceError(f"no NumPy array that can be read without pickle: {error}", path=path) from error
        if array.ndim != 1 or array.dtype.kind not in "Uiu":
            raise SourceError(f"holds {array.dtype} {array.shape}, not a list of strings or integers", path=path)
        return [str(key) for key in array.tolist()]
    texts = []
    for line, text, problem, _ in recognised_lines(path, encoding, notice):
        if problem is not None:
            raise problem
        if path.suffix != ".json" and not text.strip():
            raise SourceError("an empty line: one id a line", path=path, line=line)
        texts.append(text)
    if path.suffix != ".json":
        return [text.strip() for text in texts]
    try:
        keys = json.loads("".join(texts))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"not JSON: {error}", path=path) from error
    if not isinstance(keys, list) or not all(isinstance(key, str | int) for key in keys):
        raise SourceError("holds no JSON array of strings and integers", path=path)
    return [str(key) for key in keys]
