"""Names of a small index are all typed, and what stood first is counted by kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import typeahead
from benchmarks import full_names
from benchmarks.full_names import Outcome, main, names_of, rows_of, type_names
from tests.benchmarks.scripted import websocket_server
from typeahead.errors import TypeaheadError
from typeahead.index import Document, build_index

RECORDS = [
    {"kind": "module", "home": "json", "name": ""},
    {"kind": "function", "home": "json", "name": "dumps"},
    {"kind": "function", "home": "builtins", "name": "len"},
    {"kind": "method", "home": "builtins", "name": "str.join"},
    {"kind": "class", "home": "queue", "name": "Queue"},
]
NAMES = {
    "json": "module",
    "json.dumps": "function",
    "len": "built-in",
    "str.join": "method",
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("names") / "index"
    documents = [Document(name, name, f"{kind} {name}") for name, kind in NAMES.items()]
    build_index(documents, folder, typeahead.load("minilm-doc"))
    return folder


def test_names_in_the_index_get_their_kinds(index: Path) -> None:
    assert names_of(index, RECORDS) == NAMES
    # As in the demo, the first record of a name counts.
    assert names_of(index, [*RECORDS, {"kind": "class", "home": "json", "name": "dumps"}]) == NAMES


def test_an_index_with_other_documents_is_refused(index: Path) -> None:
    with pytest.raises(TypeaheadError, match=r"'str\.join', which is no name of this Python"):
        names_of(index, [record for record in RECORDS if record["name"] != "str.join"])


@pytest.mark.parametrize("connections", [1, 3, 9])
def test_every_name_is_typed_once_into_an_empty_field(connections: int) -> None:
    typed: list[Any] = []

    def script(connection: Any, message: dict[str, Any]) -> None:
        if "hello" in message:
            connection.send(json.dumps({"hello": {}}))
            return
        typed.append(message.get("text"))
        # Finds whatever is typed, except at Enter.
        found = {} if message.get("submit") else {"hits": [{"id": message["text"]}]}
        connection.send(json.dumps({"seq": message["seq"], **found}))

    progress: list[int] = []
    with websocket_server(script) as address:
        outcomes = type_names(address, NAMES, connections=connections, progress=lambda *said: progress.append(said[1]))
    assert outcomes == [Outcome(name, kind, name, "") for name, kind in NAMES.items()]
    expected = [text for name in NAMES for text in ("", name[:-1], name, None)]
    assert sorted(map(str, typed)) == sorted(map(str, expected))
    assert progress == [1, 2, 3, 4]
    if connections == 1:
        assert typed == expected


def test_shares_are_by_kind_and_of_all() -> None:
    rows = rows_of(
        [
            Outcome("json.dumps", "function", "json.dumps", "json.dumps"),
            Outcome("json.loads", "function", "json.load", "json.loads"),
            Outcome("json", "module", "json.tool", ""),
        ]
    )
    assert [tuple(row.values()) for row in rows] == [
        ("module", 1, 0.0, 0.0),
        ("function", 2, 50.0, 100.0),
        ("all", 3, 33.33, 66.67),
    ]


def test_a_sample_is_typed_into_a_real_server(
    index: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(full_names, "stdlib_records", lambda: iter(RECORDS))
    monkeypatch.setattr(full_names, "type_names", missing_one(type_names))
    main(["--index", str(index), "--serve=--anytime 1", "--limit", "3", "--json", str(tmp_path / "out.json")])
    data = json.loads((tmp_path / "out.json").read_text())
    assert (data["names_in_the_index"], data["names_typed"], data["flags"]) == (4, 3, "--anytime 1")
    assert data["rows"][-1]["kind"] == "all"
    assert data["rows"][-1]["names"] == 3
    assert "What stood first instead" in capsys.readouterr().out


def missing_one(real: Any) -> Any:
    """Type, and say of the first name that something else was found."""

    def type_and_miss(*arguments: Any, **named: Any) -> list[Outcome]:
        first, *others = real(*arguments, **named)
        return [Outcome(first.name, first.kind, "something else", first.at_enter), *others]

    return type_and_miss
