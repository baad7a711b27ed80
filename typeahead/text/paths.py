"""Finds members of nested records by dotted paths: ``meta.title`` is the member "title" of the object "meta".

A key that has a dot itself is found, too, and goes first. A path that leads through a list gives the values of all its
elements: ``sections.text`` gives the text of every section.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final


class _Missing:
    def __repr__(self) -> str:
        return "missing"


#: What :func:`find` returns if there is no such member.
MISSING: Final = _Missing()


def find(record: Mapping[str, Any], path: str) -> Any:
    """Return the value at ``path``, a list if the path leads through a list, or :data:`MISSING`."""
    if path in record:
        return record[path]
    # The longest key first: keys with dots go before objects within objects.
    end = path.rfind(".")
    while end > 0:
        if (inner := record.get(path[:end], MISSING)) is not MISSING:
            found = _within(inner, path[end + 1 :])
            if found is not MISSING:
                return found
        end = path.rfind(".", 0, end)
    return MISSING


def _within(value: Any, path: str) -> Any:
    if isinstance(value, Mapping):
        return find(value, path)
    if not isinstance(value, list | tuple):
        return MISSING
    values: list[Any] = []
    for element in value:
        found = _within(element, path)
        if isinstance(found, list | tuple):
            values += found
        elif found is not MISSING:
            values.append(found)
    return values or MISSING
