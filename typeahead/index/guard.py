"""Keeps a broken source from replacing a good index with its remains.

Every code path that activates an index asks :class:`Guard` first, as soon as the number of documents is known.
:class:`~typeahead.index.staging.Staging` asks again at the last moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from typeahead.errors import ReplacementRefused
from typeahead.index.versions import documents_in_force


@dataclass(frozen=True, slots=True)
class Guard:
    """Decides which new index may replace the current one.

    ``allow_empty`` accepts an index without documents. ``max_shrink`` is the largest share of the current documents
    that a new index may lack: from 0 (it must have at least as many) to 1 (it may have any number except zero).
    """

    allow_empty: bool = False
    max_shrink: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.max_shrink <= 1:
            raise ValueError(f"max_shrink is {self.max_shrink}; it must be from 0 to 1")

    def check(self, out: Path, count: int) -> None:
        """Raise :class:`~typeahead.errors.ReplacementRefused` if ``count`` documents are too few to replace ``out``."""
        before = documents_in_force(out)
        if not count:
            if self.allow_empty:
                return
            kept = f"{out} is not created" if before is None else f"{out} keeps its {before:,} documents"
            raise ReplacementRefused(
                f"the source has no documents, so {kept}: pass --allow-empty if you do want an empty index",
                before=before,
                after=0,
                folder=out,
            )
        if before is not None and before - count > self.max_shrink * before:
            raise ReplacementRefused(
                f"{out} keeps its {before:,} documents, because the source has only {count:,}: "
                f"pass --max-shrink 1 if that is intended (it is {self.max_shrink:g})",
                before=before,
                after=count,
                folder=out,
            )


#: Refuses an empty index, and one that loses more than half of the current documents.
CAREFUL = Guard()
