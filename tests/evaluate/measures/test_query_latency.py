"""Latency of one query: what is timed is what is said to be timed, on a clock that counts steps."""

from __future__ import annotations

import copy
import gc
import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from typeahead.core.encoder import Vectors
from typeahead.encoders.recurrent import RecurrentEncoder
from typeahead.errors import TypeaheadError
from typeahead.evaluate.measures.query_latency import Percentiles, count_tokens, last_word, measure
from typeahead.evaluate.peers import Peer
from typeahead.models.folder import find

QUERIES = ["how to boil an egg", "unbelievably", "what is  photosynthesis ?", "egg"]


class Scripted:
    """An encoder of whole texts that records them."""

    def __init__(self, log: list[tuple[str, str]], name: str) -> None:
        self.log, self.name = log, name

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.log += [(self.name, text) for text in texts]
        return np.ones((len(texts), 3), np.float32)


def scripted(name: str, log: list[tuple[str, str]]) -> Peer:
    return Peer(name, name, name, Scripted(log, name))


@pytest.fixture
def peer(student: RecurrentEncoder) -> Peer:
    return Peer("minilm-gru", "minilm-gru", "", copy.copy(student), incremental=True, folder=find("minilm-gru"))


def test_percentiles_are_numpys() -> None:
    values = np.random.default_rng(0).exponential(50, 997)
    found = Percentiles.of(values.tolist())
    assert found.n == 997
    assert [found.p50, found.p90, found.p95, found.p99] == list(np.percentile(values, [50, 90, 95, 99]))
    assert found.max == values.max()
    assert found.mean == pytest.approx(values.mean())


@pytest.mark.parametrize(
    ("query", "before", "last"),
    [
        ("how to boil an egg", "how to boil an ", "egg"),
        ("egg", "", "egg"),
        ("is it ? ", "is it ", "?"),
        ("a\u3000b", "a\u3000", "b"),
        ("東京の天気", "", "東京の天気"),
        ("", "", ""),
    ],
)
def test_the_last_word_starts_after_the_last_white_space(query: str, before: str, last: str) -> None:
    assert last_word(query) == (before, last)


def test_tokens_are_counted_without_special_ones(student: RecurrentEncoder) -> None:
    found = count_tokens("gru", student.tokenizer, ["how to boil an egg", "how unaffable", "東京"])
    assert (found.query.n, found.query.max, found.query.p50) == (3, 5, 4)
    # egg; una ##ffa ##ble; both characters
    assert (found.last_word.p50, found.last_word.max) == (2, 3)


def test_online_steps_the_last_word_a_key_its_token_and_enter_nothing(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock shows a microsecond for each text and token that an encoder was given."""
    steps = 0
    advance = peer.encoder._advance

    def counted(states: Vectors, tokens: Any) -> tuple[Vectors, Vectors]:
        nonlocal steps
        steps += len(tokens)
        result: tuple[Vectors, Vectors] = advance(states, tokens)
        return result

    monkeypatch.setattr(peer.encoder, "_advance", counted)
    monkeypatch.setattr("time.perf_counter_ns", lambda: 1000 * steps)
    report = measure([peer], ["how to boil an unaffable"], repetitions=5, warm_up=1)
    (found,) = report.latencies
    assert report.tokens is not None
    assert found.full.p50 == report.tokens.query.p50 == 7
    assert found.online.max == report.tokens.last_word.p50 == 3
    assert found.key.max == 1
    assert found.enter.max == 0
    assert found.full.n == 4


def test_every_encoder_is_timed_on_the_same_queries_in_turns(peer: Peer) -> None:
    log: list[tuple[str, str]] = []
    peers = [scripted("a", log), peer, Peer("bm25", "bm25", "", retriever=object()), scripted("b", log)]  # type: ignore[arg-type]
    report = measure(peers, [*QUERIES, "", "  "], repetitions=14, warm_up=3, seed=4)
    assert [latency.label for latency in report.latencies] == ["a", "minilm-gru", "b"]
    assert all(latency.full.n == 11 for latency in report.latencies)
    texts = {name: [text for who, text in log if who == name] for name in "ab"}
    assert texts["a"] == texts["b"]
    assert len(texts["a"]) == 14
    assert set(texts["a"]) == set(QUERIES)
    names = [name for name, _ in log]
    assert names[:6] == ["a"] * 3 + ["b"] * 3
    assert names[6:18].count("a") == 6
    assert "".join(names) != "aaabbb" * 4 + "aabb", "the order of turns changes from block to block"
    assert report.skipped == [{"query_encoder": "bm25", "skipped": "retrieves passages and has no embedding to time"}]


def test_an_encoder_of_whole_texts_has_one_latency(peer: Peer) -> None:
    report = measure([scripted("teacher", []), peer], QUERIES, repetitions=4, warm_up=1)
    teacher, ours = report.latencies
    assert teacher.online == teacher.key == teacher.enter == teacher.full
    assert not teacher.incremental
    assert ours.incremental
    rows = report.rows()
    assert [row["what"] for row in rows] == ["full", "online", "full", "key", "enter"]
    assert [row["tokens of the"] for row in report.token_rows()] == ["last word", "query"]
    stored = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert stored["latencies"][1]["online"]["n"] == 3
    assert stored["repetitions"] == 4


def test_the_same_seed_draws_the_same_queries() -> None:
    logs: list[list[tuple[str, str]]] = [[], [], []]
    for log, seed in zip(logs, (1, 1, 2), strict=True):
        measure([scripted("a", log)], [str(number) for number in range(50)], repetitions=30, warm_up=15, seed=seed)
    assert logs[0] == logs[1] != logs[2]
    assert len({text for _, text in logs[0]}) == 30


def test_an_embedding_that_typing_gets_wrong_is_not_timed(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer.encoder, "encode", lambda texts: np.ones((len(texts), 384), np.float32))
    with pytest.raises(TypeaheadError, match="differs from that of the whole query") as raised:
        measure([peer], ["secret"], repetitions=3, warm_up=1)
    assert "secret" not in str(raised.value)


def test_a_query_without_a_token_has_no_embedding_and_is_timed(peer: Peer) -> None:
    report = measure([peer], ["\u200b"], repetitions=3, warm_up=1)
    assert report.latencies[0].key.n == 2


def test_the_collector_and_the_tokenizers_threads_are_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKENIZERS_PARALLELISM", raising=False)
    seen: list[tuple[bool, str | None]] = []

    def spy(texts: Sequence[str]) -> Vectors:
        seen.append((gc.isenabled(), os.environ.get("TOKENIZERS_PARALLELISM")))
        raise ZeroDivisionError(texts)

    peer = scripted("spy", [])
    monkeypatch.setattr(peer.encoder, "encode", spy)
    with pytest.raises(ZeroDivisionError):
        measure([peer], QUERIES, repetitions=3, warm_up=1)
    assert seen == [(False, "false")]
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    assert "TOKENIZERS_PARALLELISM" not in os.environ


def test_what_cannot_be_timed_is_refused(peer: Peer) -> None:
    with pytest.raises(TypeaheadError, match="no query"):
        measure([peer], [" ", ""])
    with pytest.raises(ValueError, match="warm up"):
        measure([peer], QUERIES, repetitions=20, warm_up=20)
