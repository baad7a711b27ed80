"""What an open index consists of: parts, each a set of documents that never change.

The first part is a generation in files, as ``typeahead index`` builds it. The changes since then are parts in memory.
Each part numbers its documents from 0, and its passages, too; the passages of a document follow each other. What a part
is told to leave out are documents that were replaced or deleted, or that a filter does not admit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.index.exact import Nearest
from typeahead.index.lexical.lookup import LookedUp
from typeahead.index.queries import Preparation
from typeahead.search.filters import Filter
from typeahead.search.terms import Term
from typeahead.search.vocabulary import Vocabulary
from typeahead.text.document import Document, Passage, Value


class PassageMap:
    """Which passages belong to which document: int64 (documents + 1,), the first passage of each, rising.

    ``starts`` is None where each document has one passage, so that both have the same numbers.
    """

    def __init__(self, documents: int, starts: NDArray[np.int64] | None) -> None:
        if starts is not None and (starts.shape != (documents + 1,) or starts[0] != 0 or (np.diff(starts) < 1).any()):
            raise ValueError(f"the passages are not those of {documents} documents")
        self.documents = documents
        self.starts = starts
        #: Number of passages.
        self.count = documents if starts is None else int(starts[-1])

    def documents_of(self, passages: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the document of each of n passages: int64 (n,)."""
        if self.starts is None:
            return passages
        return np.searchsorted(self.starts, passages, "right") - 1

    def spread(self, documents: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return for each passage what ``documents`` bool (documents,) says of its document."""
        if self.starts is None:
            return documents
        return np.repeat(documents, np.diff(self.starts))

    def of(self, documents: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the passages of n documents, one after the other, and where each begins among them: int64 (n,)."""
        if self.starts is None:
            return documents, np.arange(len(documents))
        first = self.starts[documents]
        sizes = self.starts[documents + 1] - first
        places = np.cumsum(sizes) - sizes
        return np.arange(int(sizes.sum())) + np.repeat(first - places, sizes), places


class WordEvidence(NamedTuple):
    """What n documents, or passages, say about some terms."""

    #: How often the forms of each term occur in each field: float32 (n, fields, terms).
    frequencies: Vectors
    #: The largest weight among the forms that occur, 0 where none does: float32 (n, fields, terms).
    weights: Vectors
    #: Number of forms of each field: float32 (n, fields).
    lengths: Vectors


class Words(Protocol):
    """The words of a part. Words belong to whole documents, whatever passages they have."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The forms of the documents that count, each with their number."""

    @property
    def total_lengths(self) -> NDArray[np.float64]:
        """Number of forms of each field, in all documents that count: float64 (fields,)."""

    def without(self, dead: NDArray[np.int64]) -> Words:
        """Return the same words, which count as if some documents were not there."""

    def look_up(self, terms: Sequence[Term] | LookedUp) -> LookedUp:
        """Look terms up, for several of the following methods; looked-up ones are returned as they are."""

    def candidates(
        self,
        terms: Sequence[Term] | LookedUp,
        depth: int,
        phrases: Sequence[Sequence[str]] = (),
        without: Sequence[Term] = (),
        admitted: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Find documents that hold any of the terms, of those ``admitted`` bool (documents,), None for all."""

    def evidence(self, rows: Sequence[int] | NDArray[np.integer], terms: Sequence[Term] | LookedUp) -> WordEvidence:
        """Count terms in n documents."""

    def passage_evidence(self, passages: NDArray[np.int64], terms: Sequence[Term] | LookedUp) -> WordEvidence:
        """Count terms in n passages of divided documents; their titles count with each of their passages."""

    def together(
        self,
        begins: NDArray[np.int64],
        ends: NDArray[np.int64],
        terms: LookedUp,
        shares: NDArray[np.float64],
        whole: WordEvidence,
    ) -> Vectors:
        """Weigh the terms that n documents hold together, each in its title and one passage: float32 (n, terms).

        It is the passage that holds most of the terms, each of which counts by its ``shares`` float64 (terms,).
        Passages of a document go from ``begins`` to ``ends``, int64 (n,). ``whole`` is the evidence of the documents.
        """

    def document_frequencies(self, terms: Sequence[Term] | LookedUp) -> NDArray[np.float64]:
        """Return in how many documents each term occurs: float64 (terms,)."""


class Columns(Protocol):
    """The fields of a part's documents."""

    #: The kind of value of each field: "text", "number" or "truth".
    kinds: Mapping[str, str]

    def admitted(self, tree: Filter) -> NDArray[np.bool_]:
        """Return whether each document passes, as :func:`typeahead.search.filters.matches` says: bool (documents,)."""

    def counts(self, name: str, documents: NDArray[np.int64] | NDArray[np.bool_] | None) -> Mapping[Value, int]:
        """Count how many of some documents, None for all, have each value of a field."""


class Part(Protocol):
    """Documents that can be searched. May be used from several threads."""

    #: Number of documents.
    count: int
    passages: PassageMap
    #: Makes queries comparable with the vectors.
    preparation: Preparation

    @property
    def words(self) -> Words:
        """The words of the documents."""

    @property
    def columns(self) -> Columns:
        """The fields of the documents."""

    def nearest(self, queries: Vectors, k: int, admitted: NDArray[np.bool_] | None) -> list[Nearest]:
        """Find the k nearest passages to ``queries`` float32 (m, dim), of those ``admitted``: bool (passages,)."""

    def similarities(self, query: Vectors, passages: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Return the similarity of ``query`` float32 (dim,) to n passages: float64 (n,); None without vectors."""

    def vectors(self, passages: NDArray[np.int64]) -> Vectors | None:
        """Return the vectors that are searched, of n passages: float32 (n, dim); None if they are not available."""

    def rows(self, ids: Sequence[str]) -> Mapping[str, int]:
        """Return the rows of some ids, without ids that do not exist."""

    def ids(self) -> Sequence[str]:
        """Return the ids of all documents by row."""

    def documents(self, rows: Sequence[int]) -> list[Document]:
        """Return the whole documents of some rows."""

    def shown(self, passages: Sequence[int]) -> list[Document]:
        """Return the documents of some passages as hits show them: with the passage's text alone, and its URL."""

    def divided(self, row: int) -> tuple[Document, tuple[Passage, ...]]:
        """Return a whole document and its passages."""

    def close(self) -> None:
        """Give up files."""
