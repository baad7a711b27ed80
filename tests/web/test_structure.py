"""The web folder as a whole: no file is too long to read, no modules import each other in a circle."""

from __future__ import annotations

import json
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import ROOT

WEB = ROOT / "web"
MOST_LINES = 400
SCREENSHOTS = WEB / "screenshots"
FILES = sorted(path for path in WEB.rglob("*") if path.is_file() and SCREENSHOTS not in path.parents)
WRITTEN = [path for path in FILES if not path.name.endswith(".min.js")]
MODULES = [path for path in WRITTEN if path.suffix == ".js"]

#: ``import … from "./x.js"``, ``export … from "./x.js"``, ``import "./x.js"``, and ``import("./x.js")``, which JSDoc
#: uses for types.
IMPORT = re.compile(r"""(?:\bfrom\s*|\bimport\s*\(?\s*)["'](\.[^"']+)["']""")


def imports(module: Path) -> set[Path]:
    """The modules that a module names in imports, those of types and within functions included."""
    return {(module.parent / name).resolve() for name in IMPORT.findall(module.read_text(encoding="utf-8"))}


def check_acyclic(graph: dict[Path, set[Path]]) -> None:
    """Fail with the circle, if there is one."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        # From importing to imported.
        pytest.fail(" → ".join(str(path.relative_to(WEB)) for path in reversed(error.args[1])))


def test_no_file_is_too_long() -> None:
    lines = {str(path.relative_to(WEB)): len(path.read_text(encoding="utf-8").splitlines()) for path in WRITTEN}
    assert len(lines) > 30
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_modules_import_each_other_in_no_circle() -> None:
    graph = {module: imports(module) for module in MODULES}
    assert len(graph[WEB / "search-box.js"]) >= 5
    assert set().union(*graph.values()) <= set(MODULES)
    check_acyclic(graph)


def test_a_circle_would_be_found() -> None:
    client, types = WEB / "client.js", WEB / "types.js"
    with pytest.raises(pytest.fail.Exception, match=r"client\.js"):
        check_acyclic({client: {types}, types: {client}})


def needed(module: Path) -> set[Path]:
    """What a browser loads for a module: itself and what it imports, but not the types."""
    found, waiting = set[Path](), [module]
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        found.add(module)
        waiting += [
            (module.parent / name).resolve()
            for name in re.findall(r'^(?:import|export)\b[^;]*"(\.[^"]+)";$', module.read_text("utf-8"), re.MULTILINE)
        ]
    return found


def test_the_search_page_preloads_the_modules_of_the_box_and_no_others() -> None:
    page = (WEB / "index.html").read_text(encoding="utf-8")
    preloaded = re.findall(r'<link rel="modulepreload" href="\./([^"]+)">', page)
    assert sorted(preloaded) == sorted(path.name for path in needed(WEB / "search-box.js"))


def test_the_package_holds_the_modules_of_the_box_and_no_others() -> None:
    package = json.loads((WEB / "package.json").read_text(encoding="utf-8"))
    modules = {name for name in package["files"] if name.endswith(".js") and not name.endswith(".min.js")}
    assert modules == {path.name for path in needed(WEB / "search-box.js")} | {"types.js"}
