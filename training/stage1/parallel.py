"""What several processes of a run share: their accelerator, and the average of their gradients, sparse ones included.

PyTorch's DistributedDataParallel does not reduce sparse gradients on a GPU. But only sparse gradients make a table of
30,000 token vectors cheap to train. So the few tensors are reduced here, after each backward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import torch
from accelerate import Accelerator, InitProcessGroupKwargs
from torch import Tensor

from training.students import Student

#: How long a process waits for the others. A teacher may encode for days, and PyTorch's default is half an hour, or ten
#: minutes on GPUs. The launcher ends all processes if one fails.
_PATIENCE = timedelta(days=30)


def accelerator_of(
    precision: str, *, cpu: bool, trackers: Sequence[str] = (), folder: Path | None = None
) -> Accelerator:
    """The accelerator of a run.

    Args:
        precision: "no", "bf16", or "" to leave it to ``accelerate launch``.
        cpu: whether to leave a GPU alone.
        trackers: names of its trackers, such as "tensorboard".
        folder: where trackers put their files.
    """
    return Accelerator(
        cpu=cpu,
        mixed_precision=precision or None,
        log_with=list(trackers) or None,
        project_dir=str(folder) if trackers else None,
        kwargs_handlers=[InitProcessGroupKwargs(timeout=_PATIENCE)],
    )


def share_gradients(accelerator: Accelerator, student: Student) -> None:
    """Set every gradient to its mean over the processes. With one process there is nothing to do."""
    if accelerator.num_processes == 1:
        return
    dense = student.dense_parameters()
    if dense:
        flat = torch.cat([_gradient(parameter).flatten() for parameter in dense])
        flat = accelerator.reduce(flat, reduction="mean")
        parts = flat.split([parameter.numel() for parameter in dense])
        for parameter, part in zip(dense, parts, strict=True):
            parameter.grad = part.view_as(parameter)
    for parameter in student.sparse_parameters():
        own = (parameter.grad if parameter.grad is not None else torch.zeros_like(parameter).to_sparse(1)).coalesce()
        rows = accelerator.pad_across_processes(own.indices()[0], dim=0, pad_index=-1)
        values = accelerator.pad_across_processes(own.values(), dim=0)
        all_rows, all_values = accelerator.gather((rows, values))
        real = all_rows >= 0
        parameter.grad = torch.sparse_coo_tensor(
            all_rows[real].unsqueeze(0), all_values[real] / accelerator.num_processes, parameter.shape
        ).coalesce()


def _gradient(parameter: torch.nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
