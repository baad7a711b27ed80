"""Shows documents that read the same as one row: the best one stays, and the row says how many there are.

Two documents are copies if their titles and texts are the same once white space is collapsed. Finding that out takes
the documents themselves, so this is where :func:`typeahead.search.ranking.find` fetches them: as many as the list
needs, and more only where copies, or documents that have gone, leave it short. A row's place does not depend on how
many documents were fetched, so pages never repeat or skip a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from typeahead.search.port import Backend, Incomplete, Key
from typeahead.text.document import Document

#: How many documents beyond the list are worth ranking, to fill it up and to count the copies of its last row.
SPARE: Final = 8
#: How much scores of copies may differ: their vectors are equal, sums over them may be rounded differently.
_SAME_SCORE: Final = 1e-6
#: How many first words are compared before whole texts are.
_FIRST_WORDS: Final = 8


class Ranked(NamedTuple):
    """A passage in a ranking: its score, and the arms that found it."""

    key: Key
    score: float
    arms: tuple[str, ...]


class Row(NamedTuple):
    """A document with its place in the ranking, and how many documents read the same, itself included."""

    document: Document
    ranked: Ranked
    copies: int = 1


class Collapse:
    """Fetches the documents of some rankings from a back end, once each, and makes rows of them."""

    def __init__(self, backend: Backend, deadline: float) -> None:
        self._backend = backend
        self._deadline = deadline
        #: None for a document that has gone since it was found.
        self._documents: dict[Key, Document | None] = {}
        #: Whether some documents are missing that are there.
        self.incomplete = False

    async def rows(self, rankings: Sequence[Sequence[Ranked]], wanted: Sequence[int]) -> list[list[Row]]:
        """Return the first ``wanted`` rows of each ranking, fewer where it has no more.

        ``rankings`` name each document once, best first. Each should have :data:`SPARE` documents more than are wanted,
        if there are any. Raises what the back end raises.
        """
        reach = [_level(ranking, most) for ranking, most in zip(rankings, wanted, strict=True)]
        made: list[list[Row]] = [[] for _ in rankings]
        left = list(range(len(rankings)))
        while left:
            await self._fetch([hit.key for row in left for hit in rankings[row][: reach[row]]])
            again = []
            for row in left:
                made[row] = self._collapse(rankings[row][: reach[row]])
                short = wanted[row] - len(made[row])
                if short > 0 and reach[row] < len(rankings[row]):
                    reach[row] = _level(rankings[row], reach[row] + short)
                    again.append(row)
            left = again
        return [rows[:most] for rows, most in zip(made, wanted, strict=True)]

    async def _fetch(self, keys: Sequence[Key]) -> None:
        documents = self._documents
        new = [one for one in dict.fromkeys(keys) if one not in documents]
        if new:
            found = await self._backend.fetch(new, self._deadline)
            self.incomplete |= isinstance(found, Incomplete)
            documents.update((one, found.get(one)) for one in new)

    def _collapse(self, ranking: Sequence[Ranked]) -> list[Row]:
        rows: list[Row] = []
        #: The rows with the same title and the same first words.
        alike: dict[tuple[str, ...], list[int]] = {}
        for hit in ranking:
            document = self._documents[hit.key]
            if document is None:
                continue
            same = alike.setdefault(_beginning(document), [])
            for place in same:
                row = rows[place]
                if _same_words(document.text, row.document.text):
                    rows[place] = row._replace(copies=row.copies + 1)
                    break
            else:
                same.append(len(rows))
                rows.append(Row(document, hit))
        return rows


def _level(ranking: Sequence[Ranked], reach: int) -> int:
    """Extend a reach over those of the same score, which may be copies."""
    while 0 < reach < len(ranking) and ranking[reach - 1].score - ranking[reach].score <= _SAME_SCORE:
        reach += 1
    return min(reach, len(ranking))


def _beginning(document: Document) -> tuple[str, ...]:
    return " ".join(document.title.split()), *document.text.split(None, _FIRST_WORDS)[:_FIRST_WORDS]


def _same_words(first: str, second: str) -> bool:
    # Equal strings are compared in no time. A megabyte is split into its words in some 10 ms.
    return first == second or first.split() == second.split()
