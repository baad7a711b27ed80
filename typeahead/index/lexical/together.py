"""Which of the terms a divided document holds together: in its title and one passage.

A long document holds many words somewhere. If it holds them in one place, it is about all of them at once; see
:mod:`typeahead.search.scoring`. Numba looks for that place if it is installed, and otherwise NumPy.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.encoders.compiled.importing import import_compiled
from typeahead.index.lexical.forward import Forward, Spans
from typeahead.index.lexical.lookup import LookedUp
from typeahead.index.parts import WordEvidence
from typeahead.search.terms import FIELDS

_TITLE: Final = FIELDS.index("title")
_TEXT: Final = FIELDS.index("text")
_NO_ROWS: Final = np.zeros(0, np.int64)


class Together:
    """Looks for the best passage of documents, among the forms of all ``passages``. May be used from several threads.

    Without ``passages`` no document is divided.
    """

    def __init__(self, passages: Forward | None) -> None:
        self._passages = passages
        compiled: Any = None if passages is None else import_compiled("evidence", "counting words")
        self._compiled: Any = None if compiled is None else compiled.hold_together
        if self._compiled is not None:
            # Compiles now, or loads what was compiled before.
            spans = Spans(_NO_ROWS, _NO_ROWS, _NO_ROWS, np.zeros(0, np.float32), np.zeros(0, np.bool_))
            none = np.zeros((0, 1), np.float32)
            self._search(_NO_ROWS, _NO_ROWS, spans, np.zeros(1), none, none)

    def weigh(
        self,
        begins: NDArray[np.int64],
        ends: NDArray[np.int64],
        terms: LookedUp,
        shares: NDArray[np.float64],
        whole: WordEvidence,
    ) -> Vectors:
        """Weigh the terms that each of n documents holds in its best passage: float32 (n, terms).

        The best passage is the one with most of the terms, each of which counts by its ``shares`` float64 (terms,); of
        equals it is the first. The words of the title count with each passage. The passages of a document go from
        ``begins`` to ``ends``, int64 (n,), at least one. ``whole`` is the evidence of the documents. Raises
        ``IndexError`` for a passage that does not exist.
        """
        title = whole.weights[:, _TITLE]
        held = np.maximum(title, whole.weights[:, _TEXT])
        several = np.flatnonzero(ends - begins > 1)
        if self._passages is None or not len(several):
            return held
        begins, ends = begins[several], ends[several]
        if not 0 <= begins.min() <= ends.max() <= self._passages.count:
            raise IndexError(f"passages go from {begins.min()} to {ends.max()}, but there are {self._passages.count}")
        held[several] = self._search(begins, ends, terms.spans, shares, title[several], held[several])
        return held

    def _search(
        self,
        begins: NDArray[np.int64],
        ends: NDArray[np.int64],
        spans: Spans,
        shares: NDArray[np.float64],
        title: Vectors,
        held: Vectors,
    ) -> Vectors:
        """Return what the best passages hold of ``held``, what the documents hold."""
        assert self._passages is not None
        # A passage without the terms that count most is left early.
        order = np.argsort(-shares, kind="stable")
        if self._compiled is None:
            return self._search_slowly(begins, ends, spans, shares, order, title)
        rank = np.argsort(order, kind="stable")[spans.terms]
        by_rank = np.argsort(rank, kind="stable")
        first, last, weights = (column[by_rank] for column in (spans.first, spans.last, spans.weights))
        of_rank = np.searchsorted(rank[by_rank], np.arange(len(order) + 1))
        passages, held = self._passages, np.array(held, np.float32, order="C")
        arrays = (passages.starts, passages.ids, first, last, weights, of_rank, order, shares)
        self._compiled(begins, ends, len(FIELDS), _TEXT, *arrays, np.ascontiguousarray(title), held)
        return held

    def _search_slowly(
        self,
        begins: NDArray[np.int64],
        ends: NDArray[np.int64],
        spans: Spans,
        shares: NDArray[np.float64],
        order: NDArray[np.int64],
        title: Vectors,
    ) -> Vectors:
        assert self._passages is not None
        sizes = ends - begins
        places = np.cumsum(sizes) - sizes
        owners = np.repeat(np.arange(len(sizes)), sizes)
        rows = np.arange(int(sizes.sum())) + np.repeat(begins - places, sizes)
        _, weights = self._passages.weigh(rows, spans, len(shares))
        every = np.maximum(weights[:, _TEXT], title[owners])
        totals = np.zeros(len(rows))
        # Term by term: a sum of another order may differ in its last bits, and choose another of equal passages.
        for term in order.tolist():
            totals += shares[term] * every[:, term]
        best = np.flatnonzero(totals == np.maximum.reduceat(totals, places)[owners])
        return every[best[np.searchsorted(owners[best], np.arange(len(sizes)))]]
