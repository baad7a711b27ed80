"""Which version of the documents a new generation stands for: the number that grows with every change of an index."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from typeahead.errors import IndexFolderError
from typeahead.index.manifest import Manifest

JOURNAL = "journal.sqlite"


def journal_version(folder: Path) -> int:
    """Return the sequence number of the last change in the journal of an index, 0 without a journal."""
    path = folder / JOURNAL
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)) as connection:
        (version,) = connection.execute("SELECT value FROM counters WHERE name = 'version'").fetchone()
    return int(version)


def current_version(folder: Path) -> int:
    """Return the version of the documents in an index folder, with all changes so far; 0 where there are none."""
    try:
        version = Manifest.read(folder).version
    except IndexFolderError:
        version = 0
    return max(version, journal_version(folder))
