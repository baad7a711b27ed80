"""``docs/architecture.md`` against the folders: its map is complete, and the files that documents name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.documents import DOCUMENTS, name, spans
from tests.test_imports import imported, modules

PAGE = ROOT / "docs" / "architecture.md"
_TOPS = ("benchmarks", "deploy", "docs", "models", "tests", "training", "typeahead", "web")


def test_the_map_names_every_folder_of_the_package() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("| folder of `typeahead/` |")[2].partition("\n\n")[0]
    named = set(re.findall(r"^\| `(\w+)/` \|", table, re.MULTILINE))
    assert named == {path.parent.name for path in (ROOT / "typeahead").glob("*/__init__.py")}


def test_the_map_names_every_module_beside_the_folders() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("| module of `typeahead/` |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`(\w+\.py)`", " ".join(row.split("|")[1] for row in table.splitlines()[2:])))
    assert named == {path.name for path in (ROOT / "typeahead").glob("*.py")} - {"__init__.py", "__main__.py"}


def test_the_walks_name_modules_that_exist() -> None:
    walk = re.findall(r"\b(\w+(?:/\w+)+\.py)\b", PAGE.read_text(encoding="utf-8"))
    assert walk
    assert [path for path in walk if not any((ROOT / top / path).is_file() for top in ("", "typeahead"))] == []


def order() -> list[set[str]]:
    """The lines of the section on imports, from the top: names of packages, and of modules beside them."""
    section = PAGE.read_text(encoding="utf-8").partition("## Which way imports go")[2]
    lines = section.split("```text\n")[1].split("```")[0].splitlines()
    named = [set(re.split(r" {2,}", line)[0].split()) for line in lines]
    beside = {path.stem for path in (ROOT / "typeahead").glob("*.py")} - {"__init__"}
    return [*named[:-1], beside - set().union(*named[:-1])]


def test_packages_import_only_those_below_them() -> None:
    lines = order()
    level = {package: number for number, names in enumerate(lines) for package in names}
    files = modules("typeahead")
    del files["typeahead"]
    assert {module.split(".")[1] for module in files} == level.keys()
    wrong = set()
    for module, path in files.items():
        for other in imported(path, files):
            here, there = module.split(".")[1], other.split(".")[1]
            beside = level[here] == level[there] == len(lines) - 1
            if here != there and level[there] <= level[here] and not beside:
                wrong.add(f"{module} imports {other}")
    assert wrong == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_files_that_running_text_names_exist(document: Path) -> None:
    paths = [span for span in spans(document) if re.fullmatch(rf"(?:{'|'.join(_TOPS)})/[\w/.-]*", span)]
    made_by_reader = {"models/mine", "models/potion", "models/my-student", "models/NAME"}
    assert [path for path in paths if path not in made_by_reader and not (ROOT / path).exists()] == []
