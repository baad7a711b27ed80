"""Small students of every family, for the tests beside this file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch")
transformers = pytest.importorskip("transformers", reason="training needs transformers")

from training.student_recipes import (  # noqa: E402
    CausalRecipe,
    ResidualGRURecipe,
    RNNRecipe,
    StaticRecipe,
    StudentRecipe,
    TransformerRecipe,
)
from training.students import Student, build  # noqa: E402
from training.students.files import student_class  # noqa: E402
from training.teacher.torch_teacher import TorchTeacher  # noqa: E402

RECIPES = {
    "static": StaticRecipe(),
    "static with a layer": StaticRecipe(readout=24),
    "static with a layer of four bits": StaticRecipe(readout=24, readout_bits=4),
    "residual GRU": ResidualGRURecipe(hidden=24),
    "residual GRU of two layers": ResidualGRURecipe(hidden=24, layers=2),
    "residual GRU with a layer": ResidualGRURecipe(hidden=24, readout=40),
    "RNN(1, 0)": RNNRecipe(hidden=32),
    "RNN(2, 1), free table, projected": RNNRecipe(hidden=20, layers=2, feed_forward=1, inner=40, table="free"),
    "causal": CausalRecipe(layers=2),
    "causal, looking ahead": CausalRecipe(layers=2, ahead=True),
    "causal, four bits": CausalRecipe(layers=2, feed_forward_bits=4),
    "causal, four bits in attention too": CausalRecipe(layers=2, feed_forward_bits=4, attention_bits=4),
    "causal, trained table": CausalRecipe(layers=1, table="trained"),
    "causal, no mean, looking ahead": CausalRecipe(layers=2, mean=False, pooled=1.0, ahead=True),
    "causal, shared table, some of the units": CausalRecipe(layers=2, table="shared", units=48),
    "transformer": TransformerRecipe(layers=2),
    "transformer with token vectors": TransformerRecipe(teacher_layers=(1,), residual=True),
}
FOLDS = [name for name, recipe in RECIPES.items() if student_class(recipe.family).folds]


def fits(recipe: StudentRecipe, teacher: TorchTeacher) -> bool:
    """Whether a student can start from a teacher: none can from the pooling of one that pools [CLS]."""
    return not (getattr(recipe, "pooled", 0) and teacher.pooling == "cls")


def trained(recipe: StudentRecipe, teacher: TorchTeacher) -> Student:
    """A student whose weights are no longer those of its start."""
    torch.manual_seed(1)
    student = build(recipe, teacher, np.arange(teacher.model.config.vocab_size) + 1)
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return student.eval()


def some_ids(teacher: TorchTeacher, *, seed: int = 2) -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([1, 9, 2, 5, 9])
    return torch.randint(5, teacher.model.config.vocab_size, (5, 9), generator=generator), lengths
