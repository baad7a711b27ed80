"""Which part a document belongs to: a hash of its id decides, the same on every machine and in every release."""

from __future__ import annotations

from zlib import crc32


def part_of(key: str, parts: int) -> int:
    """Return the place of the part that the document of an id is written to."""
    # An id may have a lone surrogate. No table holds it, but it has to be refused there, not here.
    return crc32(key.encode("utf-8", "surrogatepass")) % parts
