"""Where an index may be built: nothing that is not ours is ever overwritten or deleted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.index.hashing import HashingEncoder, documents
from typeahead.errors import IndexCorrupt, IndexFolderError, IndexNotFound
from typeahead.index import build_index, open_index
from typeahead.index.staging import Staging


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def build(out: Path, count: int = 3) -> None:
    build_index(documents(count), out, HashingEncoder())


EXTENSION = json.dumps({"manifest_version": 3, "name": "an extension", "version": "1.0"})


@pytest.mark.parametrize(
    "files",
    [
        {"manifest.json": EXTENSION, "popup.js": "work"},
        {"manifest.json": EXTENSION, "generation-7/vectors.npy": "work"},
        # So do add-ons of a game begin.
        {"manifest.json": '{"format_version": 2, "header": {}}', "pack_icon.png": "work"},
        {"manifest.json": '{"format_version": 1, "header": {}}'},
        {"manifest.json": "not JSON"},
        {"manifest.json": ""},
        {"generation-7/weights.bin": "work"},
        {"generation-7/recipe.json": "{}", "generation-7/soup.md": "work"},
        {"generation-7": "a file"},
        {"build.lock": "", "main.c": "work"},
        {"build.lock": "pid 7"},
    ],
)
def test_a_folder_of_something_else_is_refused_and_stays_as_it_was(tmp_path: Path, files: dict[str, str]) -> None:
    write(tmp_path, files)
    before = contents(tmp_path)
    with pytest.raises(IndexFolderError, match=r"is not empty and has no index .*: choose another folder"):
        build(tmp_path)
    assert before == contents(tmp_path)


def test_generations_of_something_else_beside_an_index_are_kept(tmp_path: Path) -> None:
    build(tmp_path)
    write(tmp_path, {"generation-2/weights.bin": "work", "generation-7/weights.bin": "work"})
    for count in (4, 5):
        build(tmp_path, count)
        with open_index(tmp_path) as index:
            assert len(index) == count
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [
        "generation-2",
        "generation-4",
        "generation-7",
    ]
    assert [(tmp_path / name / "weights.bin").read_text() for name in ("generation-2", "generation-7")] == ["work"] * 2


def test_a_link_named_like_a_generation_is_kept_with_what_it_leads_to(tmp_path: Path) -> None:
    build(tmp_path / "elsewhere")
    build(tmp_path / "index")
    (tmp_path / "index" / "generation-2").symlink_to(tmp_path / "elsewhere" / "generation-1")
    before = contents(tmp_path / "elsewhere")
    build(tmp_path / "index", 4)
    assert (tmp_path / "index" / "generation-2").is_symlink()
    assert before == contents(tmp_path / "elsewhere")


@pytest.mark.parametrize("manifest", ["{", "", '{"format_version": 1}', '{"format_version": 2, "something": "else"}'])
def test_an_index_whose_manifest_cannot_be_used_is_built_again(tmp_path: Path, manifest: str) -> None:
    build(tmp_path)
    (tmp_path / "manifest.json").write_text(manifest)
    build(tmp_path, 4)
    with open_index(tmp_path) as index:
        assert len(index) == 4
    assert not (tmp_path / "generation-1").exists()


@pytest.mark.parametrize("lost", ["documents.sqlite", "vectors.npy", "."])
def test_an_index_that_lost_a_file_is_built_again_and_what_is_left_of_it_deleted(tmp_path: Path, lost: str) -> None:
    build(tmp_path)
    if lost == ".":
        shutil.rmtree(tmp_path / "generation-1")
    else:
        (tmp_path / "generation-1" / lost).unlink()
    with pytest.raises(IndexCorrupt):
        open_index(tmp_path)
    build(tmp_path, 4)
    with open_index(tmp_path) as index:
        assert len(index) == 4
    assert not (tmp_path / "generation-1").exists()


@pytest.mark.parametrize(
    "left",
    [
        {"build.lock": ""},
        {"build.lock": "", "generation-1/": ""},
        {"build.lock": "", "generation-1/recipe.json": ""},
        {"build.lock": "", "generation-1/recipe.json": "{}", "generation-1/vectors.npy": ""},
    ],
)
def test_what_a_build_that_was_killed_early_leaves_is_built_upon(tmp_path: Path, left: dict[str, str]) -> None:
    for name, text in left.items():
        if name.endswith("/"):
            (tmp_path / name).mkdir()
        else:
            write(tmp_path, {name: text})
    with pytest.raises(IndexNotFound):
        open_index(tmp_path)
    build(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["build.lock", "generation-1", "manifest.json"]


def test_a_discarded_index_leaves_a_folder_that_can_be_built_in(tmp_path: Path) -> None:
    with Staging(tmp_path, {}, resume=False) as staging:
        staging.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["build.lock"]
    build(tmp_path)


@pytest.mark.parametrize("lock", ["no database", "a folder"])
def test_a_lock_that_cannot_be_used_is_named(tmp_path: Path, lock: str) -> None:
    build(tmp_path)
    if lock == "a folder":
        (tmp_path / "build.lock").unlink()
        (tmp_path / "build.lock").mkdir()
    else:
        (tmp_path / "build.lock").write_text(lock * 100)
    before = contents(tmp_path)
    with pytest.raises(IndexFolderError, match=r"build\.lock cannot be locked"):
        build(tmp_path, 4)
    assert before == contents(tmp_path)
