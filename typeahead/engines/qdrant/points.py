"""Makes rows of points, and ids of points of those of documents."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, TypeAlias
from uuid import UUID

from qdrant_client import models

from typeahead.engines.payloads import Row

PointId: TypeAlias = int | str | UUID
#: Digits of the largest number that a point may have.
_DIGITS: Final = 20
#: A point as it is read: with its payload.
Point = models.Record | models.ScoredPoint


def row_of(point: Point) -> Row:
    """A point as a row."""
    return Row(point.id, point.payload or {})


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
