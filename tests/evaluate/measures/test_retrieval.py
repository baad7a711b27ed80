"""Retrieval, put together: by hand on a tiny collection, by ir_measures on the runs written, and on real ones."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.evaluate.layouts import write_beir
from typeahead.core.encoder import Vectors
from typeahead.errors import SourceError
from typeahead.evaluate.data.datasets import Dataset, Passage, open_dataset
from typeahead.evaluate.measures.retrieval import baseline_of, retrieve
from typeahead.evaluate.peers import Peer, load_peer
from typeahead.evaluate.vectors.passages import PassageVectors

TEXTS = {"p1": "Eggs Boil them.", "p2": "Fry them.", "p3": "Rain It falls.", "p4": "Sun"}
JUDGED = {"q1": {"p1": 3, "p2": 1, "p4": 0}, "q2": {"p3": 2, "p4": 1}}
PASSAGES: dict[str, list[float]] = {"p1": [1, 0, 0], "p2": [0.6, 0.8, 0], "p3": [0, 1, 0], "p4": [0, 0, 1]}
QUERIES = {"eggs": [0.6, 0.8, 0.0], "weather": [0.0, 0.0, 1.0]}


def beir_folder(folder: Path) -> Path:
    """Four passages, two judged queries and one that is not."""
    return write_beir(folder, TEXTS, {"q1": "eggs", "q2": "weather", "q3": "not judged"}, JUDGED)


class Scripted:
    """An encoder that gives the vectors that it is told to."""

    def __init__(self, vectors: dict[str, list[float]]) -> None:
        self.vectors = vectors

    def encode(self, texts: Sequence[str]) -> Vectors:
        return np.array([self.vectors[text] for text in texts], np.float32)


def scripted(vectors: dict[str, list[float]], label: str = "scripted") -> Peer:
    return Peer(label, label, label, Scripted(vectors))


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return open_dataset(beir_folder(tmp_path / "tiny"))


@pytest.fixture
def passages() -> PassageVectors:
    return PassageVectors.from_arrays(PASSAGES, np.array(list(PASSAGES.values()), np.float32))


def test_metrics_are_those_computed_by_hand(dataset: Dataset, passages: PassageVectors) -> None:
    metrics = retrieve(scripted(QUERIES), dataset, passages).metrics
    # q1 ranks p2 (1.0), p3 (0.8), p1 (0.6), p4 (0): gains 1, 0, 3. q2 ranks p4 (1) first; the others tie at 0 and
    # trec_eval puts the larger id first: p3, p2, p1.
    first = (1 / math.log2(2) + 3 / math.log2(4)) / (3 / math.log2(2) + 1 / math.log2(3))
    second = (1 / math.log2(2) + 2 / math.log2(3)) / (2 / math.log2(2) + 1 / math.log2(3))
    assert metrics["nDCG@10"] == pytest.approx((first + second) / 2, abs=1e-6)
    assert metrics["RR@10"] == pytest.approx(1.0)
    assert metrics["R@50"] == pytest.approx(1.0)


def test_the_threshold_decides_what_is_relevant(tmp_path: Path, passages: PassageVectors) -> None:
    strict = open_dataset(beir_folder(tmp_path / "tiny"), relevant_from=2)
    assert retrieve(scripted(QUERIES), strict, passages).metrics["RR@10"] == pytest.approx((1 / 3 + 1 / 2) / 2)


def test_a_query_without_a_token_finds_nothing_and_counts(dataset: Dataset, passages: PassageVectors) -> None:
    result = retrieve(scripted(QUERIES | {"weather": [0.0, 0.0, 0.0]}), dataset, passages)
    assert list(result.run.hits["q2"]) == []
    assert result.metrics["RR@10"] == pytest.approx(0.5)


@pytest.mark.parametrize("blank", ["", " \u3000"])
def test_a_blank_query_finds_nothing_whatever_its_encoder_makes_of_it(blank: str, passages: PassageVectors) -> None:
    texts = [Passage(key, text) for key, text in TEXTS.items()]
    dataset = Dataset.from_memory("tiny", texts, {"q1": "eggs", "q2": blank}, JUDGED)
    assert dataset.warnings == ["empty queries: 1, such as 'q2'; they find nothing and count as 0"]
    result = retrieve(scripted(QUERIES | {blank: [0.0, 1.0, 0.0]}), dataset, passages)
    assert list(result.run.hits["q2"]) == []
    assert result.per_query["RR@10"]["q2"] == 0.0


def test_queries_are_encoded_in_parts_and_progress_is_told(
    dataset: Dataset, passages: PassageVectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = retrieve(scripted(QUERIES), dataset, passages)
    monkeypatch.setattr("typeahead.evaluate.measures.retrieval._AT_ONCE", 1)
    told: list[tuple[str, int, int | None]] = []
    parts = retrieve(scripted(QUERIES), dataset, passages, progress=lambda *state: told.append(state))
    assert parts.run.hits == whole.run.hits
    assert told[:2] == [("queries by scripted", 1, 2), ("queries by scripted", 2, 2)]


def test_fewer_vectors_than_queries_are_no_result(dataset: Dataset, passages: PassageVectors) -> None:
    class Short(Scripted):
        def encode(self, texts: Sequence[str]) -> Vectors:
            return super().encode(texts[:1])

    with pytest.raises(SourceError, match="short on tiny: 1 vectors for 2 queries"):
        retrieve(Peer("short", "short", "short", Short(QUERIES)), dataset, passages)


@pytest.mark.parametrize(
    ("vector", "message"),
    [([math.nan, 0, 0], "odd on tiny: .*not finite"), ([1.0, 0.0], "odd on tiny: .*3 dimensions")],
)
def test_vectors_that_cannot_be_searched_name_the_encoder(
    dataset: Dataset, passages: PassageVectors, vector: list[float], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        retrieve(scripted(dict.fromkeys(QUERIES, vector), "odd"), dataset, passages)


def test_a_retriever_is_given_the_passages_texts(dataset: Dataset, passages: PassageVectors) -> None:
    pytest.importorskip("bm25s", reason="BM25 is an optional peer")
    run = retrieve(load_peer("bm25", threads=1), dataset, passages).run
    assert [document for document, _ in run.hits["q1"]] == ["p1"]
    assert list(run.hits["q2"]) == []


def test_the_baseline_is_the_passages_own_encoder_unless_one_is_named() -> None:
    teacher, student = scripted({}, "teacher"), scripted({}, "student")
    assert baseline_of([student, teacher], teacher, None) == "teacher"
    assert baseline_of([student, teacher], teacher, "student") == "student"
    assert baseline_of([student], teacher, None) is None
    with pytest.raises(SourceError, match="'nobody' is none of the query encoders student"):
        baseline_of([student], teacher, "nobody")


def test_the_shipped_models_retrieve_on_a_real_collection(shared_data: Path) -> None:
    """A part of SciFact: the passages that any of 40 claims is judged on."""
    whole = open_dataset(shared_data / "scifact")
    qrels = {key: whole.qrels[key] for key in list(whole.queries)[:40]}
    judged = {document for grades in qrels.values() for document in grades}
    part = Dataset.from_memory(
        "scifact-part",
        passages=[passage for passage in whole.passages() if passage.id in judged],
        queries={key: whole.queries[key] for key in qrels},
        qrels=qrels,
    )
    teacher, student = load_peer("minilm-doc", threads=1), load_peer("minilm-gru", threads=1)
    texts = [passage.text for passage in part.passages()]
    vectors = PassageVectors.from_arrays([passage.id for passage in part.passages()], teacher.encode(texts))
    best = retrieve(teacher, part, vectors).metrics["nDCG@10"]
    assert retrieve(student, part, vectors).metrics["nDCG@10"] > 0.85 * best > 0.6


def test_one_command_measures_compares_and_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from typeahead.cli import main

    folder = beir_folder(tmp_path / "tiny")
    common = ["--passage-encoder", "minilm-doc", "--cache", str(tmp_path / "cache"), "--threads", "1"]
    json_path, runs = tmp_path / "tiny.json", tmp_path / "runs"
    arguments = ["evaluate", "retrieval", str(folder), "--query-encoder", "minilm-gru", "teacher=minilm-doc", *common]
    assert main([*arguments, "--json", str(json_path), "--runs", str(runs)]) == 0
    printed = capsys.readouterr().out
    assert "| minilm-gru" in printed
    assert "minilm-gru against teacher" in printed
    found = json.loads(json_path.read_text())
    assert (found["dataset"], found["passage_encoder"], found["baseline"]) == ("tiny", "minilm-doc", "teacher")
    assert [result["query_encoder"] for result in found["results"]] == ["minilm-gru", "teacher"]
    assert {"nDCG@10", "RR@10", "R@50"} <= found["results"][0]["metrics"].keys()
    assert sorted(path.name for path in runs.iterdir()) == [
        "tiny.minilm-gru.msmarco.tsv",
        "tiny.minilm-gru.trec",
        "tiny.teacher.msmarco.tsv",
        "tiny.teacher.trec",
    ]
    prefixes = tmp_path / "prefixes.json"
    arguments = ["evaluate", "prefixes", str(folder), "--query-encoder", "minilm-gru", *common]
    assert main([*arguments, "--json", str(prefixes)]) == 0
    page = tmp_path / "page" / "report.md"
    assert main(["evaluate", "report", str(json_path), str(prefixes), "--out", str(page)]) == 0
    text = page.read_text()
    assert "### tiny" in text
    assert "minilm-gru against teacher" in text
    assert "weather" not in text, "queries belong to the collection and are shown only where that is asked for"
    for image in ("recall-tiny.svg", "prefixes-tiny.svg"):
        assert f"({image})" in text
        assert (page.parent / image).read_text().startswith("<?xml")


def test_a_peer_that_is_not_installed_is_named_as_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    from typeahead.cli import main

    monkeypatch.setitem(sys.modules, "bm25s", None)
    folder = beir_folder(tmp_path / "tiny")
    arguments = ["evaluate", "retrieval", str(folder), "--query-encoder", "minilm-gru", "bm25"]
    where = ["--cache", str(tmp_path / "cache"), "--runs", str(tmp_path / "runs"), "--threads", "1"]
    assert main([*arguments, *where]) == 0
    printed = capsys.readouterr()
    assert "bm25 (missing: bm25s is not installed" in printed.out
    assert "bm25 is missing" in printed.err


@pytest.mark.parametrize(
    ("content", "message"),
    [("{}", "its kind is none of"), ("[", "not JSON"), ('{"kind": "retrieval"}', "format version None")],
)
def test_a_report_of_other_files_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    from typeahead.cli import main

    path = tmp_path / "results.json"
    path.write_text(content)
    assert main(["evaluate", "report", str(path), "--out", str(tmp_path / "report.md")]) == 1
    assert message in capsys.readouterr().err


def test_a_damaged_file_of_results_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from typeahead.cli import main
    from typeahead.evaluate.report.results import write_results

    write_results(tmp_path / "results.json", "retrieval", {"dataset": "tiny"})
    assert main(["evaluate", "report", str(tmp_path / "results.json"), "--out", str(tmp_path / "report.md")]) == 1
    printed = capsys.readouterr().err
    assert "the results of typeahead" in printed
    assert "are damaged: KeyError('queries')" in printed
