"""The journal of an index: its changes since the present generation, durable before a write is answered.

It is a SQLite database in WAL mode, ``journal.sqlite`` in the index folder, that comes to be with the first write. Any
number of processes and threads may write and read. SQLite syncs each commit to disk, so neither ``kill -9`` nor a power
failure loses what :meth:`Journal.append` has returned.

Each transaction has a version, one more than the last. Here this is a number of the journal's own, which manifests call
a sequence (:mod:`typeahead.index.versions`). It never goes back: it goes on when a compaction has emptied the journal,
and, from what the manifest names, when the file was deleted.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from typeahead.errors import FieldTypeError, IndexFolderError, WritesFull
from typeahead.index.changes.journal_file import JournalFile
from typeahead.index.changes.journal_schema import BESIDE, COUNTERS, JOURNAL, MOST_AT_ONCE, damaged, explained
from typeahead.index.changes.records import Change, Deleted, change_of, changes_of, check_entry, row_of
from typeahead.index.kinds import KINDS, FieldKinds
from typeahead.index.manifest import Manifest
from typeahead.search.port import Entry

#: Passages of changes that a journal may hold.
MOST_PASSAGES: Final = 50_000
#: Rows that are read, or dropped, at once.
_ROWS_AT_ONCE: Final = 256
#: Versions that the numbers of changes have room for.
_MOST_VERSIONS: Final = (1 << 62) // MOST_AT_ONCE
#: The largest number that SQLite has.
_LARGEST_NUMBER: Final = (1 << 63) - 1
#: What reading something raises that is no change.
_NO_CHANGE: Final = (ValueError, TypeError, FieldTypeError, RecursionError)
_READ: Final = (
    "SELECT number, id, passages, document, vectors, forms, words FROM changes "
    "WHERE number >= ? AND number <= ? ORDER BY number"
)


class Superseded(IndexFolderError):
    """Changes that were asked for are in a newer generation now, and no longer in the journal."""


class Journal:
    """The journal in an index folder. May be used from several threads.

    Args:
        folder: the index folder.
        dim: dimensions of the vectors.
        floor: the last change that the manifest's generation contains; 0 without one.
        kinds: the kind of value of each field in the generation.
        most: passages of changes that there may be; deletions count as one each.

    All methods raise :class:`~typeahead.errors.IndexCorrupt` for a damaged file, and
    :class:`~typeahead.errors.IndexFolderError` if the disk is full or cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        *,
        dim: int,
        floor: int = 0,
        kinds: Mapping[str, str] | None = None,
        most: int = MOST_PASSAGES,
    ) -> None:
        self.path = folder / JOURNAL
        self._dim, self._floor, self._most = dim, floor, most
        self._base_kinds = dict(kinds or {})
        self._file = JournalFile(self.path)
        self._watching = threading.Lock()
        self._watcher: sqlite3.Connection | None = None
        #: What was last seen of the file.
        self._seen: int | None = None

    @classmethod
    def of(cls, folder: Path, manifest: Manifest, kinds: Mapping[str, str]) -> Self:
        """Open the journal beside a generation whose fields have these ``kinds``."""
        return cls(folder, dim=manifest.dim, floor=manifest.sequence, kinds=kinds)

    def append(self, changes: Sequence[Entry | Deleted], check: Callable[[], None] = lambda: None) -> int:
        """Write changes, all or none; returns their version once they are on disk. Of one id, the last counts.

        ``check`` is called once no other process can write, and may refuse by an exception. Without changes it returns
        the last version. Beside the errors of the class it raises ``ValueError`` for an
        entry that is no document with its vectors, :class:`~typeahead.errors.SourceError` for text that is not Unicode,
        :class:`~typeahead.errors.FieldTypeError` for a field of another kind, and
        :class:`~typeahead.errors.WritesFull` when a compaction must come first.
        """
        if not changes:
            return self.last_version
        if len(changes) > MOST_AT_ONCE:
            raise WritesFull(f"{len(changes)} changes at once: the limit is {MOST_AT_ONCE}")
        for change in changes:
            if not isinstance(change, Deleted):
                check_entry(change, self._dim)
        # Texts are analysed before anything is locked.
        rows = list(map(row_of, changes))
        wanted = sum(max(1, row[1]) for row in rows)
        with self._file.writing() as connection:
            check()
            counters = _counters(connection)
            version = max(counters["version"], self._floor) + 1
            held = counters["passages"] + wanted
            if held > self._most:
                raise WritesFull(
                    f"{counters['passages']} passages wait to be merged, {wanted} more are too many (limit "
                    f"{self._most}): try again later" + (", in smaller batches" if wanted > self._most else "")
                )
            self._add_kinds(connection, changes)
            first = version * MOST_AT_ONCE
            connection.executemany(
                "INSERT INTO changes VALUES(?, ?, ?, ?, ?, ?, ?)",
                ((number, *row) for number, row in enumerate(rows, first)),
            )
            _count(connection, version=version, passages=held)
        return version

    def since(self, version: int, until: int | None = None) -> Iterator[Change]:
        """Iterate over the changes after a version, up to ``until``, as they are at one moment.

        Raises :class:`Superseded` if the journal no longer has them all.
        """
        with explained(self.path):
            if not self.path.exists():
                return
            with closing(self._file.open()) as connection:
                connection.execute("BEGIN")
                dropped = _counters(connection)["dropped"]
                if version < dropped:
                    raise Superseded(
                        f"{self.path} begins after version {dropped}, not {version}: open the index again",
                        folder=self.path.parent,
                    )
                last = _LARGEST_NUMBER if until is None else (until + 1) * MOST_AT_ONCE - 1
                found = connection.execute(_READ, ((version + 1) * MOST_AT_ONCE, last))
                while rows := found.fetchmany(_ROWS_AT_ONCE):
                    yield from self._decoded(rows)

    def _decoded(self, rows: Sequence[Any]) -> Iterator[Change]:
        """Read some rows, each with its number in front."""
        numbered = [(number // MOST_AT_ONCE, row) for number, *row in rows]
        try:
            changes = changes_of(numbered, self._dim)
        except _NO_CHANGE as error:
            raise damaged(self.path, self._wrong(rows) or str(error)) from error
        yield from changes

    def _wrong(self, rows: Sequence[Any]) -> str | None:
        """Say which of some rows is no change, and why."""
        for number, *row in rows:
            try:
                change_of(number // MOST_AT_ONCE, row, self._dim)
            except _NO_CHANGE as error:
                return f"change {number}: {error}"
        return None

    def changed(self) -> bool:
        """Whether anybody has written since this was last asked, this object included; True at first."""
        with explained(self.path):
            if not self.path.exists():
                return self._noticed(-1)
            with self._reading() as connection:
                (seen,) = connection.execute("PRAGMA data_version").fetchone()
                return self._noticed(seen)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """The connection for what is read in no time; the file must exist."""
        with self._watching:
            if self._watcher is None:
                self._watcher = self._file.open()
            self._file.check()
            yield self._watcher

    def _noticed(self, seen: int) -> bool:
        before, self._seen = self._seen, seen
        return before != seen

    @property
    def last_version(self) -> int:
        """The version of the last change, or that of the manifest."""
        return max(self._floor, self._counter("version"))

    @property
    def dropped(self) -> int:
        """Up to which version changes are gone, as a generation has them."""
        return self._counter("dropped")

    @property
    def passages(self) -> int:
        """Number of passages of all changes that wait to be merged."""
        return self._counter("passages")

    def kinds(self) -> dict[str, str]:
        """Return the kind of value of each field in the index."""
        with explained(self.path):
            if not self.path.exists():
                return dict(self._base_kinds)
            with self._reading() as connection:
                return _kinds(connection) | self._base_kinds

    @property
    def size(self) -> int:
        """Bytes on disk."""
        found = 0
        for end in ("", *BESIDE):
            with suppress(FileNotFoundError):
                found += self.path.with_name(self.path.name + end).stat().st_size
        return found

    def drop_until(self, version: int) -> None:
        """Delete the changes up to a version, as a generation has them now. Versions go on from there all the same.

        It takes turns with writes, so none waits long. What a power failure undoes of it can be done again.
        """
        if not self.path.exists():
            return
        with self._file.writing(synced=False) as connection:
            counters = _counters(connection)
            _count(
                connection,
                dropped=max(counters["dropped"], version),
                version=max(counters["version"], version, self._floor),
            )
        after: int | None = -1
        while after is not None:
            with self._file.writing(synced=False) as connection:
                after = _drop(connection, after, (version + 1) * MOST_AT_ONCE)
        self._file.shrink()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        with self._watching:
            if self._watcher is not None:
                self._watcher.close()
            self._watcher = None

    def _counter(self, name: str) -> int:
        with explained(self.path):
            if not self.path.exists():
                return 0
            with self._reading() as connection:
                return _counters(connection)[name]

    def _add_kinds(self, connection: sqlite3.Connection, changes: Sequence[Entry | Deleted]) -> None:
        before = _kinds(connection)
        known = FieldKinds(before | self._base_kinds)
        for change in changes:
            if not isinstance(change, Deleted):
                known.add(change.document)
        new = [(name, kind) for name, kind in known.kinds.items() if name not in before]
        connection.executemany("INSERT INTO kinds VALUES(?, ?)", new)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _drop(connection: sqlite3.Connection, after: int, before: int) -> int | None:
    """Delete some changes with numbers between two; returns the last of these, None if there are no more."""
    rows = connection.execute(
        "SELECT number, passages FROM changes WHERE number > ? AND number < ? ORDER BY number LIMIT ?",
        (after, before, _ROWS_AT_ONCE),
    ).fetchall()
    if not rows:
        return None
    last = rows[-1][0]
    # In a damaged file anything may come, over and over again.
    if not after < last < before or not all(isinstance(passages, int) for _, passages in rows):
        raise sqlite3.DatabaseError("its changes are out of order")
    connection.execute("DELETE FROM changes WHERE number <= ?", (last,))
    gone = sum(max(1, passages) for _, passages in rows)
    _count(connection, passages=max(0, _counters(connection)["passages"] - gone))
    return int(last)


def _counters(connection: sqlite3.Connection) -> dict[str, int]:
    found = dict(connection.execute("SELECT name, value FROM counters"))
    if set(found) != set(COUNTERS) or not all(
        isinstance(value, int) and 0 <= value < _MOST_VERSIONS for value in found.values()
    ):
        raise sqlite3.DatabaseError("its counters are not those of a journal")
    return found


def _count(connection: sqlite3.Connection, **values: int) -> None:
    connection.executemany("UPDATE counters SET value = ? WHERE name = ?", [(v, name) for name, v in values.items()])


def _kinds(connection: sqlite3.Connection) -> dict[str, str]:
    found = dict(connection.execute("SELECT name, kind FROM kinds"))
    if not all(isinstance(name, str) and kind in KINDS for name, kind in found.items()):
        raise sqlite3.DatabaseError("its kinds of fields are not those of a journal")
    return found
