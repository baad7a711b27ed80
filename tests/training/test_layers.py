"""Imports inside ``training`` go one way, the way that its docstring states."""

from __future__ import annotations

import ast

from tests.conftest import ROOT
from tests.test_imports import imported, modules

#: Top to bottom.
LAYERS = [
    "commands",
    "guided",
    "exporting",
    "light",
    "ranking",
    "stage1",
    "students",
    "teacher",
    "modules",
    "gathering",
    "data",
]


def layer_of(module: str) -> int:
    folder = module.split(".")[1]
    return LAYERS.index(folder if (ROOT / "training" / folder).is_dir() else "modules")


def test_a_module_imports_its_own_layer_and_those_below() -> None:
    files = modules("training")
    del files["training"]
    wrong = [
        f"{name} imports {other}"
        for name, path in files.items()
        for other in imported(path, files)
        if layer_of(other) < layer_of(name)
    ]
    assert wrong == []


def test_the_docstring_states_this_order() -> None:
    described = ast.get_docstring(ast.parse((ROOT / "training" / "__init__.py").read_text())) or ""
    stated = [line.split()[0] for line in described.splitlines() if line.startswith("    ")]
    assert stated == LAYERS
