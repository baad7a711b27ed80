"""Documents that were read from an engine lately, so that a hit seen at each key is read once.

A search tells the versions of what it compared. While that is a moment ago, a document kept in that version is what a
read would return.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from typeahead.engines.documents import Read

#: Seconds for which a version counts after a search has told it.
FRESH_SECONDS: Final = 0.25
#: Characters of the documents that are kept, and versions.
_CHARACTERS, _VERSIONS = 4_000_000, 20_000
#: Characters that a document counts for beside its text.
_LEAST_SIZE: Final = 500


class RecentDocuments:
    """Documents by their ids. What a search has told counts until something changes."""

    def __init__(self) -> None:
        self._version = 0
        #: By id, the version that a search told, and when.
        self._told: dict[str, tuple[str, float]] = {}
        #: By id, the one that was asked for last at the end.
        self._held: OrderedDict[str, Read] = OrderedDict()
        self._size = 0

    def tell(self, version: int, stamps: Mapping[str, str]) -> None:
        """Take note of what a search told: by id, the stamp of a document.

        ``version`` is that of all documents as it was before the search.
        """
        if version != self._version or len(self._told) > _VERSIONS:
            self._told.clear()
            self._version = version
        now = time.monotonic()
        self._told.update((key, (stamp, now)) for key, stamp in stamps.items())

    def find(self, version: int, ids: Sequence[str]) -> dict[str, Read]:
        """The documents among ``ids`` that need not be read."""
        if version != self._version:
            return {}
        since = time.monotonic() - FRESH_SECONDS
        found = {}
        for key in ids:
            read, told = self._held.get(key), self._told.get(key)
            if read is not None and told is not None and told[0] == read.stamp and told[1] >= since:
                self._held.move_to_end(key)
                found[key] = read
        return found

    def keep(self, read: Iterable[Read]) -> None:
        """Keep documents that were read."""
        for one in read:
            if (before := self._held.pop(one.document.id, None)) is not None:
                self._size -= _size(before)
            self._held[one.document.id] = one
            self._size += _size(one)
        while self._size > _CHARACTERS:
            _, gone = self._held.popitem(last=False)
            self._size -= _size(gone)


def _size(read: Read) -> int:
    return _LEAST_SIZE + 2 * len(read.document.text)
