"""Searches of an inverted index that knows nothing of filters: deeper, until enough of what is found is admitted.

The alternative is to weigh all admitted documents by their forms. One more document that a search has to find costs as
much as weighing four (:data:`WEIGHED`): 0.6 to 1 µs, as each is an object of Python. If a filter admits m of n
documents at random, the best ``depth`` of them are among the best ``depth`` · n / m of all, so weighing is faster where
m is less than four times that. Both take the same time at some 3,900 of 39,000 documents, and at 11,000 of 300,000.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from typeahead.index.lexical.candidates import Clause

#: Rows and scores, best first, ties by row.
Found = tuple[NDArray[np.int32], NDArray[np.float32]]

#: How many documents are weighed in the time that a search takes to find one more, by compiled code and by NumPy.
WEIGHED: Final = 4.0
WEIGHED_SLOWLY: Final = 0.2
#: More admitted documents than this are never all weighed: that would take longer than a key may take.
MOST_WEIGHED: Final = 250_000
#: How much deeper than on average a search goes, how much deeper again, at most, if that was not enough, and how deep
#: at most.
_SPARE: Final = 1.2
_DEEPER: Final = 8
_DEEPEST: Final = 1 << 15


class Search(Protocol):
    """A search by clauses."""

    def __call__(self, clauses: Sequence[Clause], depth: int, *, titled: bool = False) -> Found:
        """Find the ``depth`` best."""


class Deeper:
    """A search whose results are limited to those ``admitted`` bool (documents,), ``count`` of them.

    It gives up where weighing all of them is faster, unless they are ``unweighed`` whatever it finds.
    """

    def __init__(self, search: Search, admitted: NDArray[np.bool_], count: int, *, unweighed: bool) -> None:
        self._search, self._admitted, self._count = search, admitted, count
        self._unweighed = unweighed or count > MOST_WEIGHED
        #: Whether the admitted documents should be weighed instead, as a search has found too few.
        self.gave_up = False

    def __call__(self, clauses: Sequence[Clause], depth: int, *, titled: bool = False) -> Found:
        """Find the ``depth`` best that are admitted."""
        if not self._count:
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        size = len(self._admitted)
        most = min(_DEEPEST, size)
        wanted = min(round(_SPARE * depth * size / self._count), most)
        while True:
            rows, scores = self._search(clauses, max(wanted, depth), titled=titled)
            kept = np.flatnonzero(self._admitted[rows])[:depth]
            # Titles are an addition: few of them will do.
            if len(kept) == depth or len(rows) < wanted or titled:
                break
            deeper = min(round(wanted * min(_DEEPER, 1.5 * depth / max(len(kept), 1))), most)
            if not self._unweighed and (wanted >= most or self._count <= WEIGHED * deeper):
                self.gave_up = True
                break
            if wanted >= most:
                break
            wanted = deeper
        return rows[kept], scores[kept]


def first(rows: NDArray[np.int64], scores: NDArray[np.float32], depth: int) -> Found:
    """Return the ``depth`` best of some rows."""
    if depth < len(rows):
        # All rows that are as good as the last one stay, so that ties go by row.
        kept = np.flatnonzero(scores >= -np.partition(-scores, depth - 1)[depth - 1]) if depth else rows[:0]
        rows, scores = rows[kept], scores[kept]
    order = np.lexsort((rows, -scores))[:depth]
    return rows[order].astype(np.int32), scores[order]


def appended(found: Found, more: Found, depth: int) -> Found:
    """Return the documents of ``found``, and those that only ``more`` has, with lower scores, ``depth`` at most."""
    known = set(found[0].tolist())
    new = [place for place, row in enumerate(more[0].tolist()) if row not in known]
    rows, scores = more[0][new], more[1][new]
    if len(found[0]) and len(scores):
        # The second search scores by more terms, so its scores may be higher.
        scores = scores * np.float32(min(1.0, found[1][-1] / max(float(scores[0]), 1e-30)))
    return np.concatenate([found[0], rows])[:depth], np.concatenate([found[1], scores])[:depth]
