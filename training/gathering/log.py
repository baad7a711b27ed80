"""The queries of all logs together: each text once with its count, and what would dominate them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from training.gathering.cleaning import clean, problem_of
from training.gathering.gathered import GatheredText
from training.gathering.mixing import chosen
from training.gathering.queries import read_queries
from training.gathering.report import FileReport
from training.gathering.source import Source
from typeahead.errors import SourceError

#: Characters by which a query may be longer than the same query a moment before, in a log of typing.
_STEP = 3
#: Texts that differ by numbers alone: so many, or this share of all, are kept.
_ALIKE, _SHARE_ALIKE = 200, 0.02
#: A text with more of the rows than this gets a note.
_FLOOD, _SHARE_FLOOD = 1_000, 0.2

_DIGITS = re.compile("[0-9]+")

ALIKE = "differ from many others by numbers alone"
UNFINISHED = "beginnings of other queries, beyond a third of all queries"


@dataclass(slots=True)
class _Entry:
    count: int
    source: str


class QueryLog:
    """The distinct queries of several files."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def add(self, source: Source) -> FileReport:
        """Read a file. Raises :class:`~typeahead.errors.SourceError`, also for a file without a query."""
        report = FileReport(source.path, "queries")
        entries, name = self._entries, source.name
        top, most = "", 0
        for row in read_queries(source, report):
            text = clean(row.text)
            problem = problem_of(text)
            if problem is not None:
                report.drop(problem)
                continue
            report.rows += 1
            entry = entries.get(text)
            if entry is None:
                report.distinct += 1
                entries[text] = _Entry(row.times, name)
                continue
            report.duplicates += 1
            entry.count += row.times
            if entry.count > most:
                top, most = text, entry.count
        if not report.distinct and not report.duplicates:
            reasons = ", ".join(f"{number:,} {reason}" for reason, number in report.dropped.items())
            raise SourceError(f"holds no query ({report.taken_as}; {reasons or 'no lines'})", path=source.path)
        if report.duplicates > _FLOOD and most > _SHARE_FLOOD * report.rows:
            report.notes.append(f"{top[:60]!r} stands there {most:,} times; it is one text")
        return report

    def __len__(self) -> int:
        return len(self._entries)

    def texts(self, seed: int, left_out: dict[str, int]) -> list[GatheredText]:
        """The distinct queries, without floods; ``left_out`` counts those."""
        texts = [GatheredText(text, "query", entry.source, entry.count) for text, entry in self._entries.items()]
        return _without_floods(texts, seed, left_out)


def _without_floods(texts: list[GatheredText], seed: int, left_out: dict[str, int]) -> list[GatheredText]:
    """Leave out most of the texts of which there are many that differ by numbers alone, as programs send them."""
    shapes = Counter(_DIGITS.sub("0", one.text) for one in texts if _DIGITS.search(one.text))
    most = max(_ALIKE, int(_SHARE_ALIKE * len(texts)))
    floods = {shape for shape, number in shapes.items() if number > most}
    if not floods:
        return texts
    alike: dict[str, list[GatheredText]] = {shape: [] for shape in floods}
    for one in texts:
        if (shape := _DIGITS.sub("0", one.text)) in floods:
            alike[shape].append(one)
    kept = {one.text for flood in alike.values() for one in chosen(flood, most, seed)}
    found = [one for one in texts if one.text in kept or _DIGITS.sub("0", one.text) not in floods]
    left_out[ALIKE] = len(texts) - len(found)
    return found


def continuations(texts: list[GatheredText]) -> dict[str, str]:
    """Map each query that is the beginning of another one, up to three characters shorter, to that other one.

    A log of typing has them: "boil an e", "boil an eg", "boil an egg". So has any log: "egg", "eggs".
    """
    all_texts = {one.text for one in texts}
    found: dict[str, str] = {}
    for text in all_texts:
        for step in range(1, min(_STEP, len(text) - 1) + 1):
            beginning = text[:-step].rstrip()
            if beginning in all_texts:
                # The least of several, so that the order of the files does not matter.
                found[beginning] = min(text, found.get(beginning, text))
    return found


def bounded(
    texts: list[GatheredText], unfinished: dict[str, str], seed: int, left_out: dict[str, int]
) -> list[GatheredText]:
    """Leave out beginnings of other queries beyond a third of all queries."""
    parts = [one for one in texts if one.text in unfinished]
    most = (len(texts) - len(parts)) // 2
    if len(parts) <= most:
        return texts
    kept = {one.text for one in chosen(parts, most, seed)}
    left_out[UNFINISHED] = len(parts) - len(kept)
    return [one for one in texts if one.text not in unfinished or one.text in kept]
