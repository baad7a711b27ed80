"""What a change is: for whoever writes it, in the journal, and for whoever reads it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Self

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.errors import SourceError
from typeahead.index.changes.analysed import DocumentWords
from typeahead.index.kinds import FieldKinds, fields_json, read_fields
from typeahead.search.port import Entry
from typeahead.text.document import Document, Passage

#: Larger values could overflow in a search.
LARGEST: Final = 1e18
_VALUE: Final = np.dtype("<f4")
#: What the journal stores of a change: the id, the number of passages (0 for a deletion), and columns.
Row = tuple[str, int, str | None, bytes | None, str | None, bytes | None]


class Deleted(NamedTuple):
    """The document with this id goes."""

    id: str


class Stored(NamedTuple):
    """A document that was written, as a search needs it."""

    document: Document
    passages: tuple[Passage, ...]
    #: float32 (passages, dim).
    vectors: Vectors
    words: DocumentWords

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """Analyse the texts of an entry."""
        document, passages, vectors = entry
        return cls(document, passages, np.asarray(vectors, np.float32), DocumentWords.of(document, passages))


class Change(NamedTuple):
    """One change of one document."""

    version: int
    id: str
    #: The document, or None if it goes.
    stored: Stored | None


def check_entry(entry: Entry, dim: int) -> None:
    """Raise ``ValueError`` for an entry whose parts do not fit together, or that has no finite vectors of ``dim``."""
    document, passages, vectors = entry
    where = f"document {document.id!r:.60}"
    if not document.id:
        raise ValueError("a document has an empty id")
    if not passages or "".join(one.text for one in passages) != document.text:
        raise ValueError(f"{where}: the texts of its passages do not make up its text")
    values = np.asarray(vectors)
    if values.shape != (len(passages), dim):
        raise ValueError(f"{where}: its vectors have the shape {values.shape}, not {(len(passages), dim)}")
    if not (np.abs(values) < LARGEST).all():
        raise ValueError(f"{where}: a vector has a value that is not finite, or too large")


def row_of(change: Entry | Deleted) -> Row:
    """Return what the journal stores of a change.

    Raises :class:`~typeahead.errors.SourceError` for text that is not Unicode.
    """
    key = change.id if isinstance(change, Deleted) else change.document.id
    try:
        key.encode()
        if isinstance(change, Deleted):
            return key, 0, None, None, None, None
        stored = Stored.of(change)
        text = _json(stored)
        text.encode()
    except UnicodeEncodeError as error:
        raise SourceError(f"document {key!r:.60} has a lone surrogate: fix its text") from error
    forms, numbers = stored.words.encoded()
    return key, len(stored.passages), text, stored.vectors.astype(_VALUE).tobytes(), forms, numbers


def change_of(version: int, row: Sequence[Any], dim: int) -> Change:
    """Read a change that :func:`row_of` made.

    Raises ``ValueError``, ``TypeError``, ``RecursionError`` or :class:`~typeahead.errors.FieldTypeError` for anything
    else.
    """
    return _change(version, row, dim, _vectors([row], dim))


def changes_of(rows: Sequence[tuple[int, Sequence[Any]]], dim: int) -> list[Change]:
    """Read some changes, each with its version, as :func:`change_of` does, but in half the time."""
    every, first = _vectors([row for _, row in rows], dim), 0
    changes = []
    for version, row in rows:
        last = first + row[1]
        changes.append(_change(version, row, dim, every[first:last]))
        first = last
    return changes


def _vectors(rows: Sequence[Sequence[Any]], dim: int) -> Vectors:
    """The vectors of some changes, one after the other: float32 (n, dim)."""
    if not all(isinstance(row[1], int) for row in rows):
        raise ValueError("it has no number of passages")
    values = np.frombuffer(b"".join([row[3] for row in rows if row[1]]), _VALUE).astype(np.float32, copy=False)
    if len(values) != dim * sum(row[1] for row in rows):
        raise ValueError(f"its vectors are not of {dim} dimensions")
    # NaN is not less than anything.
    if len(values) and not np.abs(values).max() < LARGEST:
        raise ValueError("a vector is not finite")
    return values.reshape(-1, dim)


def _change(version: int, row: Sequence[Any], dim: int, values: Vectors) -> Change:
    """Read a change whose vectors were read already."""
    key, passages, text, vectors, forms, numbers = row
    if not isinstance(key, str):
        raise ValueError("it has no id")
    if not passages:
        return Change(version, key, None)
    document, parts = _read(key, text)
    if len(parts) != passages or len(vectors) != _VALUE.itemsize * passages * dim:
        raise ValueError(f"it does not have {passages} vectors of {dim} dimensions")
    return Change(version, key, Stored(document, parts, values, DocumentWords.decoded(forms, numbers, passages)))


def _json(stored: Stored) -> str:
    document = stored.document
    # The whole text is that of the passages.
    passages = [(one.text, one.path, one.anchor) for one in stored.passages]
    # Fields are written as everywhere in an index.
    return json.dumps([document.title, document.url, fields_json(document), passages], ensure_ascii=False)


def _read(key: str, text: str) -> tuple[Document, tuple[Passage, ...]]:
    title, url, fields, passages = json.loads(text)
    parts = tuple([Passage(one, tuple(path), anchor) for one, path, anchor in passages])
    for part in parts:
        if not isinstance(part.text, str) or not isinstance(part.anchor, str):
            raise ValueError("a passage is no text")
        if not all(isinstance(one, str) for one in part.path):
            raise ValueError("a heading is no text")
    if not isinstance(title, str) or not isinstance(url, str):
        raise ValueError("its title is no text")
    whole = parts[0].text if len(parts) == 1 else "".join([part.text for part in parts])
    document = Document(key, title, whole, url, read_fields(fields))
    if document.fields:
        # Raises an error of its own for what is no value of a field.
        FieldKinds().add(document)
    return document, parts
