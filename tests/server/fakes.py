"""A small encoder and index, so that these tests are about the server: deterministic, and with nothing to load."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.core.engine import Engine
from typeahead.core.session import Session
from typeahead.core.tokens import IncrementalTokenizer, check_texts
from typeahead.models.config import ModelConfig, TeacherInfo
from typeahead.search.port import DENSE, LEXICAL, Candidates, Capabilities, Key, Request
from typeahead.search.space import Space
from typeahead.search.terms import document_frequencies, forms, weigh
from typeahead.search.threads import ThreadedBackend
from typeahead.text.document import Document

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


class BruteForceIndex(ThreadedBackend):
    """Exact search over :data:`TITLES`, by vectors and words. Searches wait at :attr:`gate`, which is open unless a
    test closes it.
    """

    def __init__(
        self, teacher: str = "teacher", *, text: str = "All about it.", vectors: Vectors | None = None
    ) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.batches: list[int] = []
        self.broken = False
        #: A query that no search survives.
        self.poison: Vectors | None = None
        self.vectors = MeanEncoder().encode(TITLES) if vectors is None else vectors
        self.documents = [
            Document(f"d{row}", title, text, f"https://example.org/{row}") for row, title in enumerate(TITLES)
        ]
        self._brute_force = _BruteForceEngine(self, teacher)
        super().__init__(self._brute_force)

    def set_version(self, version: str) -> None:
        """Change the version, as if documents had changed."""
        self._brute_force.version = version

    def await_search(self) -> None:
        """Wait until one more search has begun."""
        assert self.entered.acquire(timeout=20), "no search began"

    def forget_searches(self) -> None:
        """Begin to count searches, as those of warming up are over."""
        self.batches.clear()
        self.entered = threading.Semaphore(0)

    def rank(self, queries: Vectors, k: int) -> list[list[tuple[int, float]]]:
        """Rows and scores, best first."""
        self.batches.append(len(queries))
        self.entered.release()
        assert self.gate.wait(30), "the test never opened the gate"
        if self.broken or (self.poison is not None and (queries == self.poison).all(axis=1).any()):
            raise RuntimeError("the index broke")
        rankings = []
        for scores in queries @ self.vectors.T:
            best = np.argsort(-scores, kind="stable")[:k]
            rankings.append([(int(row), float(scores[row])) for row in best])
        return rankings


class _BruteForceEngine:
    """What a :class:`BruteForceIndex` does, as the search port has it."""

    address = "brute force"
    version = "generation-1"
    count = len(TITLES)

    def __init__(self, index: BruteForceIndex, teacher: str) -> None:
        self.space = Space(teacher, None, index.vectors.shape[1], "cosine")
        self._index = index
        self.capabilities = Capabilities(lexical=True, vocabulary=self._vocabulary)

    async def candidates(self, requests: Sequence[Request], deadline: float) -> Sequence[Candidates]:
        assert deadline > time.monotonic()
        vectors = np.stack([cast("Vectors", request.vector) for request in requests])
        rankings = self._index.rank(vectors, max(request.k for request in requests))
        return [self._found(*pair) for pair in zip(requests, rankings, strict=True)]

    def _found(self, request: Request, ranking: Sequence[tuple[int, float]]) -> Candidates:
        terms = [] if request.words is None else request.words.terms
        documents = self._index.documents
        weighed = weigh(documents, terms)
        arms: dict[str, NDArray[np.bool_]] = {DENSE: np.isin(np.arange(len(documents)), [row for row, _ in ranking])}
        if request.words is not None:
            arms[LEXICAL] = np.asarray(weighed.frequencies.any(axis=(1, 2)))
        similarities: Vectors = self._index.vectors @ cast("Vectors", request.vector)
        return Candidates(
            [Key(document.id) for document in documents],
            arms,
            similarities,
            *weighed,
            np.array(document_frequencies(self._counts(), len(documents), terms)),
            float(weighed.lengths.sum(axis=1).mean()),
        )

    async def fetch(self, keys: Sequence[Key], deadline: float) -> dict[Key, Document]:
        assert deadline > time.monotonic()
        return {Key(one.id): one for one in self._index.documents if Key(one.id) in keys}

    async def close(self) -> None:
        pass

    async def _vocabulary(self) -> dict[str, int]:
        return self._counts()

    def _counts(self) -> dict[str, int]:
        return dict(Counter(form for title in TITLES for form in set(forms(title))))


class BruteForceElsewhere(_BruteForceEngine):
    """The same as an engine that is awaited, with two batches at once. Searches wait until it is :attr:`open`."""

    def __init__(self) -> None:
        super().__init__(BruteForceIndex(), "teacher")
        self.capabilities = replace(self.capabilities, at_once=2)
        self.open = asyncio.Event()
        self.open.set()
        self.begun = asyncio.Semaphore(0)
        self.under_way = self.most = 0

    async def candidates(self, requests: Sequence[Request], deadline: float) -> Sequence[Candidates]:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.begun.release()
        await self.open.wait()
        self.under_way -= 1
        return await super().candidates(requests, deadline)
