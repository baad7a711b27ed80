"""Turns the journal into parts that can be searched: what has changed since the generation was built.

There are two parts in memory: a large one, and a small one, into which each change is merged in a few milliseconds.
Once the small one is full, it is merged into the large one. No text is analysed for that. Parts that were handed out
stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Generic, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from typeahead.index.changes.journal import Journal
from typeahead.index.changes.memory import MemoryPart, Pieces
from typeahead.index.changes.records import Stored
from typeahead.index.folder import Index
from typeahead.index.parts import Part
from typeahead.index.queries import Preparation

#: Passages that the small part holds before it is merged into the large one.
SMALL: Final = 512
P = TypeVar("P", bound=Part)


class State(NamedTuple):
    """The documents of an index at one version."""

    #: The version, and the last change of the journal that is among the documents.
    version: int
    sequence: int
    #: The generation first, then what came later.
    parts: tuple[Part, ...]
    #: For each part, which of its documents are still there: bool (documents,); None for all.
    admitted: tuple[NDArray[np.bool_] | None, ...]


class _Living(NamedTuple, Generic[P]):
    """A part, and which of its documents are still there: bool (documents,); None for all."""

    part: P
    alive: NDArray[np.bool_] | None = None

    @property
    def is_gone(self) -> bool:
        """Whether none is still there."""
        return self.alive is not None and not self.alive.any()

    def without(self, ids: Sequence[str]) -> _Living[P]:
        """Return the same without the documents of some ids. Whoever has this one keeps all of its documents."""
        rows = list(self.part.rows(ids).values())
        if not rows or (self.alive is not None and not self.alive[rows].any()):
            return self
        alive = np.ones(self.part.count, np.bool_) if self.alive is None else self.alive.copy()
        alive[rows] = False
        return _Living(self.part, alive)


class Changes:
    """The changes of ``journal`` since the generation whose part is ``base``. One thread at a time.

    The generation contains the changes up to ``sequence``, and stands for ``version``; each later change makes that one
    more.
    """

    def __init__(
        self, journal: Journal, base: Part, preparation: Preparation, *, sequence: int = 0, version: int = 0
    ) -> None:
        self._journal, self._preparation = journal, preparation
        self._first = self._read = sequence
        #: What the version has beyond the number of the last change.
        self._beyond = version - sequence
        self._last: State | None = None
        self._base: _Living[Part] = _Living(base)
        #: The parts in memory; either may be missing.
        self._large: _Living[MemoryPart] | None = None
        self._small: _Living[MemoryPart] | None = None

    @classmethod
    def of(cls, journal: Journal, index: Index) -> Self:
        """Follow the changes since the generation of an open index."""
        manifest = index.manifest
        return cls(journal, index.part, index.part.preparation, sequence=manifest.sequence, version=manifest.version)

    def refresh(self) -> State:
        """Take in what was written since the last call; raises what :meth:`Journal.since` raises.

        Parts that nothing was merged into are the same objects as before; without changes it returns the same state.
        """
        # All of it first, so whatever goes wrong leaves the state of before.
        changes = list(self._journal.since(self._read))
        if self._last is not None and not changes:
            return self._last
        if changes:
            new: dict[str, Stored] = {}
            for change in changes:
                # The last document of an id stands at the end, as in a generation that is built of them.
                new.pop(change.id, None)
                if change.stored is not None:
                    new[change.id] = change.stored
            self._take(list({change.id for change in changes}), list(new.values()))
            self._read = changes[-1].version
        every: list[_Living[Part] | _Living[MemoryPart]] = [self._base]
        every += [one for one in (self._large, self._small) if one is not None]
        self._last = State(
            self._beyond + self._read,
            self._read,
            tuple(one.part for one in every),
            tuple(one.alive for one in every),
        )
        return self._last

    def version_of(self, sequence: int) -> int:
        """Return the version of the documents whose last change has this number in the journal."""
        return self._beyond + max(sequence, self._first)

    def _take(self, changed: Sequence[str], new: Sequence[Stored]) -> None:
        """Take documents in, in place of all others with the ids that ``changed``."""
        base = self._base.without(changed)
        large, small = (None if one is None else one.without(changed) for one in (self._large, self._small))
        if large is not None and large.is_gone:
            large = None
        added = [Pieces.of(new, self._preparation)] if new else []
        held = 0 if small is None else small.part.passages.count
        if held + sum(len(one.vectors) for one in added) > SMALL:
            large, small = self._merged((large, small), added), None
        elif small is not self._small or added:
            small = self._merged((small,), added)
        self._base, self._large, self._small = base, large, small

    def _merged(
        self, some: Iterable[_Living[MemoryPart] | None], added: Sequence[Pieces]
    ) -> _Living[MemoryPart] | None:
        """Put what is still there of some parts, and what came, into one."""
        left = [one for one in some if one is not None and not one.is_gone]
        if not added and len(left) <= 1 and all(one.alive is None for one in left):
            return left[0] if left else None
        pieces = [one.part.pieces(None if one.alive is None else np.flatnonzero(one.alive)) for one in left]
        pieces += added
        return _Living(MemoryPart.of_pieces(pieces, self._preparation)) if pieces else None
