"""Weights of few bits in training: products see them rounded, and gradients pass as if they were not.

So a student learns with the weights that it will have once exported. The rounding is that of the export:
``quantize_blocks`` of ``training.exporting.graphs_causal``, and ``quantize_columns`` of ``training.exporting.graphs``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.weight_blocks import block_of


def rounded(weight: Tensor) -> Tensor:
    """Round float32 (out, in) to the sixteen levels of each block of a row, in float32.

    The gradient passes unchanged (*Estimating or propagating gradients through stochastic neurons*, 3).
    """
    block = block_of(weight.shape[1], 4)
    padded = nn.functional.pad(weight.detach(), (0, -weight.shape[1] % block))
    blocks = padded.view(len(weight), -1, block)
    high, low = blocks.amax(2, keepdim=True), blocks.amin(2, keepdim=True)
    extreme = torch.where(high >= -low, high, low)
    scale = torch.where(extreme.abs() < 1e-12, 1e-12, extreme / -8)
    levels = (blocks / scale).round().clamp(-8, 7) * scale
    return weight + (levels.view(padded.shape)[:, : weight.shape[1]] - weight.detach())


def rounded_rows(weight: Tensor, bits: int) -> Tensor:
    """Round float32 (out, in) to integers of so many bits, times a scale for each row. Gradients pass unchanged."""
    known = weight.detach()
    scale = (known.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)).clamp(min=1e-12)
    levels: Tensor = (known / scale).round() * scale
    return weight + (levels - known)


class RoundedLinear(nn.Linear):
    """A linear layer whose products see its weights rounded to four bits, in blocks."""

    #: False while a student is still trained in float32.
    rounds = True

    def seen(self) -> Tensor:
        """The weights, rounded."""
        return rounded(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (…, in) to (…, out)."""
        return nn.functional.linear(x, self.seen() if self.rounds else self.weight, self.bias)


class RowRoundedLinear(RoundedLinear):
    """A linear layer whose products see its weights rounded to ``bits``, with one scale for each output."""

    def __init__(self, inputs: int, outputs: int, bits: int) -> None:
        super().__init__(inputs, outputs)
        self.bits = bits

    def seen(self) -> Tensor:
        """The weights, rounded."""
        return rounded_rows(self.weight, self.bits)


def set_rounding(student: nn.Module, *, on: bool) -> None:
    """Turn rounding on or off, in the layers of a student that have it."""
    for module in student.modules():
        if isinstance(module, RoundedLinear):
            module.rounds = on


@torch.no_grad()
def rounded_state(student: nn.Module) -> dict[str, Tensor]:
    """The state dict, with the weights as the products see them."""
    state: dict[str, Tensor] = dict(student.state_dict())
    for name, module in student.named_modules():
        if isinstance(module, RoundedLinear):
            state[f"{name}.weight"] = module.seen()
    return state
