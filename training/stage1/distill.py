"""``python -m training.stage1.distill RECIPE.toml``: stage 1. A student learns its teacher's vectors of many texts.

Teacher vectors are computed once and cached on disk. Runs are seeded and keep a checkpoint: after a kill, the same
command continues and ends with the same weights. A run writes ``log.jsonl``, ``LOG.md`` and, at the end,
``student.safetensors``, which :mod:`training.exporting.export` turns into a model folder. ``accelerate launch -m
training.stage1.distill …`` uses several GPUs, each for its part of every batch.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from tqdm import tqdm

from training.recipe import PRECISIONS, Recipe, StageRecipe, read_recipe
from training.runlog import RunLog
from training.stage1.development import Development
from training.stage1.objectives import Objectives
from training.stage1.parallel import share_gradients
from training.stage1.texts import Corpus
from training.students import build, save_student
from training.students.files import STUDENT, read_metadata
from training.students.rounding import set_rounding
from training.teacher.torch_teacher import TorchTeacher
from training.teacher.vectors import VectorCache

#: Batches between checkpoints.
_CHECKPOINT_EVERY = 1000


class Run:
    """One training run in a folder, from which it can be resumed."""

    def __init__(self, recipe: Recipe, folder: Path, *, threads: int, cpu: bool = False) -> None:
        torch.set_num_threads(threads)
        # With "bf16", products are in bfloat16, while weights, sums and optimizers stay in float32.
        self.accelerator = Accelerator(cpu=cpu, mixed_precision=recipe.precision or None)
        if self.accelerator.mixed_precision not in PRECISIONS:
            raise ValueError(f"precision {self.accelerator.mixed_precision!r} is not one of {PRECISIONS}")
        self.recipe, self.folder = recipe, folder
        self.teacher = TorchTeacher.of(recipe.teacher, device=self.accelerator.device)
        cache = VectorCache(Path(recipe.cache), self.teacher)
        with self.accelerator.main_process_first():
            self.corpus = Corpus(recipe, self.teacher, cache, fill=self.accelerator.is_main_process)
            self.teacher.token_vectors(cache.folder)
        self._cache = cache
        self.texts = self.corpus.texts
        self.development = Development(typed=recipe.typed)
        for path, held_out in self.corpus.held_out.items():
            training = self.corpus.of_file[path]
            self.development.add(path.stem, held_out, training, self.teacher, cache, recipe.student.max_tokens)
        torch.manual_seed(recipe.seed)
        counts = self.texts.counts(self.teacher.model.config.vocab_size)
        self.student = build(recipe.student, self.teacher, counts).to(self.accelerator.device)
        facts = {
            "teacher": self.teacher.name,
            "pooling": self.teacher.pooling,
            "similarity": self.teacher.similarity,
            "texts": f"{len(self.texts):,} of {len(self.texts.flat):,} tokens",
            "seed": recipe.seed,
            "processes": self.accelerator.num_processes,
        }
        command = f"python -m training.stage1.distill {recipe.path}"
        self.log = RunLog(folder, recipe, title=recipe.name, command=command, facts=facts)
        #: The next stage, epoch and batch.
        self.done: tuple[int, int, int] = (0, 0, 0)
        self._seconds = 0.0
        #: The losses of this epoch so far, batch by batch.
        self._losses: list[float] = []
        self._identity = f"{recipe.sha256} {self.teacher.key()} {self.texts.sha256()}"

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    @property
    def _result(self) -> Path:
        return self.folder / STUDENT

    def _save(self, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        if not self.accelerator.is_main_process:
            return
        state = {
            "student": self.student.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
            "done": list(self.done),
            "seconds": self._seconds,
            "losses": self._losses,
            "log": self.log.entries,
            "identity": self._identity,
        }
        partial = self._checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self._checkpoint)

    def _load(self) -> dict[str, Any] | None:
        """The checkpoint, if there is one. ``ValueError`` if its recipe, teacher or texts were others."""
        if not self._checkpoint.is_file():
            return None
        saved: dict[str, Any] = torch.load(self._checkpoint, weights_only=True, map_location="cpu")
        if saved["identity"] != self._identity:
            raise ValueError(
                f"{self._checkpoint} belongs to another recipe, teacher or texts: choose another folder with --out, or "
                "delete the checkpoint"
            )
        self.student.load_state_dict(saved["student"])
        self.done, self._seconds, self._losses = tuple(saved["done"]), saved["seconds"], saved["losses"]
        return saved

    def evaluate(self) -> dict[str, float]:
        """The student's figures on the development split."""
        self.student.eval()
        figures = self.development.evaluate(self.student)
        self.student.train()
        return figures

    def train(self) -> None:
        """Train all stages, or those that are left."""
        if self._result.is_file() and read_metadata(self._result).get("run") == self._identity:
            self._checkpoint.unlink(missing_ok=True)
            tqdm.write(f"{self._result} is already finished; delete it to train again")
            return
        main = self.accelerator.is_main_process
        saved = self._load()
        if saved is not None:
            self.log.resume(saved["log"])
        else:
            self.log.add(write=main, stage="start", **self.evaluate())
        for number, stage in enumerate(self.recipe.stages):
            if number < self.done[0]:
                continue
            optimizers = self._optimizers(stage)
            if saved is not None:
                for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
                    optimizer.load_state_dict(state)
                saved = None
            self._stage(number, stage, optimizers)
            self.done = (number + 1, 0, 0)
        if main:
            save_student(self.student, self._result, metadata={"run": self._identity})
        self.accelerator.wait_for_everyone()
        if main:
            self._checkpoint.unlink(missing_ok=True)

    def _optimizers(self, stage: StageRecipe) -> list[torch.optim.Optimizer]:
        """Optimizers for tables and for other weights, in groups that carry their rates."""
        optimizers: list[torch.optim.Optimizer] = []
        if tables := self.student.sparse_parameters():
            optimizers.append(torch.optim.SparseAdam([{"params": tables, "rates": list(stage.table_rate)}]))
        fresh = {id(parameter) for parameter in self.student.fresh_parameters()}
        dense = self.student.dense_parameters()
        old, new = ([one for one in dense if (id(one) in fresh) == is_new] for is_new in (False, True))
        rates = [(old, stage.rate), (new, stage.fresh_rate or stage.rate)] if old else [(new, stage.rate)]
        groups = [{"params": part, "rates": list(rate)} for part, rate in rates if part]
        if groups:
            optimizers.append(torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=stage.weight_decay, fused=True))
        return optimizers

    def _stage(self, number: int, stage: StageRecipe, optimizers: list[torch.optim.Optimizer]) -> None:
        rows = self.corpus.rows(stage)
        if not len(rows):
            raise ValueError(f"stage {stage.name!r} has no texts: check its files, limits and max_tokens")
        set_rounding(self.student, on=stage.rounded)
        per_epoch = math.ceil(len(rows) / stage.batch)
        objectives = Objectives(stage, self.texts, rows, self.teacher, self._cache, self.recipe.seed)
        shown = not self.accelerator.is_main_process or None
        with tqdm(total=per_epoch * stage.epochs, desc=stage.name, unit="batch", disable=shown, mininterval=5) as bar:
            for epoch in range(self.done[1] if self.done[0] == number else 0, stage.epochs):
                rng = np.random.default_rng([self.recipe.seed, number, epoch])
                first = self.done[2] if self.done[:2] == (number, epoch) else 0
                by_length = stage.curriculum and epoch == 0
                started = time.monotonic()
                for batch, part in enumerate(self.texts.batches(stage.batch, rng, rows=rows, by_length=by_length)):
                    if batch < first:
                        continue
                    _set_rates(optimizers, stage, epoch * per_epoch + batch, per_epoch * stage.epochs)
                    self._losses.append(self._batch((number, epoch, batch), stage, objectives, optimizers, part))
                    self.done = (number, epoch, batch + 1)
                    bar.n = epoch * per_epoch + batch + 1
                    bar.set_postfix(loss=f"{np.mean(self._losses[-200:]):.4f}", refresh=False)
                    bar.update(0)
                    if (batch + 1) % _CHECKPOINT_EVERY == 0 and batch + 1 < per_epoch:
                        self._seconds += time.monotonic() - started
                        started = time.monotonic()
                        self._save(optimizers)
                self._seconds += time.monotonic() - started
                self.done = (number, epoch + 1, 0)
                loss, self._losses = float(np.mean(self._losses)), []
                self.log.add(
                    write=self.accelerator.is_main_process,
                    stage=stage.name,
                    epoch=epoch + 1,
                    loss=round(loss, 5),
                    seconds=round(self._seconds),
                    **self.evaluate(),
                )
                self._save(optimizers)

    def _batch(
        self,
        place: tuple[int, int, int],
        stage: StageRecipe,
        objectives: Objectives,
        optimizers: list[torch.optim.Optimizer],
        rows: np.ndarray,
    ) -> float:
        """One step of the optimizers; returns the loss."""
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        rng = np.random.default_rng([self.recipe.seed, *place, rank])
        # All processes must take part, so one with nothing to do takes a text that counts for nothing.
        part = rows[rank::world]
        share = len(part) * world / len(rows)
        for optimizer in optimizers:
            optimizer.zero_grad()
        with self.accelerator.autocast():
            loss = objectives(self.student, part if len(part) else rows[:1], rng) * share
        value = float(loss.item())
        if not math.isfinite(value):
            raise ValueError(f"the loss of stage {place[0]}, epoch {place[1]}, batch {place[2]} is {value}")
        self.accelerator.backward(loss)
        share_gradients(self.accelerator, self.student)
        if stage.clip:
            torch.nn.utils.clip_grad_norm_(self.student.dense_parameters(), stage.clip)
        for optimizer in optimizers:
            optimizer.step()
        return value


def _set_rates(optimizers: Sequence[torch.optim.Optimizer], stage: StageRecipe, batch: int, total: int) -> None:
    """Set the rates of a batch: half a cosine from the first to the last, after a linear warm-up."""
    warmed = min(1.0, (batch + 1) / stage.warmup) if stage.warmup else 1.0
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            first, last = group["rates"]
            group["lr"] = warmed * (last + (first - last) * (1 + math.cos(math.pi * batch / total)) / 2)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.stage1.distill", description=__doc__.split("\n\n")[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--out", type=Path, help="folder of the run (default: runs/NAME)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--cpu", action="store_true", help="do not use a GPU")
    options = parser.parse_args(arguments)
    recipe = read_recipe(options.recipe)
    Run(recipe, options.out or Path("runs") / recipe.name, threads=options.threads, cpu=options.cpu).train()


if __name__ == "__main__":
    main()
