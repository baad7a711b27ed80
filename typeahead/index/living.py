"""An index folder that is open while its documents change.

The present generation and the journal together make the contents; whoever asks takes the contents of that moment and
keeps them until the answer is there. Other processes write to the same folder, compact it and build it anew, so a
thread looks ten times a second for what they did.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import numpy as np

from typeahead.errors import IndexFolderError, TypeaheadError
from typeahead.index.changes.following import Changes
from typeahead.index.changes.journal import Journal, Superseded
from typeahead.index.changes.records import Deleted
from typeahead.index.contents import Contents
from typeahead.index.folder import Index, LexicalFiles, open_index
from typeahead.index.manifest import MANIFEST
from typeahead.index.sparse import SparseWords
from typeahead.logs import LimitedLog
from typeahead.search.filters import Filter
from typeahead.search.port import Entry
from typeahead.search.space import Space

log = logging.getLogger(__name__)

#: Seconds between two looks at what others did.
LOOK_SECONDS: Final = 0.1
#: Seconds for which a generation stays open after the last key may have begun with it.
_LINGER_SECONDS: Final = 60.0
#: A compaction is due when so many passages changed, and so large a share of all.
DUE_PASSAGES: Final = 5_000
DUE_SHARE: Final = 0.1
#: At the latest when so many changed: they are in memory, and the journal takes no more than twice as many.
DUE_LATEST: Final = 25_000


class _Base(NamedTuple):
    """The generation that is open, and what has changed since."""

    generation: Index
    journal: Journal
    changes: Changes
    #: Tells whether the manifest is still the one that was read.
    stamp: tuple[int, int, int]


class LivingIndex:
    """The index in ``folder``, with every change of its documents. May be used from several threads.

    Raises what :func:`~typeahead.index.folder.open_index` raises.
    """

    def __init__(self, folder: Path, *, lexical: LexicalFiles = "words", candidates: int | None = None) -> None:
        self.folder = folder
        self.address = str(folder)
        self._lexical, self._candidates = lexical, candidates
        self._lock = threading.RLock()
        self._retired: list[tuple[float, _Base]] = []
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._compaction: subprocess.Popen[bytes] | None = None
        #: Called with the new contents, in the thread that found them.
        self._told: list[Callable[[Contents], None]] = []
        self._log = LimitedLog(log)
        self._base = self._open()
        self.contents = self._contents()

    @property
    def generation(self) -> Index:
        """The generation that is open."""
        return self._base.generation

    @property
    def space(self) -> Space:
        """The embedding space of the vectors."""
        return self._base.generation.space

    @property
    def sparse(self) -> SparseWords | None:
        """The token weights of a sparse encoder, if they were asked for."""
        return self._base.generation.sparse

    @property
    def version(self) -> str:
        """The version of the contents: a number that grows with each change."""
        return str(self.contents.version)

    def write(self, entries: Sequence[Entry]) -> int:
        """See :meth:`~typeahead.search.port.Writes.upsert`. They are on disk, and can be found, when this returns."""
        return self._write(entries)

    def delete(self, ids: Sequence[str]) -> tuple[int, int]:
        """See :meth:`~typeahead.search.port.Writes.delete`."""
        with self._lock:
            self.refresh()
            there = list(self.contents.find(ids))
            return len(there), self._write([Deleted(one) for one in there])

    def _write(self, changes: Sequence[Entry | Deleted]) -> int:
        version = self._base.journal.append(changes)
        self.refresh()
        return version

    def matching(self, tree: Filter, most: int) -> list[str]:
        """See :meth:`~typeahead.search.port.Writes.matching`."""
        contents = self.contents
        return [contents.id(row) for row in contents.live_rows(contents.masks(tree))[:most].tolist()]

    def kinds(self) -> dict[str, str]:
        """The kind of value of each field, those that no document has any more included."""
        return self._base.journal.kinds()

    def refresh(self) -> bool:
        """Take in what has changed; returns whether anything has."""
        with self._lock:
            self._check_open()
            if _stamp(self.folder) != self._base.stamp:
                self._reopen()
            elif not self._base.journal.changed():
                return False
            try:
                before, self.contents = self.contents, self._contents()
            except Superseded:
                # Between the two, a compaction has ended.
                self._reopen()
                before, self.contents = self.contents, self._contents()
            if before.version == self.contents.version and before.parts == self.contents.parts:
                return False
            contents = self.contents
        for tell in list(self._told):
            try:
                tell(contents)
            except TypeaheadError:
                self._log.exception("a view of %s cannot follow its changes", self.folder)
        return True

    def follow(self, told: Callable[[Contents], None] | None = None) -> None:
        """Look for changes from now on, and have the index compacted when that is due; ``told`` hears of changes."""
        if told is not None:
            self._told.append(told)
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, name="typeahead-changes", daemon=True)
            self._thread.start()

    def unfollow(self, told: Callable[[Contents], None]) -> None:
        """Tell no more of changes."""
        with suppress(ValueError):
            self._told.remove(told)

    def describe(self) -> dict[str, Any]:
        """Say what the index holds, in numbers: for people who run it."""
        contents, manifest = self.contents, self._base.generation.manifest
        journal = self._base.journal
        return {
            "documents": contents.count,
            "passages": contents.passage_count,
            "passage_limit": manifest.passage_limit,
            "version": contents.version,
            "segments": [
                {"documents": part.count, "passages": part.passages.count} for part in contents.parts if part.count
            ],
            "unmerged_passages": journal.passages,
            "bytes": _bytes(self.folder),
            "generation": manifest.generation,
            "last_compacted": manifest.created,
            "fields": contents.kinds,
            "teacher": str(manifest.teacher),
        }

    @property
    def unmerged(self) -> int:
        """How many passages of changes wait to be merged."""
        return self._base.journal.passages

    @property
    def due(self) -> bool:
        """Whether so much has changed that a new generation pays."""
        changed = self._base.journal.passages
        held = self._base.generation.part.passages.count
        return changed >= DUE_LATEST or changed >= max(DUE_PASSAGES, DUE_SHARE * held)

    def close(self) -> None:
        """Close the files. Searches that are under way may fail."""
        self._closed.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        with self._lock:
            for base in (self._base, *(base for _, base in self._retired)):
                base.journal.close()
                base.generation.close()
            self._retired.clear()

    def _look(self) -> None:
        while not self._closed.wait(LOOK_SECONDS):
            try:
                self.refresh()
                self._drop_retired()
                self._compact_if_due()
            except TypeaheadError:
                self._log.exception("the changes of %s cannot be read: the documents of before are searched")
            except Exception:
                self._log.exception("the changes of the index cannot be read: the documents of before are searched")

    def _compact_if_due(self) -> None:
        if self._compaction is not None and self._compaction.poll() is None:
            return
        if self._compaction is not None:
            if self._compaction.returncode:
                self._log.error("a compaction of %s has failed; its last words are above", self.folder)
            self._compaction = None
        if self.due:
            # A process of its own: it takes seconds of a core, and Python has one lock for all threads.
            command = [sys.executable, "-m", "typeahead.index.changes.compacting", str(self.folder)]
            self._compaction = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def _open(self) -> _Base:
        stamp = _stamp(self.folder)
        generation = open_index(self.folder, lexical=self._lexical, search_candidates=self._candidates)
        journal = Journal.of(self.folder, generation.manifest, generation.part.columns.kinds)
        return _Base(generation, journal, Changes.of(journal, generation), stamp)

    def _reopen(self) -> None:
        opened = self._open()
        self._drop_retired()
        self._retired.append((time.monotonic(), self._base))
        self._base = opened

    def _drop_retired(self) -> None:
        with self._lock:
            while self._retired and time.monotonic() - self._retired[0][0] > _LINGER_SECONDS:
                _, base = self._retired.pop(0)
                base.journal.close()
                base.generation.close()

    def _contents(self) -> Contents:
        state = self._base.changes.refresh()
        words = [
            part.words if mask is None else part.words.without(np.flatnonzero(~mask))
            for part, mask in zip(state.parts, state.admitted, strict=True)
        ]
        return Contents(state.version, state.parts, state.admitted, words)

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise IndexFolderError(f"the index {self.folder} is closed: open it again", folder=self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _stamp(folder: Path) -> tuple[int, int, int]:
    """What changes whenever a manifest is replaced."""
    try:
        found = (folder / MANIFEST).stat()
    except FileNotFoundError:
        return 0, 0, 0
    return found.st_ino, found.st_mtime_ns, found.st_size


def _bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size
    return total
