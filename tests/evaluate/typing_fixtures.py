"""A tiny judged collection, a scripted system and a scripted encoder for the tests of the prefix benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.evaluate.measures.prefixes import DEPTH, NOTHING, Screens
from typeahead.evaluate.vectors.passages import PassageVectors
from typeahead.progress import OnProgress


@dataclass
class Judgements:
    """Queries and qrels of a collection whose passages are looked after elsewhere."""

    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]
    relevant_from: int = 1
    name: str = "tiny"


#: Twelve passages, p00 … p11.
IDS = [f"p{row:02d}" for row in range(12)]
PASSAGES = PassageVectors.from_arrays(IDS, np.eye(12, dtype=np.float32), "tiny")


def screens(*draws: Sequence[Sequence[int]]) -> Screens:
    """Screens (draws, n, 10) from the visible rows after each key."""
    shown = np.full((len(draws), len(draws[0]), DEPTH), NOTHING, np.int64)
    for draw, keys in enumerate(draws):
        for key, rows in enumerate(keys):
            shown[draw, key, : len(rows)] = rows
    return shown


@dataclass
class Scripted:
    """Shows what it is told to."""

    name: str
    shows: Mapping[str, Screens]
    asked: list[list[str]] = field(default_factory=list)
    facts: Mapping[str, Any] = field(default_factory=lambda: {"scripted": True})

    @property
    def draws(self) -> int:
        return max(len(shown) for shown in self.shows.values())

    def typed(self, queries: Sequence[str], progress: OnProgress | None = None) -> list[Screens]:
        if progress:
            progress(self.name, len(queries), len(queries))
        self.asked.append(list(queries))
        return [self.shows[query] for query in queries]


class LetterEncoder:
    """Counts the letters a to l: float32 (n, 12), not normalised; other texts get a zero vector."""

    dim = 12

    def __init__(self) -> None:
        self.texts: list[str] = []

    def encode(self, texts: Sequence[str], /) -> Vectors:
        self.texts += texts
        return np.array([[text.count(letter) for letter in "abcdefghijkl"] for text in texts], np.float32)
