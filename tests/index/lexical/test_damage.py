"""Files of words that are truncated, damaged, or made by somebody else are refused, or do no harm."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.index.lexical.corpora import write
from typeahead.errors import IndexCorrupt
from typeahead.index.lexical.lexical import Lexical
from typeahead.index.lexical.writer import FORMS, PARTIAL, LexicalWriter
from typeahead.search.terms import Term
from typeahead.storage.tensors import TensorWriter, map_tensors
from typeahead.text.document import Document

COUNT = 40
Tensors = dict[str, np.ndarray[Any, Any]]


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    documents = [Document(str(row), f"title {row}", f"word{row} egg tea sun") for row in range(COUNT)]
    return write(tmp_path_factory.mktemp("intact") / "generation-1", documents)


@pytest.fixture
def folder(intact: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(intact, tmp_path / "generation-1"))


def rewrite(folder: Path, change: Callable[[Tensors, dict[str, str]], object]) -> None:
    tensors, said = map_tensors(folder / FORMS)
    copies = {name: tensor.copy() for name, tensor in tensors.items()}
    change(copies, said)
    order = sorted(copies, key=lambda name: -copies[name].itemsize)
    with TensorWriter(folder / FORMS, {name: (copies[name].dtype, copies[name].shape) for name in order}, said) as file:
        for name in order:
            file.write(name, [copies[name]])


def set_to(name: str, place: int, value: int) -> Callable[[Tensors, dict[str, str]], None]:
    def change(tensors: Tensors, said: dict[str, str]) -> None:
        del said
        tensors[name].flat[place] = value

    return change


def said(**values: str) -> Callable[[Tensors, dict[str, str]], None]:
    return lambda _, metadata: metadata.update(values)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (set_to("starts", 3, 1 << 40), "starts are out of order"),
        (set_to("starts", 0, 1), "starts are out of order"),
        (set_to("starts", -1, 7), "starts are out of order"),
        (set_to("form_starts", 2, 0), "forms are out of order"),
        (set_to("form_starts", -1, 1 << 50), "forms are out of order"),
        (set_to("forms", 0, 0xFF), "not UTF-8"),
        (set_to("document_frequencies", 0, COUNT + 1), "more documents than there are"),
        (lambda tensors, _: tensors.update(lengths=tensors["lengths"][:-1]), f"not those of {COUNT}"),
        (lambda tensors, _: tensors.update(counts=tensors["counts"][:-1]), "do not match"),
        (lambda tensors, _: tensors.update(ids=tensors["ids"].astype(np.int64)), "uint32"),
        (lambda tensors, _: tensors.pop("ids"), "no 'ids'"),
        (said(format_version="2"), "its format is '2', not 1"),
        (said(documents="41"), "for 41 documents"),
        (said(segments="20,19"), "its segments"),
        (said(segments="41,-1"), "its segments"),
        (said(segments="x"), "invalid literal"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    folder: Path, change: Callable[[Tensors, dict[str, str]], object], reason: str
) -> None:
    rewrite(folder, change)
    with pytest.raises(IndexCorrupt, match=rf"forms.safetensors cannot be read \(.*{reason}.*rebuild the index"):
        Lexical.open(folder, COUNT)


def test_ids_that_do_not_exist_harm_nobody(folder: Path) -> None:
    rewrite(folder, lambda tensors, _: tensors["ids"].fill(0xFFFF_FFFF))
    lexical = Lexical.open(folder, COUNT)
    asked = [Term({"egg": 1.0}, "t")]
    compiled = lexical.evidence(range(COUNT), asked)
    lexical.forward._compiled = None
    assert not compiled.weights.any()
    assert not lexical.evidence(range(COUNT), asked).weights.any()


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "U8", "shape": [9], "data_offsets": [0, 8]}},
        {"a": {"dtype": "U8", "shape": [1 << 60, 16], "data_offsets": [0, 0]}},
        {"a": {"dtype": "U8", "shape": [-1], "data_offsets": [0, -1]}},
        {"a": {"dtype": "U8", "shape": [8], "data_offsets": [8, 16]}},
        {"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}},
        {"a": {"dtype": "U8", "shape": "8", "data_offsets": [0, 8]}},
        {"a": [1, 2]},
        {"__metadata__": {"documents": 3}},
        [1],
        "x",
    ],
)
def test_headers_that_lie_are_refused(folder: Path, header: object) -> None:
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / FORMS).write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))
    with pytest.raises(IndexCorrupt, match="cannot be read"):
        Lexical.open(folder, COUNT)


def test_every_truncated_file_is_refused(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        for size in (0, 5, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:size])
            with pytest.raises(IndexCorrupt, match="rebuild the index"):
                Lexical.open(folder, COUNT)
        path.unlink()
        with pytest.raises(IndexCorrupt, match=path.name):
            Lexical.open(folder, COUNT)
        path.write_bytes(whole)
    Lexical.open(folder, COUNT)


@pytest.mark.parametrize("name", ["wordsa.fast", "wordsa.fieldnorm", "wordsa.idx", "wordsa.pos", "wordsa.term"])
def test_damaged_files_are_refused_or_find_something_else(folder: Path, name: str) -> None:
    rng = random.Random(name)
    whole = (folder / name).read_bytes()
    for _ in range(10):
        damaged = bytearray(whole)
        for _ in range(5):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        (folder / name).write_bytes(damaged)
        with suppress(IndexCorrupt):
            lexical = Lexical.open(folder, COUNT)
            rows, _ = lexical.candidates([Term({"egg": 1.0}, "wo")], 9, [["egg", "tea"]])
            assert (rows < COUNT).all()


def test_the_words_of_other_documents_find_no_row_that_does_not_exist(folder: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", [Document(str(row), "", "egg") for row in range(2 * COUNT)])
    for path in other.glob("words*"):
        shutil.copy(path, folder)
    with suppress(IndexCorrupt):
        rows, _ = Lexical.open(folder, COUNT).candidates([Term({"egg": 1.0})], COUNT)
        assert (rows < COUNT).all()


def test_opening_writes_nothing_into_the_folder(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    Lexical.open(folder, COUNT).candidates([Term({"egg": 1.0})], 3)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_writer_that_fails_leaves_nothing_and_remains_of_a_killed_one_are_deleted(tmp_path: Path) -> None:
    (tmp_path / PARTIAL).mkdir()
    (tmp_path / PARTIAL / "rest").write_bytes(b"x")
    (tmp_path / "wordsb.idx").write_bytes(b"x")
    with pytest.raises(RuntimeError, match="enough"), LexicalWriter(tmp_path) as writer:  # noqa: PT012
        writer.add(Document("0", "", "egg"))
        raise RuntimeError("enough")
    assert list(tmp_path.iterdir()) == []
