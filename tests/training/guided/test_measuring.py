"""What training takes is measured on texts of all lengths, whichever come first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")
pytest.importorskip("accelerate", reason="training needs accelerate")

from tests.training.stage1.test_distill import STUDENTS, write_recipe  # noqa: E402
from training.guided.measuring import learning_seconds  # noqa: E402
from training.recipe import read_recipe  # noqa: E402
from training.stage1.distill import Run  # noqa: E402


def test_batches_of_all_lengths_are_tried(
    teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(read_recipe(write_recipe(tmp_path, teacher_folder, STUDENTS["static"])), tmp_path / "run", threads=1)
    tried: list[np.ndarray] = []
    train = Run._batch

    def batch(self: Run, *arguments: Any) -> Any:
        tried.append(self.texts.lengths[arguments[-1]])
        return train(self, *arguments)

    monkeypatch.setattr(Run, "_batch", batch)
    tokens = run.try_batches(8)
    assert tokens == sum(int(lengths.sum()) for lengths in tried)
    means = [float(lengths.mean()) for lengths in tried]
    assert means == sorted(means)
    # So the time of a token is that of the texts, and not of the three batches that happened to come first.
    assert np.mean(means) == pytest.approx(run.texts.lengths.mean(), rel=0.15)
    assert means[0] < run.texts.lengths.mean() < means[-1]


def test_a_token_takes_some_time(teacher_folder: Path, tmp_path: Path) -> None:
    run = Run(read_recipe(write_recipe(tmp_path, teacher_folder, STUDENTS["static"])), tmp_path / "run", threads=1)
    assert 0 < learning_seconds(run) < 1
