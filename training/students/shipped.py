"""Students from exported models: the quantised weights of a model folder, back in PyTorch, to be trained on.

A weight that was rounded to eight bits comes back a little off, which training mends. One of four bits comes back as it
is, because a student of four bits was trained with its weights rounded. A student may have a layer where the model has
a linear read-out or nothing: it then starts with what the model computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.students.base import Student
from training.students.recurrent import ResidualGRU
from training.students.static import Static
from training.students.transformer import Causal
from typeahead.encoders.weights import read_tensors

#: What stands for zero in tables and in weights of eight bits, and in weights of four.
_ZERO, _ZERO_OF_FOUR = 128, 8


def load_weights(student: Student, folder: Path) -> None:
    """Give a student the weights of a model folder of the same family and sizes.

    Raises:
        ValueError: the folder's weights do not fit the student.
    """
    tensors: dict[str, Any] = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= read_tensors(path)
    try:
        if isinstance(student, Static):
            state = _static(tensors, student)
        elif isinstance(student, ResidualGRU):
            state = _recurrent(tensors, student)
        elif isinstance(student, Causal):
            state = _causal(tensors, student)
        else:
            raise ValueError(f"{folder}: a model of the family {student.family} cannot be trained on")
        student.load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        raise ValueError(f"{folder}: its weights do not fit a {student.family} student: {error}") from None


def _tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))


def _rows(tensors: Mapping[str, Any], name: str) -> np.ndarray:
    """A table (n, dim), from bytes around 128 or around 0."""
    levels = tensors[name].astype(np.float32)
    if tensors[name].dtype == np.uint8:
        levels -= _ZERO
    rows: np.ndarray = levels * tensors[f"{name}.scale"]
    return rows


def _columns(tensors: Mapping[str, Any], name: str) -> Tensor:
    """A weight (out, in), from int8 (in, out) with a scale for each output."""
    return _tensor((tensors[name].astype(np.float32) * tensors[f"{name}.scale"]).T)


def _blocks(tensors: Mapping[str, Any], name: str, inputs: int) -> Tensor:
    """A weight (out, in), from blocks of its rows in eight or four bits; see ``quantize_blocks``."""
    levels, scale = tensors[name], tensors[f"{name}.scale"]
    outputs, blocks, size = levels.shape
    if blocks * size < inputs:
        # Two weights in a byte, the earlier one in its lower half.
        halves = np.stack([levels & 15, levels >> 4], -1).reshape(outputs, blocks, 2 * size)
        values = halves.astype(np.float32) - _ZERO_OF_FOUR
    else:
        values = levels.astype(np.float32) - _ZERO
    return _tensor((values * scale[:, :, None]).reshape(outputs, -1)[:, :inputs])


def _static(tensors: Mapping[str, Any], student: Static) -> dict[str, Tensor]:
    # Without weights, they are in the table's rows: the vectors have the same directions.
    weight = tensors.get("weight", np.ones(len(tensors["table"]), np.float32))
    state = {
        "table.weight": _tensor(_rows(tensors, "table") / weight[:, None]),
        "log_weights.weight": _tensor(np.log(weight)[:, None]),
    }
    for name in ("inner", "outer"):
        if name in tensors:
            state |= {f"{name}.weight": _columns(tensors, name), f"{name}.bias": _tensor(tensors[f"{name}.bias"])}
    if "inner" not in tensors:
        # The student's own layer, if it has one, adds nothing yet.
        state = {**student.state_dict(), **state}
    return state


def _recurrent(tensors: Mapping[str, Any], student: ResidualGRU) -> dict[str, Tensor]:
    state = {
        "table.weight": _tensor(_rows(tensors, "table")),
        "log_weights.weight": _tensor(np.log(tensors["token_weight"])),
    }
    if "readout" in tensors:
        readout = _columns(tensors, "readout")
        state |= _layer_for(readout, student) if student.units else {"readout.weight": readout}
    else:
        # The layer reads the mean and the states by two products.
        state["inner.weight"] = torch.cat([_columns(tensors, "inner"), _columns(tensors, "inner.states")], 1)
        state["outer.weight"] = _columns(tensors, "outer")
        state |= {f"{name}.bias": _tensor(tensors[f"{name}.bias"]) for name in ("inner", "outer")}
    for number in range(student.layers):
        before = f"{number}." if number else ""
        for own, name in (("ih", "input"), ("hh", "recurrent")):
            state[f"gru.weight_{own}_l{number}"] = _columns(tensors, f"{before}{name}")
            state[f"gru.bias_{own}_l{number}"] = _tensor(tensors[f"{before}{name}.bias"])
    return state


def _layer_for(readout: Tensor, student: ResidualGRU) -> dict[str, Tensor]:
    """The weights of a student's layer that computes what a linear read-out (dim, states) did, as well as it can.

    GELU(x) - GELU(-x) is x, so two units pass on one dimension of the read-out's closest approximation by so many.
    Units that are left over start as the student has them, and add nothing. The read-out corrected a mean of any
    length, and the layer corrects one of length 1. Means of trained students are about that long.
    """
    state = {name: weight for name, weight in student.state_dict().items() if name.startswith(("inner", "outer"))}
    left, sizes, right = torch.linalg.svd(readout, full_matrices=False)
    rank = min(student.units // 2, len(sizes))
    roots = sizes[:rank].sqrt()
    reads, writes = roots.unsqueeze(1) * right[:rank], left[:, :rank] * roots
    paired = slice(0, 2 * rank)
    inner, outer = state["inner.weight"].clone(), torch.zeros_like(state["outer.weight"])
    inner[paired, : student.dim] = 0
    inner[paired, student.dim :] = torch.cat([reads, -reads])
    outer[:, paired] = torch.cat([writes, -writes], 1)
    bias = state["inner.bias"].clone()
    bias[paired] = 0
    return {"inner.weight": inner, "inner.bias": bias, "outer.weight": outer, "outer.bias": state["outer.bias"]}


def _causal(tensors: Mapping[str, Any], student: Causal) -> dict[str, Tensor]:
    """The state of a causal student. What a model does not need is left as the student has it."""
    state: dict[str, Tensor] = dict(student.state_dict())
    width = student.trunk.width
    if student.table is not None:
        state["table.weight"] = _tensor(_rows(tensors, "table"))
    state["log_weights.weight"] = _tensor(np.log(tensors["token_weight"]))
    state["readout.weight"] = _blocks(tensors, "readout", 2 * width)
    if student.guess is not None:
        state["guess.weight"] = _blocks(tensors, "ahead", 2 * width) - state["readout.weight"]
    if student.projection is not None:
        state["projection.weight"] = _blocks(tensors, "projection", student.dim)
        state["projection.bias"] = _tensor(tensors["projection.bias"])
    else:
        state["trunk.words.weight"] = _tensor(_rows(tensors, "words"))
    if "trunk.positions" in state:
        # The folder has as many positions as a text can have tokens; the teacher may have more.
        positions = _tensor(tensors["positions"])
        state["trunk.positions"] = torch.cat([positions, state["trunk.positions"][len(positions) :]])
    if "trunk.relative" in state:
        state["trunk.relative"] = _relative(tensors["relative"], state["trunk.relative"])
    for name, weight in student.trunk.state_dict().items():
        place, _, kind = name.rpartition(".")
        if not place or name == "words.weight":
            continue
        # "layers.3.qkv" is "3.qkv" there; a norm has the name of what it follows.
        key = {"norm": "words.norm", "final_norm": "final.norm"}.get(place, place.removeprefix("layers."))
        key = key.removesuffix("_norm") + ".norm" if key.endswith("_norm") else key
        if weight.ndim == 2:
            state[f"trunk.{name}"] = _blocks(tensors, key, weight.shape[1])
        else:
            state[f"trunk.{name}"] = _tensor(tensors[f"{key}.bias" if kind == "bias" else key])
    return state


def _relative(found: np.ndarray, known: Tensor) -> Tensor:
    """Biases by distance (heads, 2 farthest + 1), from those of a query and the keys before it, the furthest first."""
    farthest = known.shape[1] // 2
    count = min(found.shape[3], farthest + 1)
    relative = known.clone()
    relative[:, farthest + 1 - count : farthest + 1] = _tensor(found[0, :, 0, found.shape[3] - count :])
    return relative
