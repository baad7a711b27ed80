"""The words and fields of an engine's documents in memory, and what becomes of them as documents change.

Texts and vectors stay in the engine. The words are those of the embedded index, so evidence, counts, phrases and facets
are the same here as there, and cost no round trip. Whoever uses this finds out what has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final, cast

import numpy as np

from typeahead.engines.documents import Read
from typeahead.errors import FieldTypeError
from typeahead.index.changes import forms
from typeahead.index.changes.analysed import DocumentWords
from typeahead.index.changes.following import Changes
from typeahead.index.changes.journal import Journal
from typeahead.index.changes.memory import Held, MemoryPart
from typeahead.index.changes.records import Change, Stored
from typeahead.index.columns import StoredColumns
from typeahead.index.contents import Contents
from typeahead.index.kinds import FieldKinds
from typeahead.index.parts import PassageMap
from typeahead.index.queries import Preparation
from typeahead.text.document import Document, Passage, Values

#: Documents whose words are put together at once: they take much memory before.
_TOGETHER: Final = 10_000
#: The parts of an index have vectors. These stay in the engine, and one zero stands for each.
_PREPARATION: Final = Preparation(1, cosine=False)
_ZERO: Final = np.zeros((1, 1), np.float32)
_NO_TEXT: Final = Passage("")


class LivingWords:
    """Words and fields of documents. The URL of a document in :attr:`contents` is its :attr:`.documents.Read.stamp`.

    Calls take time, and belong to one thread at a time.
    """

    def __init__(self) -> None:
        self.contents = Contents(1, [], [], [])
        self._feed = _Feed()
        self._changes: Changes | None = None
        self._kinds = FieldKinds()
        self._parts: list[MemoryPart] = []
        self._waiting: list[Stored] = []

    def add(self, read: Iterable[Read]) -> None:
        """Add documents that are there at the start, each once; :meth:`begin` follows."""
        self._waiting += self._analyse(read)
        if len(self._waiting) >= _TOGETHER:
            self._put_together()

    def begin(self, version: int) -> None:
        """Make :attr:`contents` of what was added."""
        self._put_together()
        self._changes = Changes(cast("Journal", self._feed), _merged(self._parts), _PREPARATION)
        self._parts.clear()
        self._make(self._changes, version)

    def change(self, read: Sequence[Read], gone: Sequence[str], version: int) -> None:
        """Add or replace documents, and remove those of some ids; :attr:`contents` become new ones."""
        assert self._changes is not None
        self._feed.put(self._changes, self._analyse(read), gone)
        self._make(self._changes, version)

    def stamps(self, ids: Sequence[str]) -> dict[str, str]:
        """The stamps of those documents among ``ids`` that are there."""
        rows = self.contents.find(ids)
        return dict(zip(rows, (one.url for one in self.contents.documents(list(rows.values()))), strict=True))

    def ids(self) -> list[str]:
        """The ids of all documents."""
        return [self.contents.id(row) for row in self.contents.live_rows(self.contents.masks(None)).tolist()]

    def _put_together(self) -> None:
        if self._waiting:
            self._parts.append(MemoryPart.of(self._waiting, _PREPARATION))
            self._waiting = []

    def _analyse(self, read: Iterable[Read]) -> list[Stored]:
        """Keep of documents what is searched: words, fields, and the stamp in place of the URL."""
        found = []
        for document, passages, stamp in read:
            words = DocumentWords.of(document, passages)
            kept = Document(document.id, url=stamp, fields=document.fields)
            try:
                self._kinds.add(kept)
            except FieldTypeError:
                kept = Document(document.id, url=stamp, fields=self._of_known_kinds(document))
                self._kinds.add(kept)
            vectors = _ZERO if len(passages) == 1 else np.zeros((len(passages), 1), np.float32)
            found.append(Stored(kept, (_NO_TEXT,) * len(passages), vectors, words))
        return found

    def _of_known_kinds(self, document: Document) -> dict[str, Values]:
        """The fields of a document without those that have another kind of value elsewhere."""
        fields: dict[str, Values] = {}
        for name, values in document.fields.items():
            with suppress(FieldTypeError):
                FieldKinds(self._kinds.kinds).add(Document(document.id, fields={name: values}))
                fields[name] = values
        return fields

    def _make(self, changes: Changes, version: int) -> None:
        state = changes.refresh()
        words = [
            part.words if mask is None else part.words.without(np.flatnonzero(~mask))
            for part, mask in zip(state.parts, state.admitted, strict=True)
        ]
        self.contents = Contents(version, state.parts, state.admitted, words)


class _Feed:
    """Changes that :class:`~typeahead.index.changes.following.Changes` has not taken yet, as a journal has them."""

    def __init__(self) -> None:
        self._number = 0
        self._waiting: list[Change] = []

    def since(self, number: int) -> Iterable[Change]:
        """Return the changes after one."""
        return [one for one in self._waiting if one.version > number]

    def put(self, changes: Changes, stored: Sequence[Stored], gone: Sequence[str]) -> None:
        """Have changes taken."""
        for one in stored:
            self._number += 1
            self._waiting.append(Change(self._number, one.document.id, one))
        for key in gone:
            self._number += 1
            self._waiting.append(Change(self._number, key, None))
        changes.refresh()
        self._waiting.clear()


def _merged(parts: Sequence[MemoryPart]) -> MemoryPart:
    if not parts:
        return MemoryPart(
            Held([], []), PassageMap(0, None), np.zeros((0, 1), np.float32), _PREPARATION,
            forms.of_documents([]), StoredColumns.of([]),
        )  # fmt: skip
    return parts[0] if len(parts) == 1 else MemoryPart.of_pieces([part.pieces() for part in parts], _PREPARATION)
