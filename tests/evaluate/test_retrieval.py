"""Retrieval metrics: by hand on a tiny collection, and the teacher's published figures on real ones."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from typeahead.encoders.base import Vectors
from typeahead.encoders.recurrent import RecurrentEncoder
from typeahead.encoders.transformer import TransformerEncoder
from typeahead.errors import SourceError
from typeahead.evaluate import retrieval
from typeahead.evaluate.retrieval import Collection


def write_collection(folder: Path) -> Path:
    """Four passages, two judged queries and one that is not."""
    (folder / "qrels").mkdir(parents=True)
    passages = [("p1", "Eggs", "Boil them."), ("p2", "", "Fry them."), ("p3", "Rain", "It falls."), ("p4", "Sun", "")]
    lines = [json.dumps({"_id": key, "title": title, "text": text}) for key, title, text in passages]
    (folder / "corpus.jsonl").write_text("\n".join(lines) + "\n")
    queries = [("q1", "eggs"), ("q2", "weather"), ("q3", "not judged")]
    (folder / "queries.jsonl").write_text("".join(json.dumps({"_id": k, "text": t}) + "\n" for k, t in queries))
    (folder / "qrels" / "test.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq1\tp1\t3\nq1\tp2\t1\nq1\tp4\t0\nq2\tp3\t2\nq2\tp4\t1\n"
    )
    return folder


class Scripted:
    """An encoder that gives the vectors that it is told to."""

    def __init__(self, vectors: dict[str, list[float]]) -> None:
        self.vectors = vectors
        self.calls = 0

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.calls += 1
        return np.array([self.vectors[text] for text in texts], np.float32)


PASSAGES: dict[str, list[float]] = {
    "Eggs Boil them.": [1, 0, 0],
    "Fry them.": [0.6, 0.8, 0],
    "Rain It falls.": [0, 1, 0],
    "Sun": [0, 0, 1],
}


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    return retrieval.read_collection(write_collection(tmp_path / "tiny"))


def test_a_beir_folder_is_read_with_its_judged_queries(collection: Collection) -> None:
    assert collection.passages == list(PASSAGES)
    assert collection.queries == ["eggs", "weather"]
    assert collection.qrels["q1"] == {"p1": 3, "p2": 1, "p4": 0}


def test_metrics_are_those_computed_by_hand(collection: Collection) -> None:
    passages = Scripted(PASSAGES).encode(collection.passages)
    queries = Scripted({"eggs": [0.6, 0.8, 0.0], "weather": [0, 0, 1]})
    metrics = retrieval.evaluate(queries, collection, passages)
    # q1 ranks p2 (1.0), p3 (0.8), p1 (0.6), p4 (0): gains 1, 0, 3. q2 ranks p4 (1) first; the others tie at 0 and
    # trec_eval puts the larger id first: p3, p2, p1.
    first = (1 / math.log2(2) + 3 / math.log2(4)) / (3 / math.log2(2) + 1 / math.log2(3))
    second = (1 / math.log2(2) + 2 / math.log2(3)) / (2 / math.log2(2) + 1 / math.log2(3))
    assert metrics["nDCG@10"] == pytest.approx((first + second) / 2, abs=1e-6)
    assert metrics["RR@10"] == pytest.approx(1.0)
    assert metrics["R@50"] == pytest.approx(1.0)


def test_the_threshold_decides_what_is_relevant(tmp_path: Path) -> None:
    strict = retrieval.read_collection(write_collection(tmp_path / "tiny"), relevant_from=2)
    passages = Scripted(PASSAGES).encode(strict.passages)
    queries = Scripted({"eggs": [0.6, 0.8, 0.0], "weather": [0, 0, 1]})
    assert retrieval.evaluate(queries, strict, passages)["RR@10"] == pytest.approx((1 / 3 + 1 / 2) / 2)


def test_exact_search_equals_sorting_all_scores() -> None:
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(7, 5)).astype(np.float32)
    passages = rng.normal(size=(50, 5)).astype(np.float32)
    rows, scores = retrieval.search(queries, passages, 10)
    expected = queries @ passages.T
    np.testing.assert_array_equal(rows, np.argsort(-expected, axis=1)[:, :10])
    np.testing.assert_allclose(scores, np.sort(expected, axis=1)[:, ::-1][:, :10])


def test_passages_are_encoded_once(collection: Collection, tmp_path: Path) -> None:
    encoder = Scripted(PASSAGES)
    first = retrieval.encode_passages(encoder, collection, key="one", cache=tmp_path)
    again = retrieval.encode_passages(encoder, collection, key="one", cache=tmp_path)
    np.testing.assert_array_equal(first, again)
    assert encoder.calls == 1
    retrieval.encode_passages(encoder, collection, key="another", cache=tmp_path)
    assert encoder.calls == 2


def test_vectors_that_are_not_finite_are_refused(collection: Collection) -> None:
    broken = Scripted({text: [math.nan, 0.0, 0.0] for text in PASSAGES})
    with pytest.raises(SourceError, match="not finite"):
        retrieval.encode_passages(broken, collection, key="broken", cache=None)
    passages = Scripted(PASSAGES).encode(collection.passages)
    with pytest.raises(SourceError, match="not finite"):
        retrieval.evaluate(Scripted({"eggs": [math.inf, 0, 0], "weather": [0, 0, 1]}), collection, passages)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("corpus.jsonl", '{"_id": "p1", "text": "a"}\n{"_id": "p1", "text": "b"}\n', r"corpus\.jsonl:2: .*twice"),
        ("corpus.jsonl", "{\n", r"corpus\.jsonl:1: not JSON"),
        ("qrels/test.tsv", "q1 p1 1\n", r"test\.tsv:1: expected"),
        ("qrels/test.tsv", "q9\tp1\t1\n", "not in queries.jsonl, such as 'q9'"),
    ],
)
def test_what_is_wrong_with_a_collection_is_named(tmp_path: Path, file: str, content: str, message: str) -> None:
    folder = write_collection(tmp_path / "tiny")
    (folder / file).write_text(content)
    with pytest.raises(SourceError, match=message):
        retrieval.read_collection(folder)


def test_a_folder_without_the_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"test\.tsv"):
        retrieval.read_collection(tmp_path)


def test_the_shipped_models_retrieve_on_a_real_collection(
    shared_data: Path, student: RecurrentEncoder, passage_encoder: TransformerEncoder
) -> None:
    """A part of SciFact: the passages that any of 40 claims is judged on."""
    whole = retrieval.read_collection(shared_data / "scifact")
    kept = whole.query_ids[:40]
    qrels = {query: whole.qrels[query] for query in kept}
    judged = {passage for grades in qrels.values() for passage in grades}
    rows = [row for row, passage in enumerate(whole.passage_ids) if passage in judged]
    part = Collection(
        "scifact-part",
        [whole.passage_ids[row] for row in rows],
        [whole.passages[row] for row in rows],
        kept,
        whole.queries[:40],
        qrels,
        1,
    )
    passages = retrieval.encode_passages(passage_encoder, part, key="", cache=None)
    teacher = retrieval.evaluate(passage_encoder, part, passages)["nDCG@10"]
    assert retrieval.evaluate(student, part, passages)["nDCG@10"] > 0.85 * teacher > 0.6
