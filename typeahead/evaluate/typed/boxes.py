"""What a search box is to the benchmark: texts are typed into it, and it shows screens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

#: Hits of a screen.
DEPTH = 10


@dataclass(frozen=True, slots=True)
class Screen:
    """What stands under a box."""

    #: Ids of the hits, best first, at most :data:`DEPTH`.
    ids: Sequence[str] = ()
    #: Whether the box itself says that nothing fits well.
    weak: bool = False
    #: How long the answer took; None if time means nothing for this box.
    milliseconds: float | None = None

    @property
    def shown(self) -> bool:
        """Whether there is a hit that the box stands by."""
        return bool(self.ids) and not self.weak


class Box(Protocol):
    """A search box under test. One text is typed at a time."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What it is and how it is set, for the report."""

    def key(self, text: str) -> Screen:
        """Type ``text`` without its last character, then that character: the answer to the latter."""

    def enter(self) -> Screen:
        """Press Enter after the text of the last :meth:`key`."""
