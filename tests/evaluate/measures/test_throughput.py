"""Throughput: what is stated was measured, on a clock that the encoder moves."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from typeahead.core.encoder import Vectors
from typeahead.encoders.recurrent import RecurrentEncoder
from typeahead.errors import TypeaheadError
from typeahead.evaluate.measures.throughput import draw, measure
from typeahead.evaluate.peers import Peer
from typeahead.models.folder import find

TEXTS = [f"query {number}" for number in range(100)]


class Clock:
    now = 0.0


class Staged:
    """Takes ``tokenize`` and ``encode`` seconds for each text."""

    def __init__(self, clock: Clock, *, tokenize: float, encode: float) -> None:
        self.clock = clock
        self.costs = tokenize, encode
        self.sizes: list[int] = []

    def tokenize(self, texts: Sequence[str]) -> list[str]:
        self.clock.now += self.costs[0] * len(texts)
        return list(texts)

    def encode_tokens(self, tokens: list[str]) -> Vectors:
        self.clock.now += self.costs[1] * len(tokens)
        self.sizes.append(len(tokens))
        return np.array([[len(text), 1.0] for text in tokens], np.float32)

    def encode(self, texts: Sequence[str]) -> Vectors:
        return self.encode_tokens(self.tokenize(texts))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", lambda: clock.now)
    return clock


def peer(name: str, encoder: Any) -> Peer:
    return Peer(name, name, name, encoder)


def test_the_stages_are_timed_apart(clock: Clock) -> None:
    encoder = Staged(clock, tokenize=1.0, encode=3.0)
    report = measure([peer("a", encoder)], TEXTS, count=50, batches=[20, 5], budget=1e9)
    small, large = report.cells
    assert (small.batch, small.queries, small.tokenize, small.encode) == (5, 50, 50.0, 150.0)
    assert (large.batch, large.queries, large.queries_per_second, large.note) == (20, 50, 0.25, "")
    assert encoder.sizes[-3:] == [20, 20, 10]
    assert report.taken == "drawn from 100"
    row = report.rows()[1]
    assert (row["tokenize µs a query"], row["encode µs a query"], row["queries a second"]) == (1e6, 3e6, 0.25)


def test_a_slow_encoder_is_measured_on_fewer_queries_and_says_on_how_many(clock: Clock) -> None:
    slow = peer("slow", Staged(clock, tokenize=0.0, encode=1.0))
    report = measure([slow], TEXTS, count=100, batches=[4, 16, 64], budget=10)
    assert [(cell.queries, cell.note) for cell in report.cells] == [
        (12, "stopped after 10 s"),
        (16, "stopped after 10 s"),
        (0, "left out: at 1 queries a second a batch takes 64 s"),
    ]
    assert report.cells[2].queries_per_second is None
    assert [cell.queries_per_second for cell in report.cells[:2]] == [1.0, 1.0]
    stored = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert [cell["queries_per_second"] for cell in stored["cells"]] == [1.0, 1.0, None]
    assert report.rows()[2]["encode µs a query"] is None


def test_encoders_take_turns_at_each_batch_size(clock: Clock) -> None:
    peers = [peer(name, Staged(clock, tokenize=0.0, encode=1.0)) for name in "ab"]
    retriever = Peer("bm25", "bm25", "", retriever=object())  # type: ignore[arg-type]
    done: list[tuple[str, int, int | None]] = []
    report = measure(
        [*peers, retriever], TEXTS, count=8, batches=[2, 4], budget=1e9, progress=lambda *state: done.append(state)
    )
    assert [(cell.label, cell.batch) for cell in report.cells] == [("a", 2), ("b", 2), ("a", 4), ("b", 4)]
    assert done[-1] == ("throughput", 4, 4)
    assert [entry["query_encoder"] for entry in report.skipped] == ["bm25"]


def test_the_student_is_measured_with_its_words_forgotten_at_each_size(student: RecurrentEncoder) -> None:
    ours = Peer("minilm-gru", "minilm-gru", "", student, incremental=True, folder=find("minilm-gru"))
    report = measure([ours], ["how to boil an egg", "weather", "\u200b"], count=64, batches=[16, 64], seed=3)
    assert [cell.queries for cell in report.cells] == [64, 64]
    assert all(cell.tokenize > 0 and cell.encode > 0 for cell in report.cells)
    assert (report.distinct, report.taken) == (3, "3 repeated 21.3 times")


def test_stages_that_do_not_give_what_the_encoder_gives_are_refused(clock: Clock) -> None:
    encoder = Staged(clock, tokenize=0.0, encode=1.0)
    encoder.encode = lambda texts: np.array([[1.0, -5.0]] * len(texts), np.float32)  # type: ignore[method-assign]
    with pytest.raises(TypeaheadError, match="other vectors than its encode"):
        measure([peer("a", encoder)], TEXTS, count=8, batches=[4])


def test_queries_are_drawn_without_replacement_or_repeated_evenly() -> None:
    drawn, distinct, taken = draw(TEXTS, 40, 1)
    assert (len(set(drawn)), distinct, taken) == (40, 40, "drawn from 100")
    drawn, distinct, taken = draw([*TEXTS, "", " "], 250, 1)
    assert (len(drawn), distinct, taken) == (250, 100, "100 repeated 2.5 times")
    assert set(Counter(drawn).values()) == {2, 3}
    assert draw(TEXTS, 40, 1) == draw(TEXTS, 40, 1) != draw(TEXTS, 40, 2)


def test_what_cannot_be_measured_is_refused(clock: Clock) -> None:
    encoder = peer("a", Staged(clock, tokenize=0.0, encode=1.0))
    with pytest.raises(TypeaheadError, match="no query"):
        measure([encoder], [""])
    for count, batches in ((0, [4]), (8, []), (8, [0])):
        with pytest.raises(ValueError, match="at least 1"):
            measure([encoder], TEXTS, count=count, batches=batches)
