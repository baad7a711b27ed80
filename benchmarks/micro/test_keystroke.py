"""From a text to its embedding, one operation at a time.

    python -m pytest benchmarks/micro [--benchmark-json PATH] [--benchmark-compare]

``make test`` does not collect these, because how long something takes is not a matter of right and wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import typeahead
from benchmarks.typed import synthetic_queries
from typeahead.core.engine import Engine

TEXT = "how to boil an egg without"


@pytest.fixture(scope="module")
def encoder() -> Any:
    """The shipped student."""
    return typeahead.load("minilm-gru")


@pytest.fixture
def words() -> Iterator[str]:
    """Endless words. A word comes again only after a few thousand others."""
    return cycle(dict.fromkeys(word for query in synthetic_queries(5000, seed=0) for word in query.split()))


def test_tokenize_a_text_whose_words_are_known(benchmark: BenchmarkFixture, encoder: Any) -> None:
    encoder.tokenizer.encode(TEXT)
    assert len(benchmark(encoder.tokenizer.encode, TEXT)) == 6


def test_tokenize_a_text_with_a_new_last_word(benchmark: BenchmarkFixture, encoder: Any, words: Iterator[str]) -> None:
    numbers = iter(range(10**9))
    benchmark.pedantic(
        encoder.tokenizer.encode,
        setup=lambda: ((f"{TEXT} {next(words)}{next(numbers)}",), {}),
        rounds=3000,
        iterations=1,
    )


@pytest.mark.parametrize("batch", [1, 8, 32, 128])
def test_step(benchmark: BenchmarkFixture, encoder: Any, batch: int) -> None:
    """The encoder's step alone, for ``batch`` sessions at once."""
    tokens = np.random.default_rng(0).integers(1000, 30_000, batch)
    states, _ = encoder.step([encoder.start()] * batch, tokens)
    benchmark(encoder.step, states, tokens)


def test_a_key_that_was_typed_before(benchmark: BenchmarkFixture, encoder: Any) -> None:
    session = Engine(encoder).session()
    texts = cycle([TEXT, TEXT[:-1]])
    session.update(next(texts))
    session.update(next(texts))
    benchmark(lambda: session.update(next(texts)))
    assert session.steps == 0


def test_a_key_that_takes_a_step(benchmark: BenchmarkFixture, encoder: Any, words: Iterator[str]) -> None:
    session = Engine(encoder).session(max_chars=1 << 20)
    endless = ["a"]

    def longer() -> tuple[tuple[str], dict[str, Any]]:
        # Each text takes a new path through the tree, so only the words before the last are cached.
        endless.append(next(words))
        if len(endless) > 20:
            del endless[1:-1]
        return (" ".join(endless),), {}

    benchmark.pedantic(session.update, setup=longer, rounds=3000, iterations=1)
    assert session.embedding is not None
