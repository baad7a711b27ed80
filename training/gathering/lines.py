"""A text file whose first lines are looked at before it is read: which form has it, and is it text at all?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from training.gathering import weblog
from training.gathering.cleaning import UNREADABLE
from training.gathering.report import FileReport
from typeahead.errors import SourceError
from typeahead.text.reading import Line, recognised_lines

#: Lines, and characters in them, that are looked at.
_HEAD, _HEAD_LENGTH = 1_000, 4 << 20
#: What ``uniq -c`` writes: a number in seven places or more, a space, and the line.
_COUNTED = re.compile(r"(?=[ \d]{7})( *)([0-9]+) (.*)")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


@dataclass
class TextFile:
    """The lines of a file, in any encoding, packed or not. They can be read once."""

    path: Path
    #: The first lines without their line breaks; a line that cannot be read is left out.
    head: Sequence[str]
    lines: Iterator[Line]

    @classmethod
    def open(cls, path: Path, report: FileReport) -> TextFile:
        """Open a file and look at its first lines. ``report`` gets a note about a guessed encoding.

        Raises:
            SourceError: the file cannot be read or is no text.
            MissingExtra: it is packed by Zstandard, and ``backports.zstd`` is not installed.
        """
        lines = recognised_lines(path, None, lambda message: report.notes.append(message.removeprefix(f"{path}: ")))
        head: list[Line] = []
        length = strange = 0
        for line in lines:
            head.append(line)
            length += len(line.text)
            controls = len(_CONTROL.findall(line.text[:10_000]))
            strange += line.problem is not None or controls * 10 > len(line.text[:10_000])
            if len(head) == _HEAD or length > _HEAD_LENGTH:
                break
        if strange * 2 > len(head):
            raise SourceError(
                f"is no text: {strange:,} of its first {len(head):,} lines hold bytes that no text has. Is it a binary "
                "file, or in an encoding that should be converted to UTF-8?",
                path=path,
            )
        found = [line.text.rstrip("\r\n") for line in head if line.problem is None]
        return cls(path, [text for text in found if text.strip()], chain(head, lines))

    def texts(self, report: FileReport) -> Iterator[str]:
        """Yield each line without its line break; count those that cannot be read."""
        for line in self.lines:
            if line.problem is None:
                yield line.text.rstrip("\r\n")
            else:
                report.drop(UNREADABLE)


def form_of(head: Sequence[str]) -> str:
    """The form of a file whose name does not tell it.

    "jsonl", "json", "table" (the same number of tabs in each line), "log" (of a web server), "addresses", "counted"
    (the output of ``uniq -c``), or "list".
    """
    if not head:
        return "list"
    if _most(head, lambda line: line.lstrip().startswith("{") and line.rstrip().endswith("}")):
        return "jsonl"
    if head[0].strip() == "[" or head[0].lstrip().startswith(("[{", "[ {", '["')):
        return "json"
    if _most(head, lambda line: weblog.REQUEST.search(line) is not None, 0.5):
        return "log"
    if _most(head, lambda line: weblog.query_of(line) is not None and " " not in line.strip(), 0.5):
        return "addresses"
    if _most(head, lambda line: _COUNTED.fullmatch(line) is not None, 1.0):
        return "counted"
    tabs = head[0].count("\t")
    return "table" if tabs and _most(head, lambda line: line.count("\t") == tabs, 0.98) else "list"


def counted(line: str) -> tuple[str, int]:
    """Divide a line of ``uniq -c`` into its text and its number."""
    found = _COUNTED.fullmatch(line)
    return (found[3], int(found[2])) if found and len(found[2]) < 16 else (line, 1)


def _most(head: Sequence[str], holds: Callable[[str], bool], share: float = 0.9) -> bool:
    return sum(map(holds, head)) >= share * len(head)
