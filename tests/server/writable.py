"""An index whose documents can be written, over dictionaries, behind the small index that the server's tests search."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.server.fakes import BruteForceIndex
from typeahead.errors import FieldTypeError, WritesFull
from typeahead.search.filters import Filter, matches
from typeahead.search.port import Entry
from typeahead.text.document import Document


class WritableIndex(BruteForceIndex):
    """What is searched never changes: these tests are about what is stored."""

    def __init__(self) -> None:
        super().__init__()
        self.capabilities = replace(self.capabilities, writes=self, documents=self.look_up, describe=self.describe)
        self.reset()

    def reset(self, *documents: Document) -> None:
        """Hold these documents and no others."""
        self.stored: dict[str, Entry] = {document.id: Entry(document, (), self.vectors[:0]) for document in documents}
        self.number = 0
        #: The number of documents of each write.
        self.writes: list[int] = []
        self.full = False
        self.broken_disk = False
        self.known: dict[str, str] = {}
        #: What :meth:`upsert` finds in :meth:`kinds` only after it was asked: another writer was faster.
        self.race: dict[str, str] = {}
        self.divides = True
        #: What the index tells about itself.
        self.told: dict[str, Any] = {"parts": 1, "bytes": 1000, "compacted": None}

    @property
    def version(self) -> str:
        """Grows with each write."""
        return str(self.number)

    @property
    def count(self) -> int:
        """Number of documents that are stored."""
        return len(self.stored)

    async def upsert(self, entries: Sequence[Entry]) -> int:
        """Store entries, unless a test says that something goes wrong."""
        if self.full:
            raise WritesFull("the journal is full")
        if self.broken_disk:
            raise OSError(28, "No space left on device", "/secret/path")
        for entry in entries:
            for name, value in entry.document.fields.items():
                if self.race.get(name, "") not in ("", _kind(value)):
                    raise FieldTypeError(f"the field {name} has another kind")
        # Others may come in between.
        await asyncio.sleep(0)
        self.stored |= {entry.document.id: entry for entry in entries}
        self.known |= {name: _kind(value) for entry in entries for name, value in entry.document.fields.items()}
        self.number += 1
        self.writes.append(len(entries))
        return self.number

    async def delete(self, ids: Sequence[str]) -> tuple[int, int]:
        """Remove documents."""
        gone = [self.stored.pop(key) for key in ids if key in self.stored]
        self.number += bool(gone)
        return len(gone), self.number

    async def matching(self, tree: Filter, most: int) -> Sequence[str]:
        """Return the ids of documents that pass."""
        return [key for key, entry in self.stored.items() if matches(tree, entry.document)][:most]

    async def kinds(self) -> Mapping[str, str]:
        """Return the kinds of fields."""
        return self.known

    async def look_up(self, ids: Sequence[str]) -> Mapping[str, Document]:
        """Return documents by id."""
        return {key: self.stored[key].document for key in ids if key in self.stored}

    async def describe(self) -> Mapping[str, Any]:
        """Tell something that only the back end knows."""
        return self.told


def _kind(value: Any) -> str:
    one = value[0] if isinstance(value, tuple) else value
    return "truth" if isinstance(one, bool) else "text" if isinstance(one, str) else "number"
