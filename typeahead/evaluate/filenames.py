"""Names of files that are made of what people call their collections and encoders, which may hold anything."""

from __future__ import annotations

import re

#: Bytes of a part: file systems take 255 in all.
_LONGEST = 100


def safe_name(text: str) -> str:
    """``text`` as a part of a file's name: letters, digits, ``_``, ``.`` and ``-``, neither hidden nor a folder."""
    plain = re.sub(r"[^\w.-]+", "-", text).strip(".-")
    return plain.encode()[:_LONGEST].decode(errors="ignore") or "unnamed"


class FileNames:
    """Gives each text a name of its own, though two can become the same: the second one gets ``-2`` at its end."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, *parts: str) -> str:
        """A name of ``parts``, points between them, that was not given before, in small letters or capital ones."""
        name = whole = ".".join(safe_name(part) for part in parts)
        number = 1
        # Some file systems take A and a for one.
        while name.casefold() in self._taken:
            number += 1
            name = f"{whole}-{number}"
        self._taken.add(name.casefold())
        return name
