"""Curves of the prefix benchmark: an SVG that is well formed, small, and the same each time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from typeahead.errors import SourceError
from typeahead.evaluate.measures.prefixes import QueryScores
from typeahead.evaluate.report.plots import prefix_curves, recall_curves, write_prefix_curves
from typeahead.evaluate.report.prefix_report import PrefixReport

pytest.importorskip("matplotlib", reason="plots need matplotlib")


def figures(*names: str, characters: int = 30) -> dict[str, Any]:
    random = np.random.default_rng(0)

    def query() -> QueryScores:
        quality = np.sort(random.uniform(size=characters))
        return QueryScores(quality, np.ones(1), np.ones(1), random.uniform(size=characters - 1))

    scores = {name: {f"q{row}": query() for row in range(5)} for name in names}
    found: dict[str, Any] = json.loads(json.dumps(PrefixReport("tiny", scores, teacher=names[0]).to_dict()))
    return found


def words(svg: str) -> str:
    return " ".join("".join(ElementTree.fromstring(svg).itertext()).split())


def test_the_same_figures_give_the_same_bytes() -> None:
    report = figures("teacher", "student")
    svg = prefix_curves(report)
    assert svg == prefix_curves(report)
    assert len(svg) < 80_000
    assert "20" not in svg[: svg.index("<defs>")].partition("dc:date")[2]


def test_every_system_and_axis_is_named_in_text() -> None:
    said = words(prefix_curves(figures("teacher", "student", "BM25, prefix match")))
    for name in (
        "tiny: 5 queries",
        "teacher",
        "student",
        "BM25, prefix match",
        "typed (%)",
        "characters left",
        "churn",
    ):
        assert name in said


def test_names_are_never_taken_as_formulas_or_markup() -> None:
    names = ["$x^", r"\frac{", "한국어", "<b>&amp;</b>", "_hidden", " "]
    said = words(prefix_curves(figures("teacher", *names)))
    for name in names:
        assert name.strip() in said


def test_figures_that_are_missing_leave_a_gap() -> None:
    # Two code points: nothing is known with more than one left, and there are no ratios.
    assert "tiny" in words(prefix_curves(figures("teacher", characters=2)))
    report = figures("teacher", characters=1)
    assert report["systems"][0]["churn"]["mean"] is None
    assert "tiny" in words(prefix_curves(report))


def test_more_systems_than_colours_can_be_drawn() -> None:
    assert "s11" in words(prefix_curves(figures(*(f"s{number}" for number in range(12)))))


@pytest.mark.parametrize("report", [{}, {"dataset": "x", "queries": 1, "systems": [{}], "fractions": [0.1]}])
def test_what_is_no_report_is_refused(report: dict[str, Any]) -> None:
    with pytest.raises(SourceError, match="not a report of the prefix benchmark"):
        prefix_curves(report)


def test_the_file_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "plots" / "tiny.svg"
    report = figures("teacher")
    write_prefix_curves(report, path)
    assert path.read_text(encoding="utf-8") == prefix_curves(report)


def test_recall_relative_to_the_teacher_is_drawn_with_its_gaps() -> None:
    curve = {"k": [1, 2, 3], "teacher": [0.0, 0.5, 1.0], "encoder": [0.0, 0.4, 1.0], "retained": [None, 0.8, 1.0]}
    svg = recall_curves({"student": curve, "_static": curve}, "tiny $x")
    assert svg == recall_curves({"student": curve, "_static": curve}, "tiny $x")
    for name in ("tiny $x", "student", "_static", "R@k"):
        assert name in words(svg)
    with pytest.raises(SourceError, match="not a curve of recall"):
        recall_curves({"student": {}}, "tiny")
