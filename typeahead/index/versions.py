"""How changes of an index are counted.

The journal numbers its changes: these are sequence numbers. A manifest says up to which change its generation goes, and
for which version that stands; each later change makes the version larger by one. So versions grow over generations,
too, whatever is written while one takes over.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from typeahead.errors import IndexCorrupt, IndexFolderError
from typeahead.index.changes.journal_schema import JOURNAL, MOST_AT_ONCE, PATIENCE, explained
from typeahead.index.documents import Documents
from typeahead.index.manifest import DOCUMENTS, Manifest


def journal_sequence(folder: Path) -> int:
    """Return the number of the last change in the journal of an index, 0 without a journal."""
    path = folder / JOURNAL
    if not path.exists():
        return 0
    with explained(path), closing(_connect(path, "ro")) as connection:
        return _last(connection)


def current_sequence(folder: Path) -> int:
    """Return the number of the last change of an index, whether it is in the journal or in the generation."""
    return max(_manifest(folder)[1], journal_sequence(folder))


def current_version(folder: Path) -> int:
    """Return the version of the documents in an index folder, with all changes so far; 0 where there are none."""
    version, sequence = _manifest(folder)
    return version + max(0, journal_sequence(folder) - sequence)


def version_after(folder: Path, last: int) -> int:
    """Return the version of the documents once the change ``last`` is among them."""
    version, sequence = _manifest(folder)
    return version + max(0, last - sequence)


def documents_in_force(folder: Path) -> int | None:
    """Return the number of documents in an index, with all changes; None if there is none with a readable manifest."""
    try:
        manifest = Manifest.read(folder)
    except IndexFolderError:
        return None
    path = folder / JOURNAL
    if not path.exists():
        return manifest.count
    with explained(path), closing(_connect(path, "ro")) as connection:
        first = (manifest.sequence + 1) * MOST_AT_ONCE
        changes = connection.execute("SELECT id, passages FROM changes WHERE number >= ? ORDER BY number", (first,))
        # The last change of an id counts; a deletion has no passages.
        changed = dict(changes.fetchall())
    if not changed:
        return manifest.count
    try:
        with closing(
            Documents(folder / manifest.generation / DOCUMENTS, manifest.count, manifest.passages)
        ) as documents:
            replaced = len(documents.rows(list(changed)))
    except IndexCorrupt:
        # It has to be built anew, and its manifest says how many documents it had.
        return manifest.count
    return manifest.count - replaced + sum(1 for passages in changed.values() if passages)


@contextmanager
def no_changes(folder: Path) -> Iterator[int]:
    """Let nobody write to the journal of an index within the context, which gets the number of the last change."""
    path = folder / JOURNAL
    if not path.exists():
        yield 0
        return
    with closing(_connect(path, "rw")) as connection:
        with explained(path):
            connection.execute("BEGIN IMMEDIATE")
            last = _last(connection)
        # Nothing was written, so closing the connection ends this.
        yield last


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.absolute()))}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None)


def _last(connection: sqlite3.Connection) -> int:
    found = connection.execute("SELECT value FROM counters WHERE name = 'version'").fetchone()
    if found is None or not isinstance(found[0], int):
        raise sqlite3.DatabaseError("its counters are not those of a journal")
    return int(found[0])


def _manifest(folder: Path) -> tuple[int, int]:
    try:
        manifest = Manifest.read(folder)
    except IndexFolderError:
        return 0, 0
    return manifest.version, manifest.sequence
