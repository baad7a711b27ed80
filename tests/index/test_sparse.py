"""The sparse arm: scores are those of whole tables, what is damaged is named, and a server searches by it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

pytest.importorskip("scipy", reason="the sparse arm needs SciPy")

from hypothesis import given, settings
from safetensors import safe_open
from safetensors.numpy import save_file
from scipy.sparse import csr_array
from tokenizers import Tokenizer

import typeahead
from tests.server.running import PATIENCE
from tests.static import TOKENIZER, VOCABULARY
from tests.texts import texts
from typeahead.core.encoder import Vectors
from typeahead.errors import IndexCorrupt, IndexNotFound, TextError
from typeahead.index import Document, build_index, open_index
from typeahead.index.sparse import SPARSE, SparseWords, write_sparse
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.port import Key, Request
from typeahead.search.reading import Reader

COUNT = 50
#: Documents of an index.
MANY = 20


def random_weights() -> Any:
    """A passage has some of a few hundred tokens, common ones and letters among them."""
    random = np.random.default_rng(3)
    tokens = np.unique(np.concatenate([np.arange(1012, 1100), random.integers(2000, 9000, 200)]))
    table = np.zeros((COUNT, VOCABULARY), np.float32)
    for row in table:
        chosen = random.choice(tokens, 60, replace=False)
        # Few different weights, so that there are ties.
        row[chosen] = random.integers(1, 5, 60) / 4
    return table


def encode(text: str) -> list[int]:
    found: list[int] = Tokenizer.from_file(str(TOKENIZER)).encode(text, add_special_tokens=False).ids
    return found


@pytest.fixture(scope="module")
def tokenizer() -> str:
    return TOKENIZER.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tokenizer: str) -> Path:
    folder = tmp_path_factory.mktemp("sparse")
    for counts in ("count", "set"):
        write_sparse(folder / counts, csr_array(random_weights()), tokenizer, counts=counts)
    return folder


@pytest.mark.parametrize("counts", ["count", "set"])
@settings(max_examples=60)
@given(texts)
def test_scores_are_counts_times_weights_and_ties_go_by_row(folder: Path, counts: str, text: str) -> None:
    words = SparseWords(folder / counts, COUNT)
    table = random_weights()
    tokens = encode(text) if counts == "count" else sorted(set(encode(text)))
    scores = table[:, tokens].sum(axis=1) if tokens else np.zeros(COUNT)
    best = sorted((row for row in range(COUNT) if scores[row] > 0), key=lambda row: (-scores[row], row))
    for depth in (1, 7, COUNT, 1000):
        found = words.search(text, depth)
        assert [row for row, _ in found] == best[:depth]
        np.testing.assert_allclose([score for _, score in found], scores[best[:depth]], rtol=1e-5)


def test_text_without_a_token_or_a_token_without_weights_finds_nothing(folder: Path) -> None:
    words = SparseWords(folder / "count", COUNT)
    assert list(words.search("", 5)) == list(words.search(" \x00", 5)) == []
    assert list(words.search("☃", 5)) == []
    with pytest.raises(TextError, match="surrogate"):
        words.search("\udc00", 5)


def damage(path: Path, change: Callable[[dict[str, np.ndarray], dict[str, str]], None]) -> None:
    with safe_open(path, framework="numpy") as file:
        said = dict(file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(tensors, said)
    save_file(tensors, path, metadata=said)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda _, said: said.update(documents="49"), "for 49 documents, but the index has 50"),
        (lambda _, said: said.update(format_version="2"), "format is '2'"),
        (lambda _, said: said.update(counts="twice"), "counts are 'twice'"),
        (lambda tensors, _: tensors["rows"].__setitem__(0, COUNT), "out of range"),
        (lambda tensors, _: tensors["starts"].__setitem__(1, -1), "out of range|do not match"),
        (lambda tensors, _: tensors.update(weights=tensors["weights"][1:]), "do not match"),
        (lambda tensors, _: tensors["weights"].__setitem__(0, np.nan), "not finite"),
        (lambda tensors, _: tensors.update(weights=tensors["weights"].astype(np.float64)), "float64"),
        (
            lambda tensors, _: tensors.update(starts=np.delete(tensors["starts"], 1)),
            "30521 columns for 30522 tokens",
        ),
        (lambda tensors, _: tensors.pop("tokenizer"), "tokenizer"),
        (lambda tensors, _: tensors.update(tokenizer=np.zeros(9, np.uint8)), "write it again"),
    ],
)
def test_a_file_that_is_damaged_says_how(
    tmp_path: Path, tokenizer: str, change: Callable[[Any, Any], None], reason: str
) -> None:
    write_sparse(tmp_path / SPARSE, csr_array(random_weights()), tokenizer, counts="count")
    damage(tmp_path / SPARSE, change)
    with pytest.raises(IndexCorrupt, match=reason):
        SparseWords(tmp_path / SPARSE, COUNT)


def test_a_file_that_is_cut_short_or_missing_says_so(tmp_path: Path, folder: Path) -> None:
    (tmp_path / SPARSE).write_bytes((folder / "count").read_bytes()[:5000])
    with pytest.raises(IndexCorrupt, match="write it again"):
        SparseWords(tmp_path / SPARSE, COUNT)
    with pytest.raises(IndexNotFound, match="sparse_passages"):
        SparseWords(tmp_path / "none", COUNT)


@pytest.fixture
def weighted(tmp_path: Path, tokenizer: str) -> Path:
    """An index whose passage 7 has a weight of a word that it does not hold."""
    encoder = typeahead.load("minilm-static")
    documents = [Document(f"{row}", "", f"a passage on subject {row}") for row in range(MANY)]
    build_index(documents, tmp_path / "index", encoder)
    with pytest.raises(IndexNotFound, match="sparse_passages"):
        open_index(tmp_path / "index", lexical="sparse")
    weights = np.zeros((MANY, VOCABULARY), np.float32)
    weights[7, encode("egg")] = 2.0
    with open_index(tmp_path / "index") as index:
        write_sparse(index.generation / SPARSE, csr_array(weights), tokenizer, counts="count")
    return tmp_path / "index"


def request(text: str, vector: Vectors | None, k: int) -> Request:
    return Request(vector, Reader(None).read(text).words, k)


async def test_token_weights_find_what_neither_vectors_nor_words_find(weighted: Path) -> None:
    vector = -typeahead.load("minilm-static").encode(["a passage on subject 7"])[0]
    asked = [
        request("egg ", vector, 5),
        request('egg "subject 7"', vector, 5),
        request('egg "subject 8"', vector, 5),
        request("egg -passage ", vector, 5),
        request("egg ", None, 5),
    ]
    backend = await open_backend(str(weighted), OpenOptions(lexical="sparse"))
    found = [set(one.keys) for one in await backend.candidates(asked, time.monotonic() + PATIENCE)]
    (first, *_) = await backend.candidates(asked, time.monotonic() + PATIENCE)
    await backend.close()
    assert [Key("7") in keys for keys in found] == [True, True, False, False, True]
    # Its similarity and its words are counted like those of all others.
    at = list(first.keys).index(Key("7"))
    assert {arm: bool(those[at]) for arm, those in first.arms.items()} == {
        "dense": False,
        "lexical": False,
        "sparse": True,
    }
    assert first.similarities[at] == pytest.approx(-1, abs=0.01)
    assert first.lengths[at].tolist() == [0, 5]
    plain = await open_backend(str(weighted), OpenOptions())
    (without, *_) = await plain.candidates(asked, time.monotonic() + PATIENCE)
    await plain.close()
    assert Key("7") not in without.keys
    assert set(without.arms) == {"dense", "lexical"}


def test_a_server_finds_by_token_weights(weighted: Path) -> None:
    flags = ["--index", str(weighted), "--lexical", "sparse", "--encoder", "minilm-static", "--port", "0"]
    with subprocess.Popen(
        [sys.executable, "-m", "typeahead", "serve", *flags], stdout=subprocess.PIPE, text=True
    ) as running:
        try:
            assert running.stdout is not None
            address = running.stdout.readline().strip()
            found = httpx.post(f"{address}/v1/search", json={"query": "egg", "k": MANY}).json()
        finally:
            running.terminate()
    assert {hit["id"] for hit in found["hits"] if "sparse" in hit["arms"]} == {"7"}


def test_a_filter_leaves_only_admitted_documents(folder: Path) -> None:
    words = SparseWords(folder / "count", COUNT)
    every = words.search("a b c d e", COUNT)
    assert len(every) > 10
    admitted = np.arange(COUNT) % 2 == 1
    assert [pair for pair in every if admitted[pair[0]]] == words.search("a b c d e", COUNT, admitted)
    assert words.search("a b c d e", COUNT, np.zeros(COUNT, np.bool_)) == []
