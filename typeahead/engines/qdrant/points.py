"""Makes documents of points, and ids of points of those of documents."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import groupby
from typing import Any, Final, TypeAlias
from uuid import UUID

from qdrant_client import models

from typeahead.engines.documents import Read
from typeahead.engines.qdrant.layout import Layout
from typeahead.engines.qdrant.paths import get
from typeahead.text.document import Document, Passage

PointId: TypeAlias = int | str | UUID
#: Digits of the largest number that a point may have.
_DIGITS: Final = 20
#: A point as it is read: with its payload.
Point = models.Record | models.ScoredPoint


def document_id(layout: Layout, point: Point) -> str:
    """The id of a point's document; "" if it has none."""
    if layout.id is None:
        return str(point.id)
    value = get(point.payload or {}, layout.id)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def point_of(document: str) -> PointId | None:
    """The point whose id is that of a document; None if no point has such an id."""
    if document.isascii() and document.isdecimal() and len(document) <= _DIGITS:
        number = int(document)
        return number if str(number) == document and number < 1 << 64 else None
    try:
        return document if str(UUID(document)) == document else None
    except ValueError:
        return None


def passage_point(document: str, passage: int) -> str:
    """The id of a passage's point in a collection that this package made.

    Points of one document follow each other in the order of the ids, so whoever reads all points has them together.
    """
    key = blake2b(document.encode(), digest_size=12).digest()
    return str(UUID(bytes=key + passage.to_bytes(4)))


def stamp_of(layout: Layout, point: Point) -> str:
    """The version of a point's document, as far as a candidate can tell: "" in a collection of somebody else."""
    return "" if layout.made is None else str((point.payload or {}).get("changed", 0))


def read_points(layout: Layout, points: Iterable[Point]) -> Iterator[Read]:
    """Make documents of points; those of one document follow each other. What cannot be found is left out."""
    for key, group in groupby(points, lambda point: document_id(layout, point)):
        if not key:
            continue
        if layout.made is None:
            # Of points with the same id, the first counts.
            if (one := _adopted(layout, key, next(group))) is not None:
                yield one
        else:
            some = sorted(group, key=lambda point: int((point.payload or {}).get("passage", 0)))
            yield _made(layout, key, some)


def complete(layout: Layout, points: list[Point]) -> tuple[list[Point], list[Point]]:
    """Part points in front of the last document, of which more points may follow."""
    if layout.made is None:
        return points, []
    place = len(points)
    while place and document_id(layout, points[place - 1]) == document_id(layout, points[-1]):
        place -= 1
    return points[:place], points[place:]


def _made(layout: Layout, key: str, points: Sequence[Point]) -> Read:
    payloads = [point.payload or {} for point in points]
    passages = tuple(
        Passage(one.get("text", ""), tuple(one.get("path", ())), one.get("anchor", "")) for one in payloads
    )
    first = payloads[0]
    text = "".join(passage.text for passage in passages)
    document = Document(key, first.get("title", ""), text, first.get("url", ""), layout.fields(first))
    return Read(document, passages, stamp_of(layout, points[0]))


def _adopted(layout: Layout, key: str, point: Point) -> Read | None:
    payload = point.payload or {}
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
