"""Students from exported models: the quantised weights of a model folder, back in PyTorch, to be trained on.

A weight that was rounded to eight bits comes back a little off, which training mends. One of four bits comes back as it
is, because a student of four bits was trained with its weights rounded.
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
            state = _static(tensors)
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
    return levels * tensors[f"{name}.scale"]


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


def _static(tensors: Mapping[str, Any]) -> dict[str, Tensor]:
    weight = tensors["weight"]
    state = {
        "table.weight": _tensor(_rows(tensors, "table") / weight[:, None]),
        "log_weights.weight": _tensor(np.log(weight)[:, None]),
    }
    for name in ("inner", "outer"):
        if name in tensors:
            state |= {f"{name}.weight": _columns(tensors, name), f"{name}.bias": _tensor(tensors[f"{name}.bias"])}
    return state


def _recurrent(tensors: Mapping[str, Any], student: ResidualGRU) -> dict[str, Tensor]:
    state = {
        "table.weight": _tensor(_rows(tensors, "table")),
        "log_weights.weight": _tensor(np.log(tensors["token_weight"])),
    }
    if student.units:
        state["inner.weight"] = torch.cat([_columns(tensors, "inner"), _columns(tensors, "inner.states")], 1)
        state["inner.bias"], state["outer.bias"] = _tensor(tensors["inner.bias"]), _tensor(tensors["outer.bias"])
        state["outer.weight"] = _columns(tensors, "outer")
    else:
        state["readout.weight"] = _columns(tensors, "readout")
    for number in range(student.layers):
        before = "" if number == 0 else f"{number}."
        for own, name in (("ih", "input"), ("hh", "recurrent")):
            state[f"gru.weight_{own}_l{number}"] = _columns(tensors, f"{before}{name}")
            state[f"gru.bias_{own}_l{number}"] = _tensor(tensors[f"{before}{name}.bias"])
    return state


def _causal(tensors: Mapping[str, Any], student: Causal) -> dict[str, Tensor]:
    trunk = student.trunk
    width, inner = trunk.width, int(trunk.settings["inner"])
    state: dict[str, Tensor] = dict(student.state_dict())
    state["trunk.words.weight"] = _tensor(_rows(tensors, "words"))
    state["table.weight"] = _tensor(_rows(tensors, "table"))
    state["log_weights.weight"] = _tensor(np.log(tensors["token_weight"]))
    # The folder has as many positions as a text can have tokens; the teacher may have more.
    positions = tensors["positions"]
    state["trunk.positions"] = torch.cat([_tensor(positions), state["trunk.positions"][len(positions) :]])
    state["readout.weight"] = _blocks(tensors, "readout", 2 * width)
    if student.guess is not None:
        state["guess.weight"] = _blocks(tensors, "ahead", 2 * width) - state["readout.weight"]
    if "relative" in tensors:
        # (1, heads, 1, positions), the farthest first; see ``_by_distance``.
        found = tensors["relative"][0, :, 0, ::-1]
        farthest = state["trunk.relative"].shape[1] // 2
        count = min(found.shape[1], farthest + 1)
        relative = state["trunk.relative"].clone()
        relative[:, farthest - count + 1 : farthest + 1] = _tensor(found[:, :count][:, ::-1])
        state["trunk.relative"] = relative
    for number in range(int(trunk.settings["layers"])):
        layer = f"trunk.layers.{number}"
        for name in ("qkv", "attention", "up", "down"):
            inputs = inner if name == "down" else width
            state[f"{layer}.{name}.weight"] = _blocks(tensors, f"{number}.{name}", inputs)
            state[f"{layer}.{name}.bias"] = _tensor(tensors[f"{number}.{name}.bias"])
        for name in ("attention", "down"):
            for end, kind in (("", "weight"), (".bias", "bias")):
                state[f"{layer}.{name}_norm.{kind}"] = _tensor(tensors[f"{number}.{name}.norm{end}"])
    for end, kind in (("", "weight"), (".bias", "bias")):
        state[f"trunk.norm.{kind}"] = _tensor(tensors[f"words.norm{end}"])
    return state
