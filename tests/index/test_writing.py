"""File systems that are full, read-only or without locks: one error, and what was in force stays."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.index.hashing import HashingEncoder, documents
from typeahead.errors import IndexFolderError
from typeahead.index import approximate, build_index, open_index
from typeahead.index.staging import Staging


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build_index(documents(10), tmp_path / "index", HashingEncoder())
    return tmp_path / "index"


def kept(folder: Path) -> bool:
    with open_index(folder) as index:
        return len(index) == 10


def test_a_full_disk_at_any_sync_is_one_error_and_the_build_goes_on_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync
    for failing in range(1, 100):
        left = [failing]

        def full(handle: int, left: list[int] = left) -> None:
            left[0] -= 1
            if not left[0]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            sync(handle)

        monkeypatch.setattr(os, "fsync", full)
        caught = None
        try:
            build_index(documents(12), folder, HashingEncoder(), batch=4)
        except IndexFolderError as error:
            caught = error
        if caught is None:
            break
        assert "No space left on device" in str(caught)
        assert "free some space" in str(caught)
        if failing < 5:
            assert kept(folder)
        assert not (folder / "manifest.json.partial").exists()
    assert failing > 5
    monkeypatch.setattr(os, "fsync", sync)
    with open_index(folder) as index:
        assert len(index) == 12


def test_a_full_disk_that_sqlite_reports_is_one_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def small(path: Path, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(path, **options)
        connection.execute("PRAGMA max_page_count=8")
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    with pytest.raises(IndexFolderError, match=r"database or disk is full.* is kept: free some space"):
        build_index(documents(2000), folder, HashingEncoder(), batch=1000)
    monkeypatch.undo()
    assert kept(folder)
    encoder = HashingEncoder()
    build_index(documents(20), folder, encoder)
    with open_index(folder) as index:
        assert len(index) == 20


def test_documents_that_are_no_database_name_the_flag_that_helps(folder: Path) -> None:
    def interrupt(stage: str, done: int, total: int | None) -> None:
        del stage, total
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_index(documents(20), folder, HashingEncoder(), batch=4, progress=interrupt)
    (folder / "generation-2" / "documents.sqlite").write_bytes(b"damaged" * 1000)
    with pytest.raises(IndexFolderError, match=r"not a database.*--no-resume"):
        build_index(documents(20), folder, HashingEncoder())
    assert kept(folder)
    build_index(documents(20), folder, HashingEncoder(), resume=False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_graph_that_does_not_fit_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = approximate.build_graph
    monkeypatch.setattr(
        "typeahead.index.build.build_graph", lambda vectors, _, tell: build(vectors, Path("/dev/full"), tell)
    )
    with pytest.raises(IndexFolderError, match="No space left on device"):
        build_index(documents(12), folder, HashingEncoder(), backend="hnsw")
    assert kept(folder)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexFolderError, match=r"file/index cannot be written \(Not a directory\)"):
        build_index(documents(3), tmp_path / "file" / "index", HashingEncoder())


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told_from_another_build(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def none(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with Staging(folder, {}, resume=False):
        # SQLite says the same of a lock that another process holds and of one that there is not.
        with pytest.raises(IndexFolderError, match="another process"):
            build_index(documents(12), folder, HashingEncoder())
        monkeypatch.setattr(fcntl, "lockf", none)
        with pytest.raises(IndexFolderError, match=rf"not support locks \({os.strerror(number)}\): build on a local"):
            build_index(documents(12), folder, HashingEncoder())
    assert kept(folder)


def test_an_error_of_the_caller_s_own_source_passes(folder: Path) -> None:
    def source() -> Any:
        yield documents(1)[0]
        raise ConnectionResetError(errno.ECONNRESET, "reset")

    with pytest.raises(ConnectionResetError):
        build_index(source(), folder, HashingEncoder())
    assert kept(folder)


def test_a_manifest_that_does_not_fit_loses_no_vectors(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of an index of fewer dimensions are no part of it, but what the next build goes on with."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("typeahead.index.staging.Manifest.write", full)
        with pytest.raises(IndexFolderError, match="free some space"):
            build_index(documents(12), folder, HashingEncoder(), dimensions=16)
    encoder = HashingEncoder()
    manifest = build_index(documents(12), folder, encoder, dimensions=16)
    assert encoder.encoded == []
    assert {path.name for path in (folder / manifest.generation).iterdir()} == set(manifest.files)
