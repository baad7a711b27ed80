"""``python -m training.distill RECIPE.toml``: a student learns its teacher's vectors of many texts.

Teacher vectors come from the cache on disk and are computed once. A run is seeded; it keeps a checkpoint, so that the
same command goes on after a kill and ends with the same weights; and it writes ``log.jsonl`` and, at its end,
``student.safetensors``, which :mod:`training.export` turns into a model folder.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from training.data import Example, read_examples, split
from training.development import Development
from training.recipe import Recipe, StageRecipe, read_recipe
from training.students import ResidualGRU
from training.teachers import Teacher, VectorCache, file_sha256

#: Passages whose scores a batch is compared on.
_PASSAGES = 4096
#: Batches between two checkpoints.
_CHECKPOINT_EVERY = 500


class Texts:
    """The texts of one stage as token ids and teacher vectors."""

    def __init__(self, examples: Sequence[Example], teacher: Teacher, cache: VectorCache, max_tokens: int) -> None:
        texts = [example.text for example in examples]
        ids: list[list[int]] = []
        for start in range(0, len(texts), 10_000):
            part = teacher.tokenizer(texts[start : start + 10_000], add_special_tokens=False)["input_ids"]
            ids += part
        # Of a text that is cut, the student would have to guess the rest.
        kept = [row for row, sequence in enumerate(ids) if 0 < len(sequence) <= max_tokens]
        self.ids = [np.array(ids[row], np.int64) for row in kept]
        self.lengths = np.array([len(sequence) for sequence in self.ids])
        self.targets = cache[[texts[row] for row in kept]]

    def __len__(self) -> int:
        return len(self.ids)

    def batches(self, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Row numbers of batches of like length, in random order: sorted within 64 batches, then shuffled."""
        order = rng.permutation(len(self))
        batches = []
        for start in range(0, len(order), size * 64):
            part = order[start : start + size * 64]
            part = part[np.argsort(self.lengths[part], kind="stable")]
            batches += [part[first : first + size] for first in range(0, len(part), size)]
        for number in rng.permutation(len(batches)):
            yield batches[number]

    def passages(self, rng: np.random.Generator) -> np.ndarray:
        """Teacher vectors of some texts, float32 (n, dim), that stand for passages."""
        rows = rng.choice(len(self), min(_PASSAGES, len(self)), replace=False, shuffle=False)
        return self.targets[np.sort(rows)].astype(np.float32)

    def tensors(self, rows: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Padded ids (n, longest), lengths (n,) and targets float32 (n, dim) of some rows."""
        lengths = self.lengths[rows]
        ids = np.zeros((len(rows), lengths.max()), np.int64)
        for place, row in enumerate(rows):
            ids[place, : lengths[place]] = self.ids[row]
        targets = torch.from_numpy(self.targets[rows].astype(np.float32))
        return torch.from_numpy(ids), torch.from_numpy(lengths), targets


def score_loss(vectors: Tensor, targets: Tensor, passages: Tensor, temperature: float) -> Tensor:
    """Distance of the student's scores of some passages to the teacher's: KL divergence of their softmax.

    The cosine loss weighs all directions alike; this one weighs what decides which passages come first.
    """
    log_expected = (targets @ passages.T / temperature).log_softmax(1)
    log_found = (vectors @ passages.T / temperature).log_softmax(1)
    return nn.functional.kl_div(log_found, log_expected, reduction="batchmean", log_target=True)


def start_student(recipe: Recipe, teacher: Teacher, corpus: Sequence[Texts]) -> ResidualGRU:
    """A student before training: the teacher's single-token outputs, weights from token counts.

    The weight of a token starts at a / (a + p(token)) with a = 0.001, as in *A simple but tough-to-beat baseline for
    sentence embeddings* (equation 1), p counted in the training texts.
    """
    vocabulary = len(teacher.tokenizer)
    before, after = teacher.special_ids()
    single = [[*before, token, *after] for token in range(vocabulary)]
    table = np.concatenate([teacher.encode_ids(single[start : start + 512]) for start in range(0, vocabulary, 512)])
    counts: Counter[int] = Counter()
    for texts in corpus:
        for sequence in texts.ids:
            counts.update(sequence.tolist())
    total = sum(counts.values())
    probability = np.array([counts[token] for token in range(vocabulary)]) / max(total, 1)
    log_weights = np.log(1e-3 / (1e-3 + probability))
    return ResidualGRU(
        torch.from_numpy(table), torch.from_numpy(log_weights.astype(np.float32)), hidden=recipe.student.hidden
    )


class Run:
    """One training run in a folder, which it can go on from."""

    def __init__(self, recipe: Recipe, folder: Path, *, threads: int) -> None:
        torch.set_num_threads(threads)
        torch.manual_seed(recipe.seed)
        self.recipe, self.folder = recipe, folder
        self._recipe_sha256 = file_sha256(recipe.path)
        folder.mkdir(parents=True, exist_ok=True)
        self.teacher = Teacher(recipe.teacher.path(), dtype=recipe.teacher.dtype)
        cache = VectorCache(Path(recipe.cache), self.teacher)
        self.development = Development()
        self.stages: list[Texts] = []
        for stage in recipe.stages:
            training: list[Example] = []
            for file, limit in stage.sources():
                kept, held_out = split(read_examples(file, limit=limit), recipe.development)
                training += kept
                cache.fill([example.text for example in kept + held_out], label=f"teacher: {file.name}")
                if file.stem not in self.development:
                    self.development.add(file.stem, held_out, kept, self.teacher, cache, recipe.student.max_tokens)
            self.stages.append(Texts(training, self.teacher, cache, recipe.student.max_tokens))
        self.student = start_student(recipe, self.teacher, self.stages)
        self.done: tuple[int, int, int] = (0, 0, 0)

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def log(self, **entry: Any) -> None:
        """Append a line to ``log.jsonl`` and print it."""
        line = json.dumps(entry)
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(line + "\n")
        tqdm.write(line)

    def _save(self, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        partial = self._checkpoint.with_suffix(".partial")
        state = {
            "student": self.student.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
            "done": list(self.done),
            "recipe": self._recipe_sha256,
        }
        torch.save(state, partial)
        partial.replace(self._checkpoint)

    def evaluate(self) -> dict[str, float]:
        """Figures on the development split."""
        self.student.eval()
        figures = self.development.evaluate(self.student)
        self.student.train()
        return figures

    def train(self) -> None:
        """Train all stages, or what is left of them."""
        saved = torch.load(self._checkpoint, weights_only=True) if self._checkpoint.is_file() else None
        if saved is not None:
            if saved["recipe"] != self._recipe_sha256:
                raise ValueError(
                    f"{self._checkpoint} is of another recipe: give the run another folder with --out, or delete it"
                )
            self.student.load_state_dict(saved["student"])
            self.done = tuple(saved["done"])
        else:
            # A run that starts anew, in a folder where one had ended, has a history of its own.
            (self.folder / "log.jsonl").unlink(missing_ok=True)
            self.log(stage="start", **self.evaluate())
        for number, (stage, texts) in enumerate(zip(self.recipe.stages, self.stages, strict=True)):
            if number < self.done[0]:
                continue
            optimizers: list[torch.optim.Optimizer] = [
                torch.optim.SparseAdam(self.student.sparse_parameters(), lr=stage.table_rate[0]),
                torch.optim.Adam(self.student.dense_parameters(), lr=stage.rate[0], betas=(0.9, 0.98)),
            ]
            if saved is not None:
                for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
                    optimizer.load_state_dict(state)
                saved = None
            self._stage(number, stage, texts, optimizers)
            self.done = (number + 1, 0, 0)
        tensors = {name: tensor.contiguous() for name, tensor in self.student.state_dict().items()}
        save_file(tensors, self.folder / "student.safetensors")
        self._checkpoint.unlink(missing_ok=True)

    def _stage(self, number: int, stage: StageRecipe, texts: Texts, optimizers: list[torch.optim.Optimizer]) -> None:
        per_epoch = math.ceil(len(texts) / stage.batch)
        total = per_epoch * stage.epochs
        rates = [stage.table_rate, stage.rate]
        started = time.monotonic()
        with tqdm(total=total, desc=stage.name, unit="batch", disable=None, mininterval=5) as progress:
            for epoch in range(self.done[1], stage.epochs):
                rng = np.random.default_rng([self.recipe.seed, number, epoch])
                loss_sum, batches = 0.0, 0
                for batch, rows in enumerate(texts.batches(stage.batch, rng)):
                    if batch < self.done[2]:
                        continue
                    part = (epoch * per_epoch + batch) / total
                    for optimizer, (first, last) in zip(optimizers, rates, strict=True):
                        optimizer.param_groups[0]["lr"] = last + (first - last) * (1 + math.cos(math.pi * part)) / 2
                    ids, lengths, targets = texts.tensors(rows)
                    vectors = self.student(ids, lengths)
                    loss = 1 - (vectors * targets).sum(1).mean()
                    if stage.score_weight:
                        passages = torch.from_numpy(texts.passages(rng))
                        loss = loss + stage.score_weight * score_loss(vectors, targets, passages, stage.temperature)
                    for optimizer in optimizers:
                        optimizer.zero_grad()
                    loss.backward()
                    for optimizer in optimizers:
                        optimizer.step()
                    loss_sum, batches = loss_sum + loss.item(), batches + 1
                    self.done = (number, epoch, batch + 1)
                    progress.n = epoch * per_epoch + batch + 1
                    progress.set_postfix(loss=f"{loss_sum / batches:.4f}", refresh=False)
                    progress.update(0)
                    if (batch + 1) % _CHECKPOINT_EVERY == 0:
                        self._save(optimizers)
                self.done = (number, epoch + 1, 0)
                self._save(optimizers)
                self.log(
                    stage=stage.name,
                    epoch=epoch + 1,
                    loss=round(loss_sum / max(batches, 1), 5),
                    seconds=round(time.monotonic() - started),
                    **self.evaluate(),
                )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.distill", description=__doc__.split("\n\n")[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--out", type=Path, help="folder of the run (default: runs/NAME)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    recipe = read_recipe(options.recipe)
    Run(recipe, options.out or Path("runs") / recipe.name, threads=options.threads).train()


if __name__ == "__main__":
    main()
