"""Replayed typing: the right texts, every keystroke timed, and peers that compute the same thing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.recurrent import UNITS, write_folder
from typeahead.core.engine import Engine
from typeahead.encoders.recurrent import RecurrentEncoder
from typeahead.errors import SourceError
from typeahead.evaluate.data.traces import Keystroke, read_traces
from typeahead.evaluate.measures import latency
from typeahead.models.folder import find, read_config
from typeahead.models.golden import agreements

KEYS = [[0, "SHIFT"], [100, "H"], [250, "x"], [400, "BKSP"], [420, "o"], [600, "w"], [700, "BKSP"], [800, "w"]]


def write_traces(path: Path, *traces: object) -> Path:
    lines = "".join(json.dumps(trace) + "\n" for trace in traces)
    path.write_bytes(gzip.compress(lines.encode()) if path.suffix == ".gz" else lines.encode())
    return path


@pytest.mark.parametrize("name", ["traces.jsonl", "traces.jsonl.gz"])
def test_keys_become_texts(tmp_path: Path, name: str) -> None:
    path = write_traces(tmp_path / name, {"typed": "How", "keys": KEYS})
    (trace,) = read_traces(path)
    assert [keystroke.text for keystroke in trace] == ["H", "Hx", "H", "Ho", "How", "Ho", "How"]
    assert trace[0] == Keystroke(100.0, "H")


def test_a_line_that_is_no_trace_is_named(tmp_path: Path) -> None:
    path = write_traces(tmp_path / "traces.jsonl", {"keys": KEYS}, {"keys": 3})
    with pytest.raises(SourceError, match=r"traces\.jsonl:2: not a trace"):
        list(read_traces(path))


@pytest.mark.parametrize("keys", [[[float("nan"), "a"]], [["soon", "a"]], [[0, ["a"]]], [[0]]])
def test_a_key_that_is_none_is_refused(tmp_path: Path, keys: object) -> None:
    path = write_traces(tmp_path / "traces.jsonl", {"keys": keys})
    with pytest.raises(SourceError, match=r"traces\.jsonl:1: not a trace"):
        list(read_traces(path))


@pytest.mark.parametrize("damage", [lambda data: data[:-20], lambda data: data[:12] + b"\xff" * 8 + data[20:]])
def test_a_compressed_file_that_is_damaged_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = write_traces(tmp_path / "traces.jsonl.gz", *({"keys": [[n, "a"], [n + 150, "b"]]} for n in range(500)))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(SourceError, match=r"traces\.jsonl\.gz(:\d+)?: (cannot be read|not a trace)"):
        list(read_traces(path))


def test_every_keystroke_is_timed_and_ready_at_enter(tmp_path: Path, student: RecurrentEncoder) -> None:
    (trace,) = read_traces(write_traces(tmp_path / "traces.jsonl", {"keys": KEYS}))
    timings, ready = latency.replay(student, [trace, trace], "ours")
    assert len(timings.values) == 14
    assert 0 <= ready <= 1
    row = timings.row()
    assert row["n"] == 14
    assert row["p50 µs"] <= row["p99 µs"]  # type: ignore[operator]


def test_the_real_traces_end_with_what_was_typed(shared_data: Path) -> None:
    path = shared_data / "keystrokes.jsonl.gz"
    with gzip.open(path, "rt") as file:
        typed = {json.loads(line)["typed"] for line in file}
    final = [trace[-1].text for trace in read_traces(path)]
    assert len(final) > 1300
    # The others also moved the cursor, which the recording does not hold.
    assert sum(text in typed for text in final) / len(final) > 0.7


def test_the_torch_peer_computes_the_same_embeddings(student: RecurrentEncoder) -> None:
    pytest.importorskip("torch", reason="the peer needs PyTorch")
    from typeahead.evaluate.peers import TorchStepEncoder

    session = Engine(TorchStepEncoder(find("minilm-gru"), threads=1)).session()
    for text in ("how", "how to boil an egg", "東京の天気"):
        session.update(text)
        assert session.embedding is not None
        assert session.embedding @ student.encode([text])[0] > 0.999


def test_the_torch_peer_computes_the_layer_s_embeddings_too(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the peer needs PyTorch")
    pytest.importorskip("onnx", reason="the graphs are written by training")
    from typeahead.evaluate.peers import TorchStepEncoder

    for normalize in (True, False):
        folder = write_folder(tmp_path, readout=UNITS, normalize=normalize)
        texts = ["how", "how to boil an egg", "東京の天気"]
        precise = RecurrentEncoder(read_config(folder), folder, variant="-float32")
        assert agreements(TorchStepEncoder(folder, threads=1).encode(texts), precise.encode(texts)).min() > 0.99999
