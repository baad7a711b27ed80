"""Training texts: ``source<TAB>text`` files in, lists of :class:`Example` out.

A bad line is counted and named by file and line number, never silently skipped. Which texts form the
development split is decided by a hash of the text alone, so that it stays the same whatever the order,
the limit or the other files.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)

#: Some sources were exported as CSV inside TSV: ``"""What does """"x"""" mean?"""``.
_QUOTE_RUN = re.compile(r'"{2,}')


@dataclass(frozen=True, slots=True)
class Example:
    """One training text and the name of the collection that it came from."""

    source: str
    text: str


@dataclass
class BadLines:
    """The lines of one file that could not be used."""

    path: Path
    numbers: list[int] = field(default_factory=list)

    def report(self) -> None:
        """Log how many lines were left out, and where the first of them stand."""
        if self.numbers:
            first = ", ".join(map(str, self.numbers[:5]))
            log.warning("%s: %d lines without source<TAB>text left out (lines %s)", self.path, len(self.numbers), first)


def read_examples(path: Path, *, limit: int | None = None) -> Iterator[Example]:
    """Stream ``source<TAB>text`` lines of a UTF-8 file.

    Raises ``FileNotFoundError`` if the file is not there and ``UnicodeDecodeError`` if it is not UTF-8. Lines
    without a tab or without text are counted and reported at the end.
    """
    bad = BadLines(path)
    used = 0
    with path.open(encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            source, tab, text = line.rstrip("\r\n").partition("\t")
            text = _QUOTE_RUN.sub('"', text).strip()
            if text.startswith('"') and text.endswith('"') and len(text) > 1:
                text = text[1:-1].strip()
            if not tab or not text:
                bad.numbers.append(number)
                continue
            yield Example(source, text)
            used += 1
            if limit is not None and used >= limit:
                break
    bad.report()


def is_development(text: str, share: float) -> bool:
    """Whether ``text`` belongs to the development split: by its hash, about ``share`` of all texts."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") < share * 2**64


def split(examples: Iterator[Example], share: float) -> tuple[list[Example], list[Example]]:
    """Divide ``examples`` into (training, development)."""
    training: list[Example] = []
    development: list[Example] = []
    for example in examples:
        (development if is_development(example.text, share) else training).append(example)
    return training, development
