"""A manifest that says what cannot be is refused in one line that names it, whatever it says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.flipping import write_index
from tests.mutating import check_message, written
from typeahead.errors import IndexCorrupt, TypeaheadError
from typeahead.index import open_index
from typeahead.index.manifest import Manifest
from typeahead.storage.sealed import SEAL, seal


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("manifests")
    return {kind: write_index(kind, folder / kind, count=30) for kind in ("exact", "hnsw", "faiss")}


@pytest.fixture
def copy(tmp_path: Path, pristine: dict[str, Path]) -> Callable[[str], Path]:
    return lambda kind: shutil.copytree(pristine[kind], tmp_path / kind)


def without(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda data: data["files"].pop(name)


def fields(**values: Any) -> Callable[[dict[str, Any]], object]:
    return lambda data: data.update(values)


def entry(**values: Any) -> Callable[[dict[str, Any]], object]:
    return lambda data: data["files"]["documents.sqlite"].update(values)


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("exact", fields(files={}), "documents.sqlite, fields.safetensors, forms.safetensors, vectors.npy"),
        ("exact", fields(files=[]), "manifest.json is damaged"),
        ("exact", fields(files={"documents.sqlite": 7}), "manifest.json is damaged"),
        ("exact", without("documents.sqlite"), "files does not list documents.sqlite"),
        ("exact", without("vectors.npy"), "files does not list vectors.npy"),
        ("hnsw", without("graph.faiss"), "files does not list graph.faiss"),
        ("faiss", without("adopted.faiss"), "files does not list adopted.faiss"),
        ("faiss", without("labels.npy"), "labels.npy is not in the manifest"),
        ("exact", fields(dimensions=8), "files does not list projection.npy, reduced.npy"),
        ("exact", fields(backend="hnsw"), "files does not list graph.faiss"),
        ("exact", fields(backend=["exact"]), "backend ['exact'] is not one of"),
        ("exact", fields(similarity=None), "similarity None is not one of"),
        ("exact", fields(count=29, passages=29), "not 29"),
        ("exact", fields(count=29), "files does not list passages.safetensors"),
        ("exact", fields(passages=29), "29 is not an integer of at least 30"),
        ("exact", fields(version=-1), "-1 is not an integer"),
        ("exact", fields(sequence="1"), "'1' is not an integer"),
        ("exact", fields(passage_limit=0), "0 is not an integer"),
        ("exact", fields(encoder={"name": "x", "address": "x", "sha256": "y"}), "'y' is not a SHA-256"),
        ("exact", fields(count=31, passages=31), "not 31"),
        ("hnsw", fields(count=31, passages=31), "not 31"),
        ("faiss", fields(count=31, passages=31), "not 31"),
        ("faiss", fields(dim=15), "16 dimensions"),
        ("exact", fields(dim=15), "shape"),
        ("exact", fields(count=30.0), "30.0 is not an integer"),
        ("exact", fields(count=True), "True is not an integer"),
        ("exact", fields(count=10**300), "is more than"),
        ("exact", fields(dim=1 << 21), "is more than"),
        ("exact", fields(teacher={"name": "", "revision": None}), "teacher's name is empty"),
        ("exact", fields(teacher="hash-teacher"), "manifest.json is damaged"),
        ("exact", fields(source=7), "7 is not a string"),
        ("exact", fields(generation="generation-1/../generation-1"), "is not a generation folder"),
        ("exact", fields(generation="generation-1\n"), "is not a generation folder"),
        ("exact", entry(bytes="12"), "'12' is not an integer"),
        ("exact", entry(bytes=-1), "-1 is not an integer"),
        ("exact", entry(sha256="7"), "'7' is not a SHA-256"),
        ("exact", entry(ends_sha256=7), "7 is not a string"),
        ("exact", lambda data: data["files"].update({"/etc/passwd": data["files"]["vectors.npy"]}), "not the name"),
        ("exact", lambda data: data["files"].update({"more.bin": data["files"]["vectors.npy"]}), "more.bin cannot"),
        ("exact", fields(source="x" * 5000, count="y" * 5000), "is not an integer"),
    ],
)
def test_what_cannot_be_is_named_in_one_line(
    copy: Callable[[str], Path], kind: str, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    """Though the manifest is sealed: by whoever wrote it so."""
    folder = copy(kind)
    data = json.loads((folder / "manifest.json").read_text())
    change(data)
    (folder / "manifest.json").write_text(seal(data))
    with pytest.raises(IndexCorrupt) as caught:
        open_index(folder)
    message = str(caught.value)
    assert said in message
    assert "\n" not in message
    assert len(message) < 500


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"count": 30', '"count": NaN', "NaN is not a JSON number"),
        ('"count": 30', '"count": 1e999', "too large"),
        ('"count": 30', '"count": 30, "count": 30', "the key 'count' twice"),
        ('"count": 30', '"count": ' + "[" * 100_000, "manifest.json is damaged"),
        ('"source": "', '"source": "\\ud800', "lone surrogate"),
        ('"count"', '"Count"', "self_sha256"),
        (SEAL, "self_sha257", "no checksum of itself"),
    ],
)
def test_what_is_no_strict_json_is_refused(copy: Callable[[str], Path], before: str, after: str, said: str) -> None:
    path = copy("exact") / "manifest.json"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    with pytest.raises(IndexCorrupt, match=said):
        Manifest.read(path.parent)


@given(data=st.data())
def test_no_manifest_breaks_whoever_opens_it(
    data: st.DataObject, pristine: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It is refused by an error of this package, or means the same as before."""
    kind = data.draw(st.sampled_from(sorted(pristine)))
    folder = tmp_path_factory.getbasetemp() / f"mutated-{kind}"
    if not folder.exists():
        shutil.copytree(pristine[kind], folder)
    changed = data.draw(written((pristine[kind] / "manifest.json").read_text()))
    (folder / "manifest.json").write_text(changed, encoding="utf-8", errors="surrogatepass")
    try:
        with open_index(folder) as index:
            assert len(index) == 30
    except TypeaheadError as error:
        check_message(error)
