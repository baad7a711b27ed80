"""The development figures: what a text that comes twice does to them."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
pytest.importorskip("transformers", reason="training needs transformers")

from torch import Tensor  # noqa: E402

from training.data import Example  # noqa: E402
from training.stage1.development import Development  # noqa: E402
from training.students import Student  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402
from training.teacher.vectors import VectorCache  # noqa: E402


class Echo(Student):
    """Gives the teacher's own vectors, a little off."""

    def __init__(self, teacher: TorchTeacher) -> None:
        torch.nn.Module.__init__(self)
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self._teacher = teacher

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        texts = self._teacher.tokenizer.batch_decode([row[:n] for row, n in zip(ids, lengths, strict=True)])
        vectors = torch.from_numpy(self._teacher.encode(list(texts)))
        noise: Tensor = torch.randn(vectors.shape, generator=torch.Generator().manual_seed(1))
        off: Tensor = vectors + 0.05 * noise
        return off


def test_texts_that_come_often_do_not_change_the_agreement(teacher_folder: Path, tmp_path: Path) -> None:
    teacher = TorchTeacher(str(teacher_folder))
    cache = VectorCache(tmp_path, teacher)
    training = [Example("s", f"boil egg {number} {'x' * (number % 7)}") for number in range(40)]
    held_out = [Example("s", f"open file {number}") for number in range(10)]
    cache.fill([one.text for one in training + held_out])
    development = Development()
    development.add("once", held_out, training, teacher, cache, 30)
    development.add("often", held_out * 3, [one for one in training for _ in range(9)], teacher, cache, 30)
    figures = development.evaluate(Echo(teacher))
    assert 0 < figures["once agreement"] < 1
    assert figures["often agreement"] == figures["once agreement"]
    assert figures["often cosine"] == figures["once cosine"]
