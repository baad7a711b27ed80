"""What importing loads: as little as possible, and never training."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection, Mapping
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

    assert sorted(typeahead.__all__) == ["Box", "TypeaheadError", "__version__", "distill", "load", "open_index"]
    for name in set(typeahead.__all__) - {"distill"}:
        # That one needs the extra "training".
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


def test_the_core_and_the_wire_know_no_sockets_clocks_or_threads() -> None:
    for folder in ("core", "wire"):
        for path in (ROOT / "typeahead" / folder).glob("*.py"):
            roots = {module.split(".")[0] for module in imports_of(path)}
            assert not roots & {"socket", "asyncio", "threading", "time", "starlette", "uvicorn"}, path


def test_evaluation_loads_a_library_only_for_what_needs_it() -> None:
    modules = [
        *(f"measures.{name}" for name in ("retrieval", "typists", "query_latency", "throughput", "mteb")),
        *(f"report.{name}" for name in ("prefix_report", "plots", "page")),
        "peers",
    ]
    loaded = modules_after("; ".join(f"import typeahead.evaluate.{name}" for name in modules))
    assert not loaded & {"torch", "faiss", "ir_measures", "ir_datasets", "matplotlib", "bm25s", "model2vec", "mteb"}


def modules(*packages: str) -> dict[str, Path]:
    """Every module of some packages of this checkout, by its full name."""
    found: dict[str, Path] = {}
    for package in packages:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: Collection[str]) -> set[str]:
    """The modules among ``known`` that a file imports: at the top, in functions, and for types alone."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            base = node.module or ""
            names |= {full if (full := f"{base}.{alias.name}") in known else base for alias in node.names}
    return names & set(known)


def circles(graph: Mapping[str, set[str]]) -> list[tuple[str, ...]]:
    """What imports itself in some way: groups of names, each reachable from each other of its group."""
    reach: dict[str, set[str]] = {}
    for name in graph:
        seen: set[str] = set()
        left = list(graph[name])
        while left:
            if (one := left.pop()) not in seen:
                seen.add(one)
                left += graph[one]
        reach[name] = seen
    return sorted({tuple(sorted(b for b in reach[a] if a in reach[b])) for a in graph if a in reach[a]})


def test_no_module_imports_itself_by_way_of_others() -> None:
    files = modules("typeahead", "training", "benchmarks")
    assert circles({name: imported(path, files) for name, path in files.items()}) == []


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [("a", "b", "c")]


#: What may import what: each package imports only packages that stand before it.
ORDER = (
    "installation telemetry paths errors logs moved progress tables storage text models core search wire encoders "
    "index engines settings box verify demo evaluate server terminal commands cli"
).split()


def test_packages_import_one_another_in_one_direction() -> None:
    files = modules("typeahead")
    place = {name: row for row, name in enumerate(ORDER)}
    wrong = []
    for name, path in files.items():
        _, _, inside = name.partition(".")
        own = inside.split(".")[0]
        if own in ("", "__main__"):
            continue
        assert own in place, f"{own} has no place in the order"
        for other in imported(path, files):
            theirs = other.partition(".")[2].split(".")[0]
            if theirs and place[theirs] > place[own]:
                wrong.append(f"{name} imports {other}")
    assert wrong == []
