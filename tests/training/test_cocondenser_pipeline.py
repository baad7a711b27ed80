"""The whole path on a tiny teacher in coCondenser's format: [CLS], dot product, nothing normalised, title[SEP]text.

Teacher vectors, distillation, negatives by BM25, a first model, negatives by that model, the final model with its
passage encoder, export of both, evaluation: every command that ``training/README.md`` names, in its order.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")
pytest.importorskip("accelerate", reason="training needs accelerate")
pytest.importorskip("onnx", reason="export needs onnx")
pytest.importorskip("bm25s", reason="mining needs bm25s")

import typeahead  # noqa: E402
from tests.training import tiny  # noqa: E402
from training.data import read_examples, read_tevatron  # noqa: E402
from training.data.judged import Judged  # noqa: E402
from training.exporting import export  # noqa: E402
from training.ranking import contrast, mine  # noqa: E402
from training.stage1 import distill  # noqa: E402
from training.students import load_student  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402
from typeahead.cli import main as typeahead_main  # noqa: E402
from typeahead.core.encoder import Encoder  # noqa: E402
from typeahead.models.golden import cosines  # noqa: E402

STAGES = """
[[stages]]
name = "texts"
files = ["{texts}"]
epochs = 3
batch = 32
table_rate = [1e-2, 1e-3]
rate = [3e-3, 1e-3]
"""
ROUNDS = """
[[mine]]
name = "bm25"
depth = 30
negatives = 6

[[contrast]]
name = "first"
groups = ["mine:bm25"]
epochs = 3
rate = 1e-3
development = 0.2
negatives = 2
chunk = 16

[[mine]]
name = "dense"
by = "first"
depth = 30
negatives = 6

[[contrast]]
name = "final"
groups = ["mine:dense", "mine:bm25"]
epochs = 3
rate = 1e-3
development = 0.2
negatives = 2
chunk = 16
"""


def reciprocal_rank(queries: Encoder, passages: Encoder, collection: Path) -> float:
    """RR@10 of the test queries by a plain matrix product."""
    judged = Judged.open(collection, split="test")
    texts = [str(passage.whole()) for passage in judged.collection]
    scores = queries.encode(list(judged.queries.values())) @ passages.encode(texts).T
    total = 0.0
    for row, (answer,) in zip(scores, judged.relevant.values(), strict=True):
        rank = 1 + int((row > row[judged.collection.row(answer)]).sum())
        total += 1 / rank if rank <= 10 else 0
    return total / len(scores)


@pytest.mark.parametrize("family", ["rnn", "residual-gru", "causal"])
def test_every_command_in_its_order_ends_with_a_model_that_is_evaluated(
    tmp_path: Path, family: str, capsys: pytest.CaptureFixture[str]
) -> None:
    collection = tiny.write_collection(tmp_path / "collection", passages=150)
    source = tiny.write_cocondenser(tmp_path / "teacher")
    lines = [f"own\t{one.text}\n" for kind in ("beir", "beir-corpus") for one in read_examples(f"{kind}:{collection}")]
    (tmp_path / "texts.tsv").write_text("".join(lines))
    path = tiny.write_recipe(
        tmp_path / "tiny.toml",
        source,
        collection,
        student=tiny.STUDENTS[family],
        stages=STAGES.format(texts=tmp_path / "texts.tsv"),
        rounds=ROUNDS,
    )
    run, options = tmp_path / "run", ["--cpu", "--threads", "1"]
    distill.main([str(path), "--out", str(run), *options])
    for _ in range(2):
        mine.main([str(path), "--out", str(run), *options])
        contrast.main([str(path), "--out", str(run), *options])
    names = ["bm25", "first", "dense", "final"]
    assert all((run / name).is_dir() for name in names)
    by_words, by_vectors = (list(read_tevatron(run / name / "negatives.jsonl")) for name in ("bm25", "dense"))
    assert [group.query_id for group in by_words] == [group.query_id for group in by_vectors]
    assert [group.negatives for group in by_words] != [group.negatives for group in by_vectors]

    final = run / "final"
    export.main(["student", str(final / "recipe.toml"), str(final), str(tmp_path / "student")])
    export.main(["teacher", str(final / "recipe.toml"), str(tmp_path / "passages")])
    queries, passages = typeahead.load(tmp_path / "student"), typeahead.load(tmp_path / "passages")
    assert "not stated: add it to training/exporting/terms.toml" in (tmp_path / "student" / "README.md").read_text()
    assert queries.config.teacher.revision == passages.config.teacher.revision
    assert queries.config.similarity == passages.config.similarity == "dot"

    teacher = TorchTeacher(str(final / "passages"))
    texts = ["boil egg", "walk home fast", "read file line"]
    expected = teacher.encode(texts)
    assert cosines(passages.encode(texts), expected).min() > 0.99
    np.testing.assert_allclose(
        np.linalg.norm(passages.encode(texts), axis=1), np.linalg.norm(expected, axis=1), rtol=0.1
    )
    assert (np.abs(np.linalg.norm(expected, axis=1) - 1) > 0.1).all(), "nobody divided by the length"
    reference = export.encode_with_student(load_student(final), teacher, texts)
    assert cosines(queries.encode(texts), reference).min() > 0.99

    figures = tmp_path / "figures.json"
    arguments = ["evaluate", "retrieval", str(collection), "--query-encoder", str(tmp_path / "student")]
    arguments += ["--passage-encoder", str(tmp_path / "passages"), "--cache", str(tmp_path / "cache")]
    arguments += ["--runs", str(tmp_path / "runs"), "--json", str(figures)]
    capsys.readouterr()
    assert typeahead_main(arguments) in (None, 0)
    (result,) = json.loads(figures.read_text())["results"]
    found = result["metrics"]["RR@10"]
    assert found == pytest.approx(reciprocal_rank(queries, passages, collection), abs=1e-6)
    log = [json.loads(line) for line in (final / "log.jsonl").read_text().splitlines()]
    assert log[3]["loss"] < log[1]["loss"]
