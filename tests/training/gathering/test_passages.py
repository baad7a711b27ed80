"""Passages: whatever an index reads, and tables that need no ids."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.index.hashing import HashingEncoder
from training.gathering.passages import read_passages
from training.gathering.report import FileReport
from training.gathering.source import Source
from typeahead.errors import SourceError
from typeahead.index import build_index
from typeahead.text.document import Document

DOCUMENTS = [("Eggs", "How to boil an egg in water."), ("Rain", "Whether it rains tomorrow, or not.")]


def read(path: Path | str) -> tuple[list[tuple[str, str]], FileReport]:
    source = Source.of(path)
    report = FileReport(source.path, "passages")
    return [(one.title, one.text) for one in read_passages(source, report)], report


def test_records_with_and_without_ids_are_read(tmp_path: Path) -> None:
    for name, extra in [("docs.jsonl", {"id": "7"}), ("bare.jsonl", {}), ("docs.json", {"url": "/x"})]:
        records = [{**extra, "title": title, "text": text, "year": "2024"} for title, text in DOCUMENTS]
        content = json.dumps(records) if name == "docs.json" else "".join(json.dumps(one) + "\n" for one in records)
        (tmp_path / name).write_text(content)
        found, report = read(tmp_path / name)
        assert found == DOCUMENTS
        assert report.taken_as.endswith("column 'text', titles in 'title'")


def test_tables_are_read(tmp_path: Path) -> None:
    (tmp_path / "docs.csv").write_text("name,description\n" + "".join(f'{a},"{b}"\n' for a, b in DOCUMENTS))
    assert read(tmp_path / "docs.csv")[0] == DOCUMENTS
    (tmp_path / "collection.tsv").write_text("".join(f"{at}\t{b}\n" for at, (_, b) in enumerate(DOCUMENTS)))
    assert read(tmp_path / "collection.tsv")[0] == [("", text) for _, text in DOCUMENTS]
    rows = [(f"{a} and {at} more", f"{b} {at}") for at, (a, b) in enumerate(DOCUMENTS * 5)]
    (tmp_path / "named.csv").write_text("a,b\n" + "".join(f'{a},"{b}"\n' for a, b in rows))
    with pytest.raises(SourceError, match="'a' and 'b' could all hold the passages"):
        read(tmp_path / "named.csv")
    assert read(f"{tmp_path / 'named.csv'}:b")[0] == [("", text) for _, text in rows]


def test_a_text_file_is_a_page_or_has_a_passage_a_line(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("A first paragraph.\n\nA second one.\n" * 30)
    found, report = read(tmp_path / "page.txt")
    assert (len(found), report.taken_as) == (1, "a page")
    (tmp_path / "list.txt").write_text("".join(f"Passage {at} of the list.\n" for at in range(30)))
    found, report = read(tmp_path / "list.txt")
    assert (len(found), report.taken_as) == (30, "a list with a passage a line")


def test_a_folder_is_read_as_an_index_reads_it(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Eggs\n\nHow to boil an egg.\n\n## In water\n\nHot.\n")
    (tmp_path / "more.jsonl").write_text('{"id": "1", "title": "Rain", "text": "Tomorrow."}\n{broken\n')
    (tmp_path / "x.bin").write_bytes(b"\0")
    found, report = read(tmp_path)
    assert [title for title, _ in found] == ["Eggs", "Rain"]
    assert report.dropped == {"unreadable": 1}
    assert any("file of another format" in note for note in report.notes)


def test_a_beir_folder_gives_its_corpus(tmp_path: Path) -> None:
    lines = [json.dumps({"_id": str(at), "title": a, "text": b}) + "\n" for at, (a, b) in enumerate(DOCUMENTS)]
    (tmp_path / "corpus.jsonl").write_text("".join(lines))
    (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "no passage"}\n')
    assert read(tmp_path)[0] == DOCUMENTS


def test_an_index_gives_its_own_documents(tmp_path: Path) -> None:
    documents = [Document(str(at), title, text) for at, (title, text) in enumerate(DOCUMENTS)]
    build_index(documents, tmp_path / "index", HashingEncoder())
    found, report = read(tmp_path / "index")
    assert found == DOCUMENTS
    assert report.taken_as == "an index of 2 documents"
    (tmp_path / "index" / "manifest.json").write_text("{}")
    with pytest.raises(Exception, match="manifest"):
        read(tmp_path / "index")


def test_parquet_and_datasets_are_read(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    made = datasets.Dataset.from_dict({"title": [a for a, _ in DOCUMENTS], "text": [b for _, b in DOCUMENTS]})
    made.save_to_disk(tmp_path / "saved")
    made.to_parquet(tmp_path / "docs.parquet")
    assert read(tmp_path / "saved")[0] == read(tmp_path / "docs.parquet")[0] == DOCUMENTS


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no such file"):
        read(tmp_path / "nothing.jsonl")
    (tmp_path / "page.txt").write_text("Some text.\n\nMore.\n")
    with pytest.raises(SourceError, match="has no column 'text': it is plain text"):
        read(f"{tmp_path / 'page.txt'}:text")
