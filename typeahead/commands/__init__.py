"""One module for each command of the command line: its arguments, and what it calls."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator


def warn(message: str) -> None:
    """Write a warning to standard error."""
    print(f"warning: {message}", file=sys.stderr, flush=True)


def input_lines() -> Iterator[str]:
    """Lines of standard input, as UTF-8.

    Bytes that are not UTF-8 become lone surrogates, which encoders refuse by name and position.
    """
    for line in io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="surrogateescape"):
        yield line.rstrip("\r\n")
