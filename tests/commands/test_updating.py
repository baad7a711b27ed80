"""``typeahead index --update``, ``--empty`` and ``typeahead delete``: what they say, do, and refuse to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.index.hashing import HashingEncoder, documents
from typeahead.cli import main
from typeahead.index import build_index
from typeahead.index.manifest import Manifest
from typeahead.index.opened import OpenIndex


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch) -> HashingEncoder:
    encoder = HashingEncoder()
    monkeypatch.setattr("typeahead.index.opened.load", lambda *_, **__: encoder)
    monkeypatch.setattr("typeahead.encoders.loading.load", lambda *_, **__: encoder)
    return encoder


@pytest.fixture
def index(tmp_path: Path, encoder: HashingEncoder) -> Path:
    build_index(documents(10), tmp_path / "index", encoder)
    encoder.encoded.clear()
    return tmp_path / "index"


def source(folder: Path, rows: Mapping[str, str] | int, name: str = "source.jsonl", **more: object) -> str:
    records: list[dict[str, object]]
    if isinstance(rows, int):
        records = [{"id": one.id, "title": one.title, "text": one.text, "url": one.url} for one in documents(rows)]
    else:
        records = [{"id": key, "text": text, **more} for key, text in rows.items()]
    (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(folder / name)


def status(arguments: list[str]) -> int:
    try:
        return main(arguments)
    except SystemExit as end:
        return int(str(end.code))


def test_an_update_says_what_it_did_and_encodes_only_that(
    index: Path, tmp_path: Path, encoder: HashingEncoder, capsys: pytest.CaptureFixture[str]
) -> None:
    path = source(tmp_path, 12)
    assert main(["index", path, "--out", str(index), "--update"]) == 0
    out, err = capsys.readouterr()
    assert out == f"{index}: 2 added, 0 changed, 10 unchanged, 0 deleted; 2 passages encoded; version 2\n"
    assert err == ""
    assert len(encoder.encoded) == 2
    assert main(["index", path, "--out", str(index), "--update"]) == 0
    assert "0 added, 0 changed, 12 unchanged, 0 deleted; 0 passages encoded; version 2" in capsys.readouterr().out


def test_what_is_missing_is_named_and_deleted_only_on_request(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["index", source(tmp_path, 7), "--out", str(index), "--update"]
    assert main(command) == 0
    assert "3 documents of the index are not in the sources" in capsys.readouterr().err
    assert main([*command, "--delete-missing"]) == 0
    assert "3 deleted" in capsys.readouterr().out
    with OpenIndex(index) as opened:
        assert list(opened.ids()) == [f"d{number}" for number in range(7)]


@pytest.mark.parametrize(
    ("rows", "options", "named"),
    [
        (0, [], "no documents"),
        (0, ["--max-shrink", "1", "--allow-empty"], "no documents"),
        (4, [], "6 of 10 documents are missing"),
        (9, ["--max-shrink", "0"], "1 of 10 documents are missing"),
    ],
)
def test_a_deletion_that_looks_like_a_mistake_is_not_done(
    index: Path, tmp_path: Path, rows: int, options: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["index", source(tmp_path, rows), "--out", str(index), "--update", "--delete-missing", *options]
    assert main(command) == 1
    assert named in capsys.readouterr().err
    with OpenIndex(index) as opened:
        assert len(opened) == 10


def test_more_may_be_deleted_if_that_is_said(index: Path, tmp_path: Path) -> None:
    command = ["index", source(tmp_path, 1), "--out", str(index), "--update", "--delete-missing"]
    assert main([*command, "--max-shrink", "0.9"]) == 0
    with OpenIndex(index) as opened:
        assert len(opened) == 1


def test_documents_of_lines_that_cannot_be_read_are_not_missing(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = source(tmp_path, 9)
    with Path(path).open("a") as file:
        file.write('{"id": "d9", "te\n')
    command = ["index", path, "--out", str(index), "--update", "--delete-missing"]
    assert main(command) == 1
    assert ":10: not JSON" in capsys.readouterr().err
    assert main([*command, "--skip-bad-lines"]) == 1
    assert "1 lines could not be read" in capsys.readouterr().err
    with OpenIndex(index) as opened:
        assert len(opened) == 10


def test_a_document_that_cannot_be_written_is_an_error_and_others_are_written(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with OpenIndex(index) as opened:
        opened.upsert([{"id": "y", "text": "a", "fields": {"year": 1}}])
    path = tmp_path / "source.jsonl"
    path.write_text('{"id": "a", "text": "a", "fields": {"year": [2]}}\n{"id": "b", "text": "b", "year": "soon"}\n')
    command = ["index", str(path), "--out", str(index), "--update", "--delete-missing"]
    assert main(command) == 1
    assert "the field 'year' holds text ('soon'), but its kind is number in the index" in capsys.readouterr().err
    with OpenIndex(index) as opened:
        assert set(opened.get(["b", "d0", "y"])) == {"d0", "y"}
    assert main([*command[:-1], "--skip-bad-lines"]) == 0
    assert "1 added" in capsys.readouterr().out


def test_a_table_is_read_by_the_kinds_that_fields_have_in_the_index(index: Path, tmp_path: Path) -> None:
    with OpenIndex(index) as opened:
        opened.upsert([{"id": "y", "text": "a", "fields": {"code": "n/a"}}])
    (tmp_path / "source.csv").write_text("id,text,code\nz,a text,17\n")
    assert main(["index", str(tmp_path / "source.csv"), "--out", str(index), "--update"]) == 0
    with OpenIndex(index) as opened:
        assert opened.get(["z"])["z"].fields == {"code": "17"}


def test_vectors_in_a_column_are_taken(index: Path, tmp_path: Path, encoder: HashingEncoder) -> None:
    vector = encoder.encode(["something else"])[0].tolist()
    encoder.encoded.clear()
    path = source(tmp_path, {"v": "a text"}, vector=vector)
    assert main(["index", path, "--out", str(index), "--update", "--vectors-column", "vector"]) == 0
    with OpenIndex(index) as opened:
        assert opened.search(encoder.encode(["something else"]), 1)[0][0].id == "v"


def test_an_update_without_an_index_builds_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typeahead.load", lambda *_, **__: HashingEncoder())
    assert main(["index", source(tmp_path, 3), "--out", str(tmp_path / "new"), "--update"]) == 0
    assert Manifest.read(tmp_path / "new").count == 3


def test_an_empty_index_can_be_made_and_written_to(
    tmp_path: Path, encoder: HashingEncoder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["index", "--empty", "--out", str(tmp_path / "new")]) == 0
    assert "no documents yet" in capsys.readouterr().out
    assert Manifest.read(tmp_path / "new").passage_limit == encoder.config.max_tokens
    assert main(["index", source(tmp_path, 3), "--out", str(tmp_path / "new"), "--update"]) == 0
    with OpenIndex(tmp_path / "new") as opened:
        assert len(opened) == 3
        opened.compact()
    assert main(["index", "--empty", "--out", str(tmp_path / "new")]) == 1
    assert "has an index with documents" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["index", "a.jsonl", "--out", "x", "--delete-missing"],
        ["index", "a.jsonl", "--out", "x", "--update", "--vectors", "v.npy"],
        ["index", "--empty"],
        ["index", "a.jsonl", "--empty", "--out", "x"],
        ["index", "--update"],
        ["delete", "x"],
        ["delete", "x", "id", "--filter", "{}"],
        ["delete", "x", "--filter", "{"],
        ["delete", "x", "--filter", "[]"],
        ["delete", "x", "--filter", "{}", "--max-shrink", "2"],
    ],
)
def test_arguments_that_make_no_sense_are_wrong_usage(arguments: list[str]) -> None:
    assert status(arguments) == 2


def test_documents_are_deleted_from_the_command_line(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["delete", str(index), "d1", "d2", "nothing"]) == 0
    out, err = capsys.readouterr()
    assert out == f"{index}: 2 documents deleted, 8 left; version 2\n"
    assert err == "1 of 3 ids are not in the index: nothing\n"
    with OpenIndex(index) as opened:
        opened.upsert({"id": f"y{number}", "text": "a", "fields": {"year": number}} for number in range(4))
    assert main(["delete", str(index), "--filter", '{"year": {"lt": 2}}']) == 0
    assert "2 documents deleted, 10 left" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "named"),
    [("{}", "empty filter"), ('{"colour": "red"}', "'colour'"), ('{"year": {"gte": 0}}', "--max-shrink")],
)
def test_a_filter_that_would_delete_by_mistake_is_refused(
    index: Path, given: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with OpenIndex(index) as opened:
        opened.upsert({"id": f"y{number}", "text": "a", "fields": {"year": number}} for number in range(4))
    assert main(["delete", str(index), "--filter", given, "--max-shrink", "0.1"]) == 1
    assert named in capsys.readouterr().err
    with OpenIndex(index) as opened:
        assert len(opened) == 14


def test_many_changes_are_merged_at_the_end(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typeahead.index.living.DUE_PASSAGES", 5)
    assert main(["index", source(tmp_path, 30), "--out", str(index), "--update"]) == 0
    assert Manifest.read(index).count == 30
