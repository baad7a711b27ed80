"""Metrics: equal to those that ir_measures' own command prints for the files, and to pytrec_eval's, ties included."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from typeahead.errors import MissingExtra
from typeahead.evaluate.data.datasets import open_dataset
from typeahead.evaluate.measures import metrics
from typeahead.evaluate.measures.metrics import MEASURES, Qrels, per_query
from typeahead.evaluate.measures.runs import Run, write_trec
from typeahead.evaluate.vectors.passages import PassageVectors
from typeahead.evaluate.vectors.search import search

#: Beyond the measures' cut-offs, so that each of them cuts.
_HITS = 1200


def tied_run(rng: np.random.Generator) -> Run:
    """Scores of three values: nearly all of them tie."""
    hits = {}
    for query in range(12):
        documents = rng.permutation(2000)[: rng.integers(0, _HITS)]
        hits[f"q{query}"] = [(f"d{document}", float(rng.integers(0, 3))) for document in documents]
    return Run("tied", hits)


def graded(rng: np.random.Generator) -> dict[str, dict[str, int]]:
    """Judgements of grades -1 to 3; q12 and q13 are not in the run, q14 has nothing relevant."""
    qrels = {
        f"q{query}": {f"d{document}": int(rng.integers(-1, 4)) for document in rng.permutation(2000)[:150]}
        for query in range(14)
    }
    return qrels | {"q14": {"d1": 0, "d2": -1}}


def by_command(run: Run, qrels: Qrels, relevant_from: int, folder: Path) -> dict[str, dict[str, float]]:
    """The oracle: ``ir_measures QRELS RUN MEASURES``, each query's values and, as "all", their mean."""
    write_trec(run, folder / "run")
    lines = (f"{query} 0 {key} {grade}\n" for query, found in qrels.items() for key, grade in found.items())
    (folder / "qrels").write_text("".join(lines), encoding="utf-8")
    names = {name if "nDCG" in name else name.replace("@", f"(rel={relevant_from})@"): name for name in MEASURES}
    command = [sys.executable, "-W", "ignore", "-m", "ir_measures", "qrels", "run", *names, "-q", "-p", "12"]
    printed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=120).stdout
    found: dict[str, dict[str, float]] = {name: {} for name in MEASURES}
    for line in printed.splitlines():
        query, measure, value = line.split("\t")
        # Of grade 1 the command leaves "(rel=1)" out.
        found[names.get(measure) or names[re.sub("@", "(rel=1)@", measure)]][query] = float(value)
    return found


def assert_equal(values: dict[str, dict[str, float]], expected: dict[str, dict[str, float]]) -> None:
    means = metrics.mean(values)
    for measure in MEASURES:
        assert values[measure] | {"all": means[measure]} == pytest.approx(expected[measure], abs=1e-6), measure


@pytest.mark.parametrize("relevant_from", [1, 2])
def test_metrics_are_those_that_ir_measures_prints_for_the_files(tmp_path: Path, relevant_from: int) -> None:
    rng = np.random.default_rng(relevant_from)
    run, qrels = tied_run(rng), graded(rng)
    assert_equal(per_query(run, qrels, relevant_from), by_command(run, qrels, relevant_from, tmp_path))


def test_ties_count_as_trec_eval_counts_them() -> None:
    """The oracle gets the scores as they are: pytrec_eval is trec_eval's own code."""
    pytrec_eval = pytest.importorskip("pytrec_eval")
    rng = np.random.default_rng(3)
    run, qrels = tied_run(rng), graded(rng)
    oracle = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut_10", "recall_5,20,50,100,1000", "recip_rank"})
    expected = oracle.evaluate({query: dict(hits) for query, hits in run.hits.items()})
    values = per_query(run, qrels, 1)
    for query, found in expected.items():
        assert values["nDCG@10"][query] == pytest.approx(found["ndcg_cut_10"], abs=1e-6)
        reciprocal = found["recip_rank"]
        assert values["RR@10"][query] == pytest.approx(reciprocal if reciprocal >= 0.1 else 0)
        for depth in (5, 20, 50, 100, 1000):
            assert values[f"R@{depth}"][query] == pytest.approx(found[f"recall_{depth}"])


def test_metrics_are_those_computed_by_hand() -> None:
    run = Run("r", {"q": [("a", 3), ("b", 2), ("c", 2), ("d", 1)]})
    values = per_query(run, {"q": {"a": 1, "b": 2, "x": 3}, "none": {"a": 1}}, 2)
    # a, c, b, d: c and b tie, and the larger id comes first. Gains 1, 0, 2; ideal 3, 2, 1.
    gain = 1 / math.log2(2) + 2 / math.log2(4)
    ideal = 3 / math.log2(2) + 2 / math.log2(3) + 1 / math.log2(4)
    assert values["nDCG@10"] == pytest.approx({"q": gain / ideal, "none": 0})
    assert values["RR@10"] == pytest.approx({"q": 1 / 3, "none": 0})
    assert values["R@5"] == pytest.approx({"q": 1 / 2, "none": 0})
    assert metrics.mean(values)["R@5"] == pytest.approx(1 / 4)


def test_queries_without_judgements_are_left_out_and_the_order_is_that_of_the_judgements() -> None:
    run = Run("r", {"other": [("a", 1.0)], "q1": [("a", 1.0)]})
    values = per_query(run, {"q2": {"b": 1}, "q1": {"a": 1}}, 1)
    assert all(list(found.items()) == [("q2", 0.0), ("q1", 1.0)] for found in values.values())


def test_batches_of_queries_give_what_all_at_once_give(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    run, qrels = tied_run(rng), graded(rng)
    once = per_query(run, qrels, 1)
    monkeypatch.setattr(metrics, "_BATCH", 4)
    assert per_query(run, qrels, 1) == once


def test_without_queries_every_mean_is_zero() -> None:
    assert metrics.mean(per_query(Run("r", {}), {}, 1)) == dict.fromkeys(MEASURES, 0.0)


def test_a_threshold_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="relevant_from is 0"):
        per_query(Run("r", {}), {}, 0)


def test_a_missing_ir_measures_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    with pytest.raises(MissingExtra, match="ir_measures"):
        per_query(Run("r", {}), {}, 1)


def bags_of_words(texts: Iterable[str], dim: int = 512) -> NDArray[np.float32]:
    """Vectors that say which words a text has: a poor encoder, without a model."""
    rows = []
    for text in texts:
        row = np.zeros(dim, np.float32)
        for word in set(text.lower().split()):
            if len(word) > 3:
                row[zlib.crc32(word.encode()) % dim] = 1
        rows.append(row / max(float(np.linalg.norm(row)), 1.0))
    return np.array(rows)


@pytest.mark.parametrize(("name", "relevant_from"), [("nfcorpus", 1), ("scifact", 1), ("msmarco-mini", 2)])
def test_metrics_on_real_collections_are_those_that_ir_measures_prints(
    shared_data: Path, tmp_path: Path, name: str, relevant_from: int
) -> None:
    dataset = open_dataset(shared_data / name, relevant_from=relevant_from)
    passages = list(dataset.passages())
    vectors = bags_of_words(passage.text for passage in passages)
    collection = PassageVectors.from_arrays([passage.id for passage in passages], vectors)
    rows, scores = search(bags_of_words(dataset.queries.values()), collection, 1000)
    run = Run.from_rows(name, list(dataset.queries), rows, scores, collection.ids_of)
    values = per_query(run, dataset.qrels, relevant_from)
    assert 0.01 < metrics.mean(values)["nDCG@10"] < 0.9
    assert_equal(values, by_command(run, dataset.qrels, relevant_from, tmp_path))
