"""A passage encoder that needs no model: the same text always has the same vector, another text another one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.index import Document
from typeahead.models.config import ModelConfig, TeacherInfo


def config(
    *, teacher: str = "hash-teacher", revision: str | None = None, dim: int = 16, similarity: str = "cosine"
) -> ModelConfig:
    """Another teacher has other weights, unless ``revision`` says which."""
    if revision is None:
        revision = "r1" if teacher == "hash-teacher" else f"r1 of {teacher}"
    return ModelConfig(
        name="hashing",
        family="transformer",
        role="passage",
        dim=dim,
        similarity=similarity,
        teacher=TeacherInfo(teacher, revision, "mean", 256, normalized=similarity == "cosine"),
        max_tokens=256,
        prefix_ids=(),
        suffix_ids=(),
        shape={},
        files={},
    )


class HashingEncoder:
    """Implements the protocol ``Encoder``; remembers what it was asked to encode."""

    def __init__(self, model_config: ModelConfig | None = None) -> None:
        self.config = model_config or config()
        self.encoded: list[str] = []

    @property
    def dim(self) -> int:
        return self.config.dim

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.encoded += texts
        vectors = np.empty((len(texts), self.dim), np.float32)
        for row, text in enumerate(texts):
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
            vectors[row] = np.random.default_rng(seed).normal(size=self.dim)
        if self.config.similarity == "cosine":
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


def documents(count: int, *, start: int = 0) -> list[Document]:
    return [Document(f"d{i}", f"title {i}", f"text of {i}", f"https://example.org/{i}") for i in range(start, count)]


def kill_in_the_middle(out: Path, count: int, batch: int, after: int) -> None:
    """Build an index as ``python -m`` does, and die by SIGKILL once ``after`` documents are encoded."""
    from typeahead.index import build_index

    def progress(stage: str, done: int, total: int | None) -> None:
        del total
        if stage == "encode" and done >= after:
            print("dying", flush=True)
            os.kill(os.getpid(), 9)

    def source() -> Iterator[Document]:
        yield from documents(count)

    build_index(source(), out, HashingEncoder(), batch=batch, progress=progress)
