"""What a family's writer takes and gives.

A writer is ``write(student, target) -> Written``: it puts ``weights.safetensors`` and the graphs of the student into
the target's folder. ``words(recipe, teacher) -> Words`` describes the student for its card. The records of
:mod:`training.families` name both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from training.teacher.torch_teacher import TorchTeacher


@dataclass(frozen=True)
class Target:
    """Where a student is written, and what it shares with its teacher."""

    folder: Path
    teacher: TorchTeacher
    #: Tokens after which a text is cut, special ones not counted.
    max_tokens: int


@dataclass(frozen=True)
class Written:
    """What ``config.json`` states of the family."""

    #: Sizes that the encoder needs.
    shape: Mapping[str, int] = field(default_factory=dict)
    #: Ids before and after the tokens of every text.
    prefix_ids: tuple[int, ...] = ()
    suffix_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Words:
    """What the card says of a student."""

    introduction: str
    #: What its weights are, and what runs them.
    weights: str = "int8, run by ONNX Runtime"


def as_array(tensor: Tensor) -> np.ndarray:
    """A tensor as a float32 array."""
    array: np.ndarray = tensor.detach().float().numpy()
    return array


def arrays_of(module: nn.Module) -> dict[str, np.ndarray]:
    """A state dict as float32 arrays."""
    return {name: as_array(tensor) for name, tensor in module.state_dict().items()}
