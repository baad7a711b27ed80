"""Recorded typing: when each key was pressed, and the text after it.

The format is that of extracts of the *136M Keystrokes* corpus: one JSON object a line, ``{"typed": …, "keys": [[press
time in ms, key], …]}``, where a key is a character or one of BKSP, SHIFT, CAPS_LOCK. Files may be gzipped.
"""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from typeahead.errors import SourceError


@dataclass(frozen=True, slots=True)
class Keystroke:
    """One change of the text."""

    #: Milliseconds since the first key of the trace.
    at: float
    #: The whole text after it.
    text: str


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def read_traces(path: Path) -> Iterator[list[Keystroke]]:
    """Stream the traces of a file but those in which nothing was typed.

    Raises :class:`~typeahead.errors.SourceError`, which names the line, for one that is no trace and where a file is
    cut short.
    """
    number = 0
    try:
        with _open(path) as lines:
            for number, line in enumerate(lines, 1):
                try:
                    keystrokes = _keystrokes(json.loads(line)["keys"])
                except (KeyError, TypeError, ValueError, RecursionError) as error:
                    raise SourceError(f"not a trace: {error}", path=path, line=number) from error
                if keystrokes:
                    yield keystrokes
    except (UnicodeDecodeError, EOFError, zlib.error) as error:
        # gzip says EOFError of a file that was cut short, and zlib.error of one that is damaged.
        raise SourceError(f"cannot be read: {error}", path=path, line=number + 1) from error


def _keystrokes(keys: list[tuple[float, str]]) -> list[Keystroke]:
    text = ""
    keystrokes = []
    for at, key in keys:
        if not (isinstance(key, str) and math.isfinite(at)):
            raise ValueError(f"the key {str(key)[:40]!r} at {at} ms")
        if key == "BKSP":
            text = text[:-1]
        elif len(key) == 1 and key.isprintable():
            text += key
        else:
            continue
        keystrokes.append(Keystroke(float(at), text))
    return keystrokes
