"""Makes documents of records: which member is the id, the title, the text, the URL and the vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from typeahead.text.document import Document
from typeahead.text.fields import FieldReader
from typeahead.text.paths import MISSING, find
from typeahead.text.records import clean, identifier

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FieldMap:
    """Which fields of a record make a document, as dotted paths: see :mod:`typeahead.text.paths`.

    ``None`` stands for the usual names: ``_id`` or ``id``, ``title``, ``text``, ``url``. A record may lack title and
    URL, also if their fields are named here. The values of a list are joined if its field is named here.
    """

    id: str | None = None
    title: str | None = None
    text: str | None = None
    url: str | None = None

    def are_in(self, names: Sequence[str]) -> bool:
        """Whether ``names`` contain an id and a text."""
        keys = ("_id", "id") if self.id is None else (self.id,)
        return (self.text or "text") in names and any(key in names for key in keys)

    def taken(self) -> frozenset[str]:
        """The members that are named here."""
        return frozenset(name for name in (self.id, self.title, self.text, self.url) if name is not None)


class NoFieldError(ValueError):
    """A record has no id or no text by the names that are looked for."""


class Found(NamedTuple):
    """A document and the vector that its record holds, if one was asked for."""

    document: Document
    vector: Vector | None = None
    #: The file that it was read from; ``None`` for a row of a database.
    file: Path | None = None


@dataclass(slots=True)
class Mapper:
    """Makes documents of the records of one index."""

    names: FieldMap
    #: ``None`` for documents without fields.
    fields: FieldReader | None
    #: The member with the vector, as a dotted path.
    vectors: str | None = None
    _dim: int | None = field(init=False, default=None)

    def wanted(self) -> frozenset[str]:
        """The members that were asked for by name, as dotted paths."""
        fields = () if self.fields is None else self.fields.choice.paths.values()
        return self.names.taken().union(() if self.vectors is None else (self.vectors,), fields)

    def infer(self, records: Sequence[Mapping[str, str]]) -> None:
        """Learn the kinds of fields from a sample of a table of documents, whose values are all text."""
        if self.fields is not None and records and self.names.are_in(list(records[0])):
            self.fields.infer(records)

    def document(self, record: Mapping[str, Any], place: str, *, texts: bool = False) -> Found:
        """Make the document of a record; ``place`` names the record for later errors.

        ``texts`` says that the record is of a table whose values are all text.

        Raises ``ValueError``, which says what is wrong with the record.
        """
        names = self.names
        key_name = names.id or ("_id" if "_id" in record else "id")
        key = find(record, key_name)
        if key is MISSING:
            raise _missing(record, key_name, "id", "--id-field")
        text_name = names.text or "text"
        text = find(record, text_name)
        if text is MISSING:
            raise _missing(record, text_name, "text", "--text-field")
        title = _optional(record, names.title, "title", " ")
        if text is None and title:
            # A product without a description is found by its name.
            text = ""
        url = find(record, names.url or "url")
        if url is MISSING and names.url is None and isinstance(record.get("metadata"), dict):
            # BEIR's own corpora keep it there.
            url = record["metadata"].get("url")
        identity = identifier(key, key_name)
        joined = _text(text, text_name, "\n\n" if names.text else None)
        address = "" if url is None or url is MISSING else _text(url, names.url or "url", None)
        vector = None if self.vectors is None else self._vector(record, self.vectors)
        fields = {} if self.fields is None else self.fields.read(record, place, texts=texts)
        if vector is not None:
            self._dim = len(vector)
        return Found(Document(identity, title, joined, address, fields), vector)

    def _vector(self, record: Mapping[str, Any], name: str) -> Vector:
        value = find(record, name)
        if value is None or value is MISSING:
            raise ValueError(f"there is no vector in the field {name!r}")
        try:
            vector = np.asarray(value, np.float32)
        except (TypeError, ValueError):
            raise ValueError(f"the field {name!r} holds no list of numbers") from None
        if vector.ndim != 1 or not len(vector):
            raise ValueError(f"the field {name!r} holds no list of numbers")
        if self._dim is not None and len(vector) != self._dim:
            raise ValueError(f"the vector has {len(vector)} dimensions, but those before it have {self._dim}")
        if not np.isfinite(vector).all():
            raise ValueError(f"the vector holds NaN or infinity at position {int(np.isfinite(vector).argmin())}")
        return vector


def _missing(record: Mapping[str, Any], name: str, use: str, flag: str) -> NoFieldError:
    there = ", ".join(repr(name) for name in list(record)[:10]) or "none"
    more = f", and {len(record) - 10:,} more" if len(record) > 10 else ""
    return NoFieldError(f"no field {name!r} for the {use}; the fields are {there}{more}: name another with {flag}")


def _optional(record: Mapping[str, Any], name: str | None, usual: str, glue: str) -> str:
    value = find(record, name or usual)
    return "" if value is None or value is MISSING else _text(value, name or usual, glue if name else None)


def _text(value: Any, name: str, glue: str | None) -> str:
    """The text of a field; a list is joined by ``glue``, and refused if that is ``None``."""
    if glue is not None and isinstance(value, list | tuple):
        parts = (_text(one, name, glue) for one in value if one is not None)
        return glue.join(part for part in parts if part)
    return clean(value, name, nul=False).strip()
