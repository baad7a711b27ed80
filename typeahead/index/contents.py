"""The contents of an index at one version: all of its parts, searched as one.

Documents are numbered through all parts, and so are passages. Everything here leaves out what is dead, and what a
filter does not admit. Contents never change: a new version has new ones, which share most of their parts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.index.exact import best
from typeahead.index.lexical.lookup import Known, LookedUp
from typeahead.index.parts import Part, WordEvidence, Words
from typeahead.search.filters import Filter
from typeahead.search.terms import FIELDS, Term
from typeahead.text.document import Document, Value

#: How many more passages are asked for where documents have several, and at most how many at once.
_WIDER: Final = 4
#: Filters whose documents are remembered.
_FILTERS: Final = 64
#: Ids whose rows are remembered.
_RECENT: Final = 1024
_NO_ROWS: Final = np.zeros(0, np.int64)


class Masks(NamedTuple):
    """Which documents, and which passages, of each part count; None for all of a part."""

    documents: tuple[NDArray[np.bool_] | None, ...]
    passages: tuple[NDArray[np.bool_] | None, ...]


class Near(NamedTuple):
    """Documents near a query, the nearest first: int64 (n,), and the similarity of the best passage, float64 (n,)."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]


NOTHING_NEAR: Final = Near(_NO_ROWS, np.zeros(0))


class Contents:
    """The documents of an index at one ``version``. May be used from several threads.

    ``live`` says for each part which of its documents are still there, None for all. ``words`` are those of the parts,
    and do not count what is dead.
    """

    def __init__(
        self,
        version: int,
        parts: Sequence[Part],
        live: Sequence[NDArray[np.bool_] | None],
        words: Sequence[Words],
    ) -> None:
        self.version = version
        self.parts, self.words = tuple(parts), tuple(words)
        #: Before each part, the number of documents: int64 (parts + 1,).
        self._documents = np.cumsum([0, *(part.count for part in parts)])
        self._starts: list[int] = self._documents.tolist()
        self._live = self._masks(live)
        #: By the text of a filter, as 1 and True are equal.
        self._filtered: OrderedDict[str, Masks] = OrderedDict()
        #: Number of documents that are there, and of their passages.
        self.count = sum(map(_admitted, self._live.documents, (part.count for part in parts)))
        self.passage_count = sum(map(_admitted, self._live.passages, (part.passages.count for part in parts)))
        #: The rows of ids that were asked for lately.
        self._recent: dict[str, int] = {}
        self.divided = any(part.passages.starts is not None for part in parts)

    @property
    def rows(self) -> int:
        """Number of rows: documents that are there, and dead ones."""
        return int(self._documents[-1])

    def masks(self, tree: Filter | None) -> Masks:
        """Return what a filter admits of what is there."""
        if tree is None:
            return self._live
        name = repr(tree)
        found = self._filtered.get(name)
        if found is None:
            admitted = []
            for part, live in zip(self.parts, self._live.documents, strict=True):
                mask = part.columns.admitted(tree)
                admitted.append(mask if live is None else mask & live)
            found = self._masks(admitted)
            self._filtered[name] = found
            while len(self._filtered) > _FILTERS:
                self._filtered.popitem(last=False)
        return found

    def only(self, rows: NDArray[np.int64], masks: Masks) -> Masks:
        """Return ``masks`` without any other documents than those of some rows."""
        wanted = np.zeros(self.rows, np.bool_)
        wanted[rows] = True
        admitted = []
        for number, mask in enumerate(masks.documents):
            of_part = wanted[self._documents[number] : self._documents[number + 1]]
            admitted.append(of_part if mask is None else of_part & mask)
        return self._masks(admitted)

    def admits(self, masks: Masks) -> int:
        """Return how many documents masks admit."""
        return sum(map(_admitted, masks.documents, (part.count for part in self.parts)))

    def nearest(self, queries: Vectors, depth: int, masks: Masks) -> list[Near]:
        """Find the ``depth`` documents with the best passages for each of ``queries`` float32 (m, dim)."""
        every: list[list[Near]] = [[] for _ in queries]
        for number, part in enumerate(self.parts):
            if part.count:
                first, mask = self._starts[number], masks.passages[number]
                for found, near in zip(every, _nearest(part, queries, depth, mask), strict=True):
                    found.append(Near(near.rows + first, near.scores))
        return [_merged(found, depth) for found in every]

    def look_up(self, terms: Sequence[Term]) -> list[LookedUp]:
        """Look terms up in the words of each part."""
        return [words.look_up(terms) for words in self.words]

    def matching(
        self,
        terms: Sequence[LookedUp],
        depth: int,
        masks: Masks,
        phrases: Sequence[Sequence[str]] = (),
        without: Sequence[Term] = (),
    ) -> NDArray[np.int64]:
        """Find documents that hold some terms, the best ``depth`` of each part: int64 (n,)."""
        found = [
            words.candidates(looked_up, depth, phrases, without, masks.documents[number])[0] + self._documents[number]
            for number, (words, looked_up) in enumerate(zip(self.words, terms, strict=True))
            if self.parts[number].count
        ]
        return np.concatenate(found).astype(np.int64) if found else _NO_ROWS

    def evidence(self, rows: NDArray[np.int64], terms: Sequence[LookedUp]) -> WordEvidence:
        """Count terms in n documents."""
        if len(self.parts) == 1:
            return self.words[0].evidence(rows, terms[0])
        number = len(terms[0].known) if terms else 0
        shape = (len(rows), len(FIELDS), number)
        every = WordEvidence(np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape[:2], np.float32))
        for number, places, local in self._by_part(rows):
            for whole, some in zip(every, self.words[number].evidence(local, terms[number]), strict=True):
                whole[places] = some
        return every

    def together(
        self, rows: NDArray[np.int64], terms: Sequence[LookedUp], shares: NDArray[np.float64], whole: WordEvidence
    ) -> Vectors:
        """Weigh the terms that n documents hold together: see :meth:`typeahead.index.parts.Words.together`."""
        held: Vectors = whole.weights.max(axis=1)
        for number, places, local in self._by_part(rows):
            if (starts := self.parts[number].passages.starts) is not None:
                some = WordEvidence(*(array[places] for array in whole))
                words = self.words[number]
                held[places] = words.together(starts[local], starts[local + 1], terms[number], shares, some)
        return held

    def document_frequencies(self, terms: Sequence[LookedUp]) -> NDArray[np.float64]:
        """Return in how many documents each term occurs: float64 (terms,)."""
        if len(self.words) == 1:
            return self.words[0].document_frequencies(terms[0])
        of_parts = zip(*(one.known for one in terms), strict=True)
        return np.array([min(_frequency(known), self.count) for known in of_parts], np.float64)

    @cached_property
    def average_length(self) -> float:
        """How many forms a document has on average, all fields together."""
        total = sum(float(words.total_lengths.sum()) for words in self.words)
        return total / self.count if self.count else 0.0

    def similarities(self, query: Vectors, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the similarity of ``query`` float32 (dim,) to the best passage of n documents: float64 (n,).

        It is NaN where a part has no vectors to compare with.
        """
        every = np.full(len(rows), np.nan)
        for number, places, local in self._by_part(rows):
            passages, starts = self.parts[number].passages.of(local)
            scores = self.parts[number].similarities(query, passages)
            if scores is not None and len(scores):
                every[places] = scores if len(scores) == len(local) else np.maximum.reduceat(scores, starts)
        return every

    def counts(self, name: str, masks: Masks) -> dict[Value, int]:
        """Count how many of the documents that masks admit have each value of a field."""
        total: dict[Value, int] = {}
        for part, mask in zip(self.parts, masks.documents, strict=True):
            _add(total, part.columns.counts(name, mask))
        return total

    def counts_among(self, name: str, rows: NDArray[np.int64]) -> dict[Value, int]:
        """Count how many of some documents have each value of a field."""
        total: dict[Value, int] = {}
        for number, _, local in self._by_part(rows):
            _add(total, self.parts[number].columns.counts(name, local))
        return total

    @cached_property
    def kinds(self) -> dict[str, str]:
        """The kind of value of each field."""
        return {name: kind for part in self.parts for name, kind in part.columns.kinds.items()}

    def read_ids(self) -> None:
        """Read the ids of all documents, so that :meth:`id` works even when the files are closed meanwhile."""
        _ = self._ids

    def id(self, row: int) -> str:
        """Return the id of a document that is there."""
        number, local = self.place(row)
        found = self._ids[number][local]
        # Whoever asks for the id of a hit fetches its document next.
        if len(self._recent) >= _RECENT:
            self._recent.clear()
        self._recent[found] = row
        return found

    def place(self, row: int) -> tuple[int, int]:
        """Return the number of the part that holds a document, and its row there."""
        number = bisect_right(self._starts, row) - 1
        return number, row - self._starts[number]

    @cached_property
    def _ids(self) -> list[Sequence[str]]:
        return [part.ids() for part in self.parts]

    def find(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the rows of some ids, without ids that do not exist, or no longer."""
        # Another thread may clear what is remembered meanwhile.
        found = {one: row for one in ids if (row := self._recent.get(one)) is not None}
        if left := [one for one in ids if one not in found]:
            for number, part in enumerate(self.parts):
                live = self._live.documents[number]
                for one, row in part.rows(left).items():
                    if live is None or live[row]:
                        found[one] = row + self._starts[number]
        return found

    def documents(self, rows: Sequence[int]) -> list[Document]:
        """Return the whole documents of some rows."""
        every: dict[int, Document] = {}
        for number, places, local in self._by_part(np.asarray(rows, np.int64)):
            every.update(zip(places.tolist(), self.parts[number].documents(local.tolist()), strict=True))
        return [every[place] for place in range(len(rows))]

    def shown(self, rows: Sequence[int], numbers: Sequence[int]) -> list[Document]:
        """Return documents as hits show them, each by one of its passages; by the first if it has no such passage."""
        wanted = np.asarray(numbers, np.int64)
        every: list[Document | None] = [None] * len(rows)
        for number, places, local in self._by_part(np.asarray(rows, np.int64)):
            part = self.parts[number]
            passages = local
            if (starts := part.passages.starts) is not None:
                passages = starts[local] + np.where(
                    wanted[places] < starts[local + 1] - starts[local], wanted[places], 0
                )
            for place, document in zip(places.tolist(), part.shown(passages.tolist()), strict=True):
                every[place] = document
        return [one for one in every if one is not None]

    def live_rows(self, masks: Masks) -> NDArray[np.int64]:
        """Return the rows that masks admit: int64 (n,)."""
        found = []
        for number, mask in enumerate(masks.documents):
            rows = np.arange(self.parts[number].count) if mask is None else np.flatnonzero(mask)
            found.append(rows + self._documents[number])
        return np.concatenate(found) if found else _NO_ROWS

    def _by_part(self, rows: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
        """Which rows are of each part: its number, their places, and the rows in the part."""
        if len(self.parts) == 1:
            yield 0, np.arange(len(rows)), rows
            return
        numbers = np.searchsorted(self._documents, rows, "right") - 1
        for number in range(len(self.parts)):
            places = np.flatnonzero(numbers == number)
            if len(places):
                yield number, places, rows[places] - self._documents[number]

    def _masks(self, documents: Sequence[NDArray[np.bool_] | None]) -> Masks:
        passages = [
            None if mask is None else part.passages.spread(mask)
            for part, mask in zip(self.parts, documents, strict=True)
        ]
        return Masks(tuple(documents), tuple(passages))


def _admitted(mask: NDArray[np.bool_] | None, every: int) -> int:
    return every if mask is None else int(np.count_nonzero(mask))


def _nearest(part: Part, queries: Vectors, depth: int, mask: NDArray[np.bool_] | None) -> Iterator[Near]:
    """The ``depth`` documents of a part that are nearest to each query, of whose passages ``mask`` admits some."""
    wanted, most = depth, part.passages.count
    if part.passages.starts is not None:
        wanted = min(most, depth * min(_WIDER, -(-most // part.count)))
    found = part.nearest(queries, wanted, mask)
    for place, one in enumerate(found):
        rows, scores = one
        if part.passages.starts is not None:
            rows, scores = _documents_of(part, rows, scores)
            asked = wanted
            while len(rows) < depth and len(one.rows) == asked < most:
                asked = min(most, _WIDER * asked)
                (one,) = part.nearest(queries[place : place + 1], asked, mask)
                rows, scores = _documents_of(part, *one)
        yield Near(rows[:depth], scores[:depth])


def _documents_of(
    part: Part, passages: NDArray[np.int64], scores: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The documents of some passages, the best first, each once, with the score of its best passage."""
    rows = part.passages.documents_of(passages)
    _, first = np.unique(rows, return_index=True)
    first.sort()
    rows, scores = rows[first], scores[first]
    # Passages of equal scores come by their numbers, and so do their documents.
    return best(rows, scores, len(rows))


def _merged(found: Sequence[Near], depth: int) -> Near:
    if len(found) <= 1:
        return found[0] if found else NOTHING_NEAR
    rows = np.concatenate([one.rows for one in found])
    return Near(*best(rows, np.concatenate([one.scores for one in found]), depth))


def _frequency(known: Sequence[Known]) -> int:
    """In how many documents a term occurs, by what each part knows of it; as :attr:`Known.exact_frequency`."""
    begun, counts, weights = 0, dict[str, int](), dict[str, float]()
    for one in known:
        begun += one.begun
        for form, _, weight, frequency in one.forms:
            counts[form] = counts.get(form, 0) + frequency
            weights[form] = weight
    return max(begun, max(((weights[form], count) for form, count in counts.items()), default=(0.0, 0))[1])


def _add(total: dict[Value, int], counts: Mapping[Value, int]) -> None:
    for value, count in counts.items():
        total[value] = total.get(value, 0) + count
