"""A small encoder and index, so that these tests are about the server: deterministic, and with nothing to load."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.core.engine import Engine
from typeahead.core.session import Session
from typeahead.core.tokens import IncrementalTokenizer, check_texts
from typeahead.errors import TeacherMismatch
from typeahead.models.config import ModelConfig, TeacherInfo
from typeahead.search.fusion import Fused, Ranking

DIM = 16

TITLES = ["boil an egg", "poach an egg", "bake bread", "how to tie a tie", "café au lait", "한국어 배우기", "🙂 smile"]


class WordTokenizer:
    """A token for each word, its checksum."""

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(crc32(word.encode()) for word in text.lower().split())

    def encode_on(
        self, text: str, head: str, head_ids: tuple[int, ...]
    ) -> tuple[tuple[int, ...], str, tuple[int, ...]]:
        return self.encode(text), head, head_ids


class MeanEncoder:
    """The normalised mean of a random vector for each word, as a fold: the state is the sum."""

    max_tokens = 64

    def __init__(self, name: str = "mean", *, similarity: str = "cosine") -> None:
        teacher = TeacherInfo("teacher", "", "mean", 64, True)
        self.config = ModelConfig(name, "recurrent", "query", DIM, similarity, teacher, 64, (), (), {}, {})
        self.tokenizer = cast("IncrementalTokenizer", WordTokenizer())
        self.broken = False
        #: Whether it gives NaN.
        self.sick = False
        #: A token that no step survives.
        self.poison: int | None = None

    @property
    def dim(self) -> int:
        return DIM

    @property
    def state_size(self) -> int:
        return DIM

    def start(self) -> Vectors:
        return np.zeros(DIM, np.float32)

    def step(self, states: Sequence[Any], tokens: NDArray[np.int64]) -> tuple[list[Vectors], Vectors]:
        if self.broken or self.poison in tokens:
            raise RuntimeError("the encoder broke")
        words = [np.random.default_rng(token).standard_normal(DIM, np.float32) for token in tokens]
        sums: Vectors = np.stack(states) + np.stack(words) * np.float32(np.nan if self.sick else 1)
        return list(sums), sums / np.linalg.norm(sums, axis=1, keepdims=True)

    def encode(self, texts: Sequence[str]) -> Vectors:
        check_texts(texts)
        vectors = np.zeros((len(texts), DIM), np.float32)
        for row, text in enumerate(texts):
            states = [self.start()]
            for token in self.tokenizer.encode(text)[: self.max_tokens]:
                states, embeddings = self.step(states, np.array([token]))
                vectors[row] = embeddings[0]
        return vectors

    def session(self, *, max_chars: int = 512) -> Session:
        return Engine(self).session(max_chars=max_chars)


class GuessingEncoder(MeanEncoder):
    """Whatever is typed, it will be "bake bread"."""

    readouts = 2

    def step(self, states: Sequence[Any], tokens: NDArray[np.int64]) -> tuple[list[Vectors], Vectors]:
        following, embeddings = super().step(states, tokens)
        guess = MeanEncoder().encode(["bake bread"])
        return following, np.hstack([embeddings, np.repeat(guess, len(embeddings), axis=0)])

    def encode(self, texts: Sequence[str]) -> Vectors:
        return MeanEncoder().encode(texts)


class WholeEncoder:
    """A transformer in the same space, whose vectors are others. Texts wait at :attr:`gate`, as searches do."""

    def __init__(self, name: str = "whole", *, teacher: str = "teacher", dim: int = DIM) -> None:
        info = TeacherInfo(teacher, "", "mean", 64, True)
        self.config = ModelConfig(name, "transformer", "query", dim, "cosine", info, 64, (), (), {}, {})
        self.tokenizer = WordTokenizer()
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.texts: list[str] = []
        self.broken = False
        self.sick = False

    @property
    def dim(self) -> int:
        return self.config.dim

    def await_text(self) -> None:
        """Wait until it is busy with one more call."""
        assert self.entered.acquire(timeout=20), "nothing was encoded"

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.texts += texts
        self.entered.release()
        assert self.gate.wait(30), "the test never opened the gate"
        if self.broken:
            raise RuntimeError(f"the transformer broke at {texts[0]}")
        vectors = np.roll(MeanEncoder().encode(texts), 1, axis=1)
        return vectors * np.float32(np.nan) if self.sick else vectors


@dataclass(frozen=True, slots=True)
class FakeHit:
    id: str
    score: float
    title: str
    text: str
    url: str
    arms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FakeManifest:
    count: int
    generation: str = "generation-1"


class BruteForceIndex:
    """Exact search over :data:`TITLES`, by vectors and by whole words.

    Searches wait at :attr:`gate`, and those of words at :attr:`words_gate`, which are open unless a test closes them.
    """

    def __init__(self, teacher: str = "teacher", *, text: str = "All about it.") -> None:
        self.manifest = FakeManifest(len(TITLES))
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.words_gate = threading.Event()
        self.words_gate.set()
        self.matched: list[str] = []
        self.words_broken = False
        self.batches: list[int] = []
        self.broken = False
        #: A query that no search survives.
        self.poison: Vectors | None = None
        self._teacher = teacher
        self._text = text
        self._vectors = MeanEncoder().encode(TITLES)

    def await_search(self) -> None:
        """Wait until one more search has begun."""
        assert self.entered.acquire(timeout=20), "no search began"

    def check_teacher(self, config: ModelConfig) -> None:
        if config.teacher.name != self._teacher:
            raise TeacherMismatch(self._teacher, config.teacher.name)

    def search(self, queries: Vectors, k: int) -> list[list[FakeHit]]:
        self.batches.append(len(queries))
        self.entered.release()
        assert self.gate.wait(30), "the test never opened the gate"
        if self.broken or (self.poison is not None and (queries == self.poison).all(axis=1).any()):
            raise RuntimeError("the index broke")
        return [self._hits(scores, k) for scores in queries @ self._vectors.T]

    def word_counts(self) -> dict[str, int]:
        return dict(Counter(word for title in TITLES for word in set(title.split())))

    def match(self, text: str, depth: int, scope: int = 0) -> list[tuple[int, float]]:
        del scope
        self.matched.append(text)
        assert self.words_gate.wait(30), "the test never opened the gate"
        if self.words_broken:
            raise RuntimeError(f"the words broke at {text}")
        words = text.split()
        found = [(row, float(sum(word in title.split() for word in words))) for row, title in enumerate(TITLES)]
        return sorted(((row, score) for row, score in found if score), key=lambda hit: -hit[1])[:depth]

    def rank(self, queries: Vectors, k: int) -> list[Ranking]:
        return [[(int(hit.id[1:]), hit.score) for hit in hits] for hits in self.search(queries, k)]

    def hits(self, fused: Sequence[Sequence[Fused]]) -> list[list[FakeHit]]:
        return [
            [FakeHit(f"d{hit.row}", hit.score, TITLES[hit.row], "", "", hit.arms) for hit in hits] for hits in fused
        ]

    def _hits(self, scores: Vectors, k: int) -> list[FakeHit]:
        best = np.argsort(-scores, kind="stable")[:k]
        return [
            FakeHit(f"d{row}", float(scores[row]), TITLES[row], self._text, f"https://example.org/{row}")
            for row in best
        ]
