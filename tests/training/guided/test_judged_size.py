"""What learning from judgements takes is planned from the size of the collection."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub", reason="training needs huggingface_hub")
pytest.importorskip("torch", reason="the checks look for PyTorch, without importing it")

from training.guided.checks import check
from training.guided.judged_size import JudgedSize
from training.guided.plan import Speeds, plan
from training.guided.request import Request


def write(folder: Path, passages: int, words: int) -> Path:
    (folder / "qrels").mkdir(parents=True)
    lines = [json.dumps({"_id": f"p{number}", "text": "word " * words}) for number in range(passages)]
    (folder / "corpus.jsonl").write_text("\n".join(lines) + "\n")
    asked = [json.dumps({"_id": f"q{number}", "text": "what is it"}) for number in range(100)]
    (folder / "queries.jsonl").write_text("\n".join(asked) + "\n")
    judged = [f"q{number // 2}\tp{number}\t1" for number in range(200)]
    (folder / "qrels" / "train.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]) + "\n")
    return folder


def test_a_collection_is_measured_without_reading_all_of_it(tmp_path: Path) -> None:
    size = JudgedSize.of(write(tmp_path / "long", 3000, 500), longest=256)
    assert size.passages == pytest.approx(3000, rel=0.01)
    assert size.passage_tokens == 256
    assert size.queries == 100
    assert 3 < size.query_tokens < 12
    assert JudgedSize.of(write(tmp_path / "short", 10, 8), longest=256).passage_tokens < 20
    empty = write(tmp_path / "empty", 0, 0)
    (empty / "corpus.jsonl").write_text("")
    assert JudgedSize.of(empty, longest=256).passages == 1


def test_the_time_for_it_is_taken_from_distillation(teacher_folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("how to boil an egg\n")
    asked = Request(str(teacher_folder), tmp_path / "out", queries=(str(log),), family="causal", minutes=2.0)
    speeds = Speeds(reading=2e7, learning=5e6)
    without = plan(asked, check(asked), speeds, available=10_000, tokens=8.0)
    ranked = dataclasses.replace(asked, judged=str(write(tmp_path / "judged", 300, 60)))
    found = plan(ranked, check(ranked), speeds, available=10_000, tokens=8.0)
    assert without.ranking == without.ranking_passes == 0
    assert found.ranking > 5
    assert found.ranking_passes == 3
    slow = dataclasses.replace(speeds, learning=5e4)
    assert plan(ranked, check(ranked), slow, available=10_000, tokens=8.0).ranking_passes == 1
    assert found.vectors + found.training < without.vectors + without.training
    assert max(found.seconds, without.seconds) <= 120
    assert "learning from judged queries" in str(found)
