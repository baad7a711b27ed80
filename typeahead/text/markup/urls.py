"""The URLs of pages: a base, and a pattern for the path of each file below it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import quote, urljoin

_PLACE = re.compile(r"\{(path|stem)\}")
_INDEX = re.compile(r"(?:^|(?<=/))(?:index|readme)$", re.IGNORECASE)
_HTML_INDEX = re.compile(r"(?:^|(?<=/))index\.html?$", re.IGNORECASE)
PATTERN = "{path}"


def check_pattern(pattern: str) -> str:
    """Return a pattern that has a place for the file; raises ``ValueError``."""
    if not _PLACE.search(pattern) or set(_PLACE.sub("", pattern)) & set("{}"):
        raise ValueError(f"the URL pattern {pattern!r} must hold {{path}} or {{stem}}, and no other braces")
    return pattern


def page_url(path: str, base: str, pattern: str = PATTERN, own: str = "") -> str:
    """Return the URL of the file ``path``, relative to its folder; empty without ``base``, unless ``own`` is a URL.

    In ``pattern``, ``{path}`` is the whole path and ``{stem}`` the path without suffix. A page called index stands for
    its folder: ``index.html`` everywhere, and ``index.md`` or ``README.md`` where the pattern leaves out the suffix.
    ``own`` is what the page says of itself: a URL, a path from the root of ``base``, or the last part of the path.
    """
    if re.match(r"https?://", own):
        return own
    if not base:
        return ""
    base = base if base.endswith("/") else f"{base}/"
    if own.startswith("/"):
        return urljoin(base, quote(own.lstrip("/"), safe="/%#?=&"))
    stem = PurePosixPath(path).with_suffix("").as_posix()
    if own:
        folder = stem.rpartition("/")[0]
        stem = path = f"{folder}/{own}".strip("/")
    parts = {"path": quote(_HTML_INDEX.sub("", path)), "stem": quote(_INDEX.sub("", stem))}
    made = _PLACE.sub(lambda place: parts[place[1]], pattern)
    return base + re.sub("/{2,}", "/", made).lstrip("/")
