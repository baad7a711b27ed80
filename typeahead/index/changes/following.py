"""Turns the journal into parts that can be searched: what has changed since the generation was built.

There are two parts in memory: a large one, and a small one that is made anew whenever documents change, in a few
milliseconds. Once the small one is full, it is merged into the large one.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from typeahead.index.changes.journal import Journal
from typeahead.index.changes.memory import MemoryPart
from typeahead.index.changes.records import Stored
from typeahead.index.folder import Index
from typeahead.index.parts import Part
from typeahead.index.queries import Preparation

#: Passages that the small part holds before it is merged into the large one.
SMALL: Final = 512
#: Documents that are merged at once when many are read from a journal.
_AT_ONCE: Final = 4096


class State(NamedTuple):
    """The documents of an index at one version."""

    #: The version, and the last change of the journal that is among the documents.
    version: int
    sequence: int
    #: The generation first, then what came later.
    parts: tuple[Part, ...]
    #: For each part, which of its documents are still there: bool (documents,); None for all.
    admitted: tuple[NDArray[np.bool_] | None, ...]


class Changes:
    """The changes of ``journal`` since the generation whose part is ``base``. One thread at a time.

    The generation contains the changes up to ``sequence``, and stands for ``version``; each later change makes that one
    more.
    """

    def __init__(
        self, journal: Journal, base: Part, preparation: Preparation, *, sequence: int = 0, version: int = 0
    ) -> None:
        self._journal, self._base, self._preparation = journal, base, preparation
        self._first = self._read = sequence
        #: What the version has beyond the number of the last change.
        self._beyond = version - sequence
        self._last: State | None = None
        self._alive = np.ones(base.count, np.bool_)
        self._all_alive = True
        self._large: MemoryPart | None = None
        self._large_alive = np.ones(0, np.bool_)
        #: The documents of the small part by id.
        self._small: dict[str, Stored] = {}

    @classmethod
    def of(cls, journal: Journal, index: Index) -> Self:
        """Follow the changes since the generation of an open index."""
        manifest = index.manifest
        return cls(journal, index.part, index.part.preparation, sequence=manifest.sequence, version=manifest.version)

    def refresh(self) -> State:
        """Take in what was written since the last call; raises what :meth:`Journal.since` raises.

        Without changes it returns the same state again. After an error it can be called again.
        """
        gone: list[str] = []
        # A version is taken in as a whole, so whatever goes wrong leaves those before.
        changes = list(self._journal.since(self._read))
        if self._last is not None and not changes:
            return self._last
        for change in changes:
            gone.append(change.id)
            # The last one of an id stands at the end, as in a generation that is built of them.
            self._small.pop(change.id, None)
            if change.stored is not None:
                self._small[change.id] = change.stored
            if len(gone) == _AT_ONCE:
                self._bury(gone)
                gone = []
                self._merge()
        self._bury(gone)
        if changes:
            self._read = changes[-1].version
        if sum(len(one.passages) for one in self._small.values()) > SMALL:
            self._merge()
        self._last = self._state()
        return self._last

    def version_of(self, sequence: int) -> int:
        """Return the version of the documents whose last change has this number in the journal."""
        return self._beyond + max(sequence, self._first)

    def _bury(self, ids: list[str]) -> None:
        """Note that earlier documents of some ids are no longer there."""
        if not ids:
            return
        rows = list(self._base.rows(ids).values())
        if rows:
            # Whoever has the old contents keeps them.
            self._alive = self._alive.copy()
            self._alive[rows] = False
            self._all_alive = False
        if self._large is not None:
            rows = list(self._large.rows(ids).values())
            if rows:
                self._large_alive = self._large_alive.copy()
                self._large_alive[rows] = False

    def _merge(self) -> None:
        """Merge the small part into the large one."""
        parts, alive = [], []
        if self._large is not None and self._large_alive.any():
            parts.append(self._large)
            alive.append(np.flatnonzero(self._large_alive))
        if self._small:
            parts.append(MemoryPart.of(list(self._small.values()), self._preparation))
            alive.append(np.arange(parts[-1].count))
        self._small = {}
        self._large = MemoryPart.merged(parts, alive) if parts else None
        self._large_alive = np.ones(0 if self._large is None else self._large.count, np.bool_)

    def _state(self) -> State:
        parts: list[Part] = [self._base]
        admitted: list[NDArray[np.bool_] | None] = [None if self._all_alive else self._alive]
        if self._large is not None:
            parts.append(self._large)
            admitted.append(None if self._large_alive.all() else self._large_alive)
        if self._small:
            parts.append(MemoryPart.of(list(self._small.values()), self._preparation))
            admitted.append(None)
        return State(self._beyond + self._read, self._read, tuple(parts), tuple(admitted))
