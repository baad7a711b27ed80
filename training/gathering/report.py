"""What was found in the files, what was left out and why, as numbers, as JSON and as plain English."""

from __future__ import annotations

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
    #: Distinct texts there are by kind, before ``wanted`` chose among them. For passages it is a lower bound where
    #: ``passages_read`` of them were enough.
    available: dict[str, int] = field(default_factory=dict)
    #: Distinct texts that are neither trained on nor held out, by reason.
    left_out: dict[str, int] = field(default_factory=dict)
    #: Long texts that were cut, and the windows that they gave.
    cut: int = 0
    windows: int = 0
    #: Queries that are the beginning of another query, up to three characters shorter.
    unfinished: int = 0
    lengths: Lengths | None = None
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The numbers as JSON has them; paths are texts."""
        found = asdict(self)
        for file in found["files"]:
            file["path"] = str(file["path"])
        return found

    def __str__(self) -> str:
        """The report as a person reads it, some lines without a line break at the end."""
        raise NotImplementedError
