"""Rows of an engine as JSON-like payloads: where documents are in them, how they are read, and how they are written.

A payload is a mapping from keys to values, some of which may be mappings themselves. A row is either a document, or a
passage of one in what this package made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from typing import Any, NamedTuple, TypeAlias

from typeahead.engines.documents import Read, fields_of
from typeahead.search.port import Entry
from typeahead.text.document import Document, Passage

Path: TypeAlias = tuple[str, ...]


class Row(NamedTuple):
    """A row: whatever tells the engine which one it is, and what it holds."""

    place: Any
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadLayout:
    """Where payloads have what documents are made of."""

    #: The id is the row's place if None.
    id: Path | None
    title: Path | None
    text: Path | None
    url: Path | None
    #: The key of an object of fields.
    objects: str | None = None
    #: The keys of fields outside of it; None for all but those in ``left_out``.
    top: frozenset[str] | None = None
    left_out: frozenset[str] = frozenset()
    #: What was written down about what this package made; None for anything else.
    made: Mapping[str, Any] | None = None

    def has_field(self, name: str) -> bool:
        """Whether a payload may have such a field."""
        if self.objects is not None and name != self.objects:
            return True
        return name in self.top if self.top is not None else name not in self.left_out

    def field(self, name: str) -> Path:
        """Where the payload has a field."""
        inside = self.objects is not None and (self.top is None or name not in self.top)
        return (self.objects or "", name) if inside else (name,)

    def fields(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a payload."""
        objects = payload.get(self.objects) if self.objects is not None else None
        found = dict(objects) if isinstance(objects, dict) else {}
        for name, value in payload.items():
            if name in self.top if self.top is not None else name not in self.left_out:
                found[name] = value
        if self.objects is not None:
            for path in (self.id, self.title, self.text, self.url):
                if path is not None and path[0] == self.objects:
                    found.pop(path[-1], None)
        return fields_of(found)


def read_path(text: str) -> Path:
    """Read ``metadata.title``."""
    return tuple(text.split("."))


def get(payload: Mapping[str, Any], path: Path) -> Any:
    """The value at a place, None if there is none."""
    value: Any = payload
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def document_id(layout: PayloadLayout, row: Row) -> str:
    """The id of a row's document; "" if it has none."""
    if layout.id is None:
        return str(row.place)
    value = get(row.payload, layout.id)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def stamp_of(layout: PayloadLayout, payload: Mapping[str, Any]) -> str:
    """The version of a row's document, as far as a candidate can tell: "" in a collection of somebody else."""
    return "" if layout.made is None else str(payload.get("changed", 0))


def read_rows(layout: PayloadLayout, rows: Iterable[Row]) -> Iterator[Read]:
    """Make documents of rows; those of one document follow each other. What cannot be found is left out."""
    for key, group in groupby(rows, lambda row: document_id(layout, row)):
        if not key:
            continue
        if layout.made is None:
            # Of rows with the same id, the first counts.
            if (one := _adopted(layout, key, next(group).payload)) is not None:
                yield one
        else:
            some = sorted((row.payload for row in group), key=lambda payload: int(payload.get("passage", 0)))
            yield _made(layout, key, some)


def complete(layout: PayloadLayout, rows: list[Row]) -> tuple[list[Row], list[Row]]:
    """Part rows in front of the last document, of which more rows may follow."""
    if layout.made is None:
        return rows, []
    place = len(rows)
    while place and document_id(layout, rows[place - 1]) == document_id(layout, rows[-1]):
        place -= 1
    return rows[:place], rows[place:]


def payloads_of(entry: Entry, changed: int) -> list[dict[str, Any]]:
    """Return the payloads of a document that is written now, one for each passage.

    Title and URL are in the first alone. ``changed`` is the time in microseconds.
    """
    document = entry.document
    fields = {name: list(one) if isinstance(one, tuple) else one for name, one in document.fields.items()}
    return [
        {
            "id": document.id,
            "passage": number,
            "title": document.title if not number else "",
            "text": passage.text,
            "url": document.url if not number else "",
            "path": list(passage.path),
            "anchor": passage.anchor,
            "fields": fields,
            "changed": changed,
        }
        for number, passage in enumerate(entry.passages)
    ]


def _made(layout: PayloadLayout, key: str, payloads: Sequence[Mapping[str, Any]]) -> Read:
    passages = tuple(
        Passage(one.get("text", ""), tuple(one.get("path", ())), one.get("anchor", "")) for one in payloads
    )
    first = payloads[0]
    text = "".join(passage.text for passage in passages)
    document = Document(key, first.get("title", ""), text, first.get("url", ""), layout.fields(first))
    return Read(document, passages, stamp_of(layout, first))


def _adopted(layout: PayloadLayout, key: str, payload: Mapping[str, Any]) -> Read | None:
    title, text, url = (
        value if path is not None and isinstance(value := get(payload, path), str) else ""
        for path in (layout.title, layout.text, layout.url)
    )
    if not title and not text:
        return None
    document = Document(key, title, text, url, layout.fields(payload))
    return Read(document, (Passage(text),), _digest([title, text, url, document.fields]))


def _digest(content: Any) -> str:
    return blake2b(json.dumps(content, sort_keys=True, default=str).encode(), digest_size=8).hexdigest()
