"""Tables and curves of typed queries: every box has its row and its line, and what was not typed has none."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from typeahead.errors import SourceError
from typeahead.evaluate.report import typed
from typeahead.evaluate.typed import drawing
from typeahead.evaluate.typed.asking import Answer
from typeahead.evaluate.typed.boxes import Screen
from typeahead.evaluate.typed.drawing import Query
from typeahead.evaluate.typed.measures import score

QUERIES = [
    Query(drawing.NAMES, "70", "nam", "a", "a", enter=False),
    Query(drawing.NAMES, "100", "name", "a", "a"),
    Query(drawing.SLIPS, "swapped", "nmae", "a", "a"),
    Query(drawing.RARE, "", "word", "word", "a"),
    Query(drawing.NONSENSE, "", "xkcd", "xkcd"),
]


def record(judged: bool = False) -> dict[str, Any]:
    shown = Screen(["a"], milliseconds=1.5)
    boxes = [
        {"box": name, "facts": {"flags": "", "version": 7}, **score(QUERIES, [Answer(one, one) for _ in QUERIES])}
        for name, one in (("ours", shown), ("$peer_", Screen()))
    ]
    if judged:
        curve = {"30": 0.1, "50": 0.2, "70": 0.3, "85": 0.4, "100": 0.5, "Enter": 0.6}
        boxes[1]["judged"] = {"n": 1, "nDCG@10": curve, "RR@10": curve, "found": 1, "found_but_weak": 0.25}
    return {"collection": "tiny", "documents": 3, "seed": 0, "drawn": {"names": 2, "slips": 1}, "boxes": boxes}


def test_every_box_has_a_row_in_every_table() -> None:
    text = "\n\n".join(typed.blocks(record()))
    assert "first at the key" in text
    assert text.count("| ours ") == text.count("| $peer_ ") == 4
    names = next(line for line in text.splitlines() if line.startswith("| ours"))
    assert [cell.strip() for cell in names.split("|")[2:]] == ["100.0%", "100.0%", "", "", "100.0%", "", "100.0%", ""]
    assert "Judged" not in text
    assert "- ours: version 7" in text


def test_a_box_with_judged_queries_has_two_rows_of_them() -> None:
    text = "\n\n".join(typed.blocks(record(judged=True)))
    row = next(line for line in text.splitlines() if "RR@10" in line)
    assert [cell.strip() for cell in row.split("|")[3:]] == [
        *"0.1000 0.2000 0.3000 0.4000 0.5000 0.6000".split(),
        "25.0%",
        "",
    ]


def test_what_was_typed_is_counted() -> None:
    assert typed.drawn(record()) == "2 names, 1 slips"


def test_curves_name_every_box_and_are_the_same_each_time() -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    svg = typed.curves(record(judged=True))
    assert svg == typed.curves(record(judged=True))
    said = " ".join("".join(ElementTree.fromstring(svg).itertext()).split())
    for name in ("ours", "$peer_", "swapped", "nDCG@10 of judged queries", "tiny: 3 documents"):
        assert name in said
    assert "nDCG" not in typed.curves(record())


def test_another_dictionary_is_refused() -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    with pytest.raises(SourceError, match="not a record of typed queries"):
        typed.curves({"boxes": [{}], "collection": "x", "documents": 1})
