"""An engine's documents in memory, as contents that can be searched, and what becomes of them as documents change.

Kept cold, documents have words and fields; texts and vectors stay in the engine. Kept hot, they have vectors and texts,
too, so their contents are those of an index in files. Either way the words are those of the embedded index, so
evidence, counts, phrases and facets are the same here as there, and cost no round trip. Whoever uses this finds out
what has changed. Changes go into small parts in memory (:mod:`typeahead.index.changes.following`), and once these are
many, everything is put into one part again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.engines.documents import Read
from typeahead.errors import FieldTypeError
from typeahead.index.changes import forms
from typeahead.index.changes.analysed import DocumentWords
from typeahead.index.changes.following import SMALL, Changes
from typeahead.index.changes.journal import Journal
from typeahead.index.changes.memory import Held, MemoryPart, Pieces
from typeahead.index.changes.records import Change, Stored
from typeahead.index.columns import StoredColumns
from typeahead.index.contents import Contents
from typeahead.index.kinds import FieldKinds
from typeahead.index.parts import PassageMap
from typeahead.index.queries import Preparation
from typeahead.text.document import Document, Passage, Values

#: The parts of an index have vectors. Where they stay in the engine, one zero stands for each.
_COLD: Final = Preparation(1, cosine=False)
_ZERO: Final = np.zeros((1, 1), np.float32)
_NO_TEXT: Final = Passage("")
#: Documents whose words are put together at once: they take much memory before.
_TOGETHER: Final = 10_000
#: One part is made of everything once the changes have more passages than this share of all, and than so many.
_SHARE, _LEAST_CHANGES = 8, 8 * SMALL


class LivingDocuments:
    """Documents in memory. Calls take time, and belong to one thread at a time.

    ``hot`` keeps vectors and texts, and makes queries comparable with the vectors. Without it, the URL of a document in
    :attr:`contents` is its :attr:`.documents.Read.stamp`.
    """

    def __init__(self, hot: Preparation | None = None) -> None:
        self.contents = Contents(1, [], [], [])
        self._hot = hot
        self._preparation = hot or _COLD
        self._kinds = FieldKinds()
        #: By id, the stamps of hot documents, which have URLs of their own.
        self._stamps: dict[str, str] = {}
        self._waiting: list[Stored] = []
        self._pieces: list[Pieces] = []
        self._feed = _Feed()
        self._changes: Changes | None = None

    def add(self, read: Iterable[Read]) -> None:
        """Add documents that are there at the start, each once; :meth:`begin` follows."""
        some = list(read)
        self._waiting += self._analysed(some)
        self._note(some)
        if len(self._waiting) >= _TOGETHER:
            self._put_together()

    def begin(self, version: int) -> None:
        """Make :attr:`contents` of what was added."""
        self._put_together()
        pieces, self._pieces = self._pieces, []
        self._make(self._changes_of(pieces), version)

    def change(self, read: Sequence[Read], gone: Sequence[str], version: int) -> None:
        """Add or replace documents, and remove those of some ids; :attr:`contents` become new ones."""
        assert self._changes is not None
        self._feed.put(self._changes, self._analysed(read), gone)
        # Only now: what fails before this is read again by the next look.
        self._note(read)
        for key in gone:
            self._stamps.pop(key, None)
        changes = self._changes
        state = changes.refresh()
        base, *small = state.parts
        if sum(part.passages.count for part in small) > max(_LEAST_CHANGES, base.passages.count // _SHARE):
            living = [
                (part, None if alive is None else np.flatnonzero(alive))
                for part, alive in zip(state.parts, state.admitted, strict=True)
            ]
            changes = self._changes_of([part.pieces(rows) for part, rows in living if isinstance(part, MemoryPart)])
        self._make(changes, version)

    def stamps(self, ids: Sequence[str] | None = None) -> Mapping[str, str]:
        """The stamps of those documents among ``ids`` that are there, by id; None asks for all."""
        if self._hot is not None:
            return self._stamps if ids is None else {key: self._stamps[key] for key in ids if key in self._stamps}
        contents = self.contents
        if ids is None:
            held = contents.documents(contents.live_rows(contents.masks(None)).tolist())
            return {one.id: one.url for one in held}
        rows = contents.find(ids)
        return dict(zip(rows, (one.url for one in contents.documents(list(rows.values()))), strict=True))

    def _put_together(self) -> None:
        if self._waiting:
            self._pieces.append(Pieces.of(self._waiting, self._preparation))
            self._waiting = []

    def _analysed(self, read: Iterable[Read]) -> list[Stored]:
        found = []
        for one in read:
            document, passages = one.document, one.passages
            words = DocumentWords.of(document, passages)
            if self._hot is None:
                kept = Document(document.id, url=one.stamp, fields=document.fields)
                held = (_NO_TEXT,) * len(passages)
                vectors = _ZERO if len(passages) == 1 else np.zeros((len(passages), 1), np.float32)
            else:
                kept, held, vectors = document, passages, self._prepared(one)
            found.append(Stored(self._of_known_kinds(kept), held, vectors, words))
        return found

    def _note(self, read: Iterable[Read]) -> None:
        if self._hot is not None:
            self._stamps.update((one.document.id, one.stamp) for one in read)

    def _prepared(self, read: Read) -> Vectors:
        assert read.vectors is not None
        if not self._preparation.cosine:
            return read.vectors
        wide = read.vectors.astype(np.float64)
        lengths: NDArray[np.float64] = np.sqrt(np.vecdot(wide, wide))
        # Zeros have no direction.
        return (wide / np.where(lengths > 0, lengths, 1)[:, None]).astype(np.float32)

    def _of_known_kinds(self, document: Document) -> Document:
        """Return a document without the fields that have another kind of value elsewhere."""
        try:
            self._kinds.add(document)
        except FieldTypeError:
            fields: dict[str, Values] = {}
            for name, values in document.fields.items():
                with suppress(FieldTypeError):
                    FieldKinds(self._kinds.kinds).add(Document(document.id, fields={name: values}))
                    fields[name] = values
            document = Document(document.id, document.title, document.text, document.url, fields)
            self._kinds.add(document)
        return document

    def _changes_of(self, pieces: Sequence[Pieces]) -> Changes:
        """Make one part of everything, which later changes are added to."""
        some = [one for one in pieces if one.documents]
        base = MemoryPart.of_pieces(some, self._preparation) if some else _nothing(self._preparation)
        # It reads only what this class feeds.
        journal = cast("Journal", self._feed)
        self._changes = Changes(journal, base, self._preparation, sequence=self._feed.number)
        return self._changes

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
        #: The number of the last change.
        self.number = 0
        self._waiting: list[Change] = []

    def since(self, number: int) -> Iterable[Change]:
        """Return the changes after one."""
        return [one for one in self._waiting if one.version > number]

    def put(self, changes: Changes, stored: Sequence[Stored], gone: Sequence[str]) -> None:
        """Have changes taken."""
        for one in stored:
            self.number += 1
            self._waiting.append(Change(self.number, one.document.id, one))
        for key in gone:
            self.number += 1
            self._waiting.append(Change(self.number, key, None))
        changes.refresh()
        self._waiting.clear()


def _nothing(preparation: Preparation) -> MemoryPart:
    return MemoryPart(
        Held([], []), PassageMap(0, None), np.zeros((0, preparation.dim), np.float32), preparation,
        forms.of_documents([]), StoredColumns.of([]),
    )  # fmt: skip
