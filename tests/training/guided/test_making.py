"""A newcomer's command, from a folder of a teacher and a log to models that load."""

from __future__ import annotations

import csv
import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")
pytest.importorskip("accelerate", reason="training needs accelerate")

import typeahead  # noqa: E402
from tests.training.conftest import WORDS, sentence  # noqa: E402
from tests.training.tiny import write_collection  # noqa: E402
from training.exporting.export import encode_with_student  # noqa: E402
from training.guided import making, pushing  # noqa: E402
from training.guided.reporting import Reporter  # noqa: E402
from training.guided.request import Request  # noqa: E402
from training.stage1.distill import Run, Stopped  # noqa: E402
from training.students import load_student  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402
from typeahead.cli import main  # noqa: E402
from typeahead.errors import TrainingError  # noqa: E402


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """400 queries as a spreadsheet writes them."""
    rng = random.Random(2)
    path = tmp_path / "log.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["query", "count"])
        writer.writerows([sentence(rng), rng.randrange(1, 9)] for _ in range(400))
    return path


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    rng = random.Random(3)
    path = tmp_path / "docs.jsonl"
    records = [
        {"id": str(n), "title": sentence(rng), "text": ". ".join(sentence(rng) for _ in range(9))} for n in range(40)
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def request(teacher: Path, log: Path, documents: Path, tmp_path: Path, **more: object) -> Request:
    asked = {
        "teacher": f"{teacher}/",
        "queries": (str(log),),
        "passages": (str(documents),),
        "out": tmp_path / "models" / "mine",
        "run": tmp_path / "run",
        "minutes": 0.8,
        "threads": 1,
        "cpu": True,
    }
    return Request(**{**asked, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("family", ["auto", "static", "gru"])
def test_one_command_makes_models_that_serve(
    family: str, teacher_folder: Path, log: Path, documents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "models" / "mine"
    arguments = ["--queries", str(log), "--passages", str(documents), "--out", str(out), "--run", str(tmp_path / "run")]
    options = ["--minutes", "0.8", "--threads", "1", "--cpu", "--family", family]
    assert main(["train", "--teacher", f"{teacher_folder}/", *arguments, *options]) == 0
    said = capsys.readouterr().err
    query, passage = typeahead.load(out), typeahead.load(tmp_path / "models" / "mine-doc")
    assert query.config.teacher.revision == passage.config.teacher.revision
    assert (query.config.similarity, passage.config.similarity) == ("cosine", "cosine")
    assert query.encode(["boil egg"]).shape == passage.encode(["boil egg"]).shape == (1, 32)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["agreement"] >= result["untrained_agreement"] - 0.02
    assert f"typeahead index {documents}" in said
    assert f"typeahead serve --index my-index --encoder {out}" in said
    card = (out / "README.md").read_text()
    assert "typeahead train --teacher" in card
    assert "`mine-doc`" in card
    assert "MiniLM" not in card
    progress = (tmp_path / "run" / "progress.log").read_text()
    assert "The plan:" in progress


def test_an_interrupted_training_continues_where_it_was(
    teacher_folder: Path, log: Path, documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = request(teacher_folder, log, documents, tmp_path, family="gru")
    batch = Run._batch

    def interrupted(self: Run, *arguments: object) -> float:
        if self.folder.name == "student" and len(self._losses) == 3:
            self.stop()
        return batch(self, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, Reporter() as reporter:
        patch.setattr(Run, "_batch", interrupted)
        with pytest.raises(Stopped):
            making.make(asked, reporter)
    assert not asked.out.exists()
    gathered = (asked.folder / "texts" / "training.tsv").read_bytes()
    with monkeypatch.context() as patch, Reporter() as reporter:
        patch.setattr(making, "gathered_for", None)
        making.make(asked, reporter)
    assert (asked.folder / "texts" / "training.tsv").read_bytes() == gathered
    assert typeahead.load(asked.out).dim == 32


def test_a_run_of_something_else_is_left_alone(
    teacher_folder: Path, log: Path, documents: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "thesis.txt").write_text("mine")
    with Reporter() as reporter, pytest.raises(TrainingError, match="holds files of something else"):
        making.make(request(teacher_folder, log, documents, tmp_path), reporter)
    (run / "thesis.txt").unlink()
    (run / "request.json").write_text(json.dumps({"seed": 5}))
    with Reporter() as reporter, pytest.raises(TrainingError, match="another teacher, queries"):
        making.make(request(teacher_folder, log, documents, tmp_path), reporter)


@pytest.mark.parametrize("count", [1, 3, 12])
def test_a_log_of_a_few_queries_is_enough_to_begin(count: int, teacher_folder: Path, tmp_path: Path) -> None:
    rng = random.Random(7)
    few = tmp_path / "few.txt"
    few.write_text("".join(f"{sentence(rng)} {word}\n" for word in WORDS[:count]))
    asked = replace(request(teacher_folder, few, few, tmp_path), passages=())
    with Reporter() as reporter:
        judged = making.make(asked, reporter)
    assert typeahead.load(asked.out).encode(["boil"]).shape == (1, 32)
    assert str(judged)


def test_judged_queries_teach_a_student_to_rank(
    teacher_folder: Path, log: Path, documents: Path, tmp_path: Path
) -> None:
    judged = write_collection(tmp_path / "judged")
    asked = request(teacher_folder, log, documents, tmp_path, family="gru", judged=str(judged))
    with Reporter() as reporter:
        making.make(asked, reporter)
    ranked = asked.folder / "student" / "ranked"
    entries = [json.loads(line) for line in (ranked / "log.jsonl").read_text().splitlines()]
    assert entries[-1]["loss"] < entries[1]["loss"]
    student = load_student(ranked)
    expected = encode_with_student(student, TorchTeacher(str(teacher_folder)), ["boil egg"])
    np.testing.assert_allclose(typeahead.load(asked.out).encode(["boil egg"]), expected, atol=0.02)


def test_a_finished_model_is_pushed_with_its_passage_encoder(
    teacher_folder: Path, log: Path, documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, str]] = []

    class Hub:
        """Stands for the hub, which no test may need."""

        def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
            assert repo_id.startswith("me/")
            assert (private, exist_ok) == (True, True)

        def upload_folder(self, *, repo_id: str, folder_path: Path, commit_message: str) -> None:
            assert commit_message == f"typeahead model {folder_path.name}"
            if repo_id == "me/full":
                raise OSError("no room\nat all")
            done.append((repo_id, folder_path.name))

    monkeypatch.setattr(pushing, "HfApi", Hub)
    asked = request(teacher_folder, log, documents, tmp_path, push="me/mine")
    for folder in (asked.out, asked.passage_out):
        folder.mkdir(parents=True)
    assert pushing.push(asked) == "Pushed me/mine and me/mine-doc."
    assert done == [("me/mine", "mine"), ("me/mine-doc", "mine-doc")]
    with pytest.raises(TrainingError, match=r"is complete, but was not pushed to me/full: no room$"):
        pushing.push(replace(asked, push="me/full"))


@pytest.mark.parametrize("family", ["static", "gru", "causal"])
def test_a_finished_model_can_be_trained_on(
    family: str, teacher_folder: Path, log: Path, documents: Path, tmp_path: Path
) -> None:
    first = request(teacher_folder, log, documents, tmp_path, family=family)
    with Reporter() as reporter:
        making.make(first, reporter)
    tuned = request(
        teacher_folder, log, documents, tmp_path, start=str(first.out), out=tmp_path / "tuned", run=tmp_path / "more"
    )
    with Reporter() as reporter:
        judged = making.make(tuned, reporter)
    assert judged.family == family
    before, after = (typeahead.load(one.out).encode(["boil egg", "cat"]) for one in (first, tuned))
    assert ((before * after).sum(1) > 0.9).all()
