"""The commands: what cannot work is refused before hours are spent, nothing is lost, or left out without a word."""

from __future__ import annotations

import builtins
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.evaluate.layouts import write_beir
from typeahead.cli import main
from typeahead.commands.evaluate import common
from typeahead.core.encoder import Vectors
from typeahead.evaluate import peers
from typeahead.evaluate.peers import Peer

#: How a test loads an encoder: label, and what it is to be.
Loads = Callable[..., Peer]


class Letters:
    """Counts letters: float32 (n, dim); remembers how many texts it was given."""

    def __init__(self, dim: int, shift: int = 0) -> None:
        self.dim = dim
        self.encoded = 0
        self._shift = shift

    def encode(self, texts: Sequence[str], /) -> Vectors:
        self.encoded += len(texts)
        vectors = np.ones((len(texts), self.dim), np.float32)
        for row, text in enumerate(texts):
            for letter in text.encode():
                vectors[row, (letter + self._shift) % self.dim] += 1
        return vectors


@pytest.fixture
def encoders(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Encoders by name; ``LABEL=NAME`` loads one, without a model and at once."""
    found: dict[str, Any] = {"wide": Letters(16), "other": Letters(16, 3), "narrow": Letters(8)}

    def load(spec: str, *, threads: int, cache: Path | None = None) -> Peer:
        del threads, cache
        label, name = peers.names.split_label(spec)
        if name in found:
            return Peer(label, name, name, found[name])
        return original(spec, threads=1)

    original = peers.load_peer
    monkeypatch.setattr(peers, "load_peer", load)
    monkeypatch.setattr(peers.names, "load_peer", load)
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A collection, and nothing else, in the folder where commands run."""
    monkeypatch.chdir(tmp_path)
    return write_beir(tmp_path / "tiny")


def evaluate(what: str, *arguments: str | Path) -> int:
    return main(["evaluate", what, *map(str, arguments)])


@pytest.mark.parametrize("what", ["retrieval", "prefixes", "hybrid", "typed", "latency", "mteb", "report"])
def test_help_shows_a_default_once_and_none_where_there_is_none(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        evaluate(what, "--help")
    assert stopped.value.code == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "None" not in printed
    assert "False" not in printed
    assert ") (default" not in printed


@pytest.mark.parametrize(
    "arguments",
    [
        ("retrieval", "tiny", "--query-encoder", "wide", "--threads", "0"),
        ("retrieval", "tiny", "--query-encoder", "wide", "--seed", "-1"),
        ("retrieval", "tiny", "--query-encoder", "wide", "--worst", "-1"),
        ("prefixes", "tiny", "--query-encoder", "wide", "--seed", "x"),
        ("latency", "queries.txt", "--query-encoder", "wide", "--batches", "0"),
        ("latency", "queries.txt", "--query-encoder", "wide", "--budget", "nan"),
    ],
)
def test_numbers_that_make_no_sense_are_bad_usage(arguments: Sequence[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        evaluate(*arguments)
    assert stopped.value.code == 2


@pytest.mark.parametrize("what", ["retrieval", "prefixes"])
def test_an_encoder_of_another_dimension_is_refused_before_a_passage_is_encoded(
    what: str, folder: Path, encoders: dict[str, Letters], capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(what, folder, "--query-encoder", "narrow", "--passage-encoder", "wide") == 1
    assert "narrow gives vectors of 8 dimensions, wide of 16" in capsys.readouterr().err
    assert encoders["wide"].encoded == 0


@pytest.mark.parametrize("what", ["retrieval", "prefixes"])
def test_results_that_cannot_be_written_are_refused_before_a_passage_is_encoded(
    what: str, folder: Path, encoders: dict[str, Letters], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments: list[str | Path] = [folder, "--query-encoder", "other", "--passage-encoder", "wide", "--json", folder]
    assert evaluate(what, *arguments) == 1
    assert "is a folder" in capsys.readouterr().err
    assert encoders["wide"].encoded == 0


def test_a_package_that_scores_is_asked_for_before_a_passage_is_encoded(
    folder: Path, encoders: dict[str, Letters], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    assert evaluate("retrieval", folder, "--query-encoder", "other", "--passage-encoder", "wide") == 1
    assert f'ir_measures is not installed: pip install -e "{ROOT}[evaluate]"' in capsys.readouterr().err
    assert encoders["wide"].encoded == 0


@pytest.mark.usefixtures("encoders")
def test_labels_that_would_name_one_file_get_a_run_each_and_stay_in_the_folder(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    labels = ["a/../b", "a b", "A B", "x" * 300]
    named = [f"{label}={name}" for label, name in zip(labels, ["wide", "other", "wide", "other"], strict=True)]
    arguments: list[str | Path] = [folder, "--query-encoder", *named, "--passage-encoder", "wide", "--json", out]
    assert evaluate("retrieval", *arguments, "--baseline", "a b") == 0
    results = json.loads(out.read_text())["results"]
    assert [result["query_encoder"] for result in results] == labels
    files = [Path(run) for result in results for run in result["runs"]]
    assert len(set(files)) == 8
    assert {path.resolve() for path in files} == {path.resolve() for path in (tmp_path / ".typeahead/runs").iterdir()}


@pytest.mark.usefixtures("encoders")
def test_a_dash_prints_json_alone_and_tables_on_standard_error(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        evaluate("retrieval", folder, "--query-encoder", "a|b=other", "--passage-encoder", "wide", "--json", "-") == 0
    )
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert found["results"][0].keys() >= {"query_encoder", "metrics", "key"}
    assert "| a\\|b " in printed.err
    assert "nothing is compared: wide is none of the query encoders" in printed.err


@pytest.mark.usefixtures("encoders")
def test_figures_are_on_disk_before_somebody_who_went_away_is_told(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **options: Any) -> None:
        if options.get("file") is None:
            raise BrokenPipeError

    monkeypatch.setattr(builtins, "print", gone)
    monkeypatch.setattr("os.dup2", lambda *_: None)
    out = tmp_path / "out.json"
    assert evaluate("retrieval", folder, "--query-encoder", "wide", "--passage-encoder", "wide", "--json", out) == 1
    assert json.loads(out.read_text())["kind"] == "retrieval"


def test_figures_that_cannot_be_kept_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        common.publish(tmp_path / "out.json", "latency", {"p50": float("nan")}, "the table")
    assert "the table" in capsys.readouterr().out
    assert not (tmp_path / "out.json").exists()


@pytest.mark.usefixtures("encoders")
def test_two_collections_of_one_name_are_told_apart(folder: Path, tmp_path: Path) -> None:
    other = write_beir(tmp_path / "elsewhere" / "tiny", passages={"7067032": "Boil eggs.", "8841822": "The sun."})
    pages = []
    for number, collection in enumerate((folder, other)):
        pages.append(tmp_path / f"{number}.json")
        encoding = ("--query-encoder", "other", "wide", "--passage-encoder", "wide")
        assert evaluate("retrieval", collection, *encoding, "--json", pages[-1]) == 0
    first, second = (json.loads(page.read_text()) for page in pages)
    assert first["dataset"] == second["dataset"] == "tiny"
    assert first["passages_sha256"] != second["passages_sha256"]
    assert evaluate("report", *pages, "--out", tmp_path / "page.md") == 0
    page = (tmp_path / "page.md").read_text()
    assert "(recall-tiny.svg)" in page
    assert "(recall-tiny-2.svg)" in page
    assert (tmp_path / "recall-tiny.svg").is_file()
    assert (tmp_path / "recall-tiny-2.svg").is_file()


@pytest.mark.usefixtures("encoders")
def test_float16_vectors_have_a_cache_of_their_own(folder: Path, tmp_path: Path) -> None:
    for dtype in ("float32", "float16"):
        encoding = ("--query-encoder", "other", "--passage-encoder", "wide", "--passage-dtype", dtype)
        assert evaluate("retrieval", folder, *encoding, "--cache", tmp_path / "cache") == 0
    assert len(list((tmp_path / "cache").iterdir())) == 2


@pytest.mark.usefixtures("encoders")
def test_prefixes_say_what_was_left_out(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("bm25s", reason="BM25 is an optional peer")
    out = tmp_path / "out.json"
    encoding = ("--query-encoder", "other", "bm25", "teacher=wide", "--passage-encoder", "wide")
    assert evaluate("prefixes", folder, *encoding, "--json", out) == 0
    printed = capsys.readouterr().out
    found = json.loads(out.read_text())
    systems = ["teacher", "other", "words alone (BM25)"]
    assert [system["typist"] for system in found["systems"]] == systems
    assert [peer["query_encoder"] for peer in found["skipped"]] == ["bm25", "teacher, debounced 150 ms"]
    assert evaluate("report", out, "--out", tmp_path / "page.md") == 0
    for text in (printed, (tmp_path / "page.md").read_text()):
        assert "- bm25 is left out: it matches whole words only" in text
        assert "- teacher, debounced 150 ms is left out: it needs recorded typing" in text


@pytest.mark.usefixtures("encoders")
def test_hybrids_are_compared_with_the_dense_arm(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    encoding = ("--query-encoder", "other", "--passage-encoder", "wide")
    assert evaluate("hybrid", folder, *encoding, "--weights", "0", "0.5", "--typed", "100", "--json", out) == 0
    printed = capsys.readouterr().out
    (found,) = json.loads(out.read_text())["reports"]
    systems = [(row["system"], row["lexical weight"]) for row in found["rows"]]
    assert systems == [("dense", ""), ("lexical", ""), ("linear", 0), ("linear", 0.5), ("rrf", 0), ("rrf", 0.5)]
    assert "best over all shares typed" in printed
    assert evaluate("report", out, "--out", tmp_path / "page.md") == 0
    assert "## Vectors and words" in (tmp_path / "page.md").read_text()
    assert evaluate("hybrid", folder, "--query-encoder", "bm25", "--passage-encoder", "wide") == 1
    assert "the lexical arm is measured anyway" in capsys.readouterr().err
    for bad in (("--typed", "0"), ("--typed", "101"), ("--weights", "1.1"), ("--weights", "x"), ("--methods", "sum")):
        with pytest.raises(SystemExit) as stopped:
            evaluate("hybrid", folder, *encoding, *bad)
        assert stopped.value.code == 2


@pytest.mark.usefixtures("encoders")
def test_two_systems_of_one_name_do_not_type(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate("prefixes", folder, "--query-encoder", "wide=other", "--passage-encoder", "wide") == 1
    assert "two systems have the same name: wide; wide; words alone" in capsys.readouterr().err


@pytest.mark.usefixtures("encoders")
def test_curves_are_not_written_as_svg_into_a_file_of_another_kind(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (folder, "--query-encoder", "other", "--passage-encoder", "wide", "--plot", "curves.png")
    assert evaluate("prefixes", *arguments) == 1
    assert "curves.png: curves are drawn as SVG" in capsys.readouterr().err


def test_nothing_is_timed_where_nothing_encodes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("bm25s", reason="BM25 is an optional peer")
    (tmp_path / "queries.txt").write_text("how to boil an egg\n")
    assert evaluate("latency", tmp_path / "queries.txt", "--query-encoder", "bm25") == 1
    assert "bm25: nothing here encodes" in capsys.readouterr().err


def test_the_page_is_not_written_over_a_file_that_it_is_made_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out.json"
    path.write_text("{}")
    assert evaluate("report", path, "--out", path) == 1
    assert "is one of the files to read" in capsys.readouterr().err
    assert path.read_text() == "{}"


def test_encoders_of_another_teacher_are_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    def peer(label: str, teacher: str, revision: str) -> Peer:
        config = SimpleNamespace(teacher=SimpleNamespace(name=teacher, revision=revision))
        return Peer(label, label, label, SimpleNamespace(dim=4, config=config), folder=Path(label))

    passages = peer("doc", "MiniLM", "1")
    assert common.refuse_other_spaces([peer("same", "MiniLM", ""), passages], passages) == []
    warnings = common.refuse_other_spaces([peer("a", "E5", ""), peer("b", "MiniLM", "2")], passages)
    assert [warning.split()[0] for warning in warnings] == ["a", "b"]
    assert "a answers in the space of E5, doc in that of MiniLM" in capsys.readouterr().err


def test_a_box_is_measured_as_it_is_served(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ir_measures", reason="scoring needs ir_measures")
    folder = write_beir(
        tmp_path / "collection",
        passages={"eggs": "Put the eggs into boiling water.", "rain": "It rains in November.", "ls": "ls lists files."},
        queries={"q1": "how to boil an egg", "q2": "wet weather", "q3": "ls"},
        qrels={"q1": {"eggs": 1}, "q2": {"rain": 1}, "q3": {"ls": 1}},
    )
    index, results = tmp_path / "index", tmp_path / "box.json"
    assert main(["index", str(folder), "--out", str(index)]) == 0
    command = ["evaluate", "box", str(index), str(folder), "--hybrid", "linear", "--json", str(results)]
    assert main(command) == 0
    assert "nDCG@10" in capsys.readouterr().out
    found = json.loads(results.read_text())
    assert found["kind"] == "box"
    assert found["results"][0]["metrics"]["RR@10"] == 1.0
    assert main(["evaluate", "report", str(results), "--out", str(tmp_path / "page.md")]) == 0
    assert "The box as it is served" in (tmp_path / "page.md").read_text()


def test_a_box_of_other_documents_is_refused_and_one_that_lacks_some_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ir_measures", reason="scoring needs ir_measures")
    passages = {"eggs": "Put the eggs into boiling water.", "rain": "It rains in November."}
    judged = write_beir(
        tmp_path / "judged", passages=passages, queries={"q": "egg"}, qrels={"q": dict.fromkeys(passages, 1)}
    )
    (tmp_path / "some.jsonl").write_text('{"id": "eggs", "title": "", "text": "Put the eggs into boiling water."}\n')
    (tmp_path / "others.jsonl").write_text('{"id": "other", "title": "", "text": "Something else."}\n')
    for name in ("some", "others"):
        assert main(["index", str(tmp_path / f"{name}.jsonl"), "--out", str(tmp_path / name)]) == 0
    assert main(["evaluate", "box", str(tmp_path / "others"), str(judged)]) == 1
    assert "holds none of the judged passages" in capsys.readouterr().err
    assert main(["evaluate", "box", str(tmp_path / "some"), str(judged)]) == 0
    assert "lacks 1 of 2 judged passages" in capsys.readouterr().out
