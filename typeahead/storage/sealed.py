"""The strict, sealed JSON files that list the other files of a folder: ``manifest.json`` and ``config.json``.

They hold the checksums of all other files, and one of their own: the last field, ``self_sha256``, is the SHA-256 of the
whole file in UTF-8 with 64 zeros in place of the checksum. It detects damage, but not an attacker, who can reseal the
file.

JSON is parsed strictly by RFC 8259: numbers must be finite, and an object must not repeat a key.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

SEAL = "self_sha256"
_BLANK = "0" * 64


class SealBroken(ValueError):
    """The content has changed since the file was sealed."""


def read_json(path: Path, most: int) -> tuple[Any, str]:
    """Read a JSON file of at most ``most`` bytes, and return its value and its text.

    Raises ``OSError``, or ``ValueError`` with a short reason.
    """
    with path.open("rb") as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        raise ValueError(f"it is longer than {most} bytes")
    text = raw.decode("utf-8")
    try:
        data = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    # A JSON escape can encode half of a surrogate pair.
    if re.search(r"\\u[dD][89a-fA-F]", text):
        _check_unicode(data)
    return data, text


def is_sealed(data: Mapping[str, Any], text: str) -> bool:
    """Check the seal of a file read by :func:`read_json`, and return whether it has one; older files do not.

    Raises :class:`SealBroken`.
    """
    if SEAL not in data:
        return False
    stated = data[SEAL]
    before, found, after = text.rpartition(f'"{stated}"')
    if not found or _sum(f'{before}"{_BLANK}"{after}') != stated:
        raise SealBroken(f"its content does not match its {SEAL}")
    return True


def seal(data: Mapping[str, Any]) -> str:
    """Return the text of a sealed file with ``data``."""
    fields = {name: value for name, value in data.items() if name != SEAL}
    text = json.dumps({**fields, SEAL: _BLANK}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    before, _, after = text.rpartition(_BLANK)
    return before + _sum(text) + after


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"it has the key {twice[:40]!r} twice")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def _check_unicode(data: Any) -> None:
    try:
        json.dumps(data, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("a string in it has a lone surrogate") from None
