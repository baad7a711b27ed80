"""Measured figures for people and programs: a Markdown table and JSON, with the hardware they were measured on."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import typeahead

#: Packages that affect figures: those that compute and serve come first, then those for scoring and comparison.
_PACKAGES = (
    "onnxruntime",
    "faiss-cpu",
    "tokenizers",
    "numpy",
    "orjson",
    "uvicorn",
    "uvloop",
    "websockets",
    "picows",
    "torch",
    "ir-measures",
    "pytrec-eval-terrier",
    "ir-datasets",
    "transformers",
    "sentence-transformers",
    "model2vec",
    "bm25s",
    "mteb",
    "fastapi",
    "pytest-benchmark",
)


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Format a Markdown table with the keys of the first row as columns; floats have four significant digits."""
    if not rows:
        return ""
    keys = list(rows[0])
    columns = [_cell(key) for key in keys]
    cells = [[_cell(row.get(key)) for key in keys] for row in rows]
    widths = [max(len(column), *(len(line[at]) for line in cells)) for at, column in enumerate(columns)]
    lines = [columns, ["-" * width for width in widths], *cells]
    return "\n".join(
        "| " + " | ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
    # Labels and queries may contain anything: a vertical bar or a line break must not end the cell.
    return "" if value is None else " ".join(str(value).split()).replace("|", "\\|")


def hardware() -> dict[str, str]:
    """Return processor, cores, system and the versions of installed :data:`_PACKAGES`."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    found = {
        "processor": model,
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "typeahead": typeahead.__version__,
    }
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def stamp() -> str:
    """Return the line under a table that states the hardware."""
    return ", ".join(f"{name} {value}" for name, value in hardware().items())


def report(title: str, rows: Sequence[Mapping[str, Any]], *, json_path: Path | None = None, **facts: Any) -> None:
    """Print the table and the hardware; also write everything as JSON to ``json_path``, or print it for "-"."""
    print(f"{title}\n\n{markdown(rows)}\n")
    for name, value in facts.items():
        print(f"{name.replace('_', ' ')}: {_cell(value)}")
    print(stamp())
    if json_path is None:
        return
    data = {"title": title, "hardware": hardware(), **facts, "rows": list(rows)}
    if str(json_path) == "-":
        print(json.dumps(data))
    else:
        json_path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
