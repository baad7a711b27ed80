"""What a student can be trained to do: the objectives of a recipe's ``[stages.objectives]``.

An objective maps the student's output for a batch to one number, zero at best. :mod:`training.recipe` has the entries
of each. Their weighted sum is the loss.

=============  ===========================================================================================
``cosine``     1 - cosine to the teacher's vector (small batches of this beat MSE and KL for pynife)
``mse``        mean squared error of the entries, for teachers whose vectors are compared by dot product
``infonce``    cross entropy of picking the text's own teacher vector out of the batch's (tokenlearn)
``relational`` KL divergence of the rows of the batch's Gram matrix without its diagonal (Luxical)
``scores``     KL divergence of the softmax of scores over a frozen set of passage vectors
``margin``     mean squared error of score differences over the same (margin-MSE, arXiv:2010.02666)
``prefix``     unfinished text already points at the vector of the whole
=============  ===========================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from training.data import read_examples
from training.padding import pad
from training.recipe import (
    BatchObjective,
    Objective,
    PlainObjective,
    PrefixObjective,
    ScoresObjective,
    StageRecipe,
)
from training.stage1.texts import Texts
from training.students import Student
from training.teacher.torch_teacher import TorchTeacher
from training.teacher.vectors import VectorCache

#: Texts whose nearest passages are searched at a time.
_NEAREST_BATCH = 2048


@dataclass
class Step:
    """What an objective sees of a batch of n texts.

    ``vectors`` float32 (n, dim) are the student's, ``targets`` the teacher's. ``prefixes`` float32 (n, longest, dim)
    say where the text is going after each token, if the family has them and an objective needs them. The m texts
    ``cut_rows`` (m,) were also cut at a random character. ``cut_vectors`` (m, dim) say where the student takes them to
    be going, and ``cut_share`` (m,) which share of the characters was left.
    """

    rows: np.ndarray
    ids: Tensor
    lengths: Tensor
    targets: Tensor
    vectors: Tensor
    prefixes: Tensor | None
    cut_rows: Tensor
    cut_vectors: Tensor
    cut_share: Tensor
    similarity: str
    rng: np.random.Generator


class Loss(Protocol):
    """An objective, ready for use."""

    def __call__(self, step: Step) -> Tensor:
        """The loss of a batch, before its weight."""


def distance(vectors: Tensor, targets: Tensor, similarity: str) -> Tensor:
    """How far vectors (…, dim) are from their targets, (…,): 1 - cosine, or the mean squared error of the entries."""
    if similarity == "cosine":
        return 1 - nn.functional.cosine_similarity(vectors, targets, dim=-1)
    return (vectors - targets).square().mean(-1)


def _cosine(step: Step) -> Tensor:
    return distance(step.vectors, step.targets, "cosine").mean()


def _mse(step: Step) -> Tensor:
    return distance(step.vectors, step.targets, "dot").mean()


def _divergence(found: Tensor, expected: Tensor) -> Tensor:
    """KL divergence of the rows' softmax, averaged over the rows."""
    return nn.functional.kl_div(found.log_softmax(-1), expected.log_softmax(-1), reduction="batchmean", log_target=True)


@dataclass
class _Infonce:
    options: BatchObjective

    def __call__(self, step: Step) -> Tensor:
        scores = step.vectors @ step.targets.T / self.options.temperature
        return nn.functional.cross_entropy(scores, torch.arange(len(scores), device=scores.device))


@dataclass
class _Relational:
    options: BatchObjective

    def __call__(self, step: Step) -> Tensor:
        n = len(step.vectors)
        if n < 3:
            return step.vectors.sum() * 0
        others = ~torch.eye(n, dtype=torch.bool, device=step.vectors.device)
        found, expected = (
            (side @ side.T / self.options.temperature)[others].view(n, n - 1) for side in (step.vectors, step.targets)
        )
        return _divergence(found, expected)


@dataclass
class _Scores:
    """``scores`` and ``margin`` over ``passages`` float32 (count, dim); ``nearest`` has some of their rows per text."""

    options: ScoresObjective
    passages: Tensor
    nearest: Tensor | None
    margin: bool

    def __call__(self, step: Step) -> Tensor:
        found, expected = [], []
        if self.nearest is not None:
            near = self.passages[self.nearest[torch.from_numpy(step.rows)].to(self.passages.device)]
            found.append(torch.bmm(near, step.vectors.unsqueeze(2)).squeeze(2))
            expected.append(torch.bmm(near, step.targets.unsqueeze(2)).squeeze(2))
        if self.options.count:
            count = min(self.options.count, len(self.passages))
            drawn = step.rng.choice(len(self.passages), count, replace=False, shuffle=False)
            others = self.passages[torch.from_numpy(np.sort(drawn)).to(self.passages.device)].T
            found.append(step.vectors @ others)
            expected.append(step.targets @ others)
        error = torch.cat(found, 1), torch.cat(expected, 1)
        if not self.margin:
            return _divergence(error[0] / self.options.temperature, error[1] / self.options.temperature)
        # Averaged over all pairs of passages, the squared error of their margin is twice the variance of the error.
        return 2 * (error[0] - error[1]).var(1, correction=0).mean()


@dataclass
class _Prefix:
    options: PrefixObjective
    #: The characters that each token of the vocabulary stands for: float32 (vocabulary,).
    characters: Tensor

    def __call__(self, step: Step) -> Tensor:
        loss = step.vectors.sum() * 0
        if step.prefixes is not None and self.options.tokens:
            longest = step.ids.shape[1]
            before_last = torch.arange(longest, device=step.ids.device) < (step.lengths - 1).unsqueeze(1)
            typed = self.characters[step.ids].cumsum(1)
            share = typed / typed.gather(1, (step.lengths - 1).unsqueeze(1))
            weights = share.pow(self.options.power) * before_last
            wanting = distance(step.prefixes, step.targets.unsqueeze(1), step.similarity)
            loss = loss + ((weights * wanting).sum(1) / weights.sum(1).clamp(min=1e-6)).mean()
        if len(step.cut_rows):
            weights = step.cut_share.pow(self.options.power)
            wanting = distance(step.cut_vectors, step.targets[step.cut_rows], step.similarity)
            loss = loss + (weights * wanting).sum() / weights.sum()
        return loss


class Objectives:
    """The objectives of a stage, ready for batches of ``texts``."""

    def __init__(
        self, stage: StageRecipe, texts: Texts, rows: np.ndarray, teacher: TorchTeacher, cache: VectorCache, seed: int
    ) -> None:
        self.texts, self.teacher = texts, teacher
        options: dict[str, Objective] = dict(stage.objectives)
        if not options:
            options = {"cosine" if teacher.similarity == "cosine" else "mse": PlainObjective()}
        self._losses = {name: self._ready(name, entry, rows, cache, seed) for name, entry in options.items()}
        self._weights = {name: entry.weight for name, entry in options.items()}
        # A limit for cut texts, because a cut word can have more tokens than the whole one.
        self._longest = teacher.max_length - sum(map(len, teacher.special_ids()))
        prefix = options.get("prefix")
        self._prefix = prefix if isinstance(prefix, PrefixObjective) and prefix.weight else None

    def _ready(self, name: str, options: Objective, rows: np.ndarray, cache: VectorCache, seed: int) -> Loss:
        device = self.teacher.device
        if isinstance(options, PrefixObjective):
            return _Prefix(options, token_characters(self.teacher.tokenizer).to(device))
        if isinstance(options, ScoresObjective):
            passages = _passages(options, self.texts, rows, self.teacher, cache, seed).to(device)
            nearest = nearest_passages(self.texts, rows, passages, options.nearest) if options.nearest else None
            return _Scores(options, passages, nearest, name == "margin")
        if isinstance(options, BatchObjective):
            return _Infonce(options) if name == "infonce" else _Relational(options)
        return _cosine if name == "cosine" else _mse

    def __call__(self, student: Student, rows: np.ndarray, rng: np.random.Generator) -> Tensor:
        """The weighted sum for the texts of these rows. Everything random in it comes from ``rng``."""
        step = self._run(student, rows, rng)
        return torch.stack([self._weights[name] * loss(step) for name, loss in self._losses.items()]).sum()

    def _run(self, student: Student, rows: np.ndarray, rng: np.random.Generator) -> Step:
        """Run the student on whole and cut texts."""
        device = self.teacher.device
        ids, lengths, targets = (tensor.to(device) for tensor in self.texts.tensors(rows))
        cut_rows, cut_share, cut_ids = self._cut(rows, rng)
        prefixes = None
        if self._prefix and student.folds:
            vectors, after_each = student.whole_and_ahead(ids, lengths, alone=self._prefix.alone)
            prefixes = after_each if self._prefix.tokens else None
        else:
            vectors = student(ids, lengths)
        cut_vectors = vectors[:0]
        if self._prefix and cut_ids:
            more_ids, more_lengths = (tensor.to(device) for tensor in pad(cut_ids))
            cut_vectors = student.ahead(more_ids, more_lengths, alone=self._prefix.alone)
        return Step(
            rows=rows,
            ids=ids,
            lengths=lengths,
            targets=targets,
            vectors=vectors,
            prefixes=prefixes,
            cut_rows=torch.tensor(cut_rows, dtype=torch.int64, device=device),
            cut_vectors=cut_vectors,
            cut_share=torch.tensor(cut_share, dtype=torch.float32, device=device),
            similarity=student.similarity,
            rng=rng,
        )

    def _cut(self, rows: np.ndarray, rng: np.random.Generator) -> tuple[list[int], list[float], list[list[int]]]:
        """Cut some texts of a batch after a random character. Returns their places, the shares left, and token ids."""
        if self._prefix is None or not self._prefix.cut:
            return [], [], []
        places = np.flatnonzero(rng.random(len(rows)) < self._prefix.cut)
        at = rng.random(len(places))
        texts = [self.texts.texts[rows[place]] for place in places.tolist()]
        ends = [1 + int(share * (len(text) - 1)) for share, text in zip(at.tolist(), texts, strict=True)]
        encoded = self.teacher.text_ids([text[:end] for text, end in zip(texts, ends, strict=True)])
        found = [
            (place, end / len(text), ids[: self._longest])
            for place, end, text, ids in zip(places.tolist(), ends, texts, encoded, strict=True)
            if ids and end < len(text)
        ]
        return [one[0] for one in found], [one[1] for one in found], [one[2] for one in found]


def token_characters(tokenizer: Any) -> Tensor:
    """How many characters each token stands for, with the blank before a word: float32 (vocabulary,), at least 1.

    In a vocabulary of word pieces the beginning of a word has no blank, and the others begin with "##". Other
    vocabularies spell the blank as "▁" or "Ġ".
    """
    ids = tokenizer.get_vocab()
    special = set(tokenizer.all_special_tokens)
    spelt = any(token.startswith(("▁", "Ġ")) for token in ids)
    counts = torch.ones(1 + max(ids.values()))
    for token, number in ids.items():
        if token not in special:
            counts[number] = len(token) if spelt else len(token) - 2 if token.startswith("##") else len(token) + 1
    return counts.clamp(min=1)


def _passages(
    options: ScoresObjective, texts: Texts, rows: np.ndarray, teacher: TorchTeacher, cache: VectorCache, seed: int
) -> Tensor:
    """The fixed set of passage vectors: float32 (count, dim)."""
    if options.passages:
        found = [example.text for example in read_examples(Path(options.passages), limit=options.limit or None)]
        cache.fill(found, prompt=teacher.passage_prompt, label="passages")
        return torch.from_numpy(cache.get(found, prompt=teacher.passage_prompt).astype(np.float32))
    count = min(options.limit or len(rows), len(rows))
    drawn = np.random.default_rng([seed, count]).choice(rows, count, replace=False, shuffle=False)
    return torch.from_numpy(texts.targets[np.sort(drawn)].astype(np.float32))


@torch.inference_mode()
def nearest_passages(texts: Texts, rows: np.ndarray, passages: Tensor, count: int) -> Tensor:
    """The teacher's nearest passages to the texts of these rows: int32 (all texts, count), zero for other texts."""
    nearest = torch.zeros(len(texts), count, dtype=torch.int32)
    for start in range(0, len(rows), _NEAREST_BATCH):
        part = rows[start : start + _NEAREST_BATCH]
        vectors = torch.from_numpy(texts.targets[part].astype(np.float32)).to(passages.device)
        nearest[torch.from_numpy(part)] = (vectors @ passages.T).topk(count, 1).indices.int().cpu()
    return nearest
