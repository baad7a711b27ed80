"""Places in a payload: sequences of keys, and how Qdrant writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

Path: TypeAlias = tuple[str, ...]

_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")


def read_path(text: str) -> Path:
    """Read ``metadata.title``."""
    return tuple(text.split("."))


def get(payload: Mapping[str, Any], path: Path) -> Any:
    """The value at a place, None if there is none."""
    value: Any = payload
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def json_path(path: Path) -> str | None:
    """Write a path for Qdrant; None if its notation cannot express it: it cannot escape a quotation mark."""
    written = []
    for name in path:
        if _PLAIN.fullmatch(name):
            written.append(name)
        elif name and '"' not in name:
            written.append(f'"{name}"')
        else:
            return None
    return ".".join(written)
