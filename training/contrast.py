"""``python -m training.contrast RECIPE.toml [ROUND]``: stage 2, where a student learns which passages answer a query.

The loss of a query is the cross entropy of its positive passage among all passages of the batch: its own hard
negatives, the other queries' passages (paper, appendix B). The passage encoder is trained along, or stays as it is to
the bit. Gradient caching lets a batch of any size fit. A run goes on after a kill and ends with the same weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from tqdm import tqdm

from training.contrast_data import Batch, Groups, group_paths
from training.contrast_passages import Passages
from training.gradcache import Side, backward
from training.inputs import encode, query_ids
from training.recipe import Recipe, read_recipe
from training.rounds import STUDENT, claim, command_line, fingerprint, next_round, open_teacher, seed_of, student_path
from training.runlog import RunLog
from training.stage2 import ContrastRecipe, Stage2, read_stage2
from training.students import Student, load_student, save_student
from training.teachers import Teacher

#: Batches between two checkpoints.
_CHECKPOINT_EVERY = 200
#: Held-out queries that are looked at after each epoch.
_DEVELOPMENT = 300
_DEPTH = 10


def contrastive_loss(queries: Tensor, passages: Tensor, batch: Batch, temperature: float) -> Tensor:
    """Mean cross entropy of each query's positive among all passages but those that are relevant to it, too.

    ``queries`` float32 (n, dim), ``passages`` float32 (m, dim).
    """
    scores = (queries @ passages.T / temperature).masked_fill(batch.barred.to(queries.device), -math.inf)
    return nn.functional.cross_entropy(scores, batch.target.to(queries.device))


def share(count: int, process: int, processes: int) -> slice:
    """The part of ``count`` items that a process takes: all parts together are all items, in order."""
    return slice(count * process // processes, count * (process + 1) // processes)


class Contrast:
    """One round, in its folder."""

    def __init__(
        self, recipe: Recipe, stage2: Stage2, one: ContrastRecipe, run: Path, accelerator: Accelerator
    ) -> None:
        self.recipe, self.one, self.folder = recipe, one, run / one.name
        self._accelerator, self._device = accelerator, accelerator.device
        self._seed = seed_of(recipe.seed, one.name)
        main = accelerator.is_main_process
        self.student = load_student(student_path(run, one.start)).to(self._device)
        self.folder.mkdir(parents=True, exist_ok=True)
        with accelerator.main_process_first():
            self.groups = Groups(group_paths(stage2, one, run, write=main), one, self._seed)
        facts = fingerprint(recipe, stage2, one, run, groups=self.groups.digest, precision=accelerator.mixed_precision)
        if main:
            claim(self.folder, facts)
        # Weights that are trained are kept in float32, whatever the teacher is usually run in.
        dtype = "float32" if one.passages == "trained" else None
        teacher = open_teacher(recipe, run, one.start, self._device, dtype=dtype)
        self.passages = Passages(teacher, one, stage2.separator, Path(recipe.cache))
        self.temperature = one.temperature or (1.0 if self.student.similarity == "dot" else 0.05)
        _make_dense(self.student)
        if self.passages.trained:
            tie_words(self.student, teacher.model.get_input_embeddings().weight)
        parameters = list(dict.fromkeys([*trained(self.student), *trained(self.passages.encoder)]))
        self.optimizer = torch.optim.AdamW(parameters, lr=one.rate, weight_decay=one.weight_decay, fused=True)
        self._parameters = parameters
        self.log = _log(
            self.folder, recipe, one, teacher, queries=len(self.groups), processes=accelerator.num_processes
        )
        #: Epoch and batch that come next.
        self.done = (0, 0)
        self._seconds = 0.0
        #: Of the batches of the epoch so far.
        self._losses: list[float] = []

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def train(self) -> None:
        """Train all epochs, or what is left of them."""
        result = self.folder / STUDENT
        if result.is_file():
            tqdm.write(f"{result} is finished already; delete it to train anew")
            return
        main = self._accelerator.is_main_process
        if not self._load():
            self.log.add(write=main, stage="start", **self.evaluate())
        self.passages.prepare(self.groups, self._accelerator)
        for epoch in range(self.done[0], self.one.epochs):
            self._epoch(epoch)
        self.passages.check()
        if main:
            self.passages.save(self.folder, self.recipe)
            save_student(self.student, result)
        self._accelerator.wait_for_everyone()
        if main:
            self._checkpoint.unlink(missing_ok=True)

    def _epoch(self, epoch: int) -> None:
        # A batch of fewer queries than processes would leave one without work.
        batches = [rows for rows in self.groups.batches(epoch) if len(rows) >= self._accelerator.num_processes]
        total = len(batches) * self.one.epochs
        started = time.monotonic()
        self._modes(train=True)
        quiet = None if self._accelerator.is_main_process else True
        with tqdm(
            total=len(batches), desc=f"epoch {epoch + 1}", unit="batch", disable=quiet, mininterval=5
        ) as progress:
            progress.update(self.done[1])
            for number, rows in enumerate(batches):
                if number < self.done[1]:
                    continue
                step = epoch * len(batches) + number
                self.optimizer.param_groups[0]["lr"] = self.one.rate * _linear(step, total, self.one.warmup)
                self._losses.append(self.step(self.groups.batch(rows, epoch), step))
                self.done = (epoch, number + 1)
                progress.update()
                if (number + 1) % _CHECKPOINT_EVERY == 0:
                    self._seconds += time.monotonic() - started
                    started = time.monotonic()
                    self._save()
        self.done = (epoch + 1, 0)
        self._seconds += time.monotonic() - started
        self.log.add(
            write=self._accelerator.is_main_process,
            stage=self.one.name,
            epoch=epoch + 1,
            loss=round(float(np.mean(self._losses)), 5) if self._losses else None,
            seconds=round(self._seconds),
            **self.evaluate(),
        )
        self._losses = []
        self._save()

    def step(self, batch: Batch, step: int) -> float:
        """Train on one batch and return its loss, the same on all processes."""
        accelerator = self._accelerator
        process, processes = accelerator.process_index, accelerator.num_processes
        # Dropout depends on the step alone, so that a resumed run has the same.
        torch.manual_seed(seed_of(self._seed, step, process))
        mine = share(len(batch.queries), process, processes)
        texts = batch.passages[share(len(batch.passages), process, processes)]
        queries = query_ids(self.passages.teacher, batch.queries[mine], self.recipe.student.max_tokens)
        sides = [Side(self.student, queries, self.one.chunk, self._device)]
        fixed: Tensor | None = None
        if self.passages.trained:
            sides.append(self.passages.side(texts, self.one.chunk, self._device))
        else:
            fixed = self.passages.vectors(texts).to(self._device)

        def loss_of(vectors: list[Tensor]) -> Tensor:
            own = vectors[1] if fixed is None else fixed
            asked = share_of_all(accelerator, vectors[0], len(batch.queries))
            answers = share_of_all(accelerator, own, len(batch.passages))
            return contrastive_loss(asked, answers, batch, self.temperature)

        self.optimizer.zero_grad()
        value = backward(sides, loss_of, accelerator.backward, accelerator.autocast).item()
        if not math.isfinite(value):
            raise ValueError(f"the loss of batch {step + 1} is {value}")
        if processes > 1:
            add_gradients(accelerator, self._parameters)
        self.optimizer.step()
        return value

    def _modes(self, *, train: bool) -> None:
        self.student.train(train)
        # Dropout would make a frozen encoder another one.
        self.passages.encoder.train(train and self.passages.trained)

    def evaluate(self) -> dict[str, float]:
        """Mean reciprocal rank at 10 of held-out queries among the passages of all of them: the same as each epoch."""
        groups = self.groups.development(_DEVELOPMENT)
        if not groups:
            return {}
        self._modes(train=False)
        pool = {passage.key: passage for group in groups for passage in (*group.positives, *group.negatives[:8])}
        places = {key: place for place, key in enumerate(pool)}
        ids = query_ids(self.passages.teacher, [group.query for group in groups], self.recipe.student.max_tokens)
        queries = torch.from_numpy(encode(self.student, ids, self._device))
        passages = self.passages.encode(list(pool.values()))
        scores = queries @ passages.T
        total = 0.0
        for group, row in zip(groups, scores, strict=True):
            best = max(float(row[places[passage.key]]) for passage in group.positives)
            rank = 1 + int((row > best).sum())
            total += 1 / rank if rank <= _DEPTH else 0.0
        self._modes(train=True)
        return {"mrr@10": round(total / len(groups), 4), "queries": len(groups), "passages": len(pool)}

    def _save(self) -> None:
        self.passages.check()
        if self._accelerator.is_main_process:
            state = {
                "student": self.student.state_dict(),
                "passages": self.passages.encoder.state_dict() if self.passages.trained else {},
                "optimizer": self.optimizer.state_dict(),
                "done": list(self.done),
                "seconds": self._seconds,
                "losses": self._losses,
                "log": self.log.entries,
            }
            partial = self._checkpoint.with_suffix(".partial")
            torch.save(state, partial)
            partial.replace(self._checkpoint)
        self._accelerator.wait_for_everyone()

    def _load(self) -> bool:
        if not self._checkpoint.is_file():
            return False
        saved = torch.load(self._checkpoint, weights_only=True, map_location=self._device)
        self.student.load_state_dict(saved["student"])
        if self.passages.trained:
            self.passages.encoder.load_state_dict(saved["passages"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.done, self._seconds = (saved["done"][0], saved["done"][1]), saved["seconds"]
        self._losses = saved["losses"]
        self.log.resume(saved["log"])
        return True


def _log(folder: Path, recipe: Recipe, one: ContrastRecipe, teacher: Teacher, **facts: object) -> RunLog:
    """The log of one round."""
    entries = {name: value for name, value in asdict(one).items() if name != "name"}
    return RunLog(
        folder,
        recipe,
        title=f"{recipe.name}: {one.name}",
        command=f"python -m training.contrast {recipe.path} {one.name}",
        facts={"teacher": teacher.name, "similarity": teacher.similarity, **facts, **entries},
    )


def add_gradients(accelerator: Accelerator, parameters: Sequence[nn.Parameter]) -> None:
    """Set every gradient to its sum over the processes.

    Each has the gradient of the whole batch's loss through its own texts alone, so the sum is all of it.
    """
    gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
    flat = accelerator.reduce(torch.cat([gradient.flatten() for gradient in gradients]), "sum")
    parts = flat.split([one.numel() for one in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.grad = part.view_as(parameter)


def share_of_all(accelerator: Accelerator, own: Tensor, count: int) -> Tensor:
    """The vectors (count, dim) of all processes, this one's with their graph."""
    if accelerator.num_processes == 1:
        return own
    parts = [share(count, process, accelerator.num_processes) for process in range(accelerator.num_processes)]
    longest = max(part.stop - part.start for part in parts)
    padded = nn.functional.pad(own.detach(), (0, 0, 0, longest - len(own)))
    gathered = accelerator.gather(padded).view(len(parts), longest, -1)
    found = [gathered[number, : part.stop - part.start] for number, part in enumerate(parts)]
    found[accelerator.process_index] = own
    return torch.cat(found)


def trained(module: nn.Module) -> list[nn.Parameter]:
    """The parameters of a module that are trained."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def tie_words(student: Student, weight: nn.Parameter) -> None:
    """Share the passage encoder's word embeddings with a student whose table stands still of its own."""
    for holder in (student, getattr(student, "trunk", None)):
        words = getattr(holder, "words", None)
        if isinstance(words, nn.Embedding) and not words.weight.requires_grad:
            words.weight = weight


def _make_dense(student: Student) -> None:
    """AdamW takes no sparse gradients, and rates this small leave a row that no batch touches where it is."""
    for module in student.modules():
        if isinstance(module, nn.Embedding):
            module.sparse = False


def _linear(step: int, total: int, warmup: float) -> float:
    """The share of the rate at ``step`` of ``total``: up in a line over the share ``warmup``, then down to zero."""
    rising = round(total * warmup)
    return (step + 1) / rising if step < rising else (total - step) / max(total - rising, 1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = command_line("training.contrast", __doc__.split("\n\n")[0], arguments)
    recipe, stage2 = read_recipe(options.recipe), read_stage2(options.recipe)
    run = options.out or Path("runs") / recipe.name
    name = options.round or next_round(run, stage2.contrast)
    if name is None:
        print(f"all {len(stage2.contrast)} rounds of training in {run} are done")
        return
    accelerator = Accelerator(cpu=options.cpu, mixed_precision=recipe.precision or None)
    if accelerator.mixed_precision not in ("no", "bf16"):
        raise ValueError(f"precision {accelerator.mixed_precision!r} is neither 'no' nor 'bf16'")
    Contrast(recipe, stage2, stage2.training(name), run, accelerator).train()


if __name__ == "__main__":
    main()
