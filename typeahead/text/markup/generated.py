"""Tells which files and folders generators of documentation add to the pages themselves, by their names."""

from __future__ import annotations

import re
from collections.abc import Collection

_FOLDERS = frozenset("_static _sources _modules _images _downloads node_modules __pycache__".split())
#: Indexes of terms, search, pages for errors.
_PAGES = re.compile(
    r"(?:genindex(?:-.*)?|py-modindex|search|404|index-all|all(?:classes|packages)(?:-.*)?|package-tree|overview-tree|"
    r"help-doc|deprecated-list|constant-values|serialized-form|print_page|toc)\.html?",
    re.IGNORECASE,
)


def is_generated_folder(name: str) -> bool:
    """Whether a folder of this name holds copies of sources, scripts, pictures or packages."""
    return name in _FOLDERS


def generated(name: str, others: Collection[str]) -> str | None:
    """Return what the file ``name`` is if it repeats other pages, such as "generated page"; None if it does not.

    ``others`` are the names of all files in its folder.
    """
    if name.endswith(".txt") and f"{name[:-4]}.html" in others:
        return "source of an HTML page"
    return "generated page" if _PAGES.fullmatch(name) else None
