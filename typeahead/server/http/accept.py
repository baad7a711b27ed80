"""Which of several media types an ``Accept`` header prefers (RFC 9110, section 12.5.1).

python-mimeparse reads the media ranges of the header and weighs a type by them: the most specific range that matches
gives the type its weight ``q``, from 0 to 1, and a type of weight 0 is not acceptable. The RFC leaves some things open.
They are settled like this:

- among types of equal weight, one that the header names goes before one that only a wildcard matches, and of two named
  ones the first; after that the order of the offers counts;
- parameters other than ``q`` are ignored, because no offer has any, and many clients send
  ``application/json; charset=utf-8``;
- a range that cannot be read is skipped, and a weight that is no number from 0 to 1 counts as 1.

The library takes time with the square of a header's length, so no more than :data:`MAX_CHARS` of it are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import mimeparse

#: Code points of a header that are read. Browsers send some 150.
MAX_CHARS: Final = 1024


def preferred(header: str, offers: Sequence[str], aliases: Mapping[str, str]) -> str | None:
    """Return the offer that a header prefers, or None where none is acceptable.

    ``offers`` are media types in lower case, without parameters; ``aliases`` are other names of some of them. A blank
    header accepts everything.
    """
    if not header.strip(" \t,"):
        return offers[0]
    ranges = list(_read_ranges(header.lower(), aliases))
    named = [f"{kind}/{subtype}" for kind, subtype, _ in ranges]
    ordered = sorted(offers, key=lambda offer: named.index(offer) if offer in named else len(named))
    # The first of several largest ones.
    best = max(ordered, key=lambda offer: mimeparse.quality_parsed(offer, ranges))
    return best if mimeparse.quality_parsed(best, ranges) > 0 else None


def _read_ranges(header: str, aliases: Mapping[str, str]) -> Iterator[tuple[str, str, dict[str, str]]]:
    elements = header.split(",") if len(header) <= MAX_CHARS else header[:MAX_CHARS].split(",")[:-1]
    for element in elements:
        try:
            kind, subtype, parameters = mimeparse.parse_media_range(element)
        except mimeparse.MimeTypeParseException:
            continue
        kind, _, subtype = aliases.get(name := f"{kind}/{subtype}", name).partition("/")
        yield kind, subtype, parameters
