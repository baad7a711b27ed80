"""Reads the passages of several files, and keeps as many of them as are needed."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import count

from training.gathering.cleaning import EMPTY, clean
from training.gathering.mixing import uniform
from training.gathering.passages import read_passages
from training.gathering.report import FileReport
from training.gathering.source import Source
from typeahead.errors import SourceError
from typeahead.text.document import Document


@dataclass(order=True, slots=True)
class _Kept:
    #: The negative of the document's key, so that the heap drops the largest key.
    order: float
    number: int
    document: Document = field(compare=False)
    source: str = field(compare=False)


class Pile:
    """The distinct documents of several files, at most ``most`` of them, chosen by their texts and the seed.

    So memory holds what is needed, whatever the files hold. ``None`` keeps all.
    """

    def __init__(self, most: int | None, seed: int) -> None:
        self._most, self._seed = most, seed
        self._seen: set[int] = set()
        self._kept: list[_Kept] = []
        self._numbers = count()

    def add(self, source: Source) -> FileReport:
        """Read a file. Raises :class:`~typeahead.errors.SourceError`, also for a file without a passage."""
        report = FileReport(source.path, "passages")
        for document in read_passages(source, report):
            key = f"{document.title}\n{document.text}"
            if not clean(key):
                report.drop(EMPTY)
                continue
            report.rows += 1
            # 64 bits: among ten million texts, two different ones share a number once in 350,000 runs.
            number = hash(key)
            if number in self._seen:
                report.duplicates += 1
                continue
            self._seen.add(number)
            report.distinct += 1
            self._keep(_Kept(-uniform(key, self._seed), next(self._numbers), document, source.path.name))
        if not report.distinct and not report.duplicates:
            reasons = ", ".join(f"{number:,} {reason}" for reason, number in report.dropped.items())
            raise SourceError(f"holds no passage ({report.taken_as}; {reasons or 'no lines'})", path=source.path)
        return report

    def _keep(self, one: _Kept) -> None:
        if self._most is None:
            self._kept.append(one)
        elif len(self._kept) < self._most:
            heapq.heappush(self._kept, one)
        else:
            heapq.heappushpop(self._kept, one)

    def __len__(self) -> int:
        """The number of distinct documents, kept or not."""
        return len(self._seen)

    def documents(self) -> list[tuple[Document, str]]:
        """The documents that were kept with the names of their files.

        All of them are in the order of the files. A part is in a random one, so that its beginning is a sample, too.
        """
        all_kept = self._most is None or len(self._seen) <= self._most
        kept = sorted(self._kept, key=lambda one: one.number if all_kept and self._most is None else -one.order)
        return [(one.document, one.source) for one in kept]
