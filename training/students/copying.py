"""Copies a teacher's weights into a trunk, by the names that :mod:`training.architectures` has for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from training.architectures import Architecture


@torch.no_grad()
def copy_weights(trunk: nn.Module, model: Any, architecture: Architecture, picked: Sequence[int]) -> None:
    """Fill a :class:`~training.students.trunk.Trunk` from a ``transformers`` model and its layers ``picked``."""
    source = model.get_submodule
    own: Any = trunk
    own.words.weight.copy_(source(architecture.words).weight)
    _copy(own.norm, [source(architecture.norm)])
    if architecture.positions:
        positions = source(architecture.positions).weight.float()
        if architecture.token_types:
            positions = positions + source(architecture.token_types).weight[0].float()
        own.positions.copy_(positions[architecture.first_position(model.config.to_dict()) :])
    if architecture.relative:
        farthest = own.relative.shape[1] // 2
        # The teacher's own function, for the query in the middle: the keys around it have all the distances.
        biases = source(architecture.relative).compute_position_bias(torch.empty(1, 2 * farthest + 1, 1))
        own.relative.copy_(biases[0, :, farthest])
    if architecture.final_norm:
        _copy(own.final_norm, [source(architecture.final_norm)])
    for layer, number in zip(own.layers, picked, strict=True):
        for name, parts in architecture.parts.items():
            _copy(getattr(layer, name), [source(f"{architecture.layers}.{number}.{part}") for part in parts])


def _copy(own: Any, parts: Sequence[Any]) -> None:
    """Copy weights and biases, those of several modules one after the other. A missing bias counts as zero."""
    if isinstance(own, nn.Identity):
        return
    own.weight.copy_(torch.cat([part.weight for part in parts]))
    biases = [torch.zeros(len(part.weight)) if part.bias is None else part.bias for part in parts]
    own.bias.copy_(torch.cat(biases))
