"""Versions grow with every change, over generations, too."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.index.changes.entries import entries
from tests.index.hashing import HashingEncoder, documents
from typeahead.errors import IndexCorrupt
from typeahead.index import Manifest, build_index
from typeahead.index.changes.compacting import compact
from typeahead.index.changes.journal_schema import JOURNAL
from typeahead.index.living import LivingIndex
from typeahead.index.versions import current_sequence, current_version, journal_sequence, no_changes


def test_without_index_or_journal_there_is_no_version(tmp_path: Path) -> None:
    assert (journal_sequence(tmp_path), current_sequence(tmp_path), current_version(tmp_path)) == (0, 0, 0)


def test_each_change_is_one_more_whatever_takes_over(tmp_path: Path) -> None:
    build_index(documents(3), tmp_path, HashingEncoder())
    seen = [current_version(tmp_path)]

    def change() -> None:
        with LivingIndex(tmp_path) as index:
            index.write(entries(1))
        seen.append(current_version(tmp_path))

    for _ in range(3):
        change()
    assert (current_version(tmp_path), journal_sequence(tmp_path)) == (4, 3)
    compact(tmp_path)
    assert (current_version(tmp_path), current_sequence(tmp_path)) == (4, 3)
    change()
    manifest = build_index(documents(3), tmp_path, HashingEncoder())
    assert (manifest.version, manifest.sequence) == (6, 4)
    seen.append(current_version(tmp_path))
    change()
    # What was in the journal alone is given up with it.
    compact(tmp_path)
    for path in tmp_path.glob(f"{JOURNAL}*"):
        path.unlink()
    change()
    assert seen == [1, 2, 3, 4, 5, 6, 7, 8]


def test_what_is_written_while_an_index_is_built_stays_and_counts(tmp_path: Path) -> None:
    build_index(documents(3), tmp_path, HashingEncoder())
    with LivingIndex(tmp_path) as index:
        version = index.write(entries(1))

        def progress(stage: str, done: int, total: int | None) -> None:
            del done, total
            if stage == "words":
                index.write(entries(1, start=7))

        manifest = build_index(documents(3), tmp_path, HashingEncoder(), progress=progress)
        assert manifest.sequence == 1
        index.refresh()
        assert int(index.version) == current_version(tmp_path) > manifest.version > version
    assert manifest == Manifest.read(tmp_path)


def test_nobody_writes_while_a_manifest_changes(tmp_path: Path) -> None:
    build_index(documents(3), tmp_path, HashingEncoder())
    with LivingIndex(tmp_path) as index:
        index.write(entries(1))
        with no_changes(tmp_path) as last:
            assert last == 1
            writer = threading.Thread(target=index.write, args=(entries(1),))
            writer.start()
            other = sqlite3.connect(tmp_path / JOURNAL, timeout=0, isolation_level=None)
            with closing(other), pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
            assert journal_sequence(tmp_path) == 1
        writer.join()
        assert journal_sequence(tmp_path) == 2


def test_a_damaged_journal_is_told_by_its_name(tmp_path: Path) -> None:
    build_index(documents(3), tmp_path, HashingEncoder())
    (tmp_path / JOURNAL).write_bytes(b"no database" * 100)
    with pytest.raises(IndexCorrupt, match=r"journal\.sqlite is damaged"):
        current_version(tmp_path)
    with pytest.raises(IndexCorrupt, match=r"journal\.sqlite is damaged"):
        build_index(documents(3), tmp_path, HashingEncoder())
