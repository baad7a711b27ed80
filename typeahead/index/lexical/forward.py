"""Which forms each document holds, and how often: the exact evidence of a term in a document.

The inverted index (:mod:`~typeahead.index.lexical.inverted`) finds documents, and this one weighs those that any arm
found. Each field of each document has its forms in order, so a form is found by a binary search, and all forms with the
same beginning lie together. Numba counts them if it is installed, and otherwise NumPy, in some twice the time.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.encoders.compiled.importing import import_compiled
from typeahead.index.lexical.inverted import TITLE_WEIGHT
from typeahead.search.terms import FIELDS


class Spans(NamedTuple):
    """What some terms look for: s ranges of forms."""

    #: The first form of each range, and the one after the last: int64 (s,).
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    #: Which term each is of: int64 (s,).
    terms: NDArray[np.int64]
    #: How much its forms count: float32 (s,).
    weights: NDArray[np.float32]
    #: Whether its forms are counted; those that another range of the term has are not counted twice: bool (s,).
    counted: NDArray[np.bool_]


_TITLE: Final = FIELDS.index("title")
#: How much a word counts in each field, to find documents: as often as the inverted index says.
_FIELD_WEIGHTS: Final = np.array([TITLE_WEIGHT if field == _TITLE else 1 for field in range(len(FIELDS))], np.float32)
#: Documents that are scored at once without compiled code.
_BLOCK: Final = 4096
#: A range without forms, to try things with.
_ONE = Spans(
    np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1, np.float32), np.zeros(1, np.bool_)
)


class Forward:
    """The forms of ``count`` documents; a document has two fields, title and text. May be used from several threads.

    Args:
        starts: int64 (count · fields + 1,), where the forms of each field of each document begin in the next two.
        ids: uint32 (e,), the numbers of forms, rising within a field.
        counts: uint8 (e,), how often each occurs there; 255 stands for any more, too.
        lengths: uint32 (count, fields), numbers of forms.

    Raises ``ValueError`` with the reason for arrays that do not fit together. The entries of ``ids`` are only ever
    compared, so wrong ones make wrong evidence and nothing worse; they are not read here.
    """

    def __init__(
        self,
        count: int,
        starts: NDArray[np.int64],
        ids: NDArray[np.uint32],
        counts: NDArray[np.uint8],
        lengths: NDArray[np.uint32],
    ) -> None:
        types = [array.dtype.name for array in (starts, ids, counts, lengths)]
        if types != ["int64", "uint32", "uint8", "uint32"]:
            raise ValueError("starts, ids, counts and lengths are not int64, uint32, uint8 and uint32")
        if starts.shape != (count * len(FIELDS) + 1,) or lengths.shape != (count, len(FIELDS)):
            raise ValueError(f"starts and lengths are not those of {count} documents")
        if ids.ndim != 1 or ids.shape != counts.shape:
            raise ValueError("the sizes of ids and counts do not match")
        if starts[0] != 0 or starts[-1] != len(ids) or (np.diff(starts) < 0).any():
            raise ValueError("starts are out of order")
        self.starts, self.ids, self.counts, self.lengths = starts, ids, counts, lengths
        self.count = count
        compiled: Any = import_compiled("evidence", "counting words")
        self._compiled = None if compiled is None else compiled.count_terms
        self._score: Any = None if compiled is None else compiled.score_terms
        # Compiles now, or loads what was compiled before.
        self.weigh(np.zeros(0, np.int64), _ONE, 1)
        self.score(np.zeros(0, np.int64), _ONE, np.zeros(1, np.float32))

    def weigh(self, rows: NDArray[np.int64], spans: Spans, terms: int) -> tuple[Vectors, Vectors]:
        """Count ``terms`` terms in n documents.

        Returns how often the forms of each term occur, and the largest weight among those that occur, 0 where none
        does: both float32 (n, fields, terms). Raises ``IndexError`` for a row that does not exist.
        """
        if len(rows) and not 0 <= rows.min() <= rows.max() < self.count:
            raise IndexError(f"rows go from {rows.min()} to {rows.max()}, but there are {self.count} documents")
        shape = (len(rows), len(FIELDS), terms)
        frequencies, weights = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        if len(spans.first):
            if self._compiled is not None:
                self._compiled(rows, len(FIELDS), self.starts, self.ids, self.counts, *spans, frequencies, weights)
            elif len(rows):
                self._weigh(rows, spans, frequencies, weights)
        return frequencies, weights

    @property
    def compiled(self) -> bool:
        """Whether counting is compiled."""
        return self._compiled is not None

    def score(self, rows: NDArray[np.int64], spans: Spans, telling: Vectors) -> Vectors:
        """Score n documents well enough to find the best: float32 (n, 2), for the document and for its title.

        A document that holds no term has 0. ``telling`` float32 (terms,) says how much each term tells, more than 0.
        """
        scores = np.zeros((len(rows), 2), np.float32)
        if not len(spans.first):
            return scores
        if self._score is not None:
            arrays = (self.starts, self.ids, self.counts)
            average = np.float32(max(len(self.ids) / max(self.count, 1), 1))
            self._score(rows, len(FIELDS), *arrays, *spans, telling, _FIELD_WEIGHTS, _TITLE, average, scores)
            return scores
        for start in range(0, len(rows), _BLOCK):
            part = rows[start : start + _BLOCK]
            frequencies, weights = self.weigh(part, spans, len(telling))
            counts = np.tensordot(frequencies, _FIELD_WEIGHTS, (1, 0))
            scores[start : start + _BLOCK, 0] = (weights.max(axis=1) * counts / (counts + 1)) @ telling
            scores[start : start + _BLOCK, 1] = weights[:, _TITLE] @ telling
        return scores

    def _entries(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All entries of n documents, and which of their n · fields fields each is of: int64 (e,)."""
        at = (rows[:, None] * len(FIELDS) + np.arange(len(FIELDS))).ravel()
        begin = self.starts[at]
        sizes = self.starts[at + 1] - begin
        ends = np.cumsum(sizes)
        entries = np.arange(int(sizes.sum())) + np.repeat(begin - ends + sizes, sizes)
        return np.repeat(np.arange(len(at)), sizes), entries

    def _weigh(self, rows: NDArray[np.int64], spans: Spans, frequencies: Vectors, weights: Vectors) -> None:
        """Do what the compiled loop does."""
        fields, entries = self._entries(rows)
        ids = self.ids[entries]
        # Most entries are in no span, and one look-up for each tells them apart.
        largest = int(spans.last.max())
        wanted = np.zeros(largest + 1, np.bool_)
        for first, last in zip(spans.first.tolist(), spans.last.tolist(), strict=True):
            wanted[first:last] = True
        hits = np.flatnonzero(wanted[np.minimum(ids, largest)])
        ids, counts = ids[hits], self.counts[entries[hits]]
        places = fields[hits]
        flat_frequencies = frequencies.reshape(-1, frequencies.shape[2])
        flat_weights = weights.reshape(-1, weights.shape[2])
        for first, last, term, weight, counted in zip(*(column.tolist() for column in spans), strict=True):
            inside = (ids >= first) & (ids < last)
            held = places[inside]
            column = flat_weights[:, term]
            column[held] = np.maximum(column[held], np.float32(weight))
            if counted:
                flat_frequencies[:, term] += np.bincount(held, counts[inside], len(flat_frequencies))
