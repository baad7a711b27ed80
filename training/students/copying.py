"""Copies weights between a trunk and a ``transformers`` model, by the names that :mod:`training.architectures` has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from training.architectures import Architecture


@torch.no_grad()
def copy_weights(trunk: nn.Module, model: Any, architecture: Architecture, picked: Sequence[int]) -> None:
    """Fill a :class:`~training.students.trunk.Trunk` from a model and its layers ``picked``.

    Where its feed-forward layers have fewer units than the model's, it gets the strongest.
    """
    own: Any = trunk
    if own.words is not None:
        own.words.weight.copy_(model.get_submodule(architecture.words).weight)
    if architecture.positions:
        positions = model.get_submodule(architecture.positions).weight.float()
        if architecture.token_types:
            positions = positions + model.get_submodule(architecture.token_types).weight[0].float()
        own.positions.copy_(positions[architecture.first_position(model.config.to_dict()) :])
    if architecture.relative:
        farthest = own.relative.shape[1] // 2
        # The teacher's own function, for the query in the middle: the keys around it have all the distances.
        biases = model.get_submodule(architecture.relative).compute_position_bias(torch.empty(1, 2 * farthest + 1, 1))
        own.relative.copy_(biases[0, :, farthest])
    kept: dict[Any, tuple[Any, Any]] = {}
    for layer, number in zip(own.layers, picked, strict=True):
        up, down = (_joined(_parts(model, architecture, number, name))[0] for name in ("up", "down"))
        units = strongest(up, down, layer.down.in_features)
        # With a gate, a unit is two rows of the first product.
        kept[layer.up] = (torch.cat([units + start for start in range(0, len(up), down.shape[1])]), slice(None))
        kept[layer.down] = (slice(None), units)
    for module, theirs in _pairs(own, model, architecture, picked):
        weight, bias = _joined(theirs)
        rows, columns = kept.get(module, (slice(None), slice(None)))
        module.weight.copy_(weight[rows][..., columns])
        module.bias.copy_(bias[rows])


def strongest(up: torch.Tensor, down: torch.Tensor, count: int) -> torch.Tensor:
    """The numbers of the ``count`` units with the longest weights, in order: int64 (count,).

    ``up`` (units, width) are the weights that a unit reads by, or twice as many rows with a gate, and ``down`` (width,
    units) those by which it is read. A unit's length is the product of its own.
    """
    units = down.shape[1]
    lengths = down.norm(dim=0)
    for start in range(0, len(up), units):
        lengths = lengths * up[start : start + units].norm(dim=1)
    found: torch.Tensor = lengths.topk(count).indices.sort().values
    return found


@torch.no_grad()
def fill_model(model: Any, architecture: Architecture, trunk: nn.Module) -> None:
    """Fill a model that has all of the trunk's layers, and a bias wherever the trunk has one, from the trunk.

    Token types get no embeddings of their own: that of type 0 is part of the positions'. Biases by distance are not
    written, because the model shares them among distances.
    """
    own: Any = trunk
    model.get_submodule(architecture.words).weight.copy_(own.words.weight)
    if architecture.positions:
        positions = model.get_submodule(architecture.positions).weight
        positions.zero_()
        positions[architecture.first_position(model.config.to_dict()) :] = own.positions
    if architecture.token_types:
        model.get_submodule(architecture.token_types).weight.zero_()
    for module, theirs in _pairs(own, model, architecture, range(len(own.layers))):
        sizes = [len(part.weight) for part in theirs]
        for part, weight, bias in zip(theirs, module.weight.split(sizes), module.bias.split(sizes), strict=True):
            part.weight.copy_(weight)
            part.bias.copy_(bias)


def _pairs(own: Any, model: Any, architecture: Architecture, picked: Sequence[int]) -> Iterator[tuple[Any, list[Any]]]:
    """Each module of a trunk with weight and bias, and the model's modules whose rows it has."""
    yield own.norm, [model.get_submodule(architecture.norm)]
    if architecture.final_norm:
        yield own.final_norm, [model.get_submodule(architecture.final_norm)]
    for layer, number in zip(own.layers, picked, strict=True):
        for name in architecture.parts:
            module = getattr(layer, name)
            if not isinstance(module, nn.Identity):
                yield module, _parts(model, architecture, number, name)


def _parts(model: Any, architecture: Architecture, number: int, name: str) -> list[Any]:
    return [model.get_submodule(f"{architecture.layers}.{number}.{part}") for part in architecture.parts[name]]


def _joined(parts: Sequence[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """The weights of some modules below one another, and their biases."""
    # A bias that the teacher does not have starts at zero.
    biases = [torch.zeros(len(part.weight)) if part.bias is None else part.bias for part in parts]
    return torch.cat([part.weight for part in parts]), torch.cat(biases)
