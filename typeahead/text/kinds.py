"""Tells the format of a file by its name, or by its first bytes if the name tells nothing."""

from __future__ import annotations

from pathlib import Path

from typeahead.errors import SourceError
from typeahead.text import beir
from typeahead.text.formats.arrow import ARROW, PARQUET
from typeahead.text.notes import SUFFIXES as NOTES
from typeahead.text.unpacking import unpacked_name

KINDS = ("jsonl", "json", "csv", "tsv", "parquet", "arrow", "beir", "notes")
#: The formats of files of records, by the suffixes of their names.
RECORDS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
_BINARY = frozenset({"parquet", "arrow"})
_SQLITE = b"SQLite format 3\0"


def kind_of(path: Path) -> str:
    """Return the kind of a file or folder; raises :class:`~typeahead.errors.SourceError` if nothing tells it."""
    if not path.exists():
        raise SourceError("there is no such file or folder", path=path)
    if path.is_dir():
        return "beir" if beir.existing(path, beir.CORPUS) else "notes"
    kind = kind_by_name(path)
    if kind is None and path.is_file():
        kind = _by_content(path)
    if kind is None:
        raise SourceError(f"its name does not tell what it holds: give --format, one of {', '.join(KINDS)}", path=path)
    return kind


def kind_by_name(path: Path) -> str | None:
    """Return the kind that a name tells, ``None`` if it tells nothing."""
    inner = unpacked_name(path)
    suffix = inner.suffix.lower()
    kind = "notes" if suffix in NOTES else RECORDS.get(suffix)
    return None if inner != path and (kind == "notes" or kind in _BINARY) else kind


def _by_content(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            head = file.read(len(_SQLITE))
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or error}", path=path) from error
    if head == _SQLITE:
        raise SourceError(
            f'is an SQLite database: index sqlite:///{path} with --query "SELECT id, title, text FROM …"', path=path
        )
    return "parquet" if head.startswith(PARQUET) else "arrow" if head.startswith(ARROW) else None
