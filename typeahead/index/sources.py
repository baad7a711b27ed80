"""Documents out of files: JSONL, CSV, TSV, BEIR folders and folders of Markdown or text (those in ``notes``).

Everything streams. What cannot be used is an error that names file and line, or is counted if the caller asks for it;
two documents of one id are always an error, with both places.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from typeahead.errors import SourceError
from typeahead.index.documents import Document
from typeahead.index.notes import read_notes
from typeahead.index.records import MAX_LINE, BadLines, decode, lines

KINDS = ("jsonl", "csv", "tsv", "beir", "notes")
_SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".md": "notes", ".txt": "notes"}

__all__ = ["KINDS", "BadLines", "FieldMap", "read_ids", "read_source"]


@dataclass(frozen=True, slots=True)
class FieldMap:
    """Which fields of a record make a document.

    ``None`` looks for the usual names: ``_id`` or ``id``, ``title``, ``text``, ``url``. Title and URL may be missing
    from a record, as may a field named here that is neither id nor text.
    """

    id: str | None = None
    title: str | None = None
    text: str | None = None
    url: str | None = None


@dataclass
class _Ids:
    """Where each id was seen first. Held in memory: some 150 bytes a document, a tenth of its vector."""

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
) -> Iterator[Document]:
    """Stream the documents of ``path``.

    Args:
        path: a file or a folder.
        fields: which fields of a record make a document; of no use to notes.
        kind: "jsonl", "csv", "tsv", "beir" (a folder with ``corpus.jsonl``), "notes" (a folder of, or one, ``.md`` or
            ``.txt`` file); "auto" tells by name and content of the folder.
        columns: names of the columns of a CSV or TSV file without a header line; spaces round them are left out.
        bad: counts lines that cannot be used, and goes on; without it the first is an error.

    Raises:
        SourceError: there is no such file, its kind cannot be told, ``columns`` are given for another kind or name one
            twice, a line cannot be used, or two documents have one id. The last two are raised while iterating.
        ValueError: there is no such ``kind``.
    """
    path = Path(path)
    fields = fields or FieldMap()
    chosen = _kind(path) if kind == "auto" else kind
    if chosen not in KINDS:
        raise ValueError(f"kind {kind!r} is none of 'auto', {', '.join(map(repr, KINDS))}")
    if not path.exists():
        raise SourceError("there is no such file or folder", path=path)
    if columns is not None and chosen not in ("csv", "tsv"):
        raise SourceError(f"columns are for CSV and TSV files, it is read as {chosen}", path=path)
    if columns is not None:
        try:
            columns = _header(columns, "the columns name")
        except ValueError as error:
            raise SourceError(str(error), path=path) from None
    if chosen == "notes":
        return _unique_notes(path, bad)
    if chosen == "beir":
        path = path / "corpus.jsonl"
        if not path.is_file():
            raise SourceError("there is no such file: a BEIR folder holds its documents in corpus.jsonl", path=path)
    records = _json_records(path, bad) if chosen in ("jsonl", "beir") else _table_records(path, chosen, columns, bad)
    return _documents(records, path, fields, bad)


def _kind(path: Path) -> str:
    if not path.exists():
        raise SourceError("there is no such file or folder", path=path)
    if path.is_dir():
        return "beir" if (path / "corpus.jsonl").is_file() else "notes"
    kind = _SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise SourceError(f"cannot tell by its name what it holds: say which of {', '.join(KINDS)}", path=path)
    return kind


_Record = tuple[int, Mapping[str, Any]]


def _documents(records: Iterator[_Record], path: Path, fields: FieldMap, bad: BadLines | None) -> Iterator[Document]:
    ids = _Ids()
    for line, record in records:
        try:
            document = _document(record, fields)
        except ValueError as error:
            problem = SourceError(str(error), path=path, line=line)
            if bad is None:
                raise problem from None
            bad.add(problem)
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
    key = record[key_field]
    if isinstance(key, int) and not isinstance(key, bool):
        key = str(key)
    if not isinstance(key, str) or not key.strip():
        raise ValueError(f"the id {key!r} is neither text nor an integer")
    title = record.get(fields.title or "title")
    url = record.get(fields.url or "url")
    if url is None and fields.url is None and isinstance(record.get("metadata"), dict):
        # Where BEIR's own corpora keep it.
        url = record["metadata"].get("url")
    return Document(
        clean(key.strip(), key_field),
        clean("" if title is None else title, fields.title or "title").strip(),
        clean(record[text_field], text_field).strip(),
        clean("" if url is None else url, fields.url or "url").strip(),
    )


def clean(value: Any, name: str) -> str:
    """Return a text that can be stored and encoded; ``ValueError`` says what is wrong with the field ``name``."""
    if not isinstance(value, str):
        raise ValueError(f"the field {name!r} holds {type(value).__name__} {str(value)[:40]!r}, not text")
    if "\0" in value:
        raise ValueError(f"the field {name!r} holds a NUL character at position {value.index(chr(0))}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"the field {name!r} holds a lone surrogate at position {error.start}") from None
    return value


def _json_records(path: Path, bad: BadLines | None) -> Iterator[_Record]:
    for line, raw in lines(path, bad):
        try:
            text = decode(raw)
            if not text.strip():
                continue
            record = json.loads(text)
            if not isinstance(record, dict):
                raise ValueError(f"a JSON {type(record).__name__}, not an object")
        except (ValueError, RecursionError) as error:
            reason = f"not JSON: {error}" if isinstance(error, json.JSONDecodeError) else str(error)
            problem = SourceError(reason, path=path, line=line)
            if bad is None:
                raise problem from None
            bad.add(problem)
            continue
        yield line, record


def _table_records(path: Path, kind: str, columns: Sequence[str] | None, bad: BadLines | None) -> Iterator[_Record]:
    """Records of a CSV (RFC 4180) or TSV file; a TSV file has no quotes, and so no line breaks in a field."""
    # The limit is one for the whole process, and its default of 131,072 characters is less than some documents have.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))
    reached = [0]

    def text_lines() -> Iterator[str]:
        for line, raw in lines(path, bad):
            reached[0] = line
            try:
                yield decode(raw)
            except ValueError as error:
                problem = SourceError(str(error), path=path, line=line)
                if bad is None:
                    raise problem from None
                bad.add(problem)

    if kind == "csv":
        reader = csv.reader(text_lines(), strict=True)
    else:
        reader = csv.reader(text_lines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    header = columns
    while True:
        start = reached[0] + 1
        try:
            row = next(reader, None)
            if row is None:
                return
            if not row:
                continue
            if header is None:
                header = _header(row, "the header names the column")
                continue
            if len(row) != len(header):
                raise ValueError(f"{len(row)} columns, not {len(header)} as the header names")
        except (csv.Error, ValueError) as error:
            problem = SourceError(str(error), path=path, line=start)
            if bad is None or header is None:
                raise problem from None
            bad.add(problem)
            continue
        yield start, dict(zip(header, row, strict=True))


def _header(row: Sequence[str], who: str) -> list[str]:
    names = [name.strip() for name in row]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{who} {twice!r} twice")
    return names


def _unique_notes(path: Path, bad: BadLines | None) -> Iterator[Document]:
    ids = _Ids()
    for file, document in read_notes(path, bad):
        ids.add(document.id, file, None)
        yield document


def read_ids(path: Path) -> list[str]:
    """Read a list of ids: a ``.npy`` array of strings or integers, a JSON array, or a text file with one a line.

    Raises :class:`~typeahead.errors.SourceError`.
    """
    if not path.is_file():
        raise SourceError("there is no such file of ids", path=path)
    if path.suffix == ".npy":
        try:
            array = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise SourceError(f"no NumPy array that can be read without pickle: {error}", path=path) from error
        if array.ndim != 1 or array.dtype.kind not in "Uiu":
            raise SourceError(f"holds {array.dtype} {array.shape}, not a list of strings or integers", path=path)
        return [str(key) for key in array.tolist()]
    if path.suffix == ".json":
        try:
            keys = json.loads(path.read_text(encoding="utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise SourceError(f"not JSON: {error}", path=path) from error
        if not isinstance(keys, list) or not all(isinstance(key, str | int) for key in keys):
            raise SourceError("holds no JSON array of strings and integers", path=path)
        return [str(key) for key in keys]
    found = []
    for line, raw in lines(path, None):
        try:
            found.append(decode(raw).strip())
        except ValueError as error:
            raise SourceError(str(error), path=path, line=line) from None
        if not found[-1]:
            raise SourceError("an empty line: one id a line", path=path, line=line)
    return found
