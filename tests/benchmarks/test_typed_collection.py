"""The collection of typed queries: which pages and passages are in it, and under which titles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import typed_collection
from typeahead.errors import SourceError
from typeahead.index import read_source


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    return path


def page(key: str, title: str) -> dict[str, Any]:
    examples = [{"text": "Show it", "command": f"{title} {{{{[-s|--show]}}}} {{{{path/to/file}}}}"}]
    return {"id": key, "platform": "common", "title": title, "description": f"What {title} does.", "examples": examples}


def fact(number: int) -> dict[str, Any]:
    return {"id": f"ag/{number}", "country": "Algeria", "section": f"Geography > {number}", "text": f"Fact {number}."}


def test_pages_of_distinct_titles_and_drawn_facts_make_a_folder(tmp_path: Path) -> None:
    pages = write(tmp_path / "pages.jsonl", [page("common/ls", "ls"), page("linux/cp", "cp"), page("osx/cp", "CP")])
    facts = write(tmp_path / "facts.jsonl", [fact(number) for number in range(20)])
    arguments = ["--pages", str(pages), "--facts", str(facts), "--count", "5"]
    for name in ("one", "two"):
        typed_collection.main([str(tmp_path / name), *arguments])
    one, two = (list(read_source(tmp_path / name)) for name in ("one", "two"))
    assert one == two
    first, *drawn = one
    assert (first.id, first.title) == ("tldr/common/ls", "ls")
    assert first.text == "What ls does.\nShow it: ls [-s|--show] path/to/file"
    assert len(drawn) == 5
    assert all(document.title.startswith("Algeria: Geography > ") for document in drawn)


def test_a_line_that_is_no_page_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "pages.jsonl", [{"id": "x", "title": "y"}])
    with pytest.raises(SourceError, match="no field 'description'"):
        list(typed_collection.pages(path))
