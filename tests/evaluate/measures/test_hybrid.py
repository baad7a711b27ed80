"""Both arms and their fusions on a collection where each arm alone finds one of two answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.evaluate.layouts import write_beir
from typeahead.core.encoder import Vectors
from typeahead.evaluate.data.datasets import Dataset, open_dataset
from typeahead.evaluate.measures.hybrid import HybridReport, evaluate
from typeahead.evaluate.peers import Peer
from typeahead.evaluate.vectors.passages import PassageVectors

TEXTS = {"p1": "boil the eggs", "p2": "a breakfast", "p3": "error X7431", "p4": "eggs of the snake"}
#: "meal" is for the vectors, "x7431" for the words.
QUERIES = {"q1": "meal", "q2": "x7431"}
JUDGED = {"q1": {"p2": 1}, "q2": {"p3": 1}}


class Scripted:
    """ "meal" and its beginnings lie at p2, all else at p4."""

    dim = 2
    asked: list[str]

    def __init__(self) -> None:
        self.asked = []

    def encode(self, texts: Sequence[str], /) -> Vectors:
        self.asked += texts
        return np.array([[1.0, 0.0] if "meal".startswith(text) else [0.0, 1.0] for text in texts], np.float32)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return open_dataset(write_beir(tmp_path / "tiny", TEXTS, QUERIES, JUDGED))


def report(dataset: Dataset, encoder: Scripted, folder: Path, percents: Sequence[int] = (100, 50)) -> HybridReport:
    vectors = {"p1": [-1.0, 0.0], "p2": [1.0, 0.0], "p3": [-1.0, 0.1], "p4": [0.0, 1.0]}
    passages = PassageVectors.from_arrays(vectors, np.array(list(vectors.values()), np.float32))
    peer = Peer("scripted", "scripted", "scripted", encoder)
    return evaluate(dataset, passages, peer, percents=percents, weights=[0.5], folder=folder)


def test_a_fusion_finds_what_either_arm_does(dataset: Dataset, tmp_path: Path) -> None:
    found = report(dataset, Scripted(), tmp_path)
    # By vectors, q2 ranks p4 first and then p3; by words, q1 finds nothing.
    assert found.value(100, "dense") == pytest.approx((1 + 1 / np.log2(3)) / 2, abs=1e-4)
    assert found.value(100, "lexical") == pytest.approx(0.5)
    assert found.value(100, "linear", 0.5) > found.value(100, "dense")
    assert found.value(100, "rrf", 0.5) >= found.value(100, "dense")
    assert found.best()["linear"]["weight"] == 0.5


def test_half_typed_queries_are_asked_as_half_typed(dataset: Dataset, tmp_path: Path) -> None:
    encoder = Scripted()
    found = report(dataset, encoder, tmp_path, [50])
    assert encoder.asked == ["me", "x74"]
    # The word that was cut matches what it may become.
    assert found.value(50, "lexical") == pytest.approx(0.5)
    assert {row["typed %"] for row in found.rows()} == {50}
