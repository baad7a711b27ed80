"""What all training rounds of stage 2 share: groups, checkpoints, the log, and the loop over batches.

:mod:`training.ranking.contrast` and the rounds of LightRetriever say what is trained, and by which loss. A killed run
can be resumed and ends with the same weights. Several processes share a batch.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from tqdm import tqdm

from training.ranking.contrast_data import Batch, Groups, group_paths
from training.ranking.gradcache import Loss, Side, backward
from training.ranking.recipe import ContrastRecipe, Stage2, check_files, read_stage2
from training.ranking.round_folders import (
    PASSAGES,
    claim,
    command_line,
    fingerprint,
    next_round,
    open_teacher,
    seed_of,
)
from training.recipe import Recipe, check_teacher, read_recipe
from training.runlog import RunLog
from training.stage1 import parallel
from training.students.files import STUDENT
from training.teacher.torch_teacher import TorchTeacher

#: Batches between checkpoints.
CHECKPOINT_EVERY = 200
#: Held-out queries to evaluate after each epoch.
DEVELOPMENT = 300
_DEPTH = 10


def contrastive_loss(queries: Tensor, passages: Tensor, batch: Batch, temperature: float) -> Tensor:
    """Mean cross entropy of each query's positive among all passages, except others that are relevant to it.

    ``queries`` float32 (n, dim), ``passages`` float32 (m, dim).
    """
    return cross_entropy(queries @ passages.T / temperature, batch)


def cross_entropy(scores: Tensor, batch: Batch) -> Tensor:
    """As :func:`contrastive_loss`, for scores float32 (n, m) that are divided by their temperature."""
    barred = scores.masked_fill(batch.barred.to(scores.device), -math.inf)
    return nn.functional.cross_entropy(barred, batch.target.to(scores.device))


def reciprocal_rank(scores: Tensor, positives: Sequence[Sequence[int]]) -> float:
    """Mean reciprocal rank at 10, as a fraction, of each query's best positive in its row of scores (n, m)."""
    total = 0.0
    for row, places in zip(scores, positives, strict=True):
        rank = 1 + int((row > row[list(places)].max()).sum())
        total += 1 / rank if rank <= _DEPTH else 0.0
    return round(total / len(scores), 4)


def share(count: int, process: int, processes: int) -> slice:
    """The part of ``count`` items for one process. All parts together are all items, in order."""
    return slice(count * process // processes, count * (process + 1) // processes)


class RoundRun(ABC):
    """One round, in its folder."""

    #: The module that runs it, for the log.
    program: ClassVar[str]

    def __init__(
        self, recipe: Recipe, stage2: Stage2, one: ContrastRecipe, run: Path, accelerator: Accelerator
    ) -> None:
        self.recipe, self.one, self.folder = recipe, one, run / one.name
        self.accelerator, self.device = accelerator, accelerator.device
        self.seed = seed_of(recipe.seed, one.name)
        main = accelerator.is_main_process
        self.folder.mkdir(parents=True, exist_ok=True)
        with accelerator.main_process_first():
            self.groups = Groups(group_paths(stage2, one, run, write=main), one, self.seed)
        facts = fingerprint(recipe, stage2, one, run, groups=self.groups.digest, precision=accelerator.mixed_precision)
        if main:
            claim(self.folder, facts)
        #: The next epoch and batch.
        self.done = (0, 0)
        self._seconds = 0.0
        #: The losses of this epoch so far, batch by batch.
        self._losses: list[float] = []

    def begin(
        self, modules: Mapping[str, nn.Module], rates: Sequence[tuple[nn.Module, float]], teacher: TorchTeacher
    ) -> None:
        """Set the modules of a checkpoint, by name, and the modules to train, each with its rate."""
        self._modules = dict(modules)
        seen: set[int] = set()
        self._parameters: list[nn.Parameter] = []
        groups: list[dict[str, Any]] = []
        for module, rate in rates:
            own = [one for one in module.parameters() if one.requires_grad and id(one) not in seen]
            seen.update(map(id, own))
            self._parameters += own
            if own:
                groups.append({"params": own, "rate": rate})
        self.optimizer = torch.optim.AdamW(groups, lr=self.one.rate, weight_decay=self.one.weight_decay, fused=True)
        entries = {name: value for name, value in asdict(self.one).items() if name != "name"}
        self.log = RunLog(
            self.folder,
            self.recipe,
            title=f"{self.recipe.name}: {self.one.name}",
            command=f"python -m {self.program} {self.recipe.path} {self.one.name}",
            facts={
                "teacher": teacher.name,
                "similarity": teacher.similarity,
                "queries": len(self.groups),
                "processes": self.accelerator.num_processes,
                **entries,
            },
        )

    @abstractmethod
    def step(self, batch: Batch, step: int) -> float:
        """Train on one batch and return its loss, which is the same in all processes."""

    @abstractmethod
    def modes(self, *, train: bool) -> None:
        """Turn dropout on or off in all modules."""

    @abstractmethod
    def evaluate(self) -> dict[str, float]:
        """The figures on held-out queries."""

    @abstractmethod
    def save(self) -> None:
        """Write the results, :data:`~training.students.files.STUDENT` last."""

    def made_by(self, teacher: TorchTeacher) -> dict[str, str]:
        """What the student's file says of its origin, as that of a run of stage 1 does; export checks it.

        ``teacher`` is the encoder of passages: what the round has written of it counts, if it was trained.
        """
        if (self.folder / PASSAGES).is_dir():
            teacher = open_teacher(self.recipe, self.folder.parent, self.one.name, torch.device("cpu"), dtype="float32")
        key = teacher.key(self.recipe.teacher.dtype)
        return {"run": f"{self.recipe.sha256} {key} {self.groups.digest}", "round": self.one.name}

    def prepare(self) -> None:  # noqa: B027
        """Do what has to be done once before the first batch; by default nothing."""

    def check(self) -> None:  # noqa: B027
        """``RuntimeError`` if something changed that must not."""

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def train(self) -> None:
        """Train all epochs, or those that are left."""
        result = self.folder / STUDENT
        if result.is_file():
            tqdm.write(f"{result} is already finished; delete it to train again")
            return
        main = self.accelerator.is_main_process
        if not self._load():
            self.log.add(write=main, stage="start", **self.evaluate())
        self.prepare()
        for epoch in range(self.done[0], self.one.epochs):
            self._epoch(epoch)
        self.check()
        if main:
            self.save()
        self.accelerator.wait_for_everyone()
        if main:
            self._checkpoint.unlink(missing_ok=True)

    def _epoch(self, epoch: int) -> None:
        # With fewer queries than processes, one process would have nothing to do.
        batches = [rows for rows in self.groups.batches(epoch) if len(rows) >= self.accelerator.num_processes]
        self._total = len(batches) * self.one.epochs
        started = time.monotonic()
        self.modes(train=True)
        quiet = None if self.accelerator.is_main_process else True
        with tqdm(
            total=len(batches), desc=f"epoch {epoch + 1}", unit="batch", disable=quiet, mininterval=5
        ) as progress:
            progress.update(self.done[1])
            for number, rows in enumerate(batches):
                if number < self.done[1]:
                    continue
                step = epoch * len(batches) + number
                for group in self.optimizer.param_groups:
                    group["lr"] = group["rate"] * _linear(step, self._total, self.one.warmup)
                self._losses.append(self.step(self.groups.batch(rows, epoch), step))
                self.done = (epoch, number + 1)
                progress.update()
                if (number + 1) % CHECKPOINT_EVERY == 0:
                    self._seconds += time.monotonic() - started
                    started = time.monotonic()
                    self._save()
        self.done = (epoch + 1, 0)
        self._seconds += time.monotonic() - started
        self.log.add(
            write=self.accelerator.is_main_process,
            stage=self.one.name,
            epoch=epoch + 1,
            loss=round(float(np.mean(self._losses)), 5) if self._losses else None,
            seconds=round(self._seconds),
            **self.evaluate(),
        )
        self._losses = []
        self._save()

    def progress(self, step: int) -> float:
        """The share of all batches before ``step``."""
        return step / self._total

    def descend(self, sides: Sequence[Side], loss_of: Loss, step: int) -> float:
        """Take one optimizer step on a batch, and return the loss."""
        accelerator = self.accelerator
        # Dropout depends on the step alone, so it is the same in a resumed run.
        torch.manual_seed(seed_of(self.seed, step, accelerator.process_index))
        self.optimizer.zero_grad()
        value = backward(sides, loss_of, accelerator.backward, accelerator.autocast).item()
        if not math.isfinite(value):
            raise ValueError(f"the loss of batch {step + 1} is {value}")
        if accelerator.num_processes > 1:
            add_gradients(accelerator, self._parameters)
        self.optimizer.step()
        return value

    def own(self, count: int) -> slice:
        """This process's part of ``count`` items."""
        return share(count, self.accelerator.process_index, self.accelerator.num_processes)

    def _save(self) -> None:
        self.check()
        if self.accelerator.is_main_process:
            state = {
                "modules": {name: module.state_dict() for name, module in self._modules.items()},
                "optimizer": self.optimizer.state_dict(),
                "done": list(self.done),
                "seconds": self._seconds,
                "losses": self._losses,
                "log": self.log.entries,
            }
            partial = self._checkpoint.with_suffix(".partial")
            torch.save(state, partial)
            partial.replace(self._checkpoint)
        self.accelerator.wait_for_everyone()

    def _load(self) -> bool:
        if not self._checkpoint.is_file():
            return False
        saved: dict[str, Any] = torch.load(self._checkpoint, weights_only=True, map_location=self.device)
        for name, module in self._modules.items():
            module.load_state_dict(saved["modules"][name])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.done, self._seconds = (saved["done"][0], saved["done"][1]), saved["seconds"]
        self._losses = saved["losses"]
        self.log.resume(saved["log"])
        return True


def add_gradients(accelerator: Accelerator, parameters: Sequence[nn.Parameter]) -> None:
    """Set every gradient to its sum over the processes.

    Each process has the gradient of the whole batch's loss through its own texts, so the sum is the full gradient.
    """
    gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
    flat = accelerator.reduce(torch.cat([gradient.flatten() for gradient in gradients]), "sum")
    parts = flat.split([one.numel() for one in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.grad = part.view_as(parameter)


def share_of_all(accelerator: Accelerator, own: Tensor, count: int) -> Tensor:
    """The vectors (count, dim) of all processes. Those of this process keep their graph."""
    if accelerator.num_processes == 1:
        return own
    parts = [share(count, process, accelerator.num_processes) for process in range(accelerator.num_processes)]
    longest = max(part.stop - part.start for part in parts)
    padded = nn.functional.pad(own.detach(), (0, 0, 0, longest - len(own)))
    gathered = accelerator.gather(padded).view(len(parts), longest, -1)
    found = [gathered[number, : part.stop - part.start] for number, part in enumerate(parts)]
    found[accelerator.process_index] = own
    return torch.cat(found)


def run_command(
    kind: type[RoundRun],
    description: str,
    rounds: Callable[[Stage2], Sequence[ContrastRecipe]],
    find: Callable[[Stage2, str], ContrastRecipe],
    arguments: Sequence[str] | None,
) -> None:
    """The command line of a kind of round: runs the named round, or the first unfinished one of ``rounds``."""
    options = command_line(kind.program, description, arguments)
    recipe, stage2 = read_recipe(options.recipe), read_stage2(options.recipe)
    check_teacher(recipe)
    check_files(stage2)
    run = options.out or Path("runs") / recipe.name
    name = options.round or next_round(run, rounds(stage2))
    if name is None:
        print(f"all {len(rounds(stage2))} rounds of training in {run} are done")
        return
    kind(recipe, stage2, find(stage2, name), run, accelerator_of(recipe, cpu=options.cpu)).train()


def accelerator_of(recipe: Recipe, *, cpu: bool) -> Accelerator:
    """The accelerator of a round. ``ValueError`` for a precision in which the loss would not be exact."""
    accelerator = parallel.accelerator_of(recipe.precision, cpu=cpu)
    if accelerator.mixed_precision not in ("no", "bf16"):
        raise ValueError(f"precision {accelerator.mixed_precision!r} is neither 'no' nor 'bf16'")
    return accelerator


def _linear(step: int, total: int, warmup: float) -> float:
    """The factor of the rate at ``step`` of ``total``: linearly up over the share ``warmup``, then down to zero."""
    rising = round(total * warmup)
    return (step + 1) / rising if step < rising else (total - step) / max(total - rising, 1)
