"""The command line: what it prints, and how it fails."""

from __future__ import annotations

import argparse
import json
import os
import pty
import select
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import typeahead
from typeahead.box import Box
from typeahead.cli import COMMANDS, main, parser
from typeahead.commands import add_search_options, load_typed
from typeahead.commands.search import _lines, describe
from typeahead.index import Manifest, open_index
from typeahead.models.folder import shipped_models

DOCUMENTS = [
    {"id": "eggs", "title": "Boiled eggs", "text": "Put the eggs into boiling water for eight minutes."},
    {"id": "rain", "title": "Rain", "text": "Clouds cool and drops fall from the sky."},
    {"id": "evil", "title": "Eggs \u001b[2J", "text": "A document that wants to clear the terminal."},
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    source = folder / "documents.jsonl"
    source.write_text("".join(json.dumps(document) + "\n" for document in DOCUMENTS))
    assert main(["index", str(source), "--out", str(folder / "index"), "--threads", "1"]) == 0
    return folder / "index"


@pytest.mark.parametrize(
    ("name", "content", "flags"),
    [
        ("x.jsonl", "", []),
        ("x.csv", "id,text\n", []),
        ("x.jsonl", "{\n" * 9, ["--skip-bad-lines"]),
        ("x.jsonl", '{"id": 1, "text": "a"}\n', []),
    ],
)
def test_a_broken_source_leaves_the_index_as_it_was(
    index: Path, tmp_path: Path, name: str, content: str, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(content)
    assert main(["index", str(tmp_path / name), "--out", str(index), *flags]) == 1
    error = capsys.readouterr().err
    assert "keeps its 3 documents" in error
    assert ("9 lines skipped, the first: " in error) == bool(flags)
    with open_index(index) as opened:
        assert len(opened) == 3


@pytest.mark.parametrize("name", ["corpus.jsonl", "no notes.pdf"])
def test_an_index_of_nothing_is_made_on_request(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / name).write_text("")
    arguments = ["index", str(tmp_path / "source"), "--out", str(tmp_path / "index")]
    assert main(arguments) == 1
    assert "--allow-empty" in capsys.readouterr().err
    assert main([*arguments, "--allow-empty"]) == 0


def test_long_documents_are_divided_unless_that_is_switched_off(tmp_path: Path) -> None:
    (tmp_path / "long.md").write_text(
        "# Kitchen\n\n## Rice\n" + "Wash it. " * 70 + "\n\n## Eggs\n" + "Boil them. " * 70
    )
    command = ["index", str(tmp_path / "long.md"), "--base-url", "https://example.org", "--out"]
    assert main([*command, str(tmp_path / "divided")]) == 0
    assert main([*command, str(tmp_path / "whole"), "--no-divide"]) == 0
    divided, whole = (Manifest.read(tmp_path / name) for name in ("divided", "whole"))
    assert (divided.count, divided.passages > 1, divided.passage_limit) == (1, True, 254)
    assert (whole.count, whole.passages, whole.passage_limit) == (1, 1, None)
    with Box(tmp_path / "divided") as box:
        (hit,) = box.search("how long do eggs boil").hits
    assert hit.url == "https://example.org/long.md#eggs"


def test_a_folder_of_documentation_gets_urls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("---\ndraft: true\n---\n# Start")
    (tmp_path / "docs" / "eggs.html").write_text("<h1>Eggs</h1><p>Boil them.")
    flags = ["--base-url", "https://example.org", "--url-pattern", "{stem}/"]
    command = ["index", str(tmp_path / "docs"), "--out", str(tmp_path / "index"), *flags]
    assert main(command) == 0
    assert "skipped: 1 draft (index.md)" in capsys.readouterr().err
    with open_index(tmp_path / "index") as opened:
        assert [one.url for one in opened.documents([0])] == ["https://example.org/eggs/"]
    assert main([*command, "--drafts"]) == 0
    with open_index(tmp_path / "index") as opened:
        assert [one.url for one in opened.documents([0, 1])] == ["https://example.org/eggs/", "https://example.org/"]


def test_a_source_may_be_piped_and_what_is_recognised_is_said(tmp_path: Path) -> None:
    source = "".join(f"{i};Größe {i}\r\n" for i in range(5))
    command = [sys.executable, "-m", "typeahead", "index", "-", "--out", str(tmp_path / "index"), "--format", "csv"]
    done = subprocess.run(
        [*command, "--max-shrink", "1"], input=f"id;text\r\n{source}".encode("cp1252"), capture_output=True, check=True
    )
    encoding, delimiter = done.stderr.decode().splitlines()
    assert encoding.startswith("/dev/stdin: read as cp1252, which is a guess")
    assert delimiter == "/dev/stdin: columns are separated by semicolons"
    with open_index(tmp_path / "index") as opened:
        assert opened.documents([4])[0].text == "Größe 4"


@pytest.mark.parametrize("command", [name for name, _ in COMMANDS])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert "usage: typeahead " + command in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nothing"],
        ["encode", "--nothing"],
        ["index"],
        ["search", "x", "-k", "many"],
        ["search", "x", "--complete", "33"],
        ["serve", "--port", "http"],
        ["serve", "--hybrid", "linaer"],
        ["index", "x.csv", "--out", "x", "--max-shrink", "2"],
        ["index", "x.csv", "--out", "x", "--delimiter", "::"],
        ["index", "x", "--out", "x", "--url-pattern", "{file}"],
        ["index", "x.csv", "--out", "x", "--encoding", "base64"],
    ],
)
def test_bad_usage_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["encode", "egg", "--encoder", "nothing"], "no model 'nothing'"),
        (["encode", "\udc80"], "lone surrogate"),
        (["encode", "egg", "--out", "/nowhere/vectors.npy"], "/nowhere/vectors.npy: No such file"),
        (["search", "/nowhere", "egg"], "/nowhere"),
        (["serve", "--index", "/nowhere"], "/nowhere"),
        (["serve", "--encoder", "minilm-doc"], "minilm-doc cannot encode what is typed"),
        (["serve", "--max-chars", "0"], "max_chars is 0"),
        (["serve", "--workers", "0"], "workers is 0"),
        (["serve", "--config", "/nowhere.toml"], "/nowhere.toml: No such file"),
        (["serve", "--fallback", "nothing"], "no model 'nothing'"),
        (["serve", "--fast", "--fallback", "minilm-gru"], "fallback is minilm-gru, as the encoder is"),
        (["index", "/nowhere.jsonl", "--out", "/tmp/x"], "/nowhere.jsonl"),
        (["evaluate", "retrieval", "/nowhere", "--query-encoder", "minilm-gru"], "/nowhere"),
        (["bench", "keystrokes", "--traces", "/nowhere"], "/nowhere: cannot be read: No such file"),
    ],
)
def test_a_failure_is_one_line_and_status_1(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith(f"typeahead {arguments[0]}: ")
    assert error.count("\n") == 1


def test_models_are_listed_shown_and_verified(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    assert "minilm-gru" in capsys.readouterr().out
    assert main(["models", "minilm-gru"]) == 0
    assert json.loads(capsys.readouterr().out)["dim"] == 384
    assert main(["models", "--verify"]) == 0
    assert capsys.readouterr().out.count("golden vectors are correct") == len(shipped_models())


def test_texts_are_encoded_to_json_lines_or_an_array(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = typeahead.load("minilm-gru").encode(["boil an egg", "rain"])
    assert main(["encode", "boil an egg", "rain"]) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    np.testing.assert_allclose(printed, expected, atol=1e-6)
    assert main(["encode", "boil an egg", "rain", "--out", str(tmp_path / "vectors.npy")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "vectors.npy"), expected)


def test_one_query_prints_its_results(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", str(index), "how to boil an egg", "-k", "1"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("Boiled eggs")
    assert second.strip() == DOCUMENTS[0]["text"]
    assert main(["search", str(index), "how to boil an egg", "-k", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["id"] == "eggs"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["search", "DIR", "--encoder", "X", "q"], {"index": "DIR", "query": "q", "encoder": "X"}),
        (["search", "--encoder", "X", "DIR", "-k", "3", "q"], {"index": "DIR", "query": "q", "k": 3}),
        (["search", "--json", "DIR", "--", "-q"], {"index": "DIR", "query": "-q", "json": True}),
        (["encode", "a", "--encoder", "X", "b"], {"texts": ["a", "b"], "encoder": "X"}),
        (["encode", "--", "-a", "b"], {"texts": ["-a", "b"]}),
        (["index", "a", "--out", "DIR", "b"], {"source": [Path("a"), Path("b")], "out": Path("DIR")}),
        (["delete", "DIR", "--max-shrink", "0.1", "a"], {"folder": Path("DIR"), "ids": ["a"]}),
        (["models", "import", "DIR", "--out", "OUT"], {"names": ["import", "DIR"], "out": Path("OUT")}),
        (["evaluate", "retrieval", "--query-encoder", "X", "--seed", "1", "DIR"], {"dataset": "DIR", "seed": 1}),
    ],
)
def test_arguments_may_stand_before_and_after_options(given: list[str], expected: dict[str, object]) -> None:
    options = vars(parser(given[0]).parse_args(given))
    assert {name: options[name] for name in expected} == expected


def test_a_document_cannot_command_the_terminal(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", str(index), "clear the terminal"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_an_index_of_another_teacher_is_refused_with_both_names(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors = tmp_path / "vectors.npy"
    np.save(vectors, np.eye(3, 384, dtype=np.float32))
    source = index.parent / "documents.jsonl"
    adopted = tmp_path / "adopted"
    arguments = ["index", str(source), "--out", str(adopted), "--vectors", str(vectors), "--teacher", "bge-small-en"]
    assert main(arguments) == 1
    assert "no passage encoder of bge-small-en" in capsys.readouterr().err
    assert main([*arguments, "--unverified"]) == 0
    assert main(["search", str(adopted), "egg"]) == 1
    error = capsys.readouterr().err
    assert "bge-small-en" in error
    assert "all-MiniLM-L6-v2" in error


def test_what_was_indexed_is_said_in_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "vectors.npy", np.eye(6, 384, dtype=np.float32))
    source = tmp_path / "passages.jsonl"
    passages = [passage for document in DOCUMENTS for passage in (document, document | {"text": "More."})]
    source.write_text("".join(json.dumps(passage) + "\n" for passage in passages))
    arguments = ["index", str(source), "--out", str(tmp_path / "index"), "--vectors", str(tmp_path / "vectors.npy")]
    assert main([*arguments, "--unverified", "--by-passage"]) == 0
    said = capsys.readouterr().out
    assert "3 documents, 384 dimensions, exact" in said
    assert "6 passages, 3 documents divided" in said
    with pytest.raises(SystemExit, match="2"):
        main(["index", str(source), "--out", str(tmp_path / "index"), "--by-passage"])


def test_vectors_that_nobody_checked_are_said_to_be_so_at_each_search(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    np.save(tmp_path / "vectors.npy", np.eye(3, 384, dtype=np.float32))
    source, adopted = index.parent / "documents.jsonl", tmp_path / "adopted"
    arguments = ["index", str(source), "--out", str(adopted), "--vectors", str(tmp_path / "vectors.npy")]
    assert main(arguments) == 1
    assert "do not belong to their documents" in capsys.readouterr().err
    assert main([*arguments, "--similarity", "dot"]) == 1
    assert "compares by cosine" in capsys.readouterr().err
    assert main([*arguments, "--unverified"]) == 0
    printed = capsys.readouterr()
    assert "warning: these vectors were never compared" in printed.err
    assert "vectors unverified, recall@10 1.000" in printed.out
    assert main(["search", str(adopted), "egg"]) == 0
    assert "warning: the index is unverified" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["serve", "--index", str(adopted), "--port", str(taken.getsockname()[1])]) == 1
    assert "the index is unverified" in caplog.text


def test_vectors_that_the_teacher_made_are_adopted_as_they_are(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    passages = [f"{document['title']} {document['text']}" for document in DOCUMENTS]
    vectors = tmp_path / "vectors.npy"
    np.save(vectors, typeahead.load("minilm-doc").encode(passages))
    source, adopted = index.parent / "documents.jsonl", tmp_path / "adopted"
    assert main(["index", str(source), "--out", str(adopted), "--vectors", str(vectors)]) == 0
    assert "vectors checked against the encoder (median cosine 1.000), recall@10 1.000" in capsys.readouterr().out
    assert main(["search", str(adopted), "boil an egg", "-k", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["id"] == "eggs"


def test_a_pipe_gets_results_for_each_line_and_no_progress_bar(index: Path) -> None:
    command = [sys.executable, "-m", "typeahead", "search", str(index), "-k", "1", "--json"]
    done = subprocess.run(command, input="boil an egg\nwet weather\n", capture_output=True, text=True, check=True)
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["eggs", "rain"]
    assert done.stderr == ""


def test_a_reader_that_goes_away_is_no_traceback(index: Path) -> None:
    command = [sys.executable, "-m", "typeahead", "search", str(index)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(b"egg\n" * 10)
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


def test_a_key_finds_what_enter_finds_and_the_word_that_it_begins(index: Path) -> None:
    encoder = load_typed("minilm-gru")
    found = {}
    for words, complete in ((True, 8), (False, 8), (False, 0)):
        with Box(index, encoder, words=words, continuations=complete) as box:
            found[words, complete] = describe(box.search("the termi", 3))
            assert _lines(box, "the termi", 3)[:-1] == found[words, complete]
            assert _lines(box, "", 3)[:-1] == _lines(box, " ", 3)[:-1] == []
            assert "lone surrogate" in _lines(box, "\udc80", 3)[0]
    assert "Eggs" in found[True, 8][0]
    assert found[False, 8] != found[False, 0]


def test_an_earlier_flag_of_words_still_works_and_says_what_to_give(capsys: pytest.CaptureFixture[str]) -> None:
    flags = argparse.ArgumentParser()
    add_search_options(flags)
    assert flags.parse_args(["--hybrid", "rrf"]).words == "on"
    assert flags.parse_args(["--hybrid", "off"]).words == "off"
    assert "--hybrid goes in 0.3.0: give --words off" in capsys.readouterr().err
    assert "--hybrid" not in flags.format_help()


def test_results_follow_the_keys_in_a_terminal(index: Path) -> None:
    """A real terminal: key by key, then Enter, then Ctrl+C."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", "typeahead", "search", str(index), "-k", "1"])
    shown = b""

    def read_until(expected: bytes, times: int = 1) -> None:
        nonlocal shown
        while shown.count(expected) < times:
            assert select.select([terminal], [], [], 60)[0], f"no {expected!r} in {shown!r}"
            shown += os.read(terminal, 4096)

    read_until(b"Type a query")
    for key in b"boil an eg":
        os.write(terminal, bytes([key]))
    read_until(b"search: boil an eg\r\n")
    read_until(b"Boiled eggs")
    os.write(terminal, b"g\r")
    read_until(b"search: boil an egg\r\n")
    read_until(b"Type a query", 2)
    os.write(terminal, b"\x03")
    assert os.waitpid(pid, 0)[1] == 0
    os.close(terminal)
    assert b"\x1b[2J" not in shown
