"""What importing loads: as little as possible, and never training."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

HEAVY = ["torch", "transformers", "faiss", "uvicorn", "starlette", "onnxruntime", "tokenizers", "numpy"]


def modules_after(code: str) -> set[str]:
    script = f"import sys; {code}; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    )


def test_importing_typeahead_imports_nothing_heavy() -> None:
    assert not modules_after("import typeahead") & set(HEAVY)


def test_loading_an_encoder_imports_neither_torch_nor_faiss_nor_a_server() -> None:
    loaded = modules_after("import typeahead; typeahead.load('minilm-gru').session().update('egg')")
    assert "onnxruntime" in loaded
    assert not loaded & {"torch", "transformers", "faiss", "uvicorn", "starlette", "sqlite3"}


def test_the_public_names_are_these() -> None:
    import typeahead

    assert sorted(typeahead.__all__) == ["TypeaheadError", "__version__", "load"]
    for name in typeahead.__all__:
        assert hasattr(typeahead, name)
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        _ = typeahead.nothing_of_that_name


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def test_the_package_never_imports_training_and_torch_only_for_the_peers() -> None:
    for path in (ROOT / "typeahead").rglob("*.py"):
        roots = {name.split(".")[0] for name in imports_of(path)}
        assert "training" not in roots, path
        assert "torch" not in roots or path.parent.name == "peers", path


def test_the_core_knows_no_sockets_clocks_or_threads() -> None:
    for name in ("tokens", "prefixes", "session", "engine", "protocol", "replies"):
        roots = {module.split(".")[0] for module in imports_of(ROOT / "typeahead" / f"{name}.py")}
        assert not roots & {"socket", "asyncio", "threading", "time", "starlette", "uvicorn"}, name


def test_evaluation_loads_a_library_only_for_what_needs_it() -> None:
    modules = ["retrieval", "prefix_report", "typists", "online", "throughput", "plots", "report", "mteb", "peers"]
    loaded = modules_after("; ".join(f"import typeahead.evaluate.{name}" for name in modules))
    assert not loaded & {"torch", "faiss", "ir_measures", "ir_datasets", "matplotlib", "bm25s", "model2vec", "mteb"}
