"""A small residual GRU with random weights and the shipped tokenizer, and what such a student computes, in NumPy."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from typeahead.encoders.recurrent import RecurrentEncoder
from typeahead.models.config import ModelConfig
from typeahead.models.folder import find, read_config, write_config
from typeahead.models.golden import Golden

DIM, HIDDEN, UNITS = 64, 128, 192
GOLDEN_TEXTS = ("how to boil an egg", "x", "東京の天気 tomorrow")


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


def by_numpy(weights: Mapping[str, np.ndarray], tokens: tuple[int, ...], *, normalize: bool = True) -> np.ndarray:
    """The embedding after ``tokens``, in float64, from the formulas in the encoder's docstring."""
    w = {name: tensor.astype(np.float64) for name, tensor in weights.items()}
    hidden = np.zeros(w["recurrent"].shape[0])
    total, weight_sum, hidden_sum = np.zeros(w["table"].shape[1]), 0.0, np.zeros_like(hidden)
    for token in tokens:
        vector = (w["table"][token] - 128) * w["table.scale"][token]
        weight = w["token_weight"][token]
        from_input = np.split(vector @ (w["input"] * w["input.scale"]) + w["input.bias"], 3)
        from_hidden = np.split(hidden @ (w["recurrent"] * w["recurrent.scale"]) + w["recurrent.bias"], 3)
        reset, update = (_sigmoid(from_input[gate] + from_hidden[gate]) for gate in (0, 1))
        new = np.tanh(from_input[2] + reset * from_hidden[2])
        hidden = (1 - update) * new + update * hidden
        total, weight_sum, hidden_sum = total + weight * vector, weight_sum + weight, hidden_sum + weight * hidden
    mean, read = total / weight_sum, np.concatenate([hidden, hidden_sum / weight_sum])
    if "readout" in w:
        embedding = mean + read @ (w["readout"] * w["readout.scale"])
    else:
        unit = mean / np.linalg.norm(mean)
        inner = unit * len(mean) ** 0.5 @ (w["inner"] * w["inner.scale"]) + w["inner.bias"]
        inner += read @ (w["inner.states"] * w["inner.states.scale"])
        inner *= (1 + np.tanh((2 / np.pi) ** 0.5 * (inner + 0.044715 * inner**3))) / 2
        outer = inner @ (w["outer"] * w["outer.scale"]) + w["outer.bias"]
        embedding = (unit if normalize else mean) + outer
    return np.asarray(embedding / np.linalg.norm(embedding) if normalize else embedding)


def _state(readout: int) -> dict[str, np.ndarray]:
    """A student's random weights, by their names in PyTorch."""
    rng = np.random.default_rng(11)

    def normal(*shape: int, scale: float) -> np.ndarray:
        return rng.normal(0, scale, shape).astype(np.float32)

    state = {
        "table.weight": normal(30_522, DIM, scale=0.12),
        "log_weights.weight": normal(30_522, 1, scale=0.7) - 1,
        "gru.weight_ih_l0": normal(3 * HIDDEN, DIM, scale=1),
        "gru.weight_hh_l0": normal(3 * HIDDEN, HIDDEN, scale=0.1),
        "gru.bias_ih_l0": normal(3 * HIDDEN, scale=0.1),
        "gru.bias_hh_l0": normal(3 * HIDDEN, scale=0.1),
    }
    if not readout:
        return {**state, "readout.weight": normal(DIM, 2 * HIDDEN, scale=0.03)}
    return {
        **state,
        "inner.weight": normal(readout, DIM + 2 * HIDDEN, scale=0.1),
        "inner.bias": normal(readout, scale=0.1),
        "outer.weight": normal(DIM, readout, scale=0.02),
        "outer.bias": normal(DIM, scale=0.02),
    }


def write_folder(folder: Path, *, readout: int = 0, normalize: bool = True) -> Path:
    """Write a model folder as the export writes it, golden vectors of its own included."""
    from training.exporting.graphs_recurrent import RecurrentSizes, write_recurrent

    folder.mkdir(exist_ok=True)
    shipped = find("minilm-gru")
    shutil.copy(shipped / "tokenizer.json", folder)
    sizes = RecurrentSizes(DIM, normalize, mean=True, hidden=HIDDEN, layers=1, readout=readout)
    write_recurrent(folder, _state(readout), sizes)
    teacher = replace(read_config(shipped).teacher, normalized=normalize)
    similarity = "cosine" if normalize else "dot"
    config = ModelConfig("random", "recurrent", "query", DIM, similarity, teacher, 254, (), (), sizes.shape(), {})
    vectors = RecurrentEncoder(config, folder, compiled=False).encode(GOLDEN_TEXTS)
    (folder / "golden.json").write_text(Golden(GOLDEN_TEXTS, vectors, 0.9995).to_json(), encoding="utf-8")
    write_config(folder, config)
    return folder
