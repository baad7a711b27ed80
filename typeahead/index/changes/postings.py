"""Which documents hold each form, as arrays in the order of the forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from typeahead.index.changes.forms import Held
from typeahead.search.terms import FIELDS

_FIELDS: Final = len(FIELDS)


class Postings:
    """For each form, the entries of the documents that hold it."""

    def __init__(self, documents: Held, count: int, size: int) -> None:
        self._count = count
        sizes = np.diff(documents.starts)
        # Sorting numbers of 64 bits is much faster than finding the order of others.
        keys = (documents.ids.astype(np.int64) << 32) | np.arange(len(documents.ids))
        keys.sort()
        order = keys & 0xFFFF_FFFF
        fields = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)[order]
        #: The document that each entry is of, and its place if all titles come first, then all texts.
        self._rows = fields // _FIELDS
        self.places = fields % _FIELDS * np.int32(count) + self._rows
        #: How often each form occurs there: uint8.
        self.entry_times = documents.counts[order]
        forms = (keys >> 32).astype(np.int64)
        #: Where the entries of each form begin: int64 (forms + 1,).
        self.starts = np.concatenate(([0], np.cumsum(np.bincount(forms, minlength=size))))
        rows = self._rows
        new = np.ones(len(rows), np.bool_)
        # A title and a text that hold the same form follow each other.
        new[1:] = (rows[1:] != rows[:-1]) | (forms[1:] != forms[:-1])
        self.frequencies = np.bincount(forms[new], minlength=size).astype(np.uint32)

    def holding(self, first: int, last: int) -> NDArray[np.bool_]:
        """Return which documents hold any of a range of forms: bool (count,)."""
        held = np.zeros(self._count, np.bool_)
        held[self._rows[self.starts[first] : self.starts[last]]] = True
        return held

    def times(
        self, runs: Sequence[tuple[int, int, np.floating | float]]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Count ranges of forms, each with a weight, in the n documents that hold any.

        Returns their rows, int64 (n,), and how often they occur in each field, float32 (fields, n).
        """
        slices = [slice(self.starts[first], self.starts[last]) for first, last, _ in runs]
        places = np.concatenate([self.places[one] for one in slices])
        times = np.concatenate(
            [self.entry_times[one] * np.float32(weight) for one, (_, _, weight) in zip(slices, runs, strict=True)]
        )
        if _FIELDS * self._count <= 16 * len(places):
            every = np.bincount(places, times, _FIELDS * self._count).reshape(_FIELDS, -1)
            rows = np.flatnonzero(every.sum(axis=0))
            return rows, every[:, rows].astype(np.float32)
        rows, inverse = np.unique(places % self._count, return_inverse=True)
        counted = np.bincount(places // self._count * len(rows) + inverse, times, _FIELDS * len(rows))
        return rows.astype(np.int64), counted.reshape(_FIELDS, -1).astype(np.float32)
