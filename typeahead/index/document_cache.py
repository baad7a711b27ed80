"""Documents that were read lately, kept in memory; ``documents`` reads the others from SQLite.

While people type, the same few documents are found again and again: by the next key of the same word, and by whoever
else looks for what everybody looks for.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typeahead.index.documents import Document

#: What a document takes beside its strings, in bytes: the object, its row number, its place in the table and in the
#: order of use.
_OVERHEAD = 280


class DocumentCache:
    """The documents that were used last, by row number; at most ``max_bytes`` of them, as :func:`size_of` counts.

    One that is larger than that is not kept, and with 0 none is. Safe to use from several threads.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        #: Documents and their sizes, least recently used first.
        self._documents: OrderedDict[int, tuple[Document, int]] = OrderedDict()
        self._lock = Lock()

    @property
    def bytes(self) -> int:
        """What the documents that are held take, in bytes."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._documents)

    def get(self, rows: Iterable[int]) -> tuple[dict[int, Document], list[int]]:
        """Those of ``rows`` that are held, and which are not; a row that is named twice comes once."""
        found: dict[int, Document] = {}
        missing: dict[int, None] = {}
        held = self._documents
        with self._lock:
            for row in rows:
                entry = held.get(row)
                if entry is None:
                    missing[row] = None
                else:
                    held.move_to_end(row)
                    found[row] = entry[0]
        return found, list(missing)

    def put(self, documents: Mapping[int, Document]) -> None:
        """Hold ``documents`` as those that were used last, and let go of as many others as that takes."""
        with self._lock:
            for row, document in documents.items():
                size = size_of(document)
                # Another thread may have read it too.
                if row in self._documents or size > self._max_bytes:
                    continue
                self._documents[row] = document, size
                self._bytes += size
                while self._bytes > self._max_bytes:
                    self._bytes -= self._documents.popitem(last=False)[1][1]


def size_of(document: Document) -> int:
    """Bytes that a document takes in memory, as long as nobody has asked for its strings in UTF-8 yet.

    Python keeps that form of a string beside it once somebody has, as writing JSON does, so it is counted in; for ASCII
    both forms are one.
    """
    texts = (document.id, document.title, document.text, document.url)
    return _OVERHEAD + sum(sys.getsizeof(text) + (0 if text.isascii() else len(text.encode())) for text in texts)
