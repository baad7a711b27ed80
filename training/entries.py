"""The entries of a recipe's TOML file, and how they become dataclasses."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

from training.checking import wrong_value
from typeahead.errors import TypeaheadError

T = TypeVar("T")


class RecipeError(TypeaheadError, ValueError):
    """A recipe is wrong. The message names its file, table and entry."""


def read_entries(path: Path) -> dict[str, Any]:
    """Read a recipe's entries on top of those of its ``base``: tables and stages are merged, the rest is replaced.

    Raises:
        RecipeError: there is no such file, it is not TOML, or it is based on itself.
    """
    data: dict[str, Any] = {}
    for one in (*reversed(bases_of(path)), path):
        data = _merge(data, _parsed(one))
    data.pop("base", None)
    return data


def _parsed(path: Path) -> dict[str, Any]:
    """A recipe's own entries. ``RecipeError`` if there is no such file, or it is not TOML."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise RecipeError(f"{path} is not TOML: {error}") from error
    if not isinstance(data.get("base", ""), str):
        raise RecipeError(f"{path}: base = {data['base']!r} is not a file's name")
    return data


def bases_of(path: Path) -> list[Path]:
    """The recipe that a recipe is based on, that one's base, and so on."""
    found: list[Path] = []
    here = path
    while base := _parsed(here).get("base"):
        here = here.parent / base
        if here.resolve() in {one.resolve() for one in (path, *found)}:
            raise RecipeError(f"{path}: base = {base!r} leads back to itself")
        found.append(here)
    return found


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = below | above
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            merged[key] = _merge(below[key], above[key])
    if isinstance(below.get("stages"), list) and isinstance(above.get("stages"), list):
        first, second = below["stages"], above["stages"]
        both = [
            _merge(one, other) if isinstance(one, dict) and isinstance(other, dict) else other
            for one, other in zip(first, second, strict=False)
        ]
        merged["stages"] = both + first[len(both) :] + second[len(both) :]
    return merged


def take(kind: type[T], values: Any, where: str) -> T:
    """Make a dataclass of a table's entries; lists become tuples.

    Raises:
        RecipeError: the entries are not a table, or one of them is unknown, missing, of another type, or out of range.
            The message begins with ``where``.
    """
    if not isinstance(values, Mapping):
        raise RecipeError(f"{where} is not a table")
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := set(values) - set(known):
        raise RecipeError(f"{where}: unknown {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    needed = {name for name, field in known.items() if field.default is MISSING and field.default_factory is MISSING}
    if missing := needed - set(values):
        raise RecipeError(f"{where}: {', '.join(sorted(missing))} missing")
    if wrong := wrong_value(kind, values):
        raise RecipeError(f"{where}: {wrong}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
