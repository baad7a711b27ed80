"""The search port: what a back end has to do, and what it may do beside that.

A back end holds documents, each with one passage or more, and finds candidates for a query. It never ranks: scores,
fusion, collapse to documents and hits are made above all back ends, by :func:`typeahead.search.ranking.find`. Rows and
whatever else identifies a document inside a back end stay private; everybody else knows documents by their string ids.

``docs/adding-a-back-end.md`` explains how to write one, and ``tests/search/contract.py`` tests it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from typeahead.core.encoder import Vectors
from typeahead.search.filters import Filter
from typeahead.search.space import Space
from typeahead.text.document import Document

#: The names of arms. A back end may have others.
DENSE, LEXICAL = "dense", "lexical"
#: The fields whose words are counted, in the order of all arrays that have one row for each.
FIELDS = ("title", "text")


class Term(NamedTuple):
    """One thing that a text asks for: the words that count for it, each with its weight from 0 to 1.

    Words are the forms of :func:`typeahead.text.analysis.analyse`.
    """

    words: Mapping[str, float]
    #: Every form that begins like this counts, too, with ``beginning_weight``; "" for none.
    beginning: str = ""
    beginning_weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Request:
    """One query."""

    #: float32 (dim,), the query's embedding. None asks for no vectors, only for words.
    vector: Vectors | None
    #: What was typed; its last word may be unfinished. "" asks for no words, only for vectors.
    text: str
    #: How many hits are wanted after the first ``offset``. A back end gives the ``k + offset`` best of each arm.
    k: int
    offset: int = 0
    #: Only documents that pass count. A back end refuses what it cannot do with
    #: :class:`~typeahead.errors.UnsupportedFilter`.
    filter: Filter | None = None
    #: Requests of one scope come from people who may know of each other. What a back end remembers of one scope must
    #: not make the requests of another faster (:mod:`typeahead.core.prefixes`).
    scope: int = 0


class Key(NamedTuple):
    """A passage: its document's id, and its number within the document."""

    document: str
    passage: int = 0


class Candidate(NamedTuple):
    """A passage that an arm found, with that arm's own score: higher is better, and the scale is the arm's."""

    key: Key
    score: float


#: What each arm found for a request, best first. An arm that is missing was late or had nothing to look for.
Candidates = Mapping[str, Sequence[Candidate]]


class Passage(NamedTuple):
    """The evidence of one passage for one request."""

    #: The exact similarity to the request's vector; None where there is no vector, or one of zeros.
    similarity: float | None
    #: By field, how often each of the request's terms occurs (:func:`typeahead.search.terms.query_terms`).
    frequencies: Mapping[str, Mapping[str, int]]
    #: By field, the number of words.
    lengths: Mapping[str, int]


class Evidence(NamedTuple):
    """The evidence of several passages for one request."""

    passages: Mapping[Key, Passage]
    #: How many documents hold each of the request's terms, and how many there are.
    document_frequencies: Mapping[str, int]
    documents: int


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a back end can do beside searching vectors: None or empty where it cannot."""

    #: Whether :meth:`Backend.candidates` finds words, as the arm :data:`LEXICAL`.
    lexical: bool = False
    #: The kinds of filter nodes that it can apply (:data:`typeahead.search.filters.KINDS`).
    filters: frozenset[str] = frozenset()
    #: Counts how many documents hold each word, for completions.
    vocabulary: Callable[[], Awaitable[Mapping[str, int]]] | None = None
    #: Takes and removes documents.
    writes: Writes | None = None
    #: Told of a request that is likely to come, so that slow parts may begin. It returns at once; calling the result
    #: says that the request will not come.
    prepare: Callable[[Request], Callable[[], None]] | None = None
    #: Runs a function over the back end in one go; see :class:`typeahead.search.threads.ThreadedBackend`.
    together: Callable[[Callable[[Backend], Awaitable[Any]]], Awaitable[Any]] | None = field(default=None, repr=False)


class Writes(Protocol):
    """The capability to change documents. What was answered has survived; each change gives a new version."""

    async def upsert(self, documents: Sequence[Document], vectors: Vectors) -> None:
        """Add documents, or replace those of the same id; ``vectors`` float32 (n, dim) are theirs, in order."""

    async def delete(self, ids: Sequence[str]) -> int:
        """Remove documents. Ids that are not there are passed over; returns how many were."""


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
        """Find the ``k + offset`` best passages of each arm for each request, best first, ties in a fixed order.

        An arm that is not done by the deadline is left out; if none is, the call raises.
        """

    async def evidence(
        self, keys: Sequence[Sequence[Key]], requests: Sequence[Request], deadline: float
    ) -> Sequence[Evidence]:
        """Weigh any passages for each request; those that are not there are left out."""

    async def fetch(self, ids: Sequence[str], deadline: float) -> Mapping[str, Document]:
        """Return the documents of some ids; those that are not there are left out."""

    async def close(self) -> None:
        """Give up files and connections. Calls that are under way may fail."""
