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
        #: The field of a document that each entry is of: the row, times the number of fields, and the field.
        self._fields = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)[order]
        self._times = documents.counts[order]
        forms = (keys >> 32).astype(np.int64)
        self._starts = np.concatenate(([0], np.cumsum(np.bincount(forms, minlength=size))))
        rows = self._fields // _FIELDS
        new = np.ones(len(rows), np.bool_)
        # A title and a text that hold the same form follow each other.
        new[1:] = (rows[1:] != rows[:-1]) | (forms[1:] != forms[:-1])
        self.frequencies = np.bincount(forms[new], minlength=size).astype(np.uint32)

    def holding(self, first: int, last: int) -> NDArray[np.bool_]:
        """Return which documents hold any of a range of forms: bool (count,)."""
        held = np.zeros(self._count, np.bool_)
        held[self._fields[self._starts[first] : self._starts[last]] // _FIELDS] = True
        return held

    def times(
        self, runs: Sequence[tuple[int, int, np.floating | float]]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Count ranges of forms, each with a weight, in the n documents that hold any.

        Returns their rows, int64 (n,), and how often they occur in each field, float32 (n, fields).
        """
        slices = [slice(self._starts[first], self._starts[last]) for first, last, _ in runs]
        fields = np.concatenate([self._fields[one] for one in slices])
        times = np.concatenate(
            [self._times[one] * np.float32(weight) for one, (_, _, weight) in zip(slices, runs, strict=True)]
        )
        if _FIELDS * self._count <= 16 * len(fields):
            every = np.bincount(fields, times, _FIELDS * self._count).reshape(-1, _FIELDS)
            rows = np.flatnonzero(every.any(axis=1))
            return rows, every[rows].astype(np.float32)
        rows, places = np.unique(fields // _FIELDS, return_inverse=True)
        places = places * _FIELDS + fields % _FIELDS
        counted = np.bincount(places, times, _FIELDS * len(rows)).reshape(-1, _FIELDS)
        return rows.astype(np.int64), counted.astype(np.float32)
