"""File names made of the names of collections and encoders, which may contain any character."""

from __future__ import annotations

import re

#: Bytes of a part: file systems take 255 in all.
_LONGEST = 100


def safe_name(text: str) -> str:
    """Turn ``text`` into a part of a file name: letters, digits, ``_``, ``.`` and ``-``, without a leading point."""
    plain = re.sub(r"[^\w.-]+", "-", text).strip(".-")
    return plain.encode()[:_LONGEST].decode(errors="ignore") or "unnamed"


class FileNames:
    """Gives each text a name of its own. If two texts give the same name, the second gets ``-2`` at its end."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, *parts: str) -> str:
        """Join ``parts`` by points to a name that was not given before, in whatever case."""
        name = whole = ".".join(safe_name(part) for part in parts)
        number = 1
        # Some file systems do not distinguish A and a.
        while name.casefold() in self._taken:
            number += 1
            name = f"{whole}-{number}"
        self._taken.add(name.casefold())
        return name
