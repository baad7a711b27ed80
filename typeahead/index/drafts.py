"""Reads a document that somebody hands in to be written, and says what is wrong with it.

It is an object as JSON has it, from Python or over HTTP::

    {"id": "7", "title": "…", "text": "…", "url": "…", "fields": {"year": 2019, "tags": ["a", "b"]},
     "vectors": [[0.1, …]]}

``null`` stands for something that is not there. An id may be an integer, which is the same id as its digits. In Python,
``vectors`` may also be an array.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.index.changes.records import LARGEST
from typeahead.search.space import Space
from typeahead.text.document import Document, Value, Values
from typeahead.text.records import clean, identifier

#: Bytes of an id, and code points of a field's name.
LONGEST_ID: Final = 1024
LONGEST_NAME: Final = 256
#: Values that one document may have in one field.
MOST_VALUES: Final = 1000
#: How far the length of a vector may be from 1: float16 and the teachers' own arithmetic stay within 0.001.
EXACT: Final = 0.01
#: Types of the numbers of vectors.
_NUMBERS: Final = frozenset((float, int))

_KNOWN: Final = ("id", "title", "text", "url", "fields", "vectors")


class BadDocument(Exception):
    """A document that is not written. ``code`` names the reason for programs, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """A document that was read, and its vectors float32 (n, dim) if it came with some."""

    document: Document
    vectors: Vectors | None


def draft_of(fields: Mapping[str, Any], space: Space) -> Draft:
    """Read a document; its vectors are those of ``space``. Raises :class:`BadDocument`."""
    for name in fields:
        if name not in _KNOWN:
            raise BadDocument("unknown_field", f"unknown field {str(name)[:40]!a}: known are {', '.join(_KNOWN)}")
    if fields.get("id") is None:
        raise BadDocument("missing_id", 'the document has no "id": give it one')
    try:
        key = identifier(fields["id"], "id")
    except ValueError as error:
        raise BadDocument("bad_id", str(error)) from None
    if len(key.encode()) > LONGEST_ID:
        raise BadDocument("bad_id", f"the id has more than {LONGEST_ID} bytes: shorten it")
    title, text, url = (_text(fields, name) for name in ("title", "text", "url"))
    if not title.strip() and not text.strip():
        raise BadDocument("no_text", 'the document has neither "title" nor "text": give it one of them')
    document = Document(key, title, text, url, _fields(fields.get("fields")))
    vectors = fields.get("vectors")
    return Draft(document, None if vectors is None else _vectors(vectors, space))


def check_kinds(document: Document, kinds: MutableMapping[str, str]) -> None:
    """Check that each field has the kind of value that it has in ``kinds``, and add the fields that are new there.

    Raises :class:`BadDocument`, and then adds nothing.
    """
    found = {}
    for name, values in document.fields.items():
        if isinstance(values, str | int | float):
            found[name] = _kind(values)
        elif values:
            found[name] = _kind(values[0])
    for name, kind in found.items():
        if kinds.get(name, kind) != kind:
            raise BadDocument(
                "field_kind",
                f"the field {name[:40]!a} is {kind}, and {kinds[name]} in the index: a field has one kind of value",
            )
    kinds.update(found)


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    try:
        return clean(value, name, nul=False)
    except ValueError as error:
        raise BadDocument("bad_text", str(error)) from None


def _fields(given: Any) -> Mapping[str, Values]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise BadDocument("bad_fields", '"fields" has to be an object: {"year": 2019}')
    return {_name(name): _values(str(name), value) for name, value in given.items() if value is not None}


def _name(name: Any) -> str:
    try:
        clean(name, "fields", nul=False)
    except ValueError:
        raise BadDocument("bad_fields", f"the field name {str(name)[:40]!a} is no valid Unicode") from None
    if not 0 < len(name) <= LONGEST_NAME:
        raise BadDocument("bad_fields", f"the name of a field has from 1 to {LONGEST_NAME} characters: rename it")
    return str(name)


def _values(name: str, given: Any) -> Values:
    shown = ascii(name[:40])
    if not isinstance(given, list | tuple):
        return _value(shown, given)
    if len(given) > MOST_VALUES:
        raise BadDocument("bad_fields", f"the field {shown} has more than {MOST_VALUES} values: leave some out")
    values = tuple(_value(shown, one) for one in given)
    if len({_kind(value) for value in values}) > 1:
        raise BadDocument("field_kind", f"the field {shown} has values of several kinds: give it one kind")
    return values


def _value(shown: str, value: Any) -> Value:
    if isinstance(value, str):
        try:
            return clean(value, "fields", nul=False)
        except ValueError as error:
            raise BadDocument("bad_fields", f"in {shown}, {error}") from None
    if not isinstance(value, int | float) or (isinstance(value, float) and not math.isfinite(value)):
        what = "is nested" if isinstance(value, dict | list) else "has no value that a filter could look at"
        raise BadDocument(
            "bad_fields", f"the field {shown} {what}: give text, a number, true, false, or a list of these"
        )
    return value


def _kind(value: Value) -> str:
    return "truth" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"


def _vectors(given: Any, space: Space) -> Vectors:
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if not isinstance(given, list) or not given or not all(isinstance(row, list) for row in given):
        raise BadDocument("bad_vectors", '"vectors" has to be a list of vectors, each a list of numbers')
    if any(len(row) != space.dim for row in given):
        wrong = next(len(row) for row in given if len(row) != space.dim)
        raise BadDocument("vector_dimension", f"a vector has {wrong} numbers, those of this index have {space.dim}")
    if not all(_NUMBERS.issuperset(map(type, row)) for row in given):
        raise BadDocument("bad_vectors", "a vector holds something that is no number")
    try:
        wide = np.array(given, np.float64)
        # NaN is not within any bounds.
        held = bool(np.abs(wide).max() < LARGEST)
    except OverflowError:
        held = False
    if not held:
        raise BadDocument("vector_not_finite", f"a vector has a number that is not finite, or {LARGEST:g} or more")
    vectors: Vectors = wide.astype(np.float32)
    if space.similarity == "cosine":
        lengths = np.sqrt(np.einsum("ij,ij->i", wide, wide))
        if np.abs(lengths - 1).max() > EXACT:
            worst = float(lengths[np.argmax(np.abs(lengths - 1))])
            message = f"a vector has length {worst:.4g}, and has to have 1: divide it by its length"
            raise BadDocument("vector_length", message)
    return vectors
