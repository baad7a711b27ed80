"""Counts by kind what a reader left out on purpose, so that the command can say so at the end.

Lines that cannot be used are another matter: see ``bad_lines``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_NAMED = 3
#: A noun and what narrows it down: the noun takes the plural.
_NOUN = re.compile(r"(.*?)(?= (?:of|in|with|without|that|to)\b|$)")


@dataclass
class _Kind:
    count: int = 0
    #: The first few.
    places: list[str] = field(default_factory=list)


class Skipped:
    """What was left out, by kind."""

    def __init__(self) -> None:
        self._kinds: dict[str, _Kind] = {}

    def add(self, kind: str, place: str = "") -> None:
        """Count one more of a kind, such as "hidden file". ``place`` names it: a file, or a line."""
        found = self._kinds.setdefault(kind, _Kind())
        found.count += 1
        if place and len(found.places) < _NAMED and place not in found.places:
            found.places.append(place)

    def counts(self) -> dict[str, int]:
        """Return how many there are of each kind."""
        return {kind: found.count for kind, found in self._kinds.items()}

    def __bool__(self) -> bool:
        return bool(self._kinds)

    def __str__(self) -> str:
        """Everything in one line: "3 drafts (a.md, b.md, c.md), 1 document without text (line 7)"."""
        return ", ".join(_described(kind, found) for kind, found in self._kinds.items())


def _described(kind: str, found: _Kind) -> str:
    name = kind if found.count == 1 else _NOUN.sub(_plural, kind, count=1)
    more = ", …" if found.count > len(found.places) else ""
    places = f" ({', '.join(found.places)}{more})" if found.places else ""
    return f"{found.count:,} {name}{places}"


def _plural(noun: re.Match[str]) -> str:
    return f"{noun[1]}s"
