"""The embedded back end: an index folder behind the search port (:mod:`typeahead.search.port`).

It blocks, so :func:`embed` wraps it in a thread (:mod:`typeahead.search.threads`). A second thread looks up words, so
that both arms run at the same time; it begins when a request is announced (``Capabilities.prepare``). The vector search
waits for the words for at most ``OpenOptions.lexical_wait``. A ranking that arrives later is missing from that answer,
but its look-ups are cached for the next keystroke in the same scope.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, cast

import numpy as np

from typeahead.core.prefixes import Scope
from typeahead.errors import BackendClosed, DeadlinePassed
from typeahead.index.folder import Index, Lexical, open_index
from typeahead.index.manifest import Manifest
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

#: Documents up to which a key for each is kept: 130 bytes each, and a fifth of the time to name candidates.
_MOST_KEYS: Final = 200_000


async def open_embedded(address: str, options: OpenOptions) -> Backend:
    """Open the index folder of ``address``; raises what :func:`~typeahead.index.folder.open_index` does.

    ``options.snapshot`` is a folder with the manifest of an older generation, which is opened instead.
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
    """An index as a back end that blocks; see :class:`~typeahead.search.port.Backend`. One thread at a time."""

    def __init__(self, index: Index, *, lexical_wait: float) -> None:
        self._index = index
        self.address = str(index.folder)
        self.space = index.space
        self._lexical_wait = lexical_wait
        self._closed = False
        self._words = WordSearch(self._match)
        self.capabilities = Capabilities(lexical=True, vocabulary=self._vocabulary, prepare=self._words.prepare)

    @property
    def version(self) -> str:
        """The generation: an open index never changes."""
        return self._index.manifest.generation

    @property
    def count(self) -> int:
        """Number of documents."""
        return self._index.manifest.count

    async def candidates(self, requests: Sequence[Request], deadline: float) -> Sequence[Candidates]:
        """See :meth:`~typeahead.search.port.Backend.candidates`."""
        self._check(deadline)
        check_requests(requests, self.space.dim)
        until = min(deadline, time.monotonic() + self._lexical_wait)
        words = {row: self._words.look_up(request) for row, request in enumerate(requests) if request.text}
        found: list[dict[str, Sequence[Candidate]]] = [{} for _ in requests]
        asked = [row for row, request in enumerate(requests) if request.vector is not None]
        if asked:
            vectors = np.stack([requests[row].vector for row in asked])  # type: ignore[misc]
            depth = max(requests[row].k + requests[row].offset for row in asked)
            for row, ranking in zip(asked, self._index.rank(vectors, depth), strict=True):
                found[row][DENSE] = self._named(ranking, requests[row])
        for row, lookup in words.items():
            # A request for words alone has nothing to show without them: they have all the time there is.
            matched = lookup.wait(until if requests[row].vector is not None else deadline)
            if matched is not None:
                found[row][LEXICAL] = self._named(matched, requests[row])
        if words and not any(found):
            raise DeadlinePassed(f"{self.address} found no words in time")
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
            self._words.stop()
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
        return Evidence(passages, self._index.words.documents_with(terms), self.count)

    def _named(self, ranking: Ranking, request: Request) -> list[Candidate]:
        """Rows as candidates, as many as the request wants."""
        keys = self._keys
        return [Candidate(keys[row], score) for row, score in ranking[: request.k + request.offset]]

    def _match(self, request: Request) -> Ranking:
        return self._index.match(request.text, request.k + request.offset, Scope(request.scope))

    def _check(self, deadline: float = math.inf) -> None:
        if self._closed:
            raise BackendClosed(self.address)
        if time.monotonic() >= deadline:
            raise DeadlinePassed(f"{self.address} was asked too late")

    @cached_property
    def _keys(self) -> Sequence[Key] | _Keys:
        ids = self._index.ids()
        return list(map(Key, ids)) if len(ids) <= _MOST_KEYS else _Keys(ids)


class _Keys:
    """The keys of many documents by row, made as they are asked for."""

    def __init__(self, ids: PassageIds) -> None:
        self._ids = ids

    def __getitem__(self, row: int) -> Key:
        return Key(self._ids[row])
