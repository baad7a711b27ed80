"""Reads the passages of several files, and keeps as many of them as are needed."""

from __future__ import annotations

import heapq
from itertools import count
from operator import itemgetter

from training.gathering.cleaning import EMPTY, clean
from training.gathering.mixing import uniform
from training.gathering.passages import read_passages
from training.gathering.report import FileReport
from training.gathering.source import Source
from typeahead.errors import SourceError
from typeahead.text.document import Document


class Pile:
    """The distinct documents of several files, at most ``most`` of them, chosen by their texts and the seed.

    So memory holds what is needed, whatever the files hold. ``None`` keeps all.
    """

    def __init__(self, most: int | None, seed: int) -> None:
        self._most, self._seed = most, seed
        self._seen: set[int] = set()
        #: The negative of a document's key, so that the heap drops the largest key; its number; itself; its file.
        self._kept: list[tuple[float, int, Document, str]] = []
        self._numbers = count()

    def add(self, source: Source) -> FileReport:
        """Read a file. Raises :class:`~typeahead.errors.SourceError`, also for a file without a passage."""
        report = FileReport(source.path, "passages")
        for document in read_passages(source, report):
            key = f"{document.title}\n{document.text}"
            if not (clean(document.text) or clean(document.title)):
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
            self._keep((-uniform(key, self._seed), next(self._numbers), document, source.name))
        if not report.distinct and not report.duplicates:
            reasons = ", ".join(f"{number:,} {reason}" for reason, number in report.dropped.items())
            raise SourceError(f"holds no passage ({report.taken_as}; {reasons or 'no lines'})", path=source.path)
        return report

    def _keep(self, one: tuple[float, int, Document, str]) -> None:
        if self._most is None:
            self._kept.append(one)
        elif len(self._kept) < self._most:
            heapq.heappush(self._kept, one)
        elif one > self._kept[0]:
            heapq.heapreplace(self._kept, one)

    def __len__(self) -> int:
        """The number of distinct documents, kept or not."""
        return len(self._seen)

    def documents(self) -> list[tuple[Document, str]]:
        """The documents that were kept with the names of their files.

        With a number wanted they are in a random order, so that the first of them are a sample, too. Otherwise they are
        in the order of the files.
        """
        kept = sorted(self._kept, key=itemgetter(1)) if self._most is None else sorted(self._kept, reverse=True)
        return [(document, source) for _, _, document, source in kept]
