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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from training.commandline import run
from training.recipe import PRECISIONS, Recipe, StageRecipe, check_files, read_recipe
from training.runlog import RunLog
from training.stage1.best import Best
from training.stage1.checkpoint import Checkpoint
from training.stage1.objectives import Objectives
from training.stage1.optimizers import optimizers_of, set_rates
from training.stage1.parallel import accelerator_of, share_gradients
from training.stage1.prepared import Prepared, prepare
from training.stage1.start import start_of
from training.students import Student, build, save_student
from training.students.files import STUDENT, read_metadata
from training.students.rounding import set_rounding
from training.teacher.torch_teacher import TorchTeacher

#: Seconds between checkpoints. Those of twelve layers of 768 take 1.3 GB and some seconds to write.
_CHECKPOINT_SECONDS = 300.0

#: Called after each batch with the stage, how many of its batches are done, and how many there are.
OnBatch = Callable[[str, int, int], None]


class Stopped(Exception):
    """The run was asked to stop. Its checkpoint is written."""


class Run:
    """One training run in a folder, from which it can be resumed.

    Args:
        recipe, folder: what to train, and where the run is kept.
        threads: of PyTorch.
        cpu: whether to leave a GPU alone.
        start: a student to continue from, instead of one cut from the teacher.
        trackers: names of trackers of ``accelerate``, such as "tensorboard".
        on_batch: called after each batch; without it, a bar is drawn on a terminal.
        on_entry: called with each entry of the log; without it, they are printed.
        command: what made the run, for its log; by default this module's own command line.
        prepared: the teacher and the texts, if another run of the same texts has them already.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        *,
        threads: int,
        cpu: bool = False,
        start: Callable[[TorchTeacher], Student] | None = None,
        trackers: Sequence[str] = (),
        on_batch: OnBatch | None = None,
        on_entry: Callable[[Mapping[str, Any]], None] | None = None,
        command: str = "",
        prepared: Prepared | None = None,
    ) -> None:
        torch.set_num_threads(threads)
        # With "bf16", products are in bfloat16, while weights, sums and optimizers stay in float32.
        self.accelerator = accelerator_of(recipe.precision, cpu=cpu, trackers=trackers, folder=folder)
        if self.accelerator.mixed_precision not in PRECISIONS:
            raise ValueError(f"precision {self.accelerator.mixed_precision!r} is not one of {PRECISIONS}")
        self.recipe, self.folder = recipe, folder
        self.prepared = prepared or prepare(recipe, self.accelerator)
        self.teacher, self.texts = self.prepared.teacher, self.prepared.corpus.texts
        torch.manual_seed(recipe.seed)
        if start is None:
            counts = self.texts.counts(self.teacher.model.config.vocab_size)
            self.student = build(recipe.student, self.teacher, counts)
        else:
            self.student = start(self.teacher)
        self.student.to(self.accelerator.device).train()
        facts = {
            "teacher": self.teacher.name,
            "pooling": self.teacher.pooling,
            "similarity": self.teacher.similarity,
            "texts": f"{len(self.texts):,} of {len(self.texts.flat):,} tokens",
            "seed": recipe.seed,
            "processes": self.accelerator.num_processes,
        }
        command = command or f"python -m training.stage1.distill {recipe.path}"
        self.log = RunLog(folder, recipe, title=recipe.name, command=command, facts=facts, say=on_entry)
        #: The next stage, epoch and batch.
        self.done: tuple[int, int, int] = (0, 0, 0)
        self._seconds = 0.0
        #: The losses of this epoch so far, batch by batch.
        self._losses: list[float] = []
        self._identity = f"{recipe.sha256} {self.teacher.key()} {self.texts.sha256()}"
        self._best, self._checkpoint = Best(folder, self._identity), Checkpoint(folder, self._identity)
        self._on_batch = on_batch
        self._stop = False
        if trackers:
            self.accelerator.init_trackers(recipe.name)

    def stop(self) -> None:
        """Ask the run to write a checkpoint after this batch and raise :class:`Stopped`. A signal handler may."""
        self._stop = True

    def try_batches(self, count: int) -> int:
        """Train ``count`` batches of the first stage, from its shortest texts to its longest; returns their tokens.

        This is for measuring what training takes.
        """
        stage = self.recipe.stages[0]
        rows = self.prepared.corpus.rows(stage)
        objectives = Objectives(stage, self.texts, rows, self.teacher, self.prepared.cache, self.recipe.seed)
        optimizers = optimizers_of(self.student, stage)
        set_rates(optimizers, stage, 0, stage.length(len(rows))[1])
        batches = list(self.texts.batches(stage.batch, np.random.default_rng(0), rows=rows, by_length=True))
        chosen = [batches[int((number + 0.5) / count * len(batches))] for number in range(count)]
        for number, part in enumerate(chosen):
            self._batch((0, 0, number), stage, objectives, optimizers, part)
        return int(sum(self.texts.lengths[part].sum() for part in chosen))

    @property
    def _result(self) -> Path:
        return self.folder / STUDENT

    def _save(self, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        if not self.accelerator.is_main_process:
            return
        self._checkpoint.save(
            {
                "student": self.student.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in optimizers],
                "done": list(self.done),
                "seconds": self._seconds,
                "losses": self._losses,
                "log": self.log.entries,
                "best": self._best.state(),
            }
        )

    def _load(self) -> dict[str, Any] | None:
        """The checkpoint, if there is one. ``ValueError`` if its recipe, teacher or texts were others."""
        saved = self._checkpoint.load()
        if saved is not None:
            self.student.load_state_dict(saved["student"])
            self._best.resume(saved["best"])
            self.done, self._seconds, self._losses = tuple(saved["done"]), saved["seconds"], saved["losses"]
        return saved

    def evaluate(self) -> dict[str, float]:
        """The student's figures on the development split."""
        self.student.eval()
        figures = self.prepared.development.evaluate(self.student)
        self.student.train()
        return figures

    def train(self) -> None:
        """Train all stages, or those that are left."""
        if self._result.is_file() and read_metadata(self._result).get("run") == self._identity:
            self._checkpoint.remove()
            tqdm.write(f"{self._result} is already finished; delete it to train again")
            return
        stages = self.recipe.stages
        saved = self._load()
        if saved is not None:
            self.log.resume(saved["log"])
        else:
            # As the last stage trains it, so that the start can be compared with what comes of it.
            set_rounding(self.student, on=stages[-1].rounded)
            self._judge("start", 0, len(stages) - 1)
        for number, stage in enumerate(stages):
            if number < self.done[0]:
                continue
            optimizers = optimizers_of(self.student, stage)
            if saved is not None:
                for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
                    optimizer.load_state_dict(state)
                saved = None
            self._stage(number, stage, optimizers)
            self.done = (number + 1, 0, 0)
        self._finish()

    def _judge(self, name: str, done: int, number: int, **entry: float) -> None:
        """Read the development split after ``done`` batches of a stage, log it, and keep the student if it is best."""
        figures = self.evaluate()
        main = self.accelerator.is_main_process
        logged: dict[str, Any] = {"stage": name, **({"batches": done} if done else {}), **entry, **figures}
        self.log.add(write=main, **logged)
        step = len(self.log.entries) - 1
        self.accelerator.log({**entry, **figures}, step=step)
        # A stage in float32 says nothing about a student of four bits.
        if main and self.recipe.stages[number].rounded == self.recipe.stages[-1].rounded:
            self._best.offer(self.student, figures, f"{name}, batch {done:,}" if done else name)

    def _finish(self) -> None:
        """Write the student that the run ends with."""
        if self.accelerator.is_main_process:
            best = self._best.student(self.student) if self.recipe.keep == "best" else None
            if best is not None:
                kept: dict[str, Any] = {"stage": f"kept: {self._best.place}", **self._best.figures}
                self.log.add(**kept)
            save_student(best or self.student, self._result, metadata={"run": self._identity})
        self.accelerator.wait_for_everyone()
        self.accelerator.end_training()
        if self.accelerator.is_main_process:
            self._checkpoint.remove()
            self._best.remove()

    def _stage(self, number: int, stage: StageRecipe, optimizers: list[torch.optim.Optimizer]) -> None:
        rows = self.prepared.corpus.rows(stage)
        if not len(rows):
            raise ValueError(f"stage {stage.name!r} has no texts: check its files, limits and max_tokens")
        set_rounding(self.student, on=stage.rounded)
        per_pass, total = stage.length(len(rows))
        objectives = Objectives(stage, self.texts, rows, self.teacher, self.prepared.cache, self.recipe.seed)
        hidden = self._on_batch is not None or not self.accelerator.is_main_process or None
        with tqdm(total=total, desc=stage.name, unit="batch", disable=hidden, mininterval=5) as bar:
            for epoch in range(self.done[1] if self.done[0] == number else 0, math.ceil(total / per_pass)):
                rng = np.random.default_rng([self.recipe.seed, number, epoch])
                first = self.done[2] if self.done[:2] == (number, epoch) else 0
                by_length = stage.curriculum and epoch == 0
                started = time.monotonic()
                for batch, part in enumerate(self.texts.batches(stage.batch, rng, rows=rows, by_length=by_length)):
                    done = epoch * per_pass + batch + 1
                    if batch < first or done > total:
                        continue
                    set_rates(optimizers, stage, done - 1, total)
                    self._losses.append(self._batch((number, epoch, batch), stage, objectives, optimizers, part))
                    self.done = (number, epoch, batch + 1)
                    bar.n = done
                    bar.set_postfix(loss=f"{np.mean(self._losses[-200:]):.4f}", refresh=False)
                    bar.update(0)
                    if self._on_batch is not None:
                        self._on_batch(stage.name, done, total)
                    judged = done % stage.evaluate_every == 0 if stage.evaluate_every else batch + 1 == per_pass
                    if judged or done == total:
                        self._seconds += time.monotonic() - started
                        loss, self._losses = float(np.mean(self._losses)), []
                        seconds = round(self._seconds)
                        self._judge(stage.name, done, number, loss=round(loss, 5), seconds=seconds)
                        started = time.monotonic()
                    late = self._checkpoint.age() > _CHECKPOINT_SECONDS
                    if self._stop or late or judged or done == total:
                        self._seconds += time.monotonic() - started
                        started = time.monotonic()
                        self._save(optimizers)
                    if self._stop:
                        raise Stopped
                self.done = (number, epoch + 1, 0)

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


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.stage1.distill", description=__doc__.split("\n\n")[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--out", type=Path, help="folder of the run (default: runs/NAME)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--cpu", action="store_true", help="do not use a GPU")
    parser.add_argument(
        "--start", type=Path, metavar="RUN", help="a finished run, or a model, to continue from (default: none)"
    )
    options = parser.parse_args(arguments)
    recipe = read_recipe(options.recipe)
    check_files(recipe)
    out = options.out or Path("runs") / recipe.name
    start = start_of(options.start, recipe) if options.start else None
    command = f"python -m training.stage1.distill {options.recipe}"
    command += f" --start {options.start}" if options.start else ""
    Run(recipe, out, threads=options.threads, cpu=options.cpu, start=start, command=command).train()


if __name__ == "__main__":
    run(main)
