"""``python -m training.ranking.contrast RECIPE.toml [ROUND]``: stage 2. A student learns to rank passages.

The loss of a query is the cross entropy of its positive passage among all passages of the batch: its own hard
negatives and the other queries' passages (paper, appendix B). The passage encoder is trained as well, or stays the same
to the bit. Gradient caching lets a batch of any size fit into memory. A killed run can be resumed and ends with the
same weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from training.commandline import run
from training.ranking.contrast_data import Batch, held_out_pool
from training.ranking.contrast_passages import Passages
from training.ranking.encoding import encode, query_ids
from training.ranking.gradcache import Side
from training.ranking.recipe import ContrastRecipe, Stage2
from training.ranking.round_folders import open_teacher, student_path
from training.ranking.round_loop import (
    DEVELOPMENT,
    RoundRun,
    contrastive_loss,
    reciprocal_rank,
    run_command,
    share_of_all,
)
from training.recipe import Recipe
from training.students import Student, load_student, save_student
from training.students.files import STUDENT


class Contrast(RoundRun):
    """One round of contrastive training."""

    program = "training.ranking.contrast"

    def __init__(
        self, recipe: Recipe, stage2: Stage2, one: ContrastRecipe, run: Path, accelerator: Accelerator
    ) -> None:
        self.student = load_student(student_path(run, one.start)).to(accelerator.device)
        super().__init__(recipe, stage2, one, run, accelerator)
        # Weights under training are kept in float32, whatever type the teacher usually has.
        dtype = "float32" if one.passages == "trained" else None
        teacher = open_teacher(recipe, run, one.start, self.device, dtype=dtype)
        self.passages = Passages(teacher, one, Path(recipe.cache))
        self.temperature = one.temperature or (1.0 if self.student.similarity == "dot" else 0.05)
        _make_dense(self.student)
        modules: dict[str, nn.Module] = {"student": self.student}
        if self.passages.trained:
            tie_words(self.student, teacher.model.get_input_embeddings().weight)
            modules["passages"] = self.passages.encoder
        self.begin(modules, [(self.student, one.rate), (self.passages.encoder, one.rate)], teacher)

    def prepare(self) -> None:
        """Encode the passages of all groups if their encoder is frozen."""
        self.passages.prepare(self.groups, self.accelerator)

    def check(self) -> None:
        """``RuntimeError`` if a frozen passage encoder has changed."""
        self.passages.check()

    def save(self) -> None:
        """Write the student, and the passage encoder if it was trained."""
        self.passages.save(self.folder, self.recipe)
        save_student(self.student, self.folder / STUDENT, metadata=self.made_by(self.passages.teacher))

    def step(self, batch: Batch, step: int) -> float:
        """See :meth:`~training.ranking.round_loop.RoundRun.step`."""
        texts = batch.passages[self.own(len(batch.passages))]
        asked = batch.queries[self.own(len(batch.queries))]
        queries = query_ids(self.passages.teacher, asked, self.recipe.student.max_tokens)
        sides = [Side(self.student, queries, self.one.chunk, self.device)]
        fixed: Tensor | None = None
        if self.passages.trained:
            sides.append(self.passages.side(texts, self.one.chunk, self.device))
        else:
            fixed = self.passages.vectors(texts).to(self.device)

        def loss_of(vectors: list[Tensor]) -> Tensor:
            own = vectors[1] if fixed is None else fixed
            asked = share_of_all(self.accelerator, vectors[0], len(batch.queries))
            answers = share_of_all(self.accelerator, own, len(batch.passages))
            return contrastive_loss(asked, answers, batch, self.temperature)

        return self.descend(sides, loss_of, step)

    def modes(self, *, train: bool) -> None:
        """See :meth:`~training.ranking.round_loop.RoundRun.modes`."""
        self.student.train(train)
        # With dropout, a frozen encoder would give other vectors.
        self.passages.encoder.train(train and self.passages.trained)

    def evaluate(self) -> dict[str, float]:
        """Mean reciprocal rank at 10 of held-out queries among all of their passages, the same ones in every epoch."""
        held_out = self.groups.development(DEVELOPMENT)
        if not held_out:
            return {}
        self.modes(train=False)
        pool, positives = held_out_pool(held_out)
        ids = query_ids(self.passages.teacher, [group.query for group in held_out], self.recipe.student.max_tokens)
        queries = torch.from_numpy(encode(self.student, ids, self.device))
        found = reciprocal_rank(queries @ self.passages.encode(pool).T, positives)
        self.modes(train=True)
        return {"mrr@10": found, "queries": len(held_out), "passages": len(pool)}


def tie_words(student: Student, weight: nn.Parameter) -> None:
    """Share the passage encoder's word embeddings with a student that does not train its own table."""
    for holder in (student, getattr(student, "trunk", None)):
        words = getattr(holder, "words", None)
        if isinstance(words, nn.Embedding) and not words.weight.requires_grad:
            words.weight = weight


def _make_dense(student: Student) -> None:
    """Make gradients dense: AdamW takes no sparse ones. At such small rates, rows that no batch touches hardly move."""
    for module in student.modules():
        if isinstance(module, nn.Embedding):
            module.sparse = False


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    description = __doc__.split("\n\n")[0]
    run_command(Contrast, description, lambda stage2: stage2.contrast, Stage2.training, arguments)


if __name__ == "__main__":
    run(main)
