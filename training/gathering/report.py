"""What was found in the files, what was left out and why, as numbers, as JSON and as plain English."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

#: Upper ends of the buckets of lengths in tokens. The last bucket is what is longer.
BUCKETS = (4, 8, 16, 32, 64, 128)


@dataclass(slots=True)
class FileReport:
    """One file or folder. ``rows`` is ``distinct + duplicates`` and the numbers in ``dropped``, added up."""

    path: Path
    #: "queries" or "passages".
    role: str
    #: What the file was taken for, such as "CSV, column 'query', counts in 'n'".
    taken_as: str = ""
    #: Lines, rows or documents that were read.
    rows: int = 0
    #: Texts that no row before had, in this file or in those before it.
    distinct: int = 0
    duplicates: int = 0
    #: Rows left out, by reason.
    dropped: dict[str, int] = field(default_factory=dict)
    #: What else is worth knowing, a sentence each, such as a guessed encoding.
    notes: list[str] = field(default_factory=list)

    def drop(self, reason: str, rows: int = 1) -> None:
        """Count rows that are read and left out."""
        self.rows += rows
        self.dropped[reason] = self.dropped.get(reason, 0) + rows


@dataclass(frozen=True, slots=True)
class Lengths:
    """Lengths in tokens, without special tokens, of the training texts or of a sample of them."""

    #: Texts that were measured.
    measured: int
    mean: float
    #: The 95th percentile.
    p95: int
    longest: int
    #: The share of each bucket, by its name: "1-4", "5-8", …, "129-".
    shares: Mapping[str, float]


@dataclass(slots=True)
class Report:
    """All numbers of one :func:`~training.gathering.gather`. ``str(report)`` is the text for people."""

    max_tokens: int
    wanted: int | None
    files: list[FileReport] = field(default_factory=list)
    #: Training texts by kind, and held-out texts by kind.
    training: dict[str, int] = field(default_factory=dict)
    development: dict[str, int] = field(default_factory=dict)
    #: Distinct texts by group ("queries", "passages", "pseudo", "words") before ``wanted`` chose among them.
    available: dict[str, int] = field(default_factory=dict)
    #: Distinct texts that are neither trained on nor held out, by reason.
    left_out: dict[str, int] = field(default_factory=dict)
    #: Distinct documents, and how many of them were cut into windows before there were enough.
    documents: int = 0
    documents_used: int = 0
    #: Long texts that were cut, and the windows that they gave.
    cut: int = 0
    windows: int = 0
    #: Texts whose windows beyond the first hundred are left out, and parts of texts that are no window because the
    #: vocabulary knows nothing in them.
    shortened: int = 0
    unusable: int = 0
    #: Queries that are the beginning of another query, up to three characters shorter.
    unfinished: int = 0
    lengths: Lengths | None = None

    def to_json(self) -> dict[str, Any]:
        """The numbers as JSON has them; paths are texts."""
        found = asdict(self)
        for file in found["files"]:
            file["path"] = _printable(file["path"])
        return found

    def __str__(self) -> str:
        """The report as a person reads it, some lines without a line break at the end."""
        lines = [line for file in self.files for line in _file_lines(file)]
        if self.unfinished:
            lines.append(
                f"{_number(self.unfinished, 'query is', 'queries are')} the beginning of a slightly longer one"
            )
        if self.documents_used < self.documents:
            lines.append(f"Passages: {self.documents_used:,} of {self.documents:,} documents are enough")
        if self.cut:
            cut = f"{_number(self.cut, 'text has', 'texts have')} more than {self.max_tokens} tokens"
            lines.append(f"{cut}: cut into {_number(self.windows, 'window', 'windows')}")
        if self.shortened:
            lines.append(
                f"  left out: what follows the first 100 windows of {_number(self.shortened, 'text', 'texts')}"
            )
        if self.unusable:
            lines.append(f"  left out: {_number(self.unusable, 'part', 'parts')} that the vocabulary knows nothing of")
        wanted = "" if self.wanted is None else f" of {self.wanted:,} wanted"
        lines.append(f"To train on: {sum(self.training.values()):,} texts{wanted}: {_listed(self.training)}")
        lines += [f"  left out: {number:,} {reason}" for reason, number in self.left_out.items()]
        lines.append(f"Held out to judge by: {_listed(self.development) or 'nothing, as there are too few texts'}")
        if self.lengths is not None:
            lengths = self.lengths
            shares = ", ".join(f"{name}: {share:.0%}" for name, share in lengths.shares.items() if share)
            lines.append(f"Tokens of a text: {lengths.mean:.1f} on average, 95% have at most {lengths.p95} ({shares})")
        return "\n".join(lines)


def _file_lines(file: FileReport) -> list[str]:
    what = "documents" if file.role == "passages" else "rows"
    numbers = f"{_number(file.rows, what[:-1], what)}, {file.distinct:,} distinct"
    numbers += f", {_number(file.duplicates, 'duplicate', 'duplicates')}" if file.duplicates else ""
    lines = [f"{_printable(file.path.name)}: {file.taken_as}", f"  {numbers}"]
    lines += [
        f"  left out: {number:,} {reason} ({_share(number, file.rows)})" for reason, number in file.dropped.items()
    ]
    return lines + [f"  note: {note}" for note in file.notes]


def _printable(path: Path | str) -> str:
    return os.fsencode(path).decode(errors="replace")


def _share(number: int, total: int) -> str:
    return f"{number / total:.1%}" if number * 1000 >= total else "under 0.1%"


def _listed(kinds: Mapping[str, int]) -> str:
    plurals = {"query": "queries", "passage": "windows of passages", "phrase": "phrases"}
    names = {kind: plurals.get(kind, f"{kind}s") for kind in kinds}
    return ", ".join(_number(number, kind, names[kind]) for kind, number in kinds.items())


def _number(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"
