"""The search port: what a back end has to do, and what it may do beside that.

A back end holds documents, each with one passage or more, and finds candidates for a query. It never ranks: above all
back ends, :func:`typeahead.search.ranking.find` makes scores, takes the best passage of each document, and makes hits.
Rows and whatever else identifies a document inside a back end stay private; everybody else knows documents by their
string ids.

``docs/adding-a-back-end.md`` explains how to write one, and ``tests/search/contract.py`` tests it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.search.filters import Filter
from typeahead.search.space import Space
from typeahead.search.terms import Words
from typeahead.text.document import Document, Passage, Value

#: The names of arms. A back end may have others.
DENSE, LEXICAL = "dense", "lexical"


@dataclass(frozen=True, slots=True)
class Request:
    """One query."""

    #: float32 (dim,), the query's embedding. None asks for no vectors, only for words.
    vector: Vectors | None
    #: None asks for no words, only for vectors.
    words: Words | None
    #: How many hits are wanted after the first ``offset``. A back end gives the ``k + offset`` best of each arm.
    k: int
    offset: int = 0
    #: Only documents that pass count. A back end refuses what it cannot do with
    #: :class:`~typeahead.errors.UnsupportedFilter`.
    filter: Filter | None = None
    #: Fields whose values are counted among the candidates.
    facets: tuple[str, ...] = ()
    #: Requests of one scope come from people who may know of each other. What a back end remembers of one scope must
    #: not make the requests of another faster (:mod:`typeahead.core.prefixes`).
    scope: int = 0


class Key(NamedTuple):
    """A passage: its document's id, and its number within the document."""

    document: str
    passage: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What the arms of a back end found for one request, together, and the exact evidence of each of the n passages.

    Scores are made of the evidence alone (:mod:`typeahead.search.scoring`), so it does not matter which arm found a
    passage. Without :attr:`Request.words` there are no terms, and arrays that have one number for each are empty.
    """

    #: The n passages, each once. The order settles ties, so it must be the same every time.
    keys: Sequence[Key]
    #: By arm, whether it found each passage: bool (n,). An arm that was not asked is left out.
    arms: Mapping[str, NDArray[np.bool_]]
    #: The exact similarity to the request's vector: float32 (n,), NaN where there is none.
    similarities: Vectors
    #: How often the words of each term occur in each field, and the largest weight among those that occur, 0 where
    #: none does: float32 (n, fields, terms).
    frequencies: Vectors
    weights: Vectors
    #: Number of forms in each field, wholes and parts: float32 (n, fields).
    lengths: Vectors
    #: In how many documents each term occurs, as far as the back end knows: float64 (terms,).
    document_frequencies: NDArray[np.float64]
    #: How many forms a document has on average, all fields together.
    average_length: float
    #: By field of :attr:`Request.facets`: its values, and how many of the candidates have each.
    facets: Mapping[str, Mapping[Value, int]] = field(default_factory=dict)
    #: The largest weight of each term in the title and in the passage that holds most of the terms, 0 where it is in
    #: neither: float32 (n, terms). A document of one passage holds all of its words there. None where every document
    #: has one passage, or where the back end cannot tell.
    together: Vectors | None = None
    #: Whether a part of the documents could not be searched in time.
    partial: bool = False


class Incomplete(dict[Key, Document]):
    """Documents as :meth:`Backend.fetch` returns them, where some that are there could not be had in time."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a back end can do beside searching vectors: None or empty where it cannot."""

    #: Whether :meth:`Backend.candidates` finds words, as the arm :data:`LEXICAL`.
    lexical: bool = False
    #: Whether it can find phrases, and leave out documents by words.
    phrases: bool = False
    #: The kinds of filter nodes that it can apply (:data:`typeahead.search.filters.KINDS`).
    filters: frozenset[str] = frozenset()
    #: Counts how many documents hold each word, for completions.
    vocabulary: Callable[[], Awaitable[Mapping[str, int]]] | None = None
    #: Takes and removes documents.
    writes: Writes | None = None
    #: Returns the whole documents of some ids; those that are not there are left out.
    documents: Callable[[Sequence[str]], Awaitable[Mapping[str, Document]]] | None = None
    #: Returns the kind of value of each field that some document has: "text", "number" or "truth".
    fields: Callable[[], Awaitable[Mapping[str, str]]] | None = None
    #: Counts the values of some fields among all documents that a filter admits, None for all documents.
    facets: Callable[[Filter | None, Sequence[str]], Awaitable[Mapping[str, Mapping[Value, int]]]] | None = None
    #: Makes a back end of the documents that a filter admits. It follows every change of the documents. Nothing that it
    #: answers, counts or weighs depends on any other document.
    scoped: Callable[[Filter], Awaitable[Backend]] | None = None
    #: The same for what a role of the database sees, now and later. Raises :class:`~typeahead.errors.RoleRefused`.
    as_role: Callable[[str], Awaitable[Backend]] | None = None
    #: Tells about the index: counts, size on disk and the like, as JSON.
    describe: Callable[[], Awaitable[Mapping[str, Any]]] | None = None
    #: Tells, on any thread, how many seconds ago what is searched was known to be the same as in the database behind.
    lag: Callable[[], float] | None = None
    #: Calls of :meth:`Backend.candidates` that are best under way together; more than one if each waits for an engine.
    at_once: int = 1
    #: Runs a function over the back end in one go; see :class:`typeahead.search.threads.ThreadedBackend`.
    together: Callable[[Callable[[Backend], Awaitable[Any]]], Awaitable[Any]] | None = field(default=None, repr=False)


class Entry(NamedTuple):
    """A document to be stored, divided into its passages, with a vector for each: float32 (passages, dim)."""

    document: Document
    passages: tuple[Passage, ...]
    vectors: Vectors


class Writes(Protocol):
    """The capability to change documents. What was answered has survived; each change gives a new version."""

    @property
    def divides(self) -> bool:
        """Whether whoever writes is to divide long documents into passages. Reading it must not block."""

    async def upsert(self, entries: Sequence[Entry]) -> int:
        """Add documents, or replace those of the same id, all or none; returns the new version.

        Searches find them within a second, once :attr:`Backend.version` is that version or a later one.
        :attr:`Capabilities.documents`, :attr:`Capabilities.describe` and :meth:`matching` know them at once.

        Raises :class:`~typeahead.errors.DocumentRefused` for a document that it cannot hold, as
        :class:`~typeahead.errors.FieldTypeError` where a field has another kind of value than it has in the index, and
        :class:`~typeahead.errors.WritesFull` where the back end can take no more for now.
        """

    async def delete(self, ids: Sequence[str]) -> tuple[int, int]:
        """Remove documents. Ids that are not there are passed over; returns how many were, and the version."""

    async def matching(self, tree: Filter, most: int) -> Sequence[str]:
        """Return the ids of the documents that a filter admits, ``most`` at most."""

    async def kinds(self) -> Mapping[str, str]:
        """Return the kind of value of each field: "text", "number" or "truth"."""


class Backend(Protocol):
    """What stands behind the search box. Methods belong to one event loop, and may be called concurrently.

    Deadlines are in seconds of :func:`time.monotonic`. A call that cannot keep its deadline raises
    :class:`~typeahead.errors.DeadlinePassed`; after :meth:`close` every call raises
    :class:`~typeahead.errors.BackendClosed`.
    """

    #: The address that it was opened by.
    address: str
    #: The vector space of its passages, against which the encoder is checked.
    space: Space
    capabilities: Capabilities

    @property
    def version(self) -> str:
        """Names the present state of the documents; it changes with each of them. Nothing is reused across versions."""

    @property
    def count(self) -> int:
        """Number of documents."""

    async def candidates(self, requests: Sequence[Request], deadline: float) -> Sequence[Candidates]:
        """Find the ``k + offset`` best passages of each arm for each request, and weigh them all."""

    async def fetch(self, keys: Sequence[Key], deadline: float) -> Mapping[Key, Document]:
        """Return the documents of some passages as hits show them: with the text of the passage alone, and its URL.

        Documents that are not there are left out. One that was replaced meanwhile is shown by its new passages. The
        answer is :class:`Incomplete` where a part of the documents could not be read in time.
        """

    async def close(self) -> None:
        """Give up files and connections. Calls that are under way may fail."""
