"""How Qdrant writes places in a payload."""

from __future__ import annotations

import re
from typing import Final

from typeahead.engines.payloads import Path

_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")


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
