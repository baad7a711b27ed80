"""Measured figures for people and for programs: a Markdown table and JSON, with the hardware they were measured on."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from typeahead import __version__


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table whose columns are the keys of the first row; floats with four significant digits."""
    if not rows:
        return ""
    columns = list(rows[0])
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [max(len(column), *(len(line[at]) for line in cells)) for at, column in enumerate(columns)]
    lines = [columns, ["-" * width for width in widths], *cells]
    return "\n".join(
        "| " + " | ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
    return "" if value is None else str(value)


def hardware() -> dict[str, str]:
    """Processor, cores and versions."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    found = {"processor": model, "cores": str(os.cpu_count()), "python": platform.python_version()}
    found["typeahead"] = __version__
    for package in ("onnxruntime", "faiss-cpu", "tokenizers", "numpy", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def report(title: str, rows: Sequence[Mapping[str, Any]], *, json_path: Path | None = None, **facts: Any) -> None:
    """Print the table and the hardware; write all of it as JSON to ``json_path``, which "-" stands for printing it."""
    machine = hardware()
    print(f"{title}\n\n{markdown(rows)}\n")
    for name, value in facts.items():
        print(f"{name.replace('_', ' ')}: {_cell(value)}")
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    if json_path is None:
        return
    data = {"title": title, "hardware": machine, **facts, "rows": list(rows)}
    if str(json_path) == "-":
        print(json.dumps(data))
    else:
        json_path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
