"""A part in memory: documents that were written since the generation was built, or a view of another part's.

Searches are exact: vectors are compared with all others (:mod:`typeahead.index.few`, :mod:`typeahead.index.exact`), and
words by :class:`~typeahead.index.changes.memory_words.MemoryWords`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.index.changes import forms as combining
from typeahead.index.changes.forms import Forms
from typeahead.index.changes.memory_words import MemoryWords
from typeahead.index.changes.records import Stored
from typeahead.index.columns import StoredColumns
from typeahead.index.exact import NONE_NEAR, ExactVectors, Nearest
from typeahead.index.few import FewVectors
from typeahead.index.lexical.lexical import Lexical
from typeahead.index.parts import Part, PassageMap, Words
from typeahead.index.queries import Preparation
from typeahead.text.document import Document, Passage

#: Passages up to which vectors are not rounded: that takes longer than all the searches until the part changes again.
FEW: Final = 4096
#: Documents that are read at once.
_AT_ONCE: Final = 500


class Shelf(Protocol):
    """Where a part has its documents."""

    def ids(self) -> Sequence[str]:
        """Return the ids of all documents by row."""

    def divided(self, row: int) -> tuple[Document, tuple[Passage, ...]]:
        """Return a whole document and its passages."""

    def documents(self, rows: Sequence[int]) -> list[Document]:
        """Return the whole documents of some rows."""

    def shown(self, passages: NDArray[np.int64], places: PassageMap) -> list[Document]:
        """Return the documents of some passages as hits show them; ``places`` are where passages lie."""


class Pieces(NamedTuple):
    """What a part is made of: some documents with their passages, vectors and words."""

    documents: Sequence[Document]
    #: The passages of each document.
    passages: Sequence[tuple[Passage, ...]]
    #: float32 (passages, dim), those that are searched.
    vectors: Vectors
    forms: Forms

    @classmethod
    def of(cls, stored: Sequence[Stored], preparation: Preparation) -> Pieces:
        """Take documents as the journal has them."""
        vectors = np.concatenate([one.vectors for one in stored])
        return cls(
            [one.document for one in stored],
            [one.passages for one in stored],
            preparation.stored(vectors),
            combining.of_documents([one.words for one in stored]),
        )


class MemoryPart:
    """Documents in memory: :class:`typeahead.index.parts.Part`. May be used from several threads.

    ``vectors`` float32 (passages, dim) are those that are searched, and ``preparation`` makes queries comparable.
    """

    def __init__(
        self,
        shelf: Shelf,
        passages: PassageMap,
        vectors: Vectors,
        preparation: Preparation,
        forms: Forms,
        columns: StoredColumns,
    ) -> None:
        self.count = passages.documents
        self.passages = passages
        self.columns = columns
        self.shelf = shelf
        self._vectors, self.preparation = vectors, preparation
        self._search = FewVectors(vectors) if len(vectors) <= FEW else ExactVectors(vectors)
        self.words = MemoryWords(forms, self.documents)
        self._ids = list(shelf.ids())
        self._rows = {one: row for row, one in enumerate(self._ids)}

    @classmethod
    def of(cls, stored: Sequence[Stored], preparation: Preparation) -> MemoryPart:
        """Make a part of documents as the journal has them."""
        return cls.of_pieces([Pieces.of(stored, preparation)], preparation)

    @classmethod
    def of_pieces(cls, several: Sequence[Pieces], preparation: Preparation) -> MemoryPart:
        """Make a part of all documents of several pieces, without analysing their texts again."""
        documents = [document for pieces in several for document in pieces.documents]
        passages = [some for pieces in several for some in pieces.passages]
        return cls(
            Held(documents, passages),
            _passage_map(list(map(len, passages))),
            np.concatenate([pieces.vectors for pieces in several]),
            preparation,
            combining.merged([pieces.forms for pieces in several]),
            StoredColumns.of(documents),
        )

    @classmethod
    def of_rows(cls, part: Part, rows: NDArray[np.int64]) -> MemoryPart:
        """Make a view: some rows of another part, without reading their texts. It reads documents from that part."""
        passages, _ = part.passages.of(rows)
        vectors = part.vectors(passages)
        if vectors is None:
            raise ValueError("the vectors of the part are not available")
        starts = part.passages.starts
        sizes = np.ones(len(rows), np.int64) if starts is None else starts[rows + 1] - starts[rows]
        columns = StoredColumns.of(
            document for start in range(0, len(rows), _AT_ONCE) for document in part.documents(_some(rows, start))
        )
        return cls(
            Borrowed(part, rows, passages),
            _passage_map(sizes.tolist()),
            np.ascontiguousarray(vectors, np.float32),
            part.preparation,
            _taken(part.words, rows, passages),
            columns,
        )

    def pieces(self, rows: NDArray[np.int64] | None = None) -> Pieces:
        """Return some documents, None for all, to make another part of them."""
        if rows is None:
            every = [self.divided(row) for row in range(self.count)]
            return Pieces([one for one, _ in every], [some for _, some in every], self._vectors, self.words.forms)
        passages, _ = self.passages.of(rows)
        every = [self.divided(row) for row in rows.tolist()]
        return Pieces(
            [one for one, _ in every],
            [some for _, some in every],
            self._vectors[passages],
            self.words.taken(rows, passages),
        )

    def nearest(self, queries: Vectors, k: int, admitted: NDArray[np.bool_] | None = None) -> list[Nearest]:
        """See :meth:`typeahead.index.parts.Part.nearest`."""
        asked, prepared = self.preparation.prepared(queries)
        found = self._search.nearest(prepared, k, admitted)
        if asked is not None:
            every = iter(found)
            found = [next(every) if one else NONE_NEAR for one in asked]
        return found

    def similarities(self, query: Vectors, passages: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """See :meth:`typeahead.index.parts.Part.similarities`."""
        asked, prepared = self.preparation.prepared(np.asarray(query)[None])
        return None if asked is not None else self._search.scores_of(prepared[0], passages)

    def vectors(self, passages: NDArray[np.int64]) -> Vectors:
        """See :meth:`typeahead.index.parts.Part.vectors`."""
        return self._vectors[passages]

    def rows(self, ids: Sequence[str]) -> Mapping[str, int]:
        """See :meth:`typeahead.index.parts.Part.rows`."""
        return {one: self._rows[one] for one in ids if one in self._rows}

    def ids(self) -> Sequence[str]:
        """See :meth:`typeahead.index.parts.Part.ids`."""
        return self._ids

    def documents(self, rows: Sequence[int]) -> list[Document]:
        """See :meth:`typeahead.index.parts.Part.documents`."""
        return self.shelf.documents(rows)

    def shown(self, passages: Sequence[int]) -> list[Document]:
        """See :meth:`typeahead.index.parts.Part.shown`."""
        return self.shelf.shown(np.asarray(passages, np.int64), self.passages)

    def divided(self, row: int) -> tuple[Document, tuple[Passage, ...]]:
        """See :meth:`typeahead.index.parts.Part.divided`."""
        return self.shelf.divided(row)

    def close(self) -> None:
        """Nothing is open."""


class Held:
    """Documents in memory."""

    def __init__(self, documents: Sequence[Document], passages: Sequence[tuple[Passage, ...]]) -> None:
        self._documents, self._passages = documents, passages

    def ids(self) -> Sequence[str]:
        """Return the ids of all documents by row."""
        return [one.id for one in self._documents]

    def divided(self, row: int) -> tuple[Document, tuple[Passage, ...]]:
        """Return a whole document and its passages."""
        return self._documents[row], self._passages[row]

    def documents(self, rows: Sequence[int]) -> list[Document]:
        """Return the whole documents of some rows."""
        return [self._documents[row] for row in rows]

    def shown(self, passages: NDArray[np.int64], places: PassageMap) -> list[Document]:
        """Return the documents of some passages as hits show them; ``places`` are where passages lie."""
        rows = places.documents_of(passages)
        first = rows if places.starts is None else places.starts[rows]
        return [
            self._documents[row].shown(self._passages[row][number])
            for row, number in zip(rows.tolist(), (passages - first).tolist(), strict=True)
        ]


class Borrowed:
    """Some documents of another part."""

    def __init__(self, part: Part, rows: NDArray[np.int64], passages: NDArray[np.int64]) -> None:
        self._part, self._rows, self._passages = part, rows, passages

    def ids(self) -> Sequence[str]:
        """Return the ids of all documents by row."""
        every = self._part.ids()
        return [every[row] for row in self._rows.tolist()]

    def divided(self, row: int) -> tuple[Document, tuple[Passage, ...]]:
        """Return a whole document and its passages."""
        return self._part.divided(int(self._rows[row]))

    def documents(self, rows: Sequence[int]) -> list[Document]:
        """Return the whole documents of some rows."""
        return self._part.documents(self._rows[list(rows)].tolist())

    def shown(self, passages: NDArray[np.int64], places: PassageMap) -> list[Document]:
        """Return the documents of some passages as hits show them; ``places`` are where passages lie."""
        del places
        return self._part.shown(self._passages[passages].tolist())


def _passage_map(sizes: Sequence[int]) -> PassageMap:
    starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    return PassageMap(len(sizes), None if int(starts[-1]) == len(sizes) else starts)


def _some(rows: NDArray[np.int64], start: int) -> list[int]:
    some: list[int] = rows[start : start + _AT_ONCE].tolist()
    return some


def _taken(words: Words, rows: NDArray[np.int64], passages: NDArray[np.int64]) -> Forms:
    """The forms of some documents of a part, numbered anew."""
    if isinstance(words, MemoryWords):
        return words.taken(rows, passages)
    assert isinstance(words, Lexical)
    vocabulary = words.vocabulary
    return combining.taken(vocabulary.form, len(vocabulary), words.forward, words.divided, None, rows, passages)
