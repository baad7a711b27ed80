"""Passages that end with a number, and an encoder that knows which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.evaluate.data.datasets import Dataset, Passage
from typeahead.evaluate.vectors.passages import PassageVectors, encode_passages

DIM = 4
COUNT = 23
#: Six shards, the last of three passages.
SIZE = 4


class Numbered:
    """Encodes a text that ends with a number to a vector of that number, and remembers what it was asked."""

    def __init__(self, dim: int = DIM, replace: dict[str, float] | None = None) -> None:
        self.dim = dim
        self.asked: list[str] = []
        self._replace = replace or {}

    def encode(self, texts: Sequence[str], /) -> NDArray[Any]:
        self.asked += texts
        numbers = [self._replace.get(text, float(text.split()[-1])) for text in texts]
        return np.array(numbers, np.float32)[:, None] + np.arange(self.dim, dtype=np.float32) / 8


def texts(count: int = COUNT) -> dict[str, str]:
    return {f"p{row}": f"passage {row}" for row in range(count)}


def dataset_of(passages: dict[str, str], name: str = "numbers") -> Dataset:
    first = next(iter(passages))
    return Dataset.from_memory(
        name, [Passage(*passage) for passage in passages.items()], {"q": "text"}, {"q": {first: 1}}
    )


def expected(count: int = COUNT) -> NDArray[np.float32]:
    return (np.arange(count)[:, None] + np.arange(DIM) / 8).astype(np.float32)


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache").rglob("*.safetensors"))


class Encode:
    """``encode_passages`` with what most tests do not care about."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache

    def __call__(self, encoder: Numbered, dataset: Dataset, key: str = "teacher", **options: Any) -> PassageVectors:
        return encode_passages(encoder, key, dataset, self.cache, **({"shard_size": SIZE} | options))
