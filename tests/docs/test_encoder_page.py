"""``docs/adding-an-encoder.md`` against the family that it walks through: its excerpts are that family's own code."""

from __future__ import annotations

import ast
import re

import pytest

from tests.conftest import ROOT
from tests.docs.documents import Block, blocks

PAGE = ROOT / "docs" / "adding-an-encoder.md"
FAMILY = ROOT / "tests" / "training" / "toy_family.py"
EXCERPTS = [block for block in blocks(PAGE) if block.language == "python" and not block.runs]


def definitions(source: str) -> dict[str, str]:
    """What a module defines at its top, by name: each as code without comments and layout."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found[node.name] = ast.unparse(node)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = ast.unparse(node)
    return found


@pytest.mark.parametrize("block", EXCERPTS, ids=str)
def test_an_excerpt_is_the_code_of_the_family_that_the_tests_train_and_serve(block: Block) -> None:
    family, shown = definitions(FAMILY.read_text(encoding="utf-8")), definitions(block.text)
    assert shown
    assert shown == {name: family.get(name) for name in shown}


def test_the_page_shows_all_that_the_family_consists_of() -> None:
    family = definitions(FAMILY.read_text(encoding="utf-8"))
    shown = {name for block in EXCERPTS for name in definitions(block.text)}
    assert shown == {name for name in family if not name.startswith("_")}


def test_both_tables_of_families_are_where_the_page_says() -> None:
    tables = re.findall(r"^\|.*`FAMILIES` in `([\w/.]+)`", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(tables) == 2
    for path in tables:
        assert "FAMILIES" in definitions((ROOT / path).read_text(encoding="utf-8"))
