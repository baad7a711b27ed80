"""One module per command: its arguments, and the code that runs it."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator


def warn(message: str) -> None:
    """Write a warning to standard error."""
    print(f"warning: {message}", file=sys.stderr, flush=True)


def input_lines() -> Iterator[str]:
    """Yield the lines of standard input, decoded as UTF-8.

    Invalid bytes become lone surrogates, which encoders reject with an error that names the text and the position.
    """
    for line in io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="surrogateescape"):
        yield line.rstrip("\r\n")
