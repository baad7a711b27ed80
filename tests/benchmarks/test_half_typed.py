"""The steps from the list to the count, with a server that answers by a script and with a real one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import typeahead
from benchmarks import half_typed
from benchmarks.half_drawn import KINDS, Drawn
from benchmarks.half_typed import QUERIES, ask, main, read_queries, written
from tests.benchmarks.scripted import websocket_server
from typeahead.errors import SourceError
from typeahead.index import Document, build_index


def test_the_committed_list_has_sixty_queries_of_three_kinds() -> None:
    queries = read_queries(QUERIES)
    assert len({one.query for one in queries}) == 60
    assert {kind: sum(one.kind == kind for one in queries) for kind in KINDS} == dict.fromkeys(KINDS, 20)
    assert "--seed 20261130 --count 60" in QUERIES.read_text(encoding="utf-8").splitlines()[0]


def test_a_list_is_read_as_it_was_written(tmp_path: Path) -> None:
    queries = [Drawn("name", "json.du"), Drawn("question", "how to open a fi")]
    (tmp_path / "list.txt").write_text(written(queries, seed=5), encoding="utf-8")
    assert read_queries(tmp_path / "list.txt") == queries


@pytest.mark.parametrize(("text", "match"), [("# only this\n", "holds no query"), ("json.du\n", "not kind<TAB>query")])
def test_a_list_without_queries_or_kinds_is_refused(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(SourceError, match=match):
        read_queries(tmp_path / "list.txt")


def test_the_list_comes_from_the_records_of_this_python(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    records = [
        {"kind": "function", "home": "tables", "name": f"remove_rows_{row}", "doc": "Remove chosen rows from tables."}
        for row in range(5)
    ]
    monkeypatch.setattr(half_typed, "stdlib_records", lambda: iter(records))
    main(["draw", "--seed", "1", "--count", "6"])
    (tmp_path / "list.txt").write_text(capsys.readouterr().out)
    assert [one.kind for one in read_queries(tmp_path / "list.txt")] == [kind for kind in KINDS for _ in range(2)]


def test_three_rows_and_the_start_of_their_texts_are_kept() -> None:
    hits = [{"id": str(row), "title": f"title {row}", "text": "x" * 300, "url": "", "score": 1.0} for row in range(8)]

    def script(connection: Any, message: dict[str, Any]) -> None:
        if "hello" in message:
            connection.send(json.dumps({"hello": {}}))
            return
        # Only the reply to the whole query is weak.
        more = {"weak": True} if message["text"] == "json.du" else {}
        connection.send(json.dumps({"seq": message["seq"], "hits": hits if message["text"] else [], **more}))

    progress: list[tuple[str, int, int | None]] = []
    with websocket_server(script) as address:
        found = ask(
            address,
            [Drawn("name", "json.du"), Drawn("word", "con")],
            lambda stage, done, total: progress.append((stage, done, total)),
        )
    rows = [{"id": str(row), "title": f"title {row}", "text": "x" * 120} for row in range(3)]
    assert found == [
        {"kind": "name", "query": "json.du", "weak": True, "hits": rows},
        {"kind": "word", "query": "con", "weak": False, "hits": rows},
    ]
    assert progress == [("typing queries", 1, 2), ("typing queries", 2, 2)]


def test_a_real_server_is_asked_and_its_lists_are_judged(tmp_path: Path) -> None:
    texts = {"json.dumps": "Serialize an object to a JSON string.", "len": "Return the number of items."}
    documents = [Document(name, name, text) for name, text in texts.items()]
    build_index(documents, tmp_path / "index", typeahead.load("minilm-doc"))
    (tmp_path / "list.txt").write_text("name\tjson.du\nword\tnumb\n")
    arguments = ["ask", "--index", str(tmp_path / "index"), "--queries", str(tmp_path / "list.txt")]
    main([*arguments, "--out", str(tmp_path / "before.json")])
    main([*arguments, "--serve=--anytime 1 --snippet-chars 16", "--out", str(tmp_path / "after.json")])
    before, after = (json.loads((tmp_path / f"{side}.json").read_text()) for side in ("before", "after"))
    assert [one["query"] for one in before["queries"]] == ["json.du", "numb"]
    assert [len(one["hits"]) for one in before["queries"]] == [2, 2]
    assert before["queries"][0]["hits"][0]["text"] == texts["json.dumps"]
    assert after["flags"] == "--anytime 1 --snippet-chars 16"
    assert len(after["queries"][0]["hits"][0]["text"]) < len(texts["json.dumps"])
    sides = [str(tmp_path / f"{side}.json") for side in ("before", "after")]
    key = str(tmp_path / "key.json")
    main(["sheet", *sides, "--seed", "0", "--out", str(tmp_path / "sheet.md"), "--key", key])
    assert "## 2. `numb`" in (tmp_path / "sheet.md").read_text(encoding="utf-8")
    (tmp_path / "verdicts.txt").write_text("1 fine fine\n2 wrong wrong\n")
    main(["--json", str(tmp_path / "score.json"), "score", str(tmp_path / "verdicts.txt"), key])
    rows = json.loads((tmp_path / "score.json").read_text())["rows"]
    assert [(row["side"], row["plainly wrong"], row["plainly wrong for"]) for row in rows] == [
        ("before", 1, "numb"),
        ("after", 1, "numb"),
    ]
