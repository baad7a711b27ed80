"""``docs/architecture.md`` against the folders: its map is complete, and the files that documents name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.documents import DOCUMENTS, name, spans

PAGE = ROOT / "docs" / "architecture.md"
_TOPS = ("benchmarks", "deploy", "docs", "models", "tests", "training", "typeahead", "web")


def test_the_map_names_every_folder_of_the_package() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("| folder of `typeahead/` |")[2].partition("\n\n")[0]
    named = set(re.findall(r"^\| `(\w+)/` \|", table, re.MULTILINE))
    assert named == {path.parent.name for path in (ROOT / "typeahead").glob("*/__init__.py")}


def test_the_walk_names_modules_that_exist() -> None:
    walk = re.findall(r"\b(\w+/\w+\.py)\b", PAGE.read_text(encoding="utf-8"))
    assert walk
    assert [path for path in walk if not (ROOT / "typeahead" / path).is_file()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_files_that_running_text_names_exist(document: Path) -> None:
    paths = [span for span in spans(document) if re.fullmatch(rf"(?:{'|'.join(_TOPS)})/[\w/.-]*", span)]
    made_by_reader = {"models/mine", "models/potion", "models/my-student", "models/NAME"}
    assert [path for path in paths if path not in made_by_reader and not (ROOT / path).exists()] == []
