"""An index folder that is open while its documents change.

The present generation and the journal together make the contents; whoever asks takes the contents of that moment and
keeps them until the answer is there. Other processes write to the same folder, compact it and build it anew, so a
thread looks for what they did. Changes are taken in three times a second at most, as keys wait meanwhile.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import numpy as np

from typeahead.errors import IndexFolderError, TypeaheadError
from typeahead.index.changes.compactor import Compactor
from typeahead.index.changes.following import Changes
from typeahead.index.changes.journal import Journal, Superseded
from typeahead.index.changes.records import Deleted
from typeahead.index.contents import Contents
from typeahead.index.folder import Index, LexicalFiles, open_index
from typeahead.index.manifest import MANIFEST, Manifest
from typeahead.index.sparse import SparseWords
from typeahead.index.summary import described
from typeahead.models.teacher import same_teacher
from typeahead.search.filters import Filter
from typeahead.search.port import Entry
from typeahead.search.space import Space

log = logging.getLogger(__name__)

#: Seconds between two looks at what others did.
LOOK_SECONDS: Final = 0.1
#: Seconds between two times that changes are taken in, while nobody waits for one. Each time, keys wait a little.
REST_SECONDS: Final = 0.3
#: The most seconds between two looks while they fail.
_MOST_LOOK_SECONDS: Final = 5.0
#: Seconds for which a generation stays open after the last key may have begun with it.
LINGER_SECONDS: Final = 60.0
#: How often the newest generation is opened before another process is said to be too fast.
_ATTEMPTS: Final = 5
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

    A generation stays open for ``linger`` seconds after another took its place. Raises what
    :func:`~typeahead.index.folder.open_index` raises.
    """

    def __init__(
        self,
        folder: Path,
        *,
        lexical: LexicalFiles = "words",
        candidates: int | None = None,
        linger: float = LINGER_SECONDS,
    ) -> None:
        self.folder = folder
        self.address = str(folder)
        self._lexical, self._candidates, self._linger = lexical, candidates, linger
        self._lock = threading.RLock()
        self._retired: list[tuple[float, _Base]] = []
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._compactor = Compactor(folder)
        #: Called with the new contents, in the thread that found them.
        self._told: list[Callable[[Contents], None]] = []
        #: When changes were last taken in, in seconds of the monotonic clock.
        self._taken = 0.0
        #: Whether there may be changes that were not taken in yet.
        self._behind = False
        self._failure = ""
        self._base, self.contents = self._newest(None, replaced=True)

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

    @property
    def divides(self) -> bool:
        """Whether long documents are divided: not in an index that was built without."""
        return self._base.generation.manifest.passage_limit is not None

    def write(self, entries: Sequence[Entry], *, rest: bool = False) -> int:
        """See :meth:`~typeahead.search.port.Writes.upsert`. They are on disk, and can be found, when this returns.

        With ``rest``, they can be found a third of a second later if others were taken in just now.
        """
        return self._write(entries, rest)

    def delete(self, ids: Sequence[str], *, rest: bool = False) -> tuple[int, int]:
        """See :meth:`~typeahead.search.port.Writes.delete`; ``rest`` as in :meth:`write`."""
        with self._lock:
            self.refresh()
            there = list(self.contents.find(ids))
            return len(there), self._write([Deleted(one) for one in there], rest)

    def _write(self, changes: Sequence[Entry | Deleted], rest: bool) -> int:
        base = self._base
        sequence = base.journal.append(changes, lambda: self._check_space(base))
        # It is on disk, and stays there whatever happens now.
        with suppress(TypeaheadError):
            if not rest or self._rested:
                self.refresh()
        return self._base.changes.version_of(sequence)

    @property
    def _rested(self) -> bool:
        return time.monotonic() - self._taken >= REST_SECONDS

    def matching(self, tree: Filter, most: int) -> list[str]:
        """See :meth:`~typeahead.search.port.Writes.matching`."""
        self.refresh()
        contents = self.contents
        return [contents.id(row) for row in contents.live_rows(contents.masks(tree))[:most].tolist()]

    def kinds(self) -> dict[str, str]:
        """The kind of value of each field, those that no document has any more included."""
        return self._base.journal.kinds()

    def refresh(self) -> bool:
        """Take in what has changed; returns whether anything has."""
        with self._lock:
            self._check_open()
            before, base = self.contents, self._base
            replaced = _stamp(self.folder) != base.stamp
            self._behind = self._behind or replaced or base.journal.changed()
            if not self._behind:
                return False
            self._base, self.contents = self._newest(base, replaced=replaced)
            contents = self.contents
            self._behind, self._taken = False, time.monotonic()
            if base is not self._base:
                self._retired.append((time.monotonic(), base))
                self._drop_retired()
            if before.version == contents.version and before.parts == contents.parts:
                return False
            # Whoever wrote meanwhile waits for this: views have what was written once a write is answered.
            for tell in list(self._told):
                tell(contents)
            return True

    def follow(self, told: Callable[[Contents], None] | None = None) -> None:
        """Look for changes from now on, and have the index compacted when that is due.

        ``told`` hears of changes, must not raise, and is called from any thread.
        """
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
        return described(self.folder, self.contents, self._base.generation.manifest, self.unmerged)

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
        self._compactor.close()
        with self._lock:
            for base in (self._base, *(base for _, base in self._retired)):
                _close(base)
            self._retired.clear()

    def _look(self) -> None:
        wait = LOOK_SECONDS
        while not self._closed.wait(wait):
            try:
                if self._rested:
                    self.refresh()
                with self._lock:
                    self._drop_retired()
                self._compactor.step(lambda: self.due)
            except Exception as error:
                if self._closed.is_set():
                    return
                self._tell(error)
                wait = min(_MOST_LOOK_SECONDS, 2 * wait)
            else:
                wait, self._failure = LOOK_SECONDS, ""

    def _tell(self, error: Exception) -> None:
        """Log an error once, until it is over."""
        text = f"{type(error).__name__}: {error}"
        if text != self._failure:
            self._failure = text
            # What this package raises says all there is to say.
            log.error(
                "the documents of before are searched, as the changes of %s cannot be read: %s",
                self.folder,
                error,
                exc_info=None if isinstance(error, TypeaheadError) else error,
            )

    def _newest(self, before: _Base | None, *, replaced: bool) -> tuple[_Base, Contents]:
        """The present contents, with what is open; ``replaced`` says that this is no longer the present generation."""
        opened = None if replaced else before
        try:
            for _ in range(_ATTEMPTS):
                try:
                    if opened is not None:
                        return opened, _contents(opened)
                    with _uncollected():
                        opened = self._open(before)
                        contents = _contents(opened)
                        if before is not None:
                            # The first key would wait for them.
                            contents.read_ids()
                        return opened, contents
                except Superseded:
                    # A compaction has ended since.
                    if opened is not None and opened is not before:
                        _close(opened)
                    opened = None
            raise IndexFolderError(f"{self.folder} changes faster than it can be opened: try again", folder=self.folder)
        except BaseException:
            if opened is not None and opened is not before:
                _close(opened)
            raise

    def _open(self, before: _Base | None) -> _Base:
        if before is not None:
            self._check_space(before)
        stamp = _stamp(self.folder)
        generation = open_index(self.folder, lexical=self._lexical, search_candidates=self._candidates)
        journal = Journal.of(self.folder, generation.manifest, generation.part.columns.kinds)
        return _Base(generation, journal, Changes.of(journal, generation), stamp)

    def _check_space(self, base: _Base) -> None:
        """Raise :class:`~typeahead.errors.IndexFolderError` if the folder has an index for another encoder by now."""
        if _stamp(self.folder) == base.stamp:
            return
        manifest, before = Manifest.read(self.folder), base.generation.manifest
        if not _same_space(manifest, before):
            raise IndexFolderError(
                f"{self.folder} was built anew for {manifest.teacher}, and its vectors were those of {before.teacher}: "
                "restart what has it open",
                folder=self.folder,
            )

    def _drop_retired(self) -> None:
        while self._retired and time.monotonic() - self._retired[0][0] >= self._linger:
            _close(self._retired.pop(0)[1])

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise IndexFolderError(f"the index {self.folder} is closed: open it again", folder=self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _contents(base: _Base) -> Contents:
    state = base.changes.refresh()
    words = [
        part.words if mask is None else part.words.without(np.flatnonzero(~mask))
        for part, mask in zip(state.parts, state.admitted, strict=True)
    ]
    return Contents(state.version, state.parts, state.admitted, words)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector still while many objects come to be.

    With 10,000 changes, a million passages took 1.4 to 1.6 seconds of CPU time to open instead of 1.7: the collector
    goes through everything that the process has, and finds nothing.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _close(base: _Base) -> None:
    base.journal.close()
    base.generation.close()


def _stamp(folder: Path) -> tuple[int, int, int]:
    """What changes whenever a manifest is replaced."""
    try:
        found = (folder / MANIFEST).stat()
    except FileNotFoundError:
        return 0, 0, 0
    return found.st_ino, found.st_mtime_ns, found.st_size


def _same_space(ours: Manifest, theirs: Manifest) -> bool:
    same = same_teacher(ours.teacher, theirs.teacher)
    return same and (ours.dim, ours.similarity) == (theirs.dim, theirs.similarity)
