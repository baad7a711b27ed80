"""Recorded typing: when each key was pressed, and the text after it.

The format is that of extracts of the *136M Keystrokes* corpus: one JSON object a line, ``{"typed": …, "keys": [[press
time in ms, key], …]}``, where a key is a character or one of BKSP, SHIFT, CAPS_LOCK. Files may be gzipped.
"""

from __future__ import annotations

import gzip
import json
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

    Raises :class:`~typeahead.errors.SourceError`, which names a line that is no trace.
    """
    with _open(path) as lines:
        for number, line in enumerate(lines, 1):
            try:
                keystrokes = _keystrokes(json.loads(line)["keys"])
            except (KeyError, TypeError, ValueError) as error:
                raise SourceError(f"not a trace: {error}", path=path, line=number) from error
            if keystrokes:
                yield keystrokes


def _keystrokes(keys: list[tuple[float, str]]) -> list[Keystroke]:
    text = ""
    keystrokes = []
    for at, key in keys:
        if key == "BKSP":
            text = text[:-1]
        elif len(key) == 1 and key.isprintable():
            text += key
        else:
            continue
        keystrokes.append(Keystroke(float(at), text))
    return keystrokes
