"""The commands end to end, on little: what they print and write has the columns that the documents name."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from benchmarks import denial, embed, keystroke, load, scale, soak, sparse, tree, typed
from benchmarks.native import has_compiler
from tests.server.fakes import MeanEncoder
from tests.static import TOKENIZER, VOCABULARY, write_model2vec
from typeahead.encoders.static_import import import_static
from typeahead.index import Document, build_index, open_index
from typeahead.index.sparse import SPARSE, write_sparse

needs_compiler = pytest.mark.skipif(not has_compiler(), reason="there is no C compiler")
CORES = sorted(os.sched_getaffinity(0))
PINNED = ["--server-cores", str(CORES[0]), "--client-core", str(CORES[-1])]


@pytest.fixture(autouse=True)
def _synthetic(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(typed, "TRACES", tmp_path / "none")
    monkeypatch.setattr(typed, "QUERIES", tmp_path / "none")
    for module in (denial, load, scale, soak):
        monkeypatch.setattr(module, "QUERIES", 50)


@pytest.fixture
def figures(tmp_path: Path) -> Callable[..., Any]:
    """Run a command and give what it wrote as JSON."""

    def run(main: Callable[[Sequence[str]], None], *arguments: str) -> Any:
        main([*arguments, "--json", str(tmp_path / "out.json")])
        return json.loads((tmp_path / "out.json").read_text())

    return run


def test_keystroke(figures: Callable[..., Any]) -> None:
    data = figures(keystroke.main, "--sessions", "1", "3", "--keys", "60", "--rounds", "1", "--core", str(CORES[0]))
    assert [row["sessions"] for row in data["rows"]] == [1, 3]
    assert all(row["keystrokes/s"] > 0 for row in data["rows"])
    assert data["typing"] == "synthetic"


@needs_compiler
def test_embed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_static(write_model2vec(tmp_path / "source", normalize=True), tmp_path / "model")
    monkeypatch.setattr(embed, "_QUERIES", 300)
    monkeypatch.setattr(embed, "_LOADS", ((1, 2), (10, 1)))
    monkeypatch.setattr(embed, "_WARM_UP", 0.05)
    monkeypatch.setattr(embed, "_REPETITIONS", 3)
    monkeypatch.setattr(embed, "_DIMENSIONS", (8, 16))
    model = ["--encoder", str(tmp_path / "model"), "--seconds", "0.2", "--json", str(tmp_path / "out.json"), *PINNED]
    embed.main(model)
    found = {name: json.loads((tmp_path / f"out-{name}.json").read_text())["rows"] for name in embed.TABLES}
    assert [(row["texts a request"], row["errors"]) for row in found["rates"]] == [(1, 0), (10, 0)] * 2
    assert all(row["texts/s"] > 0 for row in found["rates"])
    assert all(value > 0 for value in found["steps"][0].values())
    assert [row["tokens"] for row in found["lengths"]] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert [row["dimension"] for row in found["dimensions"]] == [8, 16]
    (binary,) = (row for row in found["formats"] if row["format"].endswith("float32"))
    assert binary["bytes"] == 100 * 24 * 4
    with pytest.raises(SystemExit):
        embed.main(["--encoder", "minilm-gru"])


def test_sparse(figures: Callable[..., Any], tmp_path: Path) -> None:
    pytest.importorskip("seismic", reason="the comparison needs pyseismic-lsr")
    from scipy.sparse import csr_array

    texts = [f"read the file {number} line by line" for number in range(200)]
    build_index([Document(str(row), "", text) for row, text in enumerate(texts)], tmp_path / "index", MeanEncoder())
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    weights = np.zeros((200, VOCABULARY), np.float32)
    for row, text in enumerate(texts):
        weights[row, tokenizer.encode(text, add_special_tokens=False).ids] = 1 + row / 100
    with open_index(tmp_path / "index") as index:
        write_sparse(index.generation / SPARSE, csr_array(weights), tokenizer.to_str(), counts="count")
    (tmp_path / "queries.tsv").write_text("".join(f"source\tfile {number}\n" for number in range(30)))
    data = figures(sparse.main, str(tmp_path / "index"), str(tmp_path / "queries.tsv"), "--count", "10")
    assert data["rows"][0] | {"p50 µs": 1, "p99 µs": 1} == {
        "engine": "SciPy, exact",
        "p50 µs": 1,
        "p99 µs": 1,
        "recall@10": 1.0,
    }
    assert [row["engine"][:7] for row in data["rows"][1:]] == ["Seismic"] * 2
    assert all(row["p50 µs"] > 0 for row in data["rows"])


def test_tree(figures: Callable[..., Any]) -> None:
    data = figures(tree.main, "--count", "40", "--sessions", "8")
    apart, shared = data["rows"]
    assert shared["queries"] == 40
    assert 0 < shared["steps computed"] < shared["steps without sharing"] == apart["steps computed"]
    # Nothing was forgotten, so what was saved is the most that could be.
    assert shared["saved %"] == pytest.approx(shared["saved % if nothing were forgotten"])


def test_scale_in_process(figures: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "SESSIONS", (1, 10))
    monkeypatch.setattr(scale, "LENGTHS", (1, 100))
    monkeypatch.setattr(scale, "_KEYS", 50)
    data = figures(scale.main, "length", "--count", "40", *PINNED)
    assert [row["code points"] for row in data["rows"]] == [1, 100]
    data = figures(scale.main, "sessions", "--count", "40", *PINNED)
    assert [row["sessions"] for row in data["rows"]] == [1, 10]
    data = figures(scale.main, "cache", "--count", "40", *PINNED)
    found = [row["found %"] for row in data["rows"]]
    assert found == sorted(found)


@needs_compiler
def test_load_accounts_for_every_key(figures: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("picows")
    monkeypatch.setattr(load, "OPEN_WARM_UP", 0.1)
    monkeypatch.setattr(load, "NORMAL_SECONDS", (0.3, 0.5))
    monkeypatch.setattr(load, "FILL_SECONDS", 0.2)
    data = figures(
        load.main,
        *("top", "rate", "crowd", "overload"),
        *("--connections", "5", "--seconds", "0.5", "--rounds", "1", "--rate", "200", "--crowd", "20"),
        *("--top-rate", "200", "--overload-seconds", "0.5", *PINNED),
    )
    rows = {row["what"]: row for row in data["rows"]}
    assert list(rows)[:3] == ["bare echo, closed loop", "closed loop", "open loop, 200/s"]
    assert rows["open loop, 200/s"]["keys"] == 100
    assert rows["twice the top rate, 0.5 s"]["keys"] == 200
    for row in rows.values():
        assert row["unanswered"] == row["errors"] == 0
        assert row["server MB"] > 10
    assert data["share_of_the_echo's_rate_%"] > 0


@needs_compiler
def test_soak_looks_at_the_memory_in_every_window(figures: Callable[..., Any]) -> None:
    data = figures(
        soak.main,
        *("--minutes", "0.05", "--every", "1", "--settle", "0.5", "--rate", "50", "--connections", "5", *PINNED),
    )
    assert len(data["memory_MB"]) == 4
    assert isinstance(data["growth_of_memory_after_settling_%"], float)
    assert (data["keys"], data["errors"], data["unanswered"]) == (150, 0, 0)


@needs_compiler
def test_denial_refuses_heads_and_lets_new_people_in(
    figures: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denial, "FILL_SECONDS", 0.1)
    data = figures(
        denial.main,
        *("--descriptors", "256", "--silent", "300", "--connections", "5", "--rate", "50", "--seconds", "0.6", *PINNED),
    )
    assert [row["what"] for row in data["rows"]] == ["nothing else", "one header", "header lines", "silent"]
    assert [row["unanswered"] for row in data["rows"]] == [0] * 4
    assert data["heads_are_refused_below_128_kB"]
    assert data["nobody_waits_30_s"]
