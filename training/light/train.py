"""``python -m training.light.train RECIPE.toml [ROUND]``: LightRetriever, which turns queries into a look-up.

The encoder is trained on passages and on single tokens, so the mean of a query's token vectors finds its passages
(*dense*). It is also trained with a language model's head, so the counts of a query's tokens find them (*sparse*). The
loss of a batch is the sum of

* the cross entropy of each query's positive among all passages, by dense scores over ``temperature``, at each of the
  Matryoshka ``dimensions``;
* the same with whole queries, times ``symmetric``;
* the KL divergence of the look-up's distribution over passages from the whole queries', times ``alignment``
  (equation 5 of the paper);
* the cross entropy by sparse scores over ``sparse_temperature``;
* the FLOPS regulariser of the passages (equation 8), times ``flops``, which rises with the square of the step until
  ``flops_warmup`` of all steps are done (equation 9).

A round leaves the passage encoder, and a static student for each prompt, which :mod:`training.exporting.export` turns
into a model folder.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from training.commandline import run
from training.data import Passage
from training.light.model import Light, mean_of_tokens
from training.light.sparse_head import flops
from training.ranking.contrast_data import Batch, held_out_pool
from training.ranking.gradcache import Side
from training.ranking.recipe import LightRecipe, Stage2
from training.ranking.round_folders import open_teacher, seed_of
from training.ranking.round_loop import (
    DEVELOPMENT,
    RoundRun,
    contrastive_loss,
    cross_entropy,
    reciprocal_rank,
    run_command,
    share_of_all,
)
from training.recipe import Recipe
from training.students import Static, save_student
from training.students.files import STUDENT
from training.teacher.token_encoder import token_table

#: How many passages set the biases of a head that was never trained.
_CALIBRATION = 64


class LightRun(RoundRun):
    """One round of LightRetriever's training."""

    program = "training.light.train"
    one: LightRecipe

    def __init__(self, recipe: Recipe, stage2: Stage2, one: LightRecipe, run: Path, accelerator: Accelerator) -> None:
        super().__init__(recipe, stage2, one, run, accelerator)
        teacher = open_teacher(recipe, run, one.start, self.device, dtype="float32")
        # So random adapters and layers start the same in every process and every run.
        torch.manual_seed(seed_of(self.seed, "start"))
        self.model = Light(teacher, one)
        self.model.calibrate(self._first_passages())
        parts: list[tuple[nn.Module, float]] = [(teacher.model, one.rate)]
        if self.model.head is not None:
            parts.append((self.model.head, one.head_rate or one.rate))
        self.begin({"model": self.model}, parts, teacher)

    def _first_passages(self) -> list[Passage]:
        batch = self.groups.batch(self.groups.batches(0)[0], 0)
        return batch.passages[:_CALIBRATION]

    def step(self, batch: Batch, step: int) -> float:
        """See :meth:`~training.ranking.round_loop.RoundRun.step`."""
        model, one = self.model, self.one
        tokens = model.query_tokens(batch.queries, self.recipe.student.max_tokens)
        prompts = self._prompts(batch)
        # A token that several queries share is encoded once.
        places = {
            pair: place
            for place, pair in enumerate(
                dict.fromkeys((p, t) for p, ids in zip(prompts, tokens, strict=True) for t in ids)
            )
        }
        pairs = [list(pair) for pair in places]
        own_passages = model.passage_ids(batch.passages[self.own(len(batch.passages))])
        sides = [Side(model.passages, own_passages, one.chunk, self.device, model.passages.filler)]
        if one.dense:
            whole = model.whole_ids(tokens, prompts)
            sides += [
                Side(model.tokens, pairs[self.own(len(pairs))], one.chunk * 8, self.device),
                Side(model.whole, whole[self.own(len(whole))], one.chunk, self.device, model.whole.filler),
            ]

        def loss_of(found: list[Tensor]) -> Tensor:
            passages = share_of_all(self.accelerator, found[0], len(batch.passages))
            vectors, weights = model.passages.split(passages)
            loss = passages.new_zeros(())
            if one.dense:
                singles = share_of_all(self.accelerator, found[1], len(pairs))
                asked = share_of_all(self.accelerator, found[2], len(batch.queries))
                where = [[places[prompt, token] for token in ids] for prompt, ids in zip(prompts, tokens, strict=True)]
                for size in one.dimensions or (model.teacher.dim,):
                    loss = loss + self._dense_loss(singles[:, :size], where, asked[:, :size], vectors[:, :size], batch)
            if weights is not None:
                counts = torch.from_numpy(model.counts(tokens).toarray()).to(self.device)
                loss = loss + contrastive_loss(counts, weights, batch, one.sparse_temperature)
                loss = loss + one.flops * self._pressure(step) * flops(weights)
            return loss

        return self.descend(sides, loss_of, step)

    def _dense_loss(
        self, singles: Tensor, where: list[list[int]], asked: Tensor, vectors: Tensor, batch: Batch
    ) -> Tensor:
        """The look-up's loss and its distance from the whole model, for one number of dimensions."""
        one, unit = self.one, self.model.teacher.similarity == "cosine"
        queries = mean_of_tokens(singles, where, normalize=unit)
        if unit:
            asked, vectors = (nn.functional.normalize(part, dim=1) for part in (asked, vectors))
        light, full = (part @ vectors.T / one.temperature for part in (queries, asked))
        loss = cross_entropy(light, batch)
        if one.symmetric:
            loss = loss + one.symmetric * cross_entropy(full, batch)
        if one.alignment:
            loss = loss + one.alignment * alignment(light, full.detach(), batch.barred.to(light.device))
        return loss

    def _pressure(self, step: int) -> float:
        """Equation 9: the square of the warm-up's progress."""
        return min(1.0, self.progress(step) / self.one.flops_warmup) ** 2 if self.one.flops_warmup else 1.0

    def _prompts(self, batch: Batch) -> list[int]:
        """The number of each query's prompt: that of its file, if there are several prompts."""
        return [file if len(self.model.prompts) > 1 else 0 for file in batch.files]

    def modes(self, *, train: bool) -> None:
        """See :meth:`~training.ranking.round_loop.RoundRun.modes`."""
        self.model.train(train)

    def evaluate(self) -> dict[str, float]:
        """Mean reciprocal rank at 10 of held-out queries by each arm, and how many token weights a passage has."""
        held_out = self.groups.development(DEVELOPMENT)
        if not held_out:
            return {}
        model = self.model
        self.modes(train=False)
        pool, positives = held_out_pool(held_out)
        tokens = model.query_tokens([group.query for group in held_out], self.recipe.student.max_tokens)
        vectors, weights = model.encode_passages(pool)
        figures: dict[str, float] = {}
        if self.one.dense:
            answers = torch.from_numpy(vectors).T
            table = token_table(model.teacher, model.prompts[0])
            queries = mean_of_tokens(table, tokens, normalize=model.teacher.similarity == "cosine")
            whole = torch.from_numpy(model.encode_whole(tokens, [0] * len(tokens)))
            figures["look-up mrr@10"] = reciprocal_rank(queries @ answers, positives)
            figures["whole mrr@10"] = reciprocal_rank(whole @ answers, positives)
        if weights is not None:
            scores = torch.from_numpy((model.counts(tokens) @ weights.T).toarray())
            figures["sparse mrr@10"] = reciprocal_rank(scores, positives)
            figures["active"] = round(weights.nnz / len(pool), 1)
        self.modes(train=True)
        return figures | {"queries": len(held_out), "passages": len(pool)}

    def save(self) -> None:
        """Write the passage encoder and a static student for each prompt."""
        self.modes(train=False)
        self.model.save(self.folder, self.recipe)
        teacher = self.model.teacher
        made = self.made_by(teacher)
        # The first prompt comes last, because its file marks the round as finished.
        for number, prompt in reversed(list(enumerate(self.model.prompts))):
            table = token_table(teacher, prompt)
            folder = self.folder / f"prompt-{number}" if number else self.folder
            folder.mkdir(exist_ok=True)
            student = Static(table, torch.zeros(len(table)), similarity=teacher.similarity)
            save_student(student, folder / STUDENT, metadata=made)


def alignment(scores: Tensor, targets: Tensor, barred: Tensor) -> Tensor:
    """Mean KL divergence of the softmax of ``scores`` (n, m) from that of ``targets``, without ``barred`` entries."""
    both = [part.masked_fill(barred, -math.inf).log_softmax(1) for part in (scores, targets)]
    found, aim = (part.masked_fill(barred, 0.0) for part in both)
    return (aim.exp().masked_fill(barred, 0.0) * (aim - found)).sum(1).mean()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    description = __doc__.split("\n\n")[0]
    run_command(LightRun, description, lambda stage2: stage2.light, Stage2.lighting, arguments)


if __name__ == "__main__":
    run(main)
