"""Snapshots: what is restored is what was there, and nothing else is ever restored."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.index.hashing import HashingEncoder, documents
from typeahead.cli import main
from typeahead.errors import IndexCorrupt, IndexFolderError, IndexTooNew
from typeahead.index import Document, build_index
from typeahead.index.manifest import Manifest
from typeahead.index.opened import OpenIndex
from typeahead.index.restoring import restore
from typeahead.index.snapshot import take
from typeahead.index.versions import current_version
from typeahead.storage.sealed import seal
from typeahead.verify import verify_index


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Ten documents, one of which was changed, and one of which was deleted."""
    build_index(documents(10), tmp_path / "index", HashingEncoder())
    with OpenIndex(tmp_path / "index", HashingEncoder()) as opened:
        opened.upsert([Document("d3", "title 3", "another text")])
        opened.delete(["d5"])
    return tmp_path / "index"


@pytest.fixture
def snapshot(index: Path, tmp_path: Path) -> Path:
    take(index, tmp_path / "snapshot.tar")
    return tmp_path / "snapshot.tar"


def contents(folder: Path) -> dict[str, str]:
    with OpenIndex(folder, HashingEncoder()) as opened:
        return {document.id: document.text for document in opened.every()}


def listing(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_what_is_restored_is_what_was_there(index: Path, snapshot: Path, tmp_path: Path) -> None:
    restored = restore(snapshot, tmp_path / "restored")
    assert (restored.documents, restored.version) == (9, 3)
    assert contents(tmp_path / "restored") == contents(index)
    assert verify_index(tmp_path / "restored").wrong == ()
    with OpenIndex(tmp_path / "restored", HashingEncoder()) as opened:
        assert opened.upsert([{"id": "new", "text": "new"}]).version == 4
        opened.compact()
    assert len(contents(tmp_path / "restored")) == 10
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_index_without_changes_has_a_snapshot_too(tmp_path: Path) -> None:
    build_index(documents(3), tmp_path / "index", HashingEncoder())
    take(tmp_path / "index", tmp_path / "s.tar")
    restore(tmp_path / "s.tar", tmp_path / "restored")
    assert contents(tmp_path / "restored") == contents(tmp_path / "index")


def test_a_snapshot_is_taken_while_the_index_is_open_and_written_to(index: Path, tmp_path: Path) -> None:
    with OpenIndex(index, HashingEncoder()) as opened:
        opened.upsert([{"id": "before", "text": "before"}])

        def progress(stage: str, done: int, total: int | None) -> None:
            del stage, done, total
            if not opened.get(["during"]):
                opened.upsert([{"id": "during", "text": "during"}])
                opened.compact()

        take(index, tmp_path / "s.tar", progress)
        assert opened.get(["during"])
    restore(tmp_path / "s.tar", tmp_path / "restored")
    assert contents(tmp_path / "restored").keys() == contents(index).keys() - {"during"}


def test_a_generation_that_is_replaced_meanwhile_is_snapshot_anew(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typeahead.index import snapshot as module

    built: list[Manifest] = []
    copy_journal = module._copy_journal

    def copy(folder: Path, manifest: Manifest, path: Path) -> Any:
        if not built:
            built.append(build_index(documents(20), folder, HashingEncoder()))
        return copy_journal(folder, manifest, path)

    monkeypatch.setattr(module, "_copy_journal", copy)
    take(index, tmp_path / "s.tar")
    restore(tmp_path / "s.tar", tmp_path / "restored")
    assert len(contents(tmp_path / "restored")) == 20


def test_an_index_is_replaced_only_by_force_and_its_version_grows(index: Path, snapshot: Path) -> None:
    with OpenIndex(index, HashingEncoder()) as opened:
        opened.upsert({"id": f"n{number}", "text": "new"} for number in range(3))
        opened.delete(["n0"])
        before = opened.version
        with pytest.raises(IndexFolderError, match="--force"):
            restore(snapshot, index)
        assert len(opened) == 11
        restored = restore(snapshot, index, force=True)
        assert restored.version > before
        assert (len(opened), opened.version) == (9, restored.version)
        opened.upsert([{"id": "new", "text": "new"}])
        opened.compact()
    assert len(contents(index)) == 10
    assert verify_index(index).wrong == ()


def test_a_damaged_index_can_be_replaced(index: Path, snapshot: Path) -> None:
    (index / "manifest.json").write_text("{}")
    restore(snapshot, index, force=True)
    assert len(contents(index)) == 9


def test_other_folders_and_files_are_left_alone(index: Path, snapshot: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("mine")
    for force in (False, True):
        with pytest.raises(IndexFolderError, match="has no index"):
            restore(snapshot, tmp_path / "other", force=force)
        with pytest.raises(IndexFolderError, match="is a file"):
            restore(snapshot, tmp_path / "other" / "file", force=force)
    with pytest.raises(IndexFolderError, match="is no snapshot"):
        take(index, tmp_path / "other" / "file")
    with pytest.raises(IndexFolderError, match="in the index"):
        take(index, index / "s.tar")
    assert (tmp_path / "other" / "file").read_text() == "mine"
    take(index, snapshot)
    take(index, tmp_path / "other" / "file", force=True)


def members(path: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(path) as archive:
        found = []
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            found.append((member, content.read()))
        return found


def rewrite(path: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], object]) -> None:
    found = members(path)
    change(found)
    with tarfile.open(path, "w") as archive:
        for member, content in found:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def renamed(place: int, name: str, *, kind: bytes = tarfile.REGTYPE) -> Callable[[list[Any]], object]:
    def change(found: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        found[place][0].name = name
        found[place][0].type = kind
        found[place][0].linkname = "/etc/passwd"

    return change


def newer(found: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    head = json.loads(found[0][1])
    found[0] = found[0][0], json.dumps({**head, "format": 99}).encode()


def newer_index(found: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    manifest = seal(json.loads(found[1][1]) | {"format_version": 99}).encode()
    head = json.loads(found[0][1])
    entry = {"bytes": len(manifest), "sha256": hashlib.sha256(manifest).hexdigest()}
    head["files"]["manifest.json"] = entry
    found[0] = found[0][0], seal(head).encode()
    found[1] = found[1][0], manifest


def forged(found: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    head = json.loads(found[0][1])
    head["version"] = 7
    found[0] = found[0][0], json.dumps(head).encode()


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        (newer, IndexTooNew, "upgrade typeahead"),
        (newer_index, IndexTooNew, "upgrade typeahead"),
        (forged, IndexCorrupt, "snapshot.json"),
        (lambda found: found.pop(), IndexCorrupt, "is missing"),
        (lambda found: found.pop(0), IndexCorrupt, "snapshot.json belongs"),
        (lambda found: found.append(found[-1]), IndexCorrupt, "does not belong"),
        (renamed(-1, "../../outside"), IndexCorrupt, "outside"),
        (renamed(-1, "/tmp/outside"), IndexCorrupt, "outside"),
        (renamed(3, "generation-1/documents.sqlite", kind=tarfile.SYMTYPE), IndexCorrupt, "documents.sqlite"),
        (lambda found: found.__setitem__(-1, (found[-1][0], found[-1][1][:-1])), IndexCorrupt, "checksum"),
        (lambda found: found.__setitem__(2, (found[2][0], found[2][1][:-1] + b"x")), IndexCorrupt, "journal.sqlite"),
    ],
)
def test_an_altered_snapshot_changes_nothing(
    snapshot: Path, tmp_path: Path, change: Callable[[list[Any]], object], error: type[Exception], named: str
) -> None:
    rewrite(snapshot, change)
    before = listing(tmp_path)
    with pytest.raises(error, match=named):
        restore(snapshot, tmp_path / "restored")
    assert listing(tmp_path) == before


def test_a_truncated_snapshot_and_any_flipped_bit_are_found(snapshot: Path, tmp_path: Path) -> None:
    whole = snapshot.read_bytes()
    before = listing(tmp_path)
    last = members(snapshot)[-1][0]
    end = last.offset_data + last.size
    for size in (0, 100, 512, 5_000, end // 2, end - 1):
        snapshot.write_bytes(whole[:size])
        with pytest.raises(IndexCorrupt):
            restore(snapshot, tmp_path / "restored")
    for member, content in members_of(whole):
        if content:
            place = member.offset_data + len(content) // 2
            snapshot.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
            with pytest.raises((IndexCorrupt, IndexTooNew)):
                restore(snapshot, tmp_path / "restored")
    assert listing(tmp_path) == before
    snapshot.write_text("no tar")
    with pytest.raises(IndexCorrupt, match="no tar file"):
        restore(snapshot, tmp_path / "restored")


def members_of(whole: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        return [(member, whole[member.offset_data : member.offset_data + member.size]) for member in archive]


def test_a_damaged_index_makes_no_snapshot(index: Path, tmp_path: Path) -> None:
    path = next((index / Manifest.read(index).generation).glob("vectors.npy"))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(IndexCorrupt, match=r"vectors\.npy does not match its checksum"):
        take(index, tmp_path / "s.tar")
    assert not (tmp_path / "s.tar").exists()


@pytest.mark.parametrize("work", ["take", "restore"])
def test_a_full_disk_leaves_everything_as_it_was(
    index: Path, snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    before, raw = listing(tmp_path), snapshot.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    arguments = (index, snapshot) if work == "take" else (snapshot, tmp_path / "restored")
    with pytest.raises(IndexFolderError, match="No space left on device"):
        (take if work == "take" else restore)(*arguments)
    assert listing(tmp_path) == before
    assert snapshot.read_bytes() == raw


def test_the_command_says_what_it_did(index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, restored = str(tmp_path / "s.tar"), str(tmp_path / "restored")
    version = current_version(index)
    assert main(["snapshot", str(index), file]) == 0
    assert capsys.readouterr().out.startswith(f"{file}: version {version}, ")
    assert main(["snapshot", "--restore", file, restored]) == 0
    assert capsys.readouterr().out.startswith(f"{restored}: 9 documents, version {version}, ")
    assert main(["snapshot", "--restore", file, restored]) == 1
    assert "--force" in capsys.readouterr().err
    assert main(["snapshot", "--restore", str(tmp_path / "lost"), str(tmp_path / "new")]) == 1
    assert "lost: No such file" in capsys.readouterr().err
    assert main(["snapshot", str(tmp_path / "lost"), file]) == 1
