"""The entries of a recipe's TOML file, and how they become dataclasses."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def read_entries(path: Path) -> dict[str, Any]:
    """Read a recipe's entries on top of those of its ``base``: tables and stages are merged, the rest is replaced."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    base = data.pop("base", None)
    return _merge(read_entries(path.parent / base), data) if base else data


def bases_of(path: Path) -> list[Path]:
    """The recipe that a recipe is based on, that one's base, and so on."""
    base = tomllib.loads(path.read_text(encoding="utf-8")).get("base")
    return [path.parent / base, *bases_of(path.parent / base)] if base else []


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = below | above
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            merged[key] = _merge(below[key], above[key])
    if "stages" in below and "stages" in above:
        first, second = below["stages"], above["stages"]
        both = [_merge(one, other) for one, other in zip(first, second, strict=False)]
        merged["stages"] = both + first[len(both) :] + second[len(both) :]
    return merged


def take(kind: type[T], values: Any, where: str) -> T:
    """Make a dataclass of a table's entries; lists become tuples.

    Raises:
        ValueError: the entries are not a table, or one of them is unknown or missing. The message begins with
            ``where``.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{where} is not a table")
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := set(values) - set(known):
        raise ValueError(f"{where}: unknown {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    needed = {name for name, field in known.items() if field.default is MISSING and field.default_factory is MISSING}
    if missing := needed - set(values):
        raise ValueError(f"{where}: {', '.join(sorted(missing))} missing")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
