"""A view: the documents of an index that a filter admits, as contents of their own.

Words, frequencies, lengths and vectors are those of these documents alone, so nothing that is answered from a view, and
no time that it takes, depends on any other document. Its version is a digest of the documents that it holds: a number
that counted all changes would tell how much others write.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from typeahead.errors import SearchError
from typeahead.index.changes.memory import MemoryPart
from typeahead.index.contents import Contents
from typeahead.index.parts import Part
from typeahead.search.filters import Filter
from typeahead.text.document import Document

#: Passages that a view may hold: they are in memory, once for each filter.
MOST_PASSAGES: Final = 200_000
#: Documents that are read at once.
_AT_ONCE: Final = 500


class View:
    """Makes the contents that a filter admits, of one contents after the other."""

    def __init__(self, tree: Filter) -> None:
        self._tree = tree
        #: By part: the view's part, the rows that it is made of, and the digest of each of its documents.
        self._parts: WeakKeyDictionary[Part, tuple[MemoryPart, NDArray[np.int64], NDArray[np.uint64]]]
        self._parts = WeakKeyDictionary()

    def of(self, whole: Contents) -> tuple[Contents, str]:
        """Return the contents of the view, and their version.

        Raises :class:`~typeahead.errors.SearchError` if they are too many.
        """
        parts, live, digest = [], [], 0
        masks = whole.masks(self._tree)
        if sum(_count(mask, part.passages.count) for mask, part in zip(masks.passages, whole.parts, strict=True)) > (
            MOST_PASSAGES
        ):
            raise SearchError(
                f"the filter of the token admits more than {MOST_PASSAGES} passages, which is more than a view holds: "
                "give these documents an index of their own, with `typeahead serve --index name=DIR`"
            )
        for part, mask in zip(whole.parts, masks.documents, strict=True):
            made, rows, digests = self._part(part, mask)
            alive = np.ones(len(rows), np.bool_) if mask is None else mask[rows]
            parts.append(made)
            live.append(None if alive.all() else alive)
            digest = (digest + int(digests[alive].sum(dtype=np.uint64))) % 2**64
        words = [
            part.words if alive is None else part.words.without(np.flatnonzero(~alive))
            for part, alive in zip(parts, live, strict=True)
        ]
        return Contents(whole.version, parts, live, words), f"{digest:016x}"

    def _part(
        self, part: Part, mask: NDArray[np.bool_] | None
    ) -> tuple[MemoryPart, NDArray[np.int64], NDArray[np.uint64]]:
        """What the filter admits of a part. Later, fewer of its documents may be alive, and never more."""
        if (known := self._parts.get(part)) is None:
            rows = np.arange(part.count) if mask is None else np.flatnonzero(mask)
            digests = np.fromiter(_digests(part, rows), np.uint64, len(rows))
            known = self._parts[part] = MemoryPart.of_rows(part, rows), rows, digests
        return known


def _count(mask: NDArray[np.bool_] | None, every: int) -> int:
    return every if mask is None else int(np.count_nonzero(mask))


def _digests(part: Part, rows: NDArray[np.int64]) -> Iterator[int]:
    for start in range(0, len(rows), _AT_ONCE):
        for document in part.documents(rows[start : start + _AT_ONCE].tolist()):
            yield _digest(document)


def _digest(document: Document) -> int:
    written = json.dumps(
        [document.id, document.title, document.text, document.url, dict(document.fields)], sort_keys=True
    )
    return int.from_bytes(hashlib.blake2b(written.encode(), digest_size=8).digest(), "little")
