"""The servers that are compared with typeahead, and the bare echo."""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np
import pytest

from benchmarks import peers
from benchmarks.loadgen import Fate, Generator, Protocol
from benchmarks.native import has_compiler
from benchmarks.servers import echo_server, started, typeahead_server
from benchmarks.typed import synthetic_traces

needs_compiler = pytest.mark.skipif(not has_compiler(), reason="there is no C compiler")
KEYS = np.zeros(5, np.int64), np.zeros(5, np.int32)
ALL_CORES = os.sched_getaffinity(0)


@needs_compiler
def test_the_echo_gives_each_key_back() -> None:
    pytest.importorskip("picows")
    with echo_server(cores=ALL_CORES) as server, Generator(server.address, [["a", "é"]], spin=False) as generator:
        outcome = generator.open_loop(*KEYS, patience=20.0)
    assert outcome.count(Fate.ANSWERED) == 5
    # Frames from a server are 4 bytes shorter: they are not masked.
    assert outcome.bytes_in == outcome.bytes_out - 5 * 4


@needs_compiler
def test_typeahead_is_loaded_through_its_own_command() -> None:
    with typeahead_server(cores=ALL_CORES, options=("--max-chars", "3")) as server:
        with Generator(server.address, [["a", "ab", "abcd"]], spin=False) as generator:
            outcomes = [
                generator.open_loop(np.zeros(1, np.int64), np.zeros(1, np.int32), patience=20.0) for _ in range(3)
            ]
        assert [outcome.fate.tolist() for outcome in outcomes] == [[Fate.ANSWERED], [Fate.ANSWERED], [Fate.FAILED]]
        assert "text_too_long" in outcomes[-1].first_error
        assert server.processor_seconds() > 0
        with Generator(
            server.address, [["a"]], protocol=Protocol.WEBSOCKET_BINARY, hello={"embedding": "float32"}, spin=False
        ) as generator:
            outcome = generator.open_loop(np.zeros(1, np.int64), np.zeros(1, np.int32), patience=20.0)
        assert outcome.count(Fate.ANSWERED) == 1
        assert outcome.bytes_in > 1536


@needs_compiler
def test_an_encoder_of_whole_texts_is_served_by_fastapi() -> None:
    pytest.importorskip("fastapi")
    command = [sys.executable, "-m", "benchmarks.peer_servers", "minilm-doc"]
    with (
        started("FastAPI", command, cores=ALL_CORES) as server,
        Generator(server.address, [["a", "é"]], protocol=Protocol.HTTP, path="/embed", spin=False) as generator,
    ):
        outcome = generator.open_loop(*KEYS, patience=20.0)
    assert outcome.count(Fate.ANSWERED) == 5
    assert outcome.bytes_in > 5 * 1536


def test_the_application_gives_the_encoders_bytes() -> None:
    pytest.importorskip("fastapi")
    from starlette.testclient import TestClient

    from benchmarks.peer_servers import make_app

    class Encoder:
        def encode(self, texts: list[str]) -> Any:
            return np.full((1, 384), len(texts[0]), np.float32)

    with TestClient(make_app(Encoder())) as client:
        reply = client.post("/embed", json={"text": "four"})
    assert np.frombuffer(reply.content, np.float32).tolist() == [4.0] * 384


@needs_compiler
def test_peers_are_compared_with_typeahead_under_the_same_load(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fastapi")
    monkeypatch.setattr(peers, "_CONNECTIONS", 3)
    cores = frozenset({min(ALL_CORES)}), frozenset({max(ALL_CORES)})
    traces = synthetic_traces(3, seed=0)
    compared = [
        peers.Candidate("ONNX Runtime int8", "minilm-doc", http=True),
        peers.Candidate(peers.OURS, None, http=False),
    ]
    theirs, ours = peers.rates_table(compared, traces, ["how to boil an egg"], 0.5, 0.3, cores)
    assert theirs["server"] == "FastAPI, ONNX Runtime int8"
    assert min(theirs["top rate /s"], ours["top rate /s"], theirs["open loop /s"]) > 0
    assert theirs["unanswered"] == theirs["errors"] == 0
    assert theirs["p99 / ours"] > 0
    assert ours["open loop /s"] is None

    plain, debounced, ours = peers.people_table(compared, traces, 3, 2.0, cores)
    assert (plain["asked"], ours["asked"]) == (plain["keys"], plain["keys"])
    assert 0 < debounced["asked"] < plain["keys"]
    # Who waits for a debounce waits for at least that.
    assert debounced["key to embedding p50 ms"] >= peers.DEBOUNCE_MS
