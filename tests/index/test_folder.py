"""Opening: what is damaged, newer or foreign is told apart; searching: what is asked wrongly is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.index.hashing import HashingEncoder, config, documents
from typeahead.core.encoder import Vectors
from typeahead.errors import IndexCorrupt, IndexFolderError, IndexNotFound, IndexTooNew, MissingExtra, TeacherMismatch
from typeahead.index import Document, Index, Manifest, build_index, open_index
from typeahead.index.documents import Documents
from typeahead.index.exact import Nearest
from typeahead.storage.sealed import seal

FILES = ["documents.sqlite", "vectors.npy", "graph.faiss"]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pristine")
    build_index(documents(500), folder, HashingEncoder(), backend="hnsw", batch=500)
    return folder


@pytest.fixture
def folder(tmp_path: Path, pristine: Path) -> Path:
    return shutil.copytree(pristine, tmp_path / "index")


def test_there_is_nothing_to_open(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, message in [(tmp_path / "none", "does not exist"), (tmp_path, "no index"), (tmp_path / "file", "a file")]:
        with pytest.raises(IndexNotFound, match=message) as caught:
            open_index(path)
        assert path == caught.value.folder


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", ["cut by one byte", "cut to nothing", "one byte more", "missing", "other start"])
def test_a_damaged_file_is_named(folder: Path, name: str, how: str) -> None:
    path = folder / "generation-1" / name
    raw = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        changed = {"cut by one byte": raw[:-1], "cut to nothing": b"", "one byte more": raw + b"\0"}
        path.write_bytes(changed.get(how, bytes([raw[0] ^ 1]) + raw[1:]))
    with pytest.raises(IndexCorrupt, match=name) as caught:
        open_index(folder)
    assert folder == caught.value.folder


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_index_is_noticed(folder: Path, tmp_path: Path, name: str) -> None:
    """Even where the manifest is changed to go with it."""
    build_index(documents(400), tmp_path / "other", HashingEncoder(), backend="hnsw")
    other = tmp_path / "other"
    (folder / "generation-1" / name).write_bytes((other / "generation-1" / name).read_bytes())
    with pytest.raises(IndexCorrupt, match=name):
        open_index(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = json.loads((other / "manifest.json").read_text())["files"][name]
    (folder / "manifest.json").write_text(seal(manifest))
    with pytest.raises(IndexCorrupt, match=r"400|shape|holds"):
        open_index(folder)


def test_pages_of_the_database_that_are_damaged_are_noticed_when_read(tmp_path: Path) -> None:
    long = [Document(str(i), "", f"{i} " * 1000) for i in range(100)]
    build_index(long, tmp_path, HashingEncoder())
    path = tmp_path / "generation-1" / "documents.sqlite"
    raw = bytearray(path.read_bytes())
    assert len(raw) > 3 * 65536
    raw[65536:-65536] = bytes(len(raw) - 2 * 65536)
    path.write_bytes(raw)
    with pytest.raises(IndexCorrupt, match=r"documents\.sqlite"), open_index(tmp_path) as index:
        index.search(HashingEncoder().encode([document.passage for document in long]), 8)


def edit(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    def apply(text: str) -> str:
        data = json.loads(text)
        change(data)
        return seal(data)

    return apply


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda _: "",
        lambda _: "[]",
        lambda _: "\udcff",
        lambda _: "[" * 100_000,
        edit(lambda data: data.pop("count")),
        edit(lambda data: data.update(count="7")),
        edit(lambda data: data.update(count=-1)),
        edit(lambda data: data.update(dim=True)),
        edit(lambda data: data.update(format_version="1")),
        edit(lambda data: data.update(backend="annoy")),
        edit(lambda data: data.update(similarity="l2")),
        edit(lambda data: data.update(generation="../elsewhere")),
        edit(lambda data: data.update(files={"../../secret": data["files"]["vectors.npy"]})),
        edit(lambda data: data.update(files=None)),
        edit(lambda data: data.update(teacher=None)),
    ],
)
def test_a_damaged_manifest_is_named(folder: Path, damage: Callable[[str], str]) -> None:
    path = folder / "manifest.json"
    path.write_text(damage(path.read_text()), errors="surrogateescape")
    with pytest.raises(IndexCorrupt, match=r"manifest\.json"):
        open_index(folder)


def test_a_manifest_that_does_not_name_all_files_is_no_way_round_the_checks(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(edit(lambda data: data.update(files={}))(path.read_text()))
    (folder / "generation-1" / "vectors.npy").unlink()
    with pytest.raises(IndexCorrupt, match=r"vectors\.npy"):
        open_index(folder)


def test_a_later_format_is_refused(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({"format_version": 5, "something": "else"}))
    with pytest.raises(IndexTooNew, match="upgrade"):
        open_index(folder)


def test_a_manifest_survives_writing_and_reading(folder: Path) -> None:
    manifest = Manifest.read(folder)
    manifest.write(folder)
    assert manifest == Manifest.read(folder)


@pytest.mark.parametrize(
    ("other", "names"),
    [
        ({"teacher": "another"}, ("hash-teacher", "another")),
        ({"revision": "r2"}, ("hash-teacher@r1", "hash-teacher@r2")),
        ({"dim": 8}, ("hash-teacher (16 dimensions, cosine)", "hash-teacher (8 dimensions, cosine)")),
        ({"similarity": "dot"}, ("hash-teacher (16 dimensions, cosine)", "hash-teacher (16 dimensions, dot)")),
    ],
)
def test_an_encoder_of_another_teacher_is_refused_with_both_names(
    folder: Path, other: dict[str, Any], names: tuple[str, str]
) -> None:
    with open_index(folder) as index, pytest.raises(TeacherMismatch) as caught:
        index.check_teacher(config(**other))
    assert names == (caught.value.index_teacher, caught.value.encoder_teacher)
    assert all(name in str(caught.value) for name in names)


def test_an_encoder_of_the_same_teacher_is_welcome(folder: Path) -> None:
    with open_index(folder) as index:
        index.check_teacher(config())
        index.check_teacher(config(revision=""))
        index.check_teacher(config(teacher="my-copy-of-it", revision="r1"))


@pytest.fixture
def index(folder: Path) -> Index:
    return open_index(folder)


@pytest.mark.parametrize("shape", [(16,), (2, 15), (1, 1, 16)])
def test_queries_of_a_wrong_shape_are_refused(index: Index, shape: tuple[int, ...]) -> None:
    with index, pytest.raises(ValueError, match="shape"):
        index.search(np.ones(shape, np.float32), 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_query_that_is_not_finite_is_refused_wherever_it_stands(index: Index, value: float) -> None:
    queries = np.ones((3, 16), np.float32)
    queries[1, 5] = value
    with index, pytest.raises(ValueError, match="finite"):
        index.search(queries, 3)


def test_k_below_one_is_refused(index: Index) -> None:
    with index, pytest.raises(ValueError, match="k is 0"):
        index.search(np.ones((1, 16), np.float32), 0)


def test_a_query_of_zeros_finds_nothing_and_the_others_what_they_find_alone(index: Index) -> None:
    queries = HashingEncoder().encode(["a", "b", "c"])
    queries[1] = 0
    with index:
        found = index.search(queries, 3)
        assert [index.search(queries[:1], 3)[0], [], index.search(queries[2:], 3)[0]] == found


def test_the_length_of_a_query_changes_nothing_under_cosine(index: Index) -> None:
    queries = HashingEncoder().encode(["a"])
    with index:
        short, long = index.search(queries, 5)[0], index.search(1000 * queries, 5)[0]
    assert [hit.id for hit in short] == [hit.id for hit in long]
    assert [hit.score for hit in short] == pytest.approx([hit.score for hit in long])


def test_more_than_there_is_gives_all(index: Index) -> None:
    with index:
        (hits,) = index.search(HashingEncoder().encode(["a"]), 10_000)
    assert len({hit.id for hit in hits}) == 500


def test_threads_search_one_index(index: Index) -> None:
    queries = HashingEncoder().encode([str(i) for i in range(64)])
    with index, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda query: index.search(query[None], 5)[0], queries))
        assert index.search(queries, 5) == found


def test_a_closed_index_says_so(index: Index) -> None:
    index.close()
    with pytest.raises(IndexFolderError, match="closed"):
        index.search(np.ones((1, 16), np.float32), 3)


def test_an_index_that_is_closed_during_a_search_is_not_called_damaged(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = index.part._vectors.nearest

    def closed_meanwhile(queries: Vectors, k: int) -> list[Nearest]:
        index.close()
        return search(queries, k)

    monkeypatch.setattr(index.part._vectors, "nearest", closed_meanwhile)
    with pytest.raises(IndexFolderError, match="is closed") as caught:
        index.search(np.ones((1, 16), np.float32), 3)
    assert (type(caught.value), caught.value.folder) == (IndexFolderError, index.folder)


def test_an_index_may_be_closed_twice(index: Index) -> None:
    index.close()
    index.close()


def test_a_database_that_is_gone_is_damage(tmp_path: Path) -> None:
    with pytest.raises(IndexCorrupt, match=r"documents\.sqlite") as caught:
        Documents(tmp_path / "generation-1" / "documents.sqlite", 1)
    assert caught.value.folder == tmp_path


def test_folders_with_odd_names_are_opened(folder: Path) -> None:
    odd = folder.rename(folder.parent / "a?b#c%20 ä")
    with open_index(odd) as index:
        assert len(index.search(np.ones((1, 16), np.float32), 3)[0]) == 3


def test_more_documents_are_read_than_one_statement_takes(folder: Path) -> None:
    reader = Documents(folder / "generation-1" / "documents.sqlite", 500)
    found = reader.read([*range(500), *range(500)])
    reader.close()
    assert documents(500) == [found[row] for row in range(500)]


def test_a_missing_faiss_names_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtra, match=r'pip install .*\[index\]"'):
        open_index(folder)


def test_the_exact_search_needs_no_faiss(tmp_path: Path) -> None:
    build_index(documents(20), tmp_path, HashingEncoder())
    code = (
        "import sys, pathlib, numpy; from typeahead.index import open_index; "
        "index = open_index(pathlib.Path(sys.argv[1])); "
        "print(len(index.search(numpy.ones((1, 16), 'float32'), 3)[0]), 'faiss' in sys.modules)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert finished.stdout == "3 False\n"


def test_queries_of_zeros_alone_find_nothing(index: Index) -> None:
    with index:
        assert index.search(np.zeros((2, 16), np.float32), 3) == [[], []]


def test_no_queries_find_nothing(index: Index) -> None:
    with index:
        assert index.search(np.zeros((0, 16), np.float32), 3) == []
