"""The size of the rooms: what a reader can keep in mind at once."""

from __future__ import annotations

import ast

import pytest

from tests.conftest import ROOT

#: Lines of a file, and of a class.
LONGEST_FILE, LONGEST_CLASS = 400, 250


@pytest.mark.parametrize("package", ["typeahead", "training", "benchmarks"])
def test_no_file_and_no_class_is_too_long(package: str) -> None:
    for path in sorted((ROOT / package).rglob("*.py")):
        source = path.read_text()
        assert source.count("\n") <= LONGEST_FILE, path
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef):
                assert (node.end_lineno or 0) - node.lineno < LONGEST_CLASS, f"{path}: {node.name}"


def test_the_search_port_is_one_file_that_fits_on_a_few_screens() -> None:
    assert (ROOT / "typeahead" / "search" / "port.py").read_text().count("\n") <= 200
    assert (ROOT / "tests" / "search" / "memory_backend.py").read_text().count("\n") <= 180
