"""Writes a recipe as TOML, so that a guided training leaves the same file as one by hand would."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def to_toml(entries: Mapping[str, Any]) -> str:
    """The text of a TOML file: values first, then tables; a list of mappings is a list of tables."""
    lines = [f"{name} = {_value(value)}" for name, value in entries.items() if not _is_table(value)]
    for name, value in entries.items():
        if not _is_table(value):
            continue
        many = not isinstance(value, Mapping)
        for table in value if many else [value]:
            lines += ["", f"[[{name}]]" if many else f"[{name}]"]
            lines += [f"{key} = {_value(one)}" for key, one in table.items()]
    return "\n".join(lines) + "\n"


def _is_table(value: Any) -> bool:
    if isinstance(value, Mapping):
        return True
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        # JSON's escapes are TOML's.
        return json.dumps(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {_value(one)}" for name, one in value.items()) + " }" if value else "{}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    raise TypeError(f"{value!r} has no form in TOML")
