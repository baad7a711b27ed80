"""Figures on held-out texts, by which a recipe is chosen.

For each file: some held-out texts are queries, training texts of the same file are the passages, and the teacher's ten
nearest passages are what a student should find. *Agreement* is the share of them that it has in its own ten nearest.
Cosine alone misleads: a student with a mean cosine of 0.77 can retrieve next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from training.data import Example
from training.students import ResidualGRU
from training.teachers import Teacher, VectorCache

QUERIES = 1_000
PASSAGES = 30_000
DEPTH = 10


class Development:
    """Held-out queries of several files, and what the teacher finds for them."""

    def __init__(self) -> None:
        self._sets: dict[str, tuple[list[list[int]], np.ndarray, np.ndarray, np.ndarray]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._sets

    def add(
        self,
        name: str,
        held_out: Sequence[Example],
        training: Sequence[Example],
        teacher: Teacher,
        cache: VectorCache,
        max_tokens: int,
    ) -> None:
        """Take the first held-out texts as queries and the first training texts as passages."""
        texts = [example.text for example in held_out[:QUERIES]]
        ids = teacher.tokenizer(texts, add_special_tokens=False)["input_ids"]
        kept = [row for row, sequence in enumerate(ids) if 0 < len(sequence) <= max_tokens]
        targets = cache[[texts[row] for row in kept]].astype(np.float32)
        passages = cache[[example.text for example in training[:PASSAGES]]].astype(np.float32)
        self._sets[name] = ([ids[row] for row in kept], targets, passages, _nearest(targets, passages))

    @torch.inference_mode()
    def evaluate(self, student: ResidualGRU) -> dict[str, float]:
        """Mean cosine and agreement for each file."""
        figures = {}
        for name, (ids, targets, passages, nearest) in self._sets.items():
            parts = []
            for start in range(0, len(ids), 100):
                part = ids[start : start + 100]
                lengths = torch.tensor([len(sequence) for sequence in part])
                padded = torch.zeros(len(part), int(lengths.max()), dtype=torch.int64)
                for row, sequence in enumerate(part):
                    padded[row, : len(sequence)] = torch.tensor(sequence)
                parts.append(student(padded, lengths).numpy())
            vectors = np.concatenate(parts)
            found = _nearest(vectors, passages)
            shared = [len(set(a) & set(b)) for a, b in zip(found.tolist(), nearest.tolist(), strict=True)]
            figures[f"{name} cosine"] = round(float((vectors * targets).sum(1).mean()), 4)
            figures[f"{name} agreement"] = round(float(np.mean(shared)) / DEPTH, 4)
        return figures


def _nearest(queries: np.ndarray, passages: np.ndarray) -> np.ndarray:
    return np.argpartition(-(queries @ passages.T), DEPTH, axis=1)[:, :DEPTH]
