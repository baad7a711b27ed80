"""The sparse arm: scores are those of whole tables, what is damaged is named, and a server searches by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("scipy", reason="the sparse arm needs SciPy")

from hypothesis import given, settings
from safetensors import safe_open
from safetensors.numpy import save_file
from scipy.sparse import csr_array
from tokenizers import Tokenizer

from tests.server.fakes import MeanEncoder
from tests.server.running import PATIENCE, running
from tests.static import TOKENIZER, VOCABULARY
from tests.texts import texts
from typeahead.errors import IndexCorrupt, IndexNotFound, TextError
from typeahead.index import Document, build_index, embed, open_index
from typeahead.index.sparse import SPARSE, SparseWords, write_sparse

COUNT = 50


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
            lambda tensors, _: tensors.update(starts=np.append(tensors["starts"], tensors["starts"][-1])),
            "30523 columns",
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


def test_a_hybrid_is_served_with_weights_of_tokens_as_its_lexical_arm(tmp_path: Path, tokenizer: str) -> None:
    documents = [Document(f"{row}", "", f"a passage on subject {row}") for row in range(20)]
    build_index(documents, tmp_path / "index", MeanEncoder())
    with pytest.raises(IndexNotFound, match="sparse_passages"):
        open_index(tmp_path / "index", lexical="sparse")
    # The seventh passage has a weight of a word that it does not hold.
    weights = np.zeros((20, VOCABULARY), np.float32)
    weights[7, encode("egg")] = 2.0
    with open_index(tmp_path / "index") as index:
        write_sparse(index.generation / SPARSE, csr_array(weights), tokenizer, counts="count")
        assert [one.id for one in index.documents([3, 1])] == ["3", "1"]
    settings: dict[str, Any] = {"hybrid": "linear", "lexical_weight": 0.9, "lexical_wait_ms": 1000 * PATIENCE}
    with open_index(tmp_path / "index", lexical="sparse") as index:
        assert list(index.match("subject egg", 5)) == [(7, 2.0)]
        with running(embed(index, lexical_wait=PATIENCE), **settings) as server, server.client() as client:
            client.say(seq=1, text="subject egg")
            first = client.hear()["hits"][0]
            assert first["id"] == "7"
            assert "lexical" in first["arms"]
