"""What is left out on purpose is counted by kind and named."""

from __future__ import annotations

from pathlib import Path

import pytest

from typeahead.errors import SourceError
from typeahead.index import Skipped, read_source


def test_each_kind_is_counted_and_its_first_places_named() -> None:
    skipped = Skipped()
    assert not skipped
    for at in range(4):
        skipped.add("hidden file", f".{at}")
    skipped.add("document without text", "line 7")
    skipped.add("draft")
    assert str(skipped) == "4 hidden files (.0, .1, .2, …), 1 document without text (line 7), 1 draft"
    skipped.add("document without text", "line 9")
    assert "2 documents without text (line 7, line 9)" in str(skipped)
    assert skipped.counts() == {"hidden file": 4, "document without text": 2, "draft": 1}


def test_documents_without_text_are_skipped_only_if_they_can_be_told(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"id": 1, "text": " "}\n{"id": 2, "title": "T", "text": null}\n')
    assert [document.id for document in read_source(path)] == ["1", "2"]
    skipped = Skipped()
    assert [document.id for document in read_source(path, skipped=skipped)] == ["2"]
    assert str(skipped) == "1 document without text (line 1)"


def test_what_a_folder_holds_besides_documents_is_told(tmp_path: Path) -> None:
    (tmp_path / "good.jsonl").write_text('{"id": 1, "text": "x"}\n')
    (tmp_path / "empty.csv").touch()
    (tmp_path / ".hidden").touch()
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8")
    (tmp_path / "package.json").write_text('{"name": "x"}')
    (tmp_path / "prices.csv").write_text("sku,price\n1,2\n")
    (tmp_path / ".git").mkdir()
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    skipped = Skipped()
    with (tmp_path / "good.jsonl").open("a") as file:
        file.write('{"id": 2, "text": ""}\n')
    (document,) = read_source(tmp_path, skipped=skipped)
    assert document.id == "1"
    assert "1 document without text (good.jsonl:2)" in str(skipped)
    assert skipped.counts() == {
        "hidden folder": 1,
        "link to a folder": 1,
        "hidden file": 1,
        "empty file": 1,
        "file of another format": 2,
        "document without text": 1,
        "file without id or text": 1,
    }
    assert "2 files of another format (photo.jpg, package.json)" in str(skipped)


def test_a_folder_whose_files_all_lack_an_id_says_so(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text("sku,price\n1,2\n")
    with pytest.raises(SourceError, match=r"prices\.csv:2: no field 'id'.*--id-field"):
        list(read_source(tmp_path, skipped=Skipped()))


def test_a_later_row_without_id_is_an_error_in_a_folder_too(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"id": 1, "text": "x"}\n{"text": "y"}\n')
    with pytest.raises(SourceError, match=r"x\.jsonl:2: no field 'id'"):
        list(read_source(tmp_path))
