"""The embedded back end: an index folder behind the search port (:mod:`typeahead.search.port`).

It blocks, so :func:`embed` wraps it in a thread (:mod:`typeahead.search.threads`). A second thread looks up words, so
that both arms run at the same time. The vector search waits for the words for at most ``OpenOptions.lexical_wait``. A
ranking that arrives later is missing from that answer, but its look-ups are cached for the next keystroke in the same
scope.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np

from typeahead.core.prefixes import Scope
from typeahead.errors import BackendClosed, DeadlinePassed
from typeahead.index.folder import Index, Lexical, open_index
from typeahead.index.manifest import Manifest
from typeahead.index.term_counts import TermCounts
from typeahead.index.vectors import Ranking
from typeahead.index.word_search import WordSearch
from typeahead.search.addresses import OpenOptions, folder_of
from typeahead.search.port import (
    DENSE,
    LEXICAL,
    Backend,
    Candidate,
    Candidates,
    Capabilities,
    Evidence,
    Key,
    Passage,
    Request,
)
from typeahead.search.ranking import check_requests
from typeahead.search.terms import query_terms, weigh
from typeahead.search.threads import ThreadedBackend
from typeahead.text.document import Document
from typeahead.text.ids import PassageIds


async def open_embedded(address: str, options: OpenOptions) -> Backend:
    """Open the index folder at ``address``; raises the same errors as :func:`~typeahead.index.folder.open_index`.

    ``options.snapshot`` is a folder with the manifest of an older generation to open instead.
    """
    folder = folder_of(address)
    assert folder is not None
    manifest = None if options.snapshot is None else Manifest.read(Path(options.snapshot))
    index = await asyncio.to_thread(open_index, folder, lexical=cast("Lexical", options.lexical), manifest=manifest)
    if index.manifest.warning:
        options.warn(index.manifest.warning)
    return embed(index, lexical_wait=options.lexical_wait)


def embed(index: Index, *, lexical_wait: float = 0.005) -> Backend:
    """Put an open index behind the port; closing the back end closes the index."""
    return ThreadedBackend(EmbeddedEngine(index, lexical_wait=lexical_wait))


class EmbeddedEngine:
    """An index as a blocking back end; see :class:`~typeahead.search.port.Backend`. One thread at a time."""

    def __init__(self, index: Index, *, lexical_wait: float) -> None:
        self._index = index
        self.address = str(index.folder)
        self.space = index.space
        self.capabilities = Capabilities(lexical=True, vocabulary=self._vocabulary)
        self._lexical_wait = lexical_wait
        self._closed = False

    @property
    def version(self) -> str:
        """Return the generation: an open index never changes."""
        return self._index.manifest.generation

    @property
    def count(self) -> int:
        """Number of documents."""
        return self._index.manifest.count

    async def candidates(self, requests: Sequence[Request], deadline: float) -> Sequence[Candidates]:
        """See :meth:`~typeahead.search.port.Backend.candidates`."""
        self._check(deadline)
        check_requests(requests, self.space.dim)
        started = time.monotonic()
        if started >= deadline:
            raise DeadlinePassed(f"{self.address} received the request after its deadline")
        until = min(deadline, started + self._lexical_wait)
        words = self._words.look_up(requests, until) if any(request.text for request in requests) else None
        found: list[dict[str, Sequence[Candidate]]] = [{} for _ in requests]
        asked = [row for row, request in enumerate(requests) if request.vector is not None]
        if asked:
            vectors = np.stack([requests[row].vector for row in asked])  # type: ignore[misc]
            depth = max(requests[row].k + requests[row].offset for row in asked)
            for row, ranking in zip(asked, self._index.rank(vectors, depth), strict=True):
                found[row][DENSE] = self._named(ranking, requests[row])
        # Without vectors there is nothing to show in the meantime, so words may take until the deadline.
        for row, ranking in words.wait(until if asked else deadline) if words is not None else ():
            found[row][LEXICAL] = self._named(ranking, requests[row])
        if not any(found) and words is not None:
            raise DeadlinePassed(f"{self.address} did not find the words in time")
        return found

    async def evidence(
        self, keys: Sequence[Sequence[Key]], requests: Sequence[Request], deadline: float
    ) -> Sequence[Evidence]:
        """See :meth:`~typeahead.search.port.Backend.evidence`."""
        self._check(deadline)
        return [self._weighed(those, request) for those, request in zip(keys, requests, strict=True)]

    async def fetch(self, ids: Sequence[str], deadline: float) -> Mapping[str, Document]:
        """See :meth:`~typeahead.search.port.Backend.fetch`."""
        self._check(deadline)
        return {document.id: document for document in self._index.named(ids).values()}

    async def close(self) -> None:
        """Close the files."""
        if not self._closed:
            self._closed = True
            if "_words" in self.__dict__:
                self._words.stop()
            if "_counts" in self.__dict__:
                self._counts.close()
            self._index.close()

    async def _vocabulary(self) -> Mapping[str, int]:
        self._check()
        return self._index.word_counts()

    def _weighed(self, keys: Sequence[Key], request: Request) -> Evidence:
        terms = query_terms(request.text)
        documents = self._index.named([key.document for key in keys if not key.passage])
        similarities: Sequence[float | None] = [None] * len(documents)
        if request.vector is not None:
            similarities = self._index.similarities(request.vector, list(documents)) or similarities
        passages: dict[Key, Passage] = {
            Key(document.id): weigh(document, terms, similarity)
            for document, similarity in zip(documents.values(), similarities, strict=True)
        }
        return Evidence(passages, self._counts.documents_with(terms), self.count)

    def _named(self, ranking: Ranking, request: Request) -> list[Candidate]:
        """Return rows as candidates, as many as the request wants."""
        ids = self._ids
        return [Candidate(Key(ids[row]), score) for row, score in ranking[: request.k + request.offset]]

    def _match(self, request: Request) -> Ranking:
        return self._index.match(request.text, request.k + request.offset, Scope(request.scope))

    def _check(self, deadline: float = math.inf) -> None:
        if self._closed:
            raise BackendClosed(self.address)
        if time.monotonic() >= deadline:
            raise DeadlinePassed(f"{self.address} was asked too late")

    @cached_property
    def _ids(self) -> PassageIds:
        return self._index.ids()

    @cached_property
    def _counts(self) -> TermCounts:
        return TermCounts(self._index.documents_file)

    @cached_property
    def _words(self) -> _WordSearch:
        return _WordSearch(self._index)


class _WordSearch:
    """Looks words up in its own thread."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._jobs: SimpleQueue[_Lookup | None] = SimpleQueue()
        # A daemon thread: a hanging look-up must not keep the process from exiting.
        threading.Thread(target=self._run, name="typeahead-words", daemon=True).start()

    def look_up(self, requests: Sequence[Request], until: float) -> _Lookup:
        """Start looking up the words of all ``requests`` that have a text."""
        lookup = _Lookup(requests, until)
        self._jobs.put(lookup)
        return lookup

    def stop(self) -> None:
        """End the thread after its current work."""
        self._jobs.put(None)

    def _run(self) -> None:
        while (lookup := self._jobs.get()) is not None:
            for row, request in enumerate(lookup.requests):
                if not request.text:
                    continue
                # The next keystroke asks for most of the same words, so a look-up that has started is finished.
                if lookup.given_up:
                    break
                ranking: Ranking = ()
                try:
                    ranking = self._index.match(request.text, request.k + request.offset, Scope(request.scope))
                except Exception as error:
                    lookup.failed(error)
                lookup.found(row, ranking)
            lookup.finish()


class _Lookup:
    """The pending word look-ups of a batch of requests."""

    def __init__(self, requests: Sequence[Request], until: float) -> None:
        self.requests = requests
        self.until = until
        self.given_up = False
        self._rankings: list[tuple[int, Ranking]] = []
        self._done = threading.Event()

    def found(self, row: int, ranking: Ranking) -> None:
        """Record the ranking of a request."""
        self._rankings.append((row, ranking))

    def failed(self, error: Exception) -> None:
        """Log why looking up the words of a request failed; its vectors still find something."""
        log.error("cannot look up the words of a query: %s", error)

    def finish(self) -> None:
        """Record that all rankings are complete."""
        self._done.set()

    def wait(self, until: float) -> list[tuple[int, Any]]:
        """Wait until ``until``, and return the rankings found by then: rows of requests, and rankings."""
        if not self._done.wait(max(0.0, until - time.monotonic())):
            self.given_up = True
        return list(self._rankings)
