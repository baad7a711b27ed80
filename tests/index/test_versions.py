"""A new generation stands for a version above everything before it, the changes of the journal included."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.index.hashing import HashingEncoder, documents
from typeahead.index import Manifest, build_index
from typeahead.index.versions import JOURNAL, current_version, journal_version


def change(folder: Path, sequence: int) -> None:
    with closing(sqlite3.connect(folder / JOURNAL)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS changes(sequence INTEGER)")
        connection.execute("INSERT INTO changes VALUES(?)", (sequence,))
        connection.commit()


def test_without_index_or_journal_there_is_no_version(tmp_path: Path) -> None:
    assert (journal_version(tmp_path), current_version(tmp_path)) == (0, 0)


def test_a_replacement_follows_the_changes_before_it_and_keeps_those_that_come_while_it_is_built(
    tmp_path: Path,
) -> None:
    build_index(documents(3), tmp_path, HashingEncoder())
    change(tmp_path, 7)
    assert (journal_version(tmp_path), current_version(tmp_path)) == (7, 7)
    manifest = build_index(
        documents(3), tmp_path, HashingEncoder(), progress=lambda *step: change(tmp_path, 9) if step[1] == 3 else None
    )
    assert (manifest.version, manifest.sequence) == (10, 7)
    assert manifest == Manifest.read(tmp_path)
    assert current_version(tmp_path) == 10
