"""Keeps a good index from being replaced by what a broken source left of it.

Every way to put an index in force asks :class:`Guard` first, as soon as the number of documents is known, and
:class:`~typeahead.index.staging.Staging` asks again at the last moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from typeahead.errors import IndexFolderError, ReplacementRefused
from typeahead.index.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Guard:
    """Which new index may take the place of the one in force.

    ``allow_empty`` lets an index of no documents through. ``max_shrink`` is the largest share of the documents in force
    that a new index may lack, from 0 (it must hold as many) to 1 (any number will do, except none).
    """

    allow_empty: bool = False
    max_shrink: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.max_shrink <= 1:
            raise ValueError(f"max_shrink is {self.max_shrink}, it must be from 0 to 1")

    def check(self, out: Path, count: int) -> None:
        """Raise :class:`~typeahead.errors.ReplacementRefused` if ``count`` documents are too few to replace ``out``."""
        before = _documents_in_force(out)
        if not count:
            if self.allow_empty:
                return
            kept = f"{out} is not made" if before is None else f"{out} keeps its {before:,} documents"
            raise ReplacementRefused(
                f"the source holds no documents, so {kept}: give --allow-empty if an index of nothing is meant",
                before=before,
                after=0,
                folder=out,
            )
        if before is not None and before - count > self.max_shrink * before:
            raise ReplacementRefused(
                f"{out} keeps its {before:,} documents, as the source holds only {count:,}: "
                f"give --max-shrink 1 if that is meant (it is {self.max_shrink:g})",
                before=before,
                after=count,
                folder=out,
            )


#: Refuses an index of nothing, and one that lacks more than half of the documents in force.
CAREFUL = Guard()


def _documents_in_force(out: Path) -> int | None:
    """Number of documents in force; ``None`` where there is no index whose manifest can be read."""
    try:
        return Manifest.read(out).count
    except IndexFolderError:
        return None
