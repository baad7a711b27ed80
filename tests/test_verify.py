"""Verifying: every flipped bit is found, wherever it is, and each thing that is wrong has its line."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.flipping import KINDS, flipped, places, write_index
from tests.index.hashing import HashingEncoder, documents
from tests.static import write_model2vec
from typeahead.cli import main
from typeahead.encoders.loading import load
from typeahead.encoders.static_import import import_static
from typeahead.errors import IndexFolderError, ModelCorrupt, ModelError, TypeaheadError
from typeahead.index import build_index, open_index
from typeahead.index.manifest import Manifest
from typeahead.index.opened import OpenIndex
from typeahead.index.staging import add_file
from typeahead.models.folder import open_config, shipped_models
from typeahead.storage.sealed import SEAL
from typeahead.storage.sums import FileEntry, ends_sha256, file_sha256
from typeahead.verify import Report, seal_folder, verify_folder, verify_index


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("pristine")

    def make(kind: str) -> Path:
        out = folder / kind
        if not out.exists():
            if kind == "model":
                import_static(write_model2vec(folder / "source", normalize=True), out)
            else:
                write_index(kind, out)
        return out

    return make


@pytest.fixture
def copy(tmp_path: Path, pristine: Callable[[str], Path]) -> Callable[[str], Path]:
    return lambda kind: shutil.copytree(pristine(kind), tmp_path / kind)


def found_wrong(folder: Path) -> bool:
    try:
        return bool(verify_folder(folder).wrong)
    except TypeaheadError:
        return True


@pytest.mark.parametrize("kind", [*KINDS, "model"])
def test_every_flipped_bit_is_found(copy: Callable[[str], Path], kind: str) -> None:
    folder = copy(kind)
    for path, byte, bit in places(folder, 40, seed=17):
        with flipped(path, byte, bit):
            assert found_wrong(folder), (path, byte, bit)
    assert verify_folder(folder).wrong == ()


@pytest.mark.parametrize(("kind", "name"), [("faiss", "manifest.json"), ("model", "config.json")])
def test_each_bit_of_a_manifest_and_of_a_configuration_counts(
    copy: Callable[[str], Path], kind: str, name: str
) -> None:
    """All of them: whoever only opens the folder notices, unless the key of the sum itself is hit."""
    folder = copy(kind)
    unnoticed = []
    for place in range(8 * (folder / name).stat().st_size):
        with flipped(folder / name, place // 8, place % 8):
            try:
                if kind == "model":
                    _, sealed = open_config(folder)
                else:
                    sealed = Manifest.read(folder).has_sums
                unnoticed += [place] if sealed else []
            except (IndexFolderError, ModelError):
                continue
    assert unnoticed == []


def test_a_sum_of_the_whole_is_that_of_all_its_parts(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for size in (0, 1, 65_535, 65_536, 65_537, 100_000, 131_072, 131_073, 1 << 20, (1 << 20) + 1, 3_000_000):
        path.write_bytes(bytes(i * i % 251 for i in range(size)))
        read: list[int] = []
        entry = FileEntry.of(path, read.append)
        assert entry == FileEntry(size, ends_sha256(path, size), file_sha256(path))
        assert sum(read) == size


Damage = Callable[[Path], object]


@pytest.mark.parametrize(
    ("kind", "damage", "said"),
    [
        ("exact", lambda index: (index / "generation-1" / "vectors.npy").unlink(), "vectors.npy is missing"),
        ("exact", lambda index: (index / "generation-1" / "notes.txt").touch(), "notes.txt does not belong there"),
        ("exact", lambda index: (index / "notes.txt").touch(), "notes.txt does not belong there"),
        ("exact", lambda index: (index / "build.lock").write_text("7"), "build.lock is not empty"),
        ("exact", lambda index: link(index / "generation-1" / "vectors.npy"), "vectors.npy is a link"),
        ("exact", lambda index: link(index / "manifest.json"), "manifest.json is a link"),
        ("exact", lambda index: link(index / "generation-1"), "generation-1 is a link"),
        ("hnsw", lambda index: (index / "generation-1" / "graph.faiss").write_bytes(b""), "graph.faiss does not match"),
        ("model", lambda model: (model / "golden.json").unlink(), "golden.json is missing"),
        ("model", lambda model: (model / "golden.json.orig").touch(), "golden.json.orig does not belong there"),
        ("model", lambda model: link(model / "tokenizer.json"), "tokenizer.json is a link"),
        ("model", lambda model: link(model / "config.json"), "config.json is a link"),
    ],
)
def test_what_is_wrong_has_one_line_with_its_path(
    copy: Callable[[str], Path], kind: str, damage: Damage, said: str
) -> None:
    folder = copy(kind)
    damage(folder)
    (line,) = verify_folder(folder).wrong
    assert said in line
    assert str(folder) in line


def link(path: Path) -> None:
    """Move it aside and leave a link in its place."""
    elsewhere = path.parents[1 if path.parent.name.startswith("generation") else 0].parent / f"moved-{path.name}"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def test_all_that_is_wrong_is_told_at_once(copy: Callable[[str], Path]) -> None:
    folder = copy("hnsw")
    generation = folder / "generation-1"
    (generation / "vectors.npy").unlink()
    (generation / "graph.faiss").write_bytes(b"nothing")
    (folder / "notes.txt").touch()
    assert len(verify_folder(folder).wrong) == 3


def test_an_interrupted_build_beside_an_index_is_nothing_wrong(copy: Callable[[str], Path]) -> None:
    folder = copy("exact")
    (folder / "generation-2").mkdir()
    (folder / "generation-2" / "recipe.json").write_text("{}")
    assert verify_folder(folder).wrong == ()


def unordered(labels: Path) -> None:
    found = np.load(labels)
    np.save(labels, np.concatenate([found[1:], found[:1]]))


def one_less(documents: Path) -> None:
    with closing(sqlite3.connect(documents)) as connection, connection:
        connection.execute("DELETE FROM documents WHERE row = 5")


def broken_page(documents: Path) -> None:
    """The first page of the ids, whose sums are then taken."""
    with closing(sqlite3.connect(documents)) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_documents_1'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with documents.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 64)


@pytest.mark.parametrize(
    ("kind", "name", "damage", "said"),
    [
        ("faiss", "labels.npy", unordered, "is not in ascending order"),
        ("exact", "documents.sqlite", one_less, "has 399 documents, not 400"),
        ("exact", "documents.sqlite", broken_page, "is damaged"),
    ],
)
def test_parts_must_agree_though_their_sums_are_right(
    copy: Callable[[str], Path], kind: str, name: str, damage: Damage, said: str
) -> None:
    folder = copy(kind)
    path = add_file(folder, name, damage)
    assert [line for line in verify_folder(folder).wrong if str(path) in line and said in line]


def unseal(folder: Path) -> None:
    """As a release without these sums wrote it."""
    path = folder / ("manifest.json" if (folder / "manifest.json").exists() else "config.json")
    data = json.loads(path.read_text())
    del data[SEAL]
    if path.name == "manifest.json":
        for entry in data["files"].values():
            del entry["sha256"]
    path.write_text(json.dumps(data, indent=2))


@pytest.mark.parametrize("kind", ["hnsw", "model"])
def test_a_folder_without_sums_opens_does_not_verify_and_can_be_sealed(
    copy: Callable[[str], Path], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copy(kind)
    unseal(folder)
    if kind == "model":
        load(folder)
    else:
        open_index(folder).close()
    with pytest.raises(SystemExit, match="1"):
        main(["verify", str(folder)])
    assert f"typeahead verify --seal {folder}" in capsys.readouterr().out
    assert main(["verify", "--seal", str(folder)]) == 0
    assert "intact" in capsys.readouterr().out


def test_sealing_does_not_bless_a_file_that_is_not_as_stated(copy: Callable[[str], Path]) -> None:
    for kind, name in (("exact", "generation-1/vectors.npy"), ("model", "tokenizer.json")):
        folder = copy(kind)
        path = folder / name
        with flipped(path, path.stat().st_size // 2, 3), pytest.raises(TypeaheadError, match=path.name):
            seal_folder(folder)


def test_a_configuration_that_was_edited_is_refused_until_it_is_sealed(copy: Callable[[str], Path]) -> None:
    folder = copy("model")
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"name": "', '"name": "my-', 1))
    with pytest.raises(ModelCorrupt, match=f"verify --seal {folder}"):
        load(folder)
    seal_folder(folder)
    assert load(folder).config.name.startswith("my-")


def test_a_file_that_is_added_later_is_verified_too(copy: Callable[[str], Path]) -> None:
    folder = copy("exact")
    path = add_file(folder, "sparse.safetensors", lambda path: path.write_bytes(b"weights"))
    assert verify_folder(folder).wrong == ()
    add_file(folder, "sparse.safetensors", lambda path: path.write_bytes(b"others"))
    assert verify_folder(folder).wrong == ()
    path.write_bytes(b"damage")
    assert len(verify_folder(folder).wrong) == 1


def test_an_index_that_is_replaced_while_it_is_read_is_verified_anew(
    copy: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = copy("exact")
    write_index("exact", tmp_path / "newer")
    replaced: list[Report] = []

    def replace_once(*_: object) -> None:
        if not replaced:
            replaced.append(verify_index(folder))
            write_index("exact", folder, count=300)

    report = verify_index(folder, replace_once)
    assert report.wrong == ()
    assert Manifest.read(folder).count == 300


@pytest.mark.parametrize("name", ["no-such-model", "."])
def test_what_is_neither_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TypeaheadError, match="neither an index nor a model"):
        verify_folder(name)


def test_a_shipped_model_is_verified_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", *shipped_models()]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(shipped_models())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_that_verifies_refuses_before_it_listens(
    copy: Callable[[str], Path], capsys: pytest.CaptureFixture[str], workers: int
) -> None:
    folder = copy("exact")
    path = folder / "generation-1" / "vectors.npy"
    arguments = ["serve", "--verify", "--index", str(folder), "--port", "0", "--workers", str(workers)]
    with flipped(path, path.stat().st_size // 2, 3):
        assert main(arguments) == 1
    assert capsys.readouterr().err == f"typeahead serve: {path} does not match its checksum: rebuild the index\n"


def test_workers_do_not_verify_what_was_verified_before_they_were_started(
    copy: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy("exact")
    served: list[dict[str, str]] = []
    monkeypatch.setattr("typeahead.commands.serve.run_server", lambda _options, index, *_, **__: served.append(index))
    path = folder / "generation-1" / "vectors.npy"
    with flipped(path, path.stat().st_size // 2, 3):
        assert main(["serve", "--verify", "--index", str(folder), "--workers", "2", "--worker", "3,4"]) == 0
    assert served == [{"default": str(folder)}]


def test_a_server_that_verifies_says_so_and_serves(
    copy: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not on standard output, whose first line is the address."""
    monkeypatch.setattr("typeahead.commands.serve.run_server", lambda *_, **__: None)
    assert main(["serve", "--verify", "--index", str(copy("exact")), "--encoder", "minilm-static"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(": ")[1].split(",")[0] for line in err.splitlines()] == ["index", "model"]


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """An index with changes in its journal."""
    build_index(documents(5), tmp_path / "index", HashingEncoder())
    with OpenIndex(tmp_path / "index", HashingEncoder()) as index:
        index.upsert([{"id": "new", "text": "a new document"}])
        index.delete(["d1"])
    return tmp_path / "index"


def test_the_journal_of_an_index_is_read_and_belongs_there(changed: Path) -> None:
    report = verify_index(changed)
    assert (report.wrong, report.changes) == ((), 2)
    assert "2 changes in the journal" in str(report)
    with OpenIndex(changed, HashingEncoder()) as index:
        # A log lies beside the journal while it is open.
        index.delete(["d2"])
        assert verify_index(changed).wrong == ()
        index.compact()
    report = verify_index(changed)
    assert (report.wrong, report.changes) == ((), 0)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE changes SET document = '[]' WHERE id = 'new'",
        "UPDATE changes SET vectors = zeroblob(3) WHERE id = 'new'",
        "UPDATE counters SET value = -1 WHERE name = 'passages'",
        "CREATE TABLE strange(x)",
    ],
)
def test_a_journal_that_holds_no_changes_is_wrong(changed: Path, statement: str) -> None:
    with closing(sqlite3.connect(changed / "journal.sqlite", isolation_level=None)) as connection:
        connection.execute(statement)
    (line,) = verify_index(changed).wrong
    assert "journal.sqlite is damaged" in line


def test_a_journal_with_torn_pages_is_wrong(changed: Path) -> None:
    path = changed / "journal.sqlite"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2 :] = bytes(len(raw) - len(raw) // 2)
    path.write_bytes(raw)
    assert verify_index(changed).wrong
