"""A view: the documents of an index that a filter admits, as contents of their own.

Words, frequencies, lengths and vectors are those of these documents alone, so nothing that is answered from a view, and
no time that it takes, depends on any other document. Its version is a digest of the documents that it holds: a number
that counted all changes would tell how much others write.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
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


class _Made(NamedTuple):
    """What is made of a part: the view's own part, the rows that it has of the other, and digests of its documents."""

    part: MemoryPart
    rows: NDArray[np.int64]
    digests: NDArray[np.uint64]


class View:
    """Makes the contents that a filter admits, of one contents after the other."""

    def __init__(self, tree: Filter | None) -> None:
        self._tree = tree
        #: By part of the last contents.
        self._parts: dict[Part, _Made] = {}

    def of(self, whole: Contents, ids: Collection[str] | None = None) -> tuple[Contents, str]:
        """Return the contents of the view, and their version; with ``ids``, of these documents alone.

        Raises :class:`~typeahead.errors.SearchError` if they are too many.
        """
        parts, live, digest = [], [], 0
        # What is there no longer is not kept: a part in memory comes with each change.
        self._parts = {part: made for part, made in self._parts.items() if part in whole.parts}
        masks = whole.masks(self._tree)
        if ids is not None:
            masks = whole.only(np.fromiter(whole.find(list(ids)).values(), np.int64), masks)
        if sum(_count(mask, part.passages.count) for mask, part in zip(masks.passages, whole.parts, strict=True)) > (
            MOST_PASSAGES
        ):
            raise SearchError(
                f"the token admits more than {MOST_PASSAGES} passages, which is more than a view holds: "
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

    def _part(self, part: Part, mask: NDArray[np.bool_] | None) -> _Made:
        """What is admitted of a part. Later, fewer of its documents may be alive; with more, it is made again."""
        known = self._parts.get(part)
        if known is None or _count(mask, part.count) > _count(
            None if mask is None else mask[known.rows], len(known.rows)
        ):
            rows = np.arange(part.count) if mask is None else np.flatnonzero(mask)
            made = MemoryPart.of_rows(part, rows)
            known = self._parts[part] = _Made(made, rows, np.fromiter(_digests(made), np.uint64, len(rows)))
        return known


def _count(mask: NDArray[np.bool_] | None, every: int) -> int:
    return every if mask is None else int(np.count_nonzero(mask))


def _digests(part: MemoryPart) -> Iterator[int]:
    for start in range(0, part.count, _AT_ONCE):
        rows = np.arange(start, min(start + _AT_ONCE, part.count))
        passages, first = part.passages.of(rows)
        vectors = np.split(part.vectors(passages), first[1:])
        for document, own in zip(part.documents(rows.tolist()), vectors, strict=True):
            yield _digest(document, own)


def _digest(document: Document, vectors: Vectors) -> int:
    written = json.dumps(
        [document.id, document.title, document.text, document.url, dict(document.fields)], sort_keys=True
    )
    return int.from_bytes(hashlib.blake2b(written.encode() + vectors.tobytes(), digest_size=8).digest(), "little")
