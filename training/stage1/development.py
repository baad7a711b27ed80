"""Figures on held-out texts. Recipes are chosen by them.

In each file, some held-out texts serve as queries and training texts as passages. A student should find the teacher's
ten nearest passages. *Agreement* is the share of those among the student's own ten nearest. Cosine alone misleads: a
student with a mean cosine of 0.77 can retrieve next to nothing. With ``typed`` the student also gets the first part of
each query's characters, and is judged by what the teacher finds for the whole query.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from training.data import Example
from training.padding import pad
from training.students import Student
from training.teacher.torch_teacher import TorchTeacher
from training.teacher.vectors import VectorCache

QUERIES = 1_000
PASSAGES = 30_000
DEPTH = 10
_BATCH = 128


@dataclass(frozen=True)
class _Set:
    """One file's queries: their ids by the share of the characters typed (1 for all), and what they should find."""

    ids: dict[float, list[list[int]]]
    targets: np.ndarray
    passages: np.ndarray
    nearest: np.ndarray


class Development:
    """Held-out queries of several files, and what the teacher finds for each."""

    def __init__(self, *, typed: Sequence[float] = ()) -> None:
        self._typed = tuple(typed)
        self._sets: dict[str, _Set] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._sets

    def add(
        self,
        name: str,
        held_out: Sequence[Example],
        training: Sequence[Example],
        teacher: TorchTeacher,
        cache: VectorCache,
        max_tokens: int,
    ) -> None:
        """Add a file: its first held-out texts as queries, its first training texts as passages, each text once.

        Each text counts once: equal passages have equal scores, so no student could agree on which of them are nearest.
        A file with too few texts is left out.
        """
        # A text that comes twice would take two of the ten nearest places, and by chance.
        texts = _distinct(held_out, QUERIES)
        passages = _distinct(training, PASSAGES)
        if not texts or len(passages) <= DEPTH:
            return
        ids = {share: teacher.text_ids([_begin(text, share) for text in texts]) for share in (1.0, *self._typed)}
        kept = [
            row
            for row, sequence in enumerate(ids[1.0])
            if len(sequence) <= max_tokens and all(found[row] for found in ids.values())
        ]
        targets = cache.get([texts[row] for row in kept], prompt=teacher.query_prompt).astype(np.float32)
        vectors = cache.get(passages, prompt=teacher.query_prompt).astype(np.float32)
        if teacher.similarity == "cosine":
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        chosen = {share: [found[row] for row in kept] for share, found in ids.items()}
        self._sets[name] = _Set(chosen, targets, vectors, _nearest(targets, vectors))

    @torch.inference_mode()
    def evaluate(self, student: Student) -> dict[str, float]:
        """The mean cosine and the agreement for each file, and the agreement for each share typed."""
        figures = {}
        device = next(iter(student.parameters())).device
        for name, one in self._sets.items():
            for share, ids in one.ids.items():
                vectors = _encode(student if share == 1.0 else student.ahead, ids, device)
                found = _nearest(vectors, one.passages)
                shared = [len(set(a) & set(b)) for a, b in zip(found.tolist(), one.nearest.tolist(), strict=True)]
                agreement = round(float(np.mean(shared)) / DEPTH, 4)
                if share == 1.0:
                    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(one.targets, axis=1)
                    figures[f"{name} cosine"] = round(float(((vectors * one.targets).sum(1) / lengths).mean()), 4)
                    figures[f"{name} agreement"] = agreement
                else:
                    figures[f"{name} agreement at {share:.0%}"] = agreement
        return figures


def _distinct(examples: Sequence[Example], most: int) -> list[str]:
    return list(islice(dict.fromkeys(example.text for example in examples), most))


def _begin(text: str, share: float) -> str:
    return text[: max(1, round(share * len(text)))]


def _encode(
    encode: Callable[[Tensor, Tensor], Tensor], ids: Sequence[Sequence[int]], device: torch.device
) -> np.ndarray:
    """A student's vectors of token sequences, float32 (n, dim), computed in batches of similar length."""
    order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
    parts = []
    for start in range(0, len(order), _BATCH):
        rows = order[start : start + _BATCH]
        padded, lengths = pad([ids[row] for row in rows])
        parts.append(encode(padded.to(device), lengths.to(device)).float().cpu().numpy())
    vectors: np.ndarray = np.concatenate(parts)
    return vectors[np.argsort(order)]


def _nearest(queries: np.ndarray, passages: np.ndarray) -> np.ndarray:
    depth = min(DEPTH, len(passages) - 1)
    return np.argpartition(-(queries @ passages.T), depth, axis=1)[:, :depth]
