"""What is typed where there is real data and where there is none."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks import typed
from benchmarks.tree import alone, interleaved
from typeahead.errors import SourceError


def test_without_recordings_traces_are_made_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(typed, "TRACES", tmp_path / "none")
    monkeypatch.setattr(typed, "QUERIES", tmp_path / "none")
    traces, what = typed.load_traces(None)
    assert what == "synthetic"
    assert len(traces) == 1500
    assert typed.load_traces(None)[0] == traces
    gaps = np.concatenate([np.diff([key.at for key in trace]) for trace in traces])
    assert 150 < np.median(gaps) < 190
    assert 600 < np.percentile(gaps, 95) < 830
    lengths = [len(text.text) - len(before.text) for trace in traces for before, text in pairwise(trace)]
    assert set(lengths) == {1, -1}
    assert 0.03 < np.mean(np.array(lengths) == -1) < 0.06
    queries, what = typed.load_queries(None, 100)
    assert (len(queries), what) == (100, "synthetic")


def test_real_data_is_looked_for_where_the_variable_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TYPEAHEAD_DATA", str(tmp_path))
    assert typed.data_folder() == tmp_path
    monkeypatch.delenv("TYPEAHEAD_DATA")
    assert typed.data_folder().parts[-2:] == ("shared", "data")


def test_recorded_traces_and_queries_are_read(tmp_path: Path) -> None:
    (tmp_path / "traces.jsonl").write_text(json.dumps({"typed": "hi", "keys": [[0, "h"], [90, "i"]]}) + "\n")
    traces, what = typed.load_traces(tmp_path / "traces.jsonl")
    assert [key.text for key in traces[0]] == ["h", "hi"]
    assert what == "recorded, traces.jsonl"
    (tmp_path / "queries.tsv").write_text("a\tone\nb\ttwo\nthree\n\na\tone\n")
    queries, what = typed.load_queries(tmp_path / "queries.tsv", 10)
    assert sorted(queries) == ["one", "three", "two"]
    assert what == "real, queries.tsv"
    assert len(typed.load_queries(tmp_path / "queries.tsv", 2)[0]) == 2


def test_files_without_anything_in_them_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(b"\xff\xfe\n")
    with pytest.raises(SourceError, match="holds no trace"):
        typed.load_traces(tmp_path / "empty")
    with pytest.raises(SourceError, match="holds no query"):
        typed.load_queries(tmp_path / "empty", 1)
    with pytest.raises(SourceError, match="not UTF-8"):
        typed.load_queries(tmp_path / "binary", 1)


def test_queries_follow_the_traces_key_by_key() -> None:
    traces = typed.synthetic_traces(2, seed=0)
    texts = typed.varied_texts(traces, ["ab", "c", "d"], 2)
    own = typed.typed_texts(traces, 2)
    assert texts[0] == [*own[0], "a", "ab", "", "d", ""]
    assert texts[1] == [*own[1], "c", ""]


def test_interleaved_queries_are_typed_whole_and_in_order() -> None:
    queries = ["abc", "de", "f", "ghij", "k"]
    seen: dict[int, list[str]] = {}
    for keys in interleaved(queries, 3, seed=1):
        assert len({number for number, _ in keys}) == len(keys)
        for number, text in keys:
            seen.setdefault(number, []).append(text)
        assert len([number for number, texts in seen.items() if texts[-1] != queries[number]]) <= 3
    assert [seen[number] for number in range(5)] == [
        [query[:end] for end in range(1, len(query) + 1)] for query in queries
    ]


def test_one_session_alone_steps_each_of_its_prefixes_once() -> None:
    assert alone([(1,), (1, 2), (1,), (3,), (3, 4), (1, 2)]) == 4
    assert alone([(), ()]) == 0
