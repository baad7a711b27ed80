"""Training end to end on a tiny teacher: distil, survive a kill, export, serve."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")
pytest.importorskip("onnx", reason="training needs onnx")

from safetensors.torch import load_file  # noqa: E402

import typeahead  # noqa: E402
from training.exporting import export  # noqa: E402
from training.recipe import read_recipe  # noqa: E402
from training.stage1 import distill  # noqa: E402
from training.stage1.texts import Texts  # noqa: E402
from training.students import ResidualGRU  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402
from training.teacher.vectors import VectorCache  # noqa: E402
from typeahead.models.golden import Golden, cosines  # noqa: E402


def train(recipe: Path, out: Path) -> dict[str, Any]:
    distill.main([str(recipe), "--out", str(out), "--threads", "1"])
    return load_file(out / "student.safetensors")


def test_a_recipe_becomes_a_model_that_typeahead_loads(recipe_path: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(recipe_path, run)
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert log.pop()["stage"].startswith("kept: ")
    assert [entry["stage"] for entry in log] == ["start", "first", "first", "second", "second", "second"]
    assert log[-1]["texts cosine"] > log[0]["texts cosine"]
    assert log[-1]["texts agreement"] > log[0]["texts agreement"]

    export.main(["student", str(recipe_path), str(run), str(tmp_path / "student")])
    export.main(["teacher", str(recipe_path), str(tmp_path / "teacher")])
    student, passages = typeahead.load(tmp_path / "student"), typeahead.load(tmp_path / "teacher")
    teacher = TorchTeacher(read_recipe(recipe_path).teacher.path())
    texts = ["boil egg", "walk home fast", "read file line", "zebra"]
    assert cosines(passages.encode(texts), teacher.encode(texts)).min() > 0.99
    assert cosines(student.encode(texts[:3]), teacher.encode(texts[:3])).min() > 0.8
    assert student.config.teacher == passages.config.teacher
    card = (tmp_path / "student" / "README.md").read_text()
    assert "# tiny" in card
    assert re.search(r"\| docs/numpy +\| \d+ +\| BSD 3-clause +\|", card)
    assert student.config.teacher.max_tokens == 32
    assert passages.encode(["egg " * 100]) == pytest.approx(teacher.encode(["egg " * 100]), abs=0.05)


def test_the_exported_step_equals_pytorch(recipe_path: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    state = train(recipe_path, run)
    export.main(["student", str(recipe_path), str(run), str(tmp_path / "student")])
    reference = ResidualGRU(state["table.weight"], state["log_weights.weight"].squeeze(1), hidden=48).eval()
    reference.load_state_dict(state)
    teacher = TorchTeacher(read_recipe(recipe_path).teacher.path())
    texts = ["boil", "boil egg", "rain sun cat dog walk home read file", "xyz"]
    expected = export.encode_with_student(reference, teacher, texts)
    encoder = typeahead.load(tmp_path / "student")
    assert cosines(encoder.encode(texts), expected).min() > 0.995
    session = encoder.session()  # type: ignore[union-attr]
    for text in texts:
        session.update(text)
        np.testing.assert_array_equal(session.embedding, encoder.encode([text])[0])
    golden = Golden.read(tmp_path / "student")
    assert golden.agreement(encoder.encode(golden.texts)) > 0.9999


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.mark.parametrize("batches", [1, 60, 130])
def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_weights(
    recipe_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    monkeypatch.setattr(distill, "_CHECKPOINT_SECONDS", 0.0)
    whole = train(recipe_path, tmp_path / "whole")
    original, count = Texts.tensors, 0

    def dying(self: Texts, rows: Any) -> Any:
        nonlocal count
        count += 1
        if count > batches:
            raise Killed
        return original(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(Texts, "tensors", dying)
        with pytest.raises(Killed):
            train(recipe_path, tmp_path / "killed")
    resumed = train(recipe_path, tmp_path / "killed")
    assert resumed.keys() == whole.keys()
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, rtol=0, atol=0, msg=name)


def test_teacher_vectors_are_computed_once_and_kept(teacher_folder: Path, tmp_path: Path) -> None:
    teacher = TorchTeacher(str(teacher_folder))
    texts = [f"boil {n} egg" for n in range(25)]
    cache = VectorCache(tmp_path, teacher, shard_size=10)
    cache.fill(texts)
    np.testing.assert_allclose(cache.get(texts), teacher.encode(texts), atol=1e-3)
    assert len(list(cache.folder.glob("*.safetensors"))) == 3
    reopened = VectorCache(tmp_path, teacher)
    teacher.encode = None  # type: ignore[method-assign,assignment]
    reopened.fill(texts)
    np.testing.assert_array_equal(reopened.get(texts), cache.get(texts))


def test_another_pooling_is_another_key(teacher_folder: Path) -> None:
    keys = {TorchTeacher(str(teacher_folder), pooling=pooling).key() for pooling in ("mean", "cls", "last")}
    keys.add(TorchTeacher(str(teacher_folder), max_length=16).key())
    keys.add(TorchTeacher(str(teacher_folder), normalize=False).key())
    assert len(keys) == 5


def test_the_teacher_equals_sentence_transformers(teacher_folder: Path) -> None:
    library = pytest.importorskip("sentence_transformers", reason="the oracle is sentence-transformers")
    texts = ["boil egg", "", "walk home " * 40]
    expected = library.SentenceTransformer(str(teacher_folder), device="cpu").encode(texts)
    np.testing.assert_allclose(TorchTeacher(str(teacher_folder)).encode(texts), expected, atol=1e-5)
