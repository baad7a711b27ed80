"""Figures as Markdown and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from typeahead.tables import markdown, report


def test_a_table_has_the_columns_of_its_first_row() -> None:
    rows: list[dict[str, object]] = [{"what": "a", "p50": 1.23456}, {"what": "bb", "p50": 12345.6}, {"what": "c"}]
    assert markdown(rows).splitlines() == [
        "| what | p50   |",
        "| ---- | ----- |",
        "| a    | 1.235 |",
        "| bb   | 12346 |",
        "| c    |       |",
    ]
    assert markdown([]) == ""


def test_a_cell_ends_where_it_should_whatever_is_in_it() -> None:
    rows = [{"a|b": "x | y\nz", "n": 1}]
    assert markdown(rows).splitlines() == [
        r"| a\|b     | n |",
        "| -------- | - |",
        r"| x \| y z | 1 |",
    ]


def test_a_report_prints_and_writes_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"what": "a", "n": 3}]
    report("Title", rows, json_path=tmp_path / "out.json", some_fact=1.5)
    printed = capsys.readouterr().out
    assert "| a    | 3 |" in printed
    assert "some fact: 1.5" in printed
    data = json.loads((tmp_path / "out.json").read_text())
    assert (data["title"], data["rows"], data["some_fact"]) == ("Title", rows, 1.5)
    assert "processor" in data["hardware"]
    report("Title", rows, json_path=Path("-"))
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["rows"] == rows
