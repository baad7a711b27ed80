"""Recorded typing: when each key was pressed, and the text after it.

The format is that of extracts of the *136M Keystrokes* corpus: one JSON object a line, ``{"typed": …, "keys": [[press
time in ms, key], …]}``, where a key is a character or one of BKSP, SHIFT, CAPS_LOCK. Files may be gzipped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from typeahead.text.reading import parsed, utf8_lines
from typeahead.text.records import parse_object


@dataclass(frozen=True, slots=True)
class Keystroke:
    """One change of the text."""

    #: Milliseconds since the first key of the trace.
    at: float
    #: The whole text after it.
    text: str


def read_traces(path: Path) -> Iterator[list[Keystroke]]:
    """Stream the traces of a file, except those in which nothing was typed.

    Raises :class:`~typeahead.errors.SourceError` for a line that is no trace, and for a file that cannot be read.
    """
    for _, keystrokes in parsed(utf8_lines(path), _trace, path):
        if keystrokes:
            yield keystrokes


def _trace(line: str) -> list[Keystroke]:
    try:
        return _keystrokes(parse_object(line)["keys"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a trace: {error}") from error


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
