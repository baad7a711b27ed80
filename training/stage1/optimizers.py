"""The optimizers of a stage, and their rates from batch to batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from training.recipe import StageRecipe
from training.students import Student


def optimizers_of(student: Student, stage: StageRecipe) -> list[torch.optim.Optimizer]:
    """Optimizers for tables and for other weights, in groups that carry their rates."""
    optimizers: list[torch.optim.Optimizer] = []
    if tables := student.sparse_parameters():
        optimizers.append(torch.optim.SparseAdam([{"params": tables, "rates": list(stage.table_rate)}]))
    fresh = {id(parameter) for parameter in student.fresh_parameters()}
    dense = student.dense_parameters()
    old, new = ([one for one in dense if (id(one) in fresh) == is_new] for is_new in (False, True))
    rates = [(old, stage.rate), (new, stage.fresh_rate or stage.rate)] if old else [(new, stage.rate)]
    groups = [{"params": part, "rates": list(rate)} for part, rate in rates if part]
    if groups:
        optimizers.append(torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=stage.weight_decay, fused=True))
    return optimizers


def set_rates(optimizers: Sequence[torch.optim.Optimizer], stage: StageRecipe, batch: int, total: int) -> None:
    """Set the rates of a batch: half a cosine from the first to the last, after a linear warm-up."""
    warmup = stage.warmed(total)
    warmed = min(1.0, (batch + 1) / warmup) if warmup else 1.0
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            first, last = group["rates"]
            group["lr"] = warmed * (last + (first - last) * (1 + math.cos(math.pi * batch / total)) / 2)
