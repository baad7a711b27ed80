"""Frames in and out: what the wire adds to a keystroke, without sockets."""

from __future__ import annotations

import json
from itertools import count

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from typeahead.wire.conversation import Conversation
from typeahead.wire.protocol import Dtype, Limits
from typeahead.wire.replies import write_embedding, write_reply

STAGES = {"queue": 3, "tokenize": 8, "step": 45, "search": 0, "total": 56}


def test_read_a_text(benchmark: BenchmarkFixture) -> None:
    conversation = Conversation(Limits())
    seq = count(1)

    def frame() -> tuple[tuple[str], dict[str, object]]:
        return (json.dumps({"seq": next(seq), "text": "how to boil an egg"}),), {}

    benchmark.pedantic(conversation.receive, setup=frame, rounds=5000, iterations=1)


def test_write_a_reply_with_timings(benchmark: BenchmarkFixture) -> None:
    assert benchmark(write_reply, 7, None, STAGES, encoder="minilm-gru")


def test_write_a_reply_with_hits(benchmark: BenchmarkFixture) -> None:
    hits = json.dumps([{"id": str(n), "score": 0.5, "title": "t" * 40, "text": "x" * 300, "url": ""} for n in range(8)])
    assert benchmark(write_reply, 7, hits.encode(), STAGES, encoder="minilm-gru")


@pytest.mark.parametrize("dtype", list(Dtype))
def test_write_an_embedding(benchmark: BenchmarkFixture, dtype: Dtype) -> None:
    vector = np.random.default_rng(0).normal(size=384).astype(np.float32)
    assert benchmark(write_embedding, 7, vector, dtype)
