"""A student that continues from a model: ``--start``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from training.student_recipes import StudentRecipe
from training.students import Student, build
from training.students.shipped import load_weights
from training.teacher.about import revision_of
from training.teacher.torch_teacher import TorchTeacher
from typeahead.encoders.weights import read_tensors
from typeahead.errors import TrainingError
from typeahead.models.config import ModelConfig


def student_entries(folder: Path, config: ModelConfig) -> dict[str, Any]:
    """The entries of ``[student]`` for a student of the sizes of a model folder."""
    shape: Mapping[str, Any] = config.shape
    trained = {"max_tokens": shape["trained_tokens"]} if "trained_tokens" in shape else {}
    if config.family == "static":
        inner = read_tensors(folder / "weights.safetensors", ["inner"]).get("inner")
        if inner is None:
            return {"family": "static", **trained}
        # The largest weight of a column is the largest integer of so many bits.
        bits = int(np.abs(inner.astype(np.int16)).max()).bit_length() + 1
        return {"family": "static", "readout": inner.shape[1], "readout_bits": bits, **trained}
    if config.family == "recurrent":
        if "feed_forward" in shape:
            raise TrainingError(f"--start {folder} is an RNN of the paper's, which cannot be continued")
        sizes = {"hidden": shape["hidden"], "layers": shape.get("layers", 1), "readout": shape.get("readout", 0)}
        return {"family": "residual-gru", **sizes, **trained}
    return {
        "family": "causal",
        "layers": shape["layers"],
        "ahead": shape.get("readouts", 1) == 2,
        "feed_forward_bits": shape.get("feed_forward_bits", 8),
        "attention_bits": shape.get("attention_bits", 8),
        **trained,
    }


def start_from(folder: Path, config: ModelConfig, teacher: TorchTeacher, recipe: StudentRecipe) -> Student:
    """A student with the weights of a model folder.

    Raises:
        TrainingError: the model has another teacher.
        ValueError: its weights do not fit the teacher's sizes.
    """
    revision = revision_of(teacher)
    if config.teacher.revision and config.teacher.revision != revision:
        raise TrainingError(
            f"--start {folder} was made for {config.teacher.name} with the weights {config.teacher.revision[:12]}, and "
            f"{teacher.name} has {revision[:12]}: they are not the same teacher"
        )
    student = build(recipe, teacher, np.ones(teacher.model.config.vocab_size, np.int64))
    load_weights(student, folder)
    return student
