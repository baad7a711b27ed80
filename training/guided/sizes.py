"""The sizes of a student that continues from a model: ``--start``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

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
    shared = read_tensors(folder / "weights.safetensors", ["projection"])
    return {
        "family": "causal",
        "layers": shape["layers"],
        **({"table": "shared"} if shared else {}),
        # What it starts with is the model. A student without a mean has to state something.
        **({} if "table.safetensors" in config.files else {"mean": False, "pooled": 1.0}),
        "units": shape.get("units", 0),
        "ahead": shape.get("readouts", 1) == 2,
        "feed_forward_bits": shape.get("feed_forward_bits", 8),
        "attention_bits": shape.get("attention_bits", 8),
        **trained,
    }
