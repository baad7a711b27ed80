"""Keeps the documents of a folder in an index, look by look, as its files change.

A look compares the files of the folder with those of the last one, by time, size and identity. Files that are new or
changed are read again; the documents of files that are gone are deleted. Whoever wakes a look may be wrong or late, as
only the folder counts.

Nothing is believed at first sight. A look waits until the folder has been the same twice, so a file that is being
written, or that an editor replaces by renaming, is not read or missed halfway. A folder that is gone, or has lost many
of its documents at once, was perhaps unmounted: nothing is deleted, and documents that come back are as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from typeahead.errors import SourceError
from typeahead.index.drafts import Draft
from typeahead.index.opened import OpenIndex
from typeahead.index.upserting import Upserted
from typeahead.progress import OnProgress
from typeahead.text.folders import walk
from typeahead.text.mapping import Found

#: Seconds for which a folder has to stay the same, and how often that is looked at before it is read all the same.
SETTLE_SECONDS, _SETTLED_AFTER = 0.3, 10


class _Stamp(NamedTuple):
    """What changes whenever a file is written or replaced."""

    modified: int
    size: int
    inode: int


@dataclass(slots=True)
class Look:
    """What a look did."""

    report: Upserted
    deleted: int = 0
    #: Files that could not be read; their documents are as before.
    unread: int = 0

    @property
    def did_anything(self) -> bool:
        """Whether there is something to tell."""
        return bool(self.report.count or self.report.failed or self.deleted)


class Mirror:
    """Keeps the documents of ``folder`` in ``index``.

    Args:
        folder: the folder.
        index: the index, which may have other documents, too.
        read: returns the documents of some files of the folder, each with its file; None for all files.
        max_shrink: the share of the folder's documents that may go at once.
        tell: gets a line about whatever is not as it should be.
        wait: waits so many seconds; returns True to break off.
        without: a folder inside of ``folder`` whose files do not count, such as that of the index.
    """

    def __init__(
        self,
        folder: Path,
        index: OpenIndex,
        read: Callable[[Collection[Path] | None], Iterator[Found]],
        *,
        max_shrink: float,
        tell: Callable[[str], object],
        wait: Callable[[float], bool],
        without: Path | None = None,
    ) -> None:
        self._folder, self._index, self._read = folder, index, read
        self._max_shrink, self._tell, self._wait = max_shrink, tell, wait
        self._without = None if without is None else _inside(folder, without)
        self._files: dict[Path, _Stamp] = {}
        #: The ids of the documents of each file. A file that is gone stays until its documents are deleted.
        self._ids: dict[Path, frozenset[str]] = {}
        #: What was told last, so that it is not told at each look.
        self._told = ""

    @property
    def ids(self) -> set[str]:
        """The ids of all documents of the folder."""
        return {key for ids in self._ids.values() for key in ids}

    def first(self, progress: OnProgress | None = None) -> Look:
        """Read the whole folder. Raises :class:`~typeahead.errors.SourceError` for what cannot be read."""
        files = self._scan()
        ids: dict[Path, set[str]] = {file: set() for file in files}

        def drafts() -> Iterator[Draft]:
            for found in self._read(None):
                assert found.file is not None
                if self._left_out(found.file):
                    continue
                ids.setdefault(found.file, set()).add(found.document.id)
                yield Draft(found.document, None)

        report = self._index.upsert(drafts(), progress)
        self._files = files
        self._ids = {file: frozenset(some) for file, some in ids.items()}
        return Look(report)

    def look(self) -> Look:
        """Take in what has changed since the last look."""
        look = Look(Upserted())
        files = self._settled()
        if files is None:
            return look
        changed = [file for file, stamp in files.items() if self._files.get(file) != stamp]
        before = self.ids
        stale: set[str] = set()
        for file in changed:
            stale |= self._take(file, look)
            self._files[file] = files[file]
            if self._wait(0):
                return look
        vanished = [file for file in self._ids if file not in files]
        for file in vanished:
            stale |= self._ids[file]
            self._files.pop(file, None)
        # A document may have moved to another file.
        stale -= {key for file, ids in self._ids.items() if file in files for key in ids}
        if stale and self._may_delete(stale, before):
            look.deleted = self._index.delete(stale).count
            for file in vanished:
                del self._ids[file]
        elif not stale:
            for file in vanished:
                del self._ids[file]
            self._say("")
        return look

    def _take(self, file: Path, look: Look) -> frozenset[str]:
        """Write the documents of a file; returns the ids of those that it had before."""
        before = self._ids.get(file, frozenset())
        try:
            # As a whole: half of a file that cannot be read is not its content.
            documents = [found.document for found in self._read([file])]
        except SourceError as error:
            look.unread += 1
            self._tell(f"{error}; its documents stay as they are")
            return frozenset()
        _add(look.report, self._index.upsert(Draft(document, None) for document in documents))
        self._ids[file] = frozenset(document.id for document in documents)
        return before

    def _may_delete(self, stale: set[str], before: set[str]) -> bool:
        if len(stale) > self._max_shrink * len(before):
            self._say(
                f"{self._folder}: {len(stale):,} of {len(before):,} documents have vanished at once, so nothing is "
                f"deleted: is everything mounted? If they are to go, run `typeahead index {self._folder} --out "
                f"{self._index.path} --update --delete-missing --max-shrink 1`"
            )
            return False
        self._say("")
        return True

    def _settled(self) -> dict[Path, _Stamp] | None:
        """The files, once they stay the same; None if they cannot be listed."""
        files = self._listed()
        for _ in range(_SETTLED_AFTER):
            if files == self._files or files is None or self._wait(SETTLE_SECONDS):
                break
            before, files = files, self._listed()
            if files == before:
                break
        return files

    def _listed(self) -> dict[Path, _Stamp] | None:
        if not self._folder.is_dir():
            self._say(f"{self._folder} is gone: nothing is deleted, and this goes on when it is back")
            return None
        try:
            return self._scan()
        except SourceError as error:
            self._say(f"{error}: nothing is deleted, and this goes on when it can be read")
            return None

    def _scan(self) -> dict[Path, _Stamp]:
        files = {}
        for file, _ in walk(self._folder, None):
            if self._left_out(file):
                continue
            try:
                found = file.stat()
            except OSError:
                # It has gone since the folder was listed.
                continue
            files[file] = _Stamp(found.st_mtime_ns, found.st_size, found.st_ino)
        return files

    def _left_out(self, file: Path) -> bool:
        return self._without is not None and file.is_relative_to(self._without)

    def _say(self, message: str) -> None:
        if message and message != self._told:
            self._tell(message)
        elif self._told and not message:
            self._tell(f"{self._folder}: all is well again")
        self._told = message


def _inside(folder: Path, other: Path) -> Path | None:
    """The path of ``other`` as a file of ``folder`` would have it; None if it does not lie inside."""
    try:
        return folder / other.resolve().relative_to(folder.resolve())
    except ValueError:
        return None


def _add(total: Upserted, more: Upserted) -> None:
    total.count += more.count
    total.added += more.added
    total.unchanged += more.unchanged
    total.encoded += more.encoded
    total.failed += more.failed
    total.errors += more.errors
    total.version = more.version
