from __future__ import annotations

import ast
from pathlib import Path

import pytest

import typeahead.server

SERVER = Path(typeahead.server.__file__).parent
#: Each package may import from itself and from those before it.
ORDER = ("observe", "access", "writing", "typing", "http", "process")
#: The modules that put a server together import everything. Nothing else imports them.
TOP = {f"typeahead.server{name}" for name in ("", ".app", ".process.run", ".process.supervisor")}


def imported(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


@pytest.mark.parametrize("package", ORDER)
def test_the_packages_of_the_server_import_one_way(package: str) -> None:
    above = tuple(f"typeahead.server.{name}" for name in ORDER[ORDER.index(package) + 1 :])
    files = [path for path in (SERVER / package).glob("*.py") if f"typeahead.server.{package}.{path.stem}" not in TOP]
    assert files
    for path in files:
        names = imported(path)
        assert not names & TOP, path
        assert not [name for name in names if name.startswith(above)], path
