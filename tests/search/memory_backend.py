"""A back end that keeps everything in memory, written from ``docs/adding-a-back-end.md`` alone."""

import time
from collections import Counter
from collections.abc import Sequence

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.errors import BackendClosed, DeadlinePassed
from typeahead.search import addresses, filters, ranking, space, terms
from typeahead.search.port import DENSE, LEXICAL, Candidate, Capabilities, Evidence, Key, Passage, Request
from typeahead.text.document import Document


class MemoryBackend:
    """Documents and their vectors, compared by cosine; the score of words is how often they occur."""

    def __init__(self, documents: Sequence[Document], vectors: Vectors, address: str = "memory://") -> None:
        self.address, self.version, self._closed = address, "0", False
        self.space = space.Space("memory", None, vectors.shape[1], "cosine")
        self.capabilities = Capabilities(True, filters.KINDS, self.vocabulary, writes=self)
        self._held = {d.id: (d, space.direction(vector)) for d, vector in zip(documents, vectors, strict=True)}

    @property
    def count(self) -> int:
        """The number of documents."""
        return len(self._held)

    async def candidates(self, requests: Sequence[Request], deadline: float) -> list[dict[str, list[Candidate]]]:
        """Find the best documents of each arm by looking at all of them."""
        self._check(deadline)
        ranking.check_requests(requests, self.space.dim)
        return [self._find(request) for request in requests]

    async def evidence(
        self, keys: Sequence[Sequence[Key]], requests: Sequence[Request], deadline: float
    ) -> list[Evidence]:
        """Weigh the documents that are asked for, and count the terms in all."""
        self._check(deadline)
        weighed = [(asked, self._weigh(r), terms.query_terms(r.text)) for asked, r in zip(keys, requests, strict=True)]
        return [
            Evidence({k: held[k] for k in asked if k in held}, terms.document_frequencies(held, found), len(held))
            for asked, held, found in weighed
        ]

    async def fetch(self, ids: Sequence[str], deadline: float) -> dict[str, Document]:
        """Return those documents that are there."""
        self._check(deadline)
        return {i: self._held[i][0] for i in ids if i in self._held}

    async def close(self) -> None:
        """Refuse all further calls."""
        self._closed = True

    async def vocabulary(self) -> dict[str, int]:
        """Count the documents that hold each word."""
        self._check()
        return Counter(word for d, _ in self._held.values() for word in {*terms.words(d.title), *terms.words(d.text)})

    async def upsert(self, documents: Sequence[Document], vectors: Vectors) -> None:
        """Add documents, or replace those of the same id."""
        self._check()
        self._held |= {d.id: (d, space.direction(vector)) for d, vector in zip(documents, vectors, strict=True)}
        self.version = str(int(self.version) + bool(documents))

    async def delete(self, ids: Sequence[str]) -> int:
        """Remove documents, and return how many were there."""
        self._check()
        gone = [self._held.pop(i) for i in ids if i in self._held]
        self.version = str(int(self.version) + bool(gone))
        return len(gone)

    def _check(self, deadline: float = float("inf")) -> None:
        if self._closed or time.monotonic() >= deadline:
            raise BackendClosed(self.address) if self._closed else DeadlinePassed(f"{self.address} is late")

    def _weigh(self, request: Request) -> dict[Key, Passage]:
        asked, q = terms.query_terms(request.text), space.direction(request.vector)
        return {
            Key(i): terms.weigh(d, asked, None if q is None or v is None else float(v @ q))
            for i, (d, v) in self._held.items()
        }

    def _find(self, request: Request) -> dict[str, list[Candidate]]:
        best, asked = request.offset + request.k, {DENSE: request.vector is not None, LEXICAL: request.text}
        arms: dict[str, list[Candidate]] = {arm: [] for arm in asked if asked[arm]}
        for key, passage in self._weigh(request).items():
            if request.filter is None or filters.matches(request.filter, self._held[key.document][0]):
                if passage.similarity is not None:
                    arms[DENSE].append(Candidate(key, passage.similarity))
                if score := sum(sum(counts.values()) for counts in passage.frequencies.values()):
                    arms[LEXICAL].append(Candidate(key, score))
        return {arm: sorted(found, key=lambda c: (-c.score, c.key))[:best] for arm, found in arms.items()}


async def open_memory(address: str, _options: addresses.OpenOptions) -> MemoryBackend:
    """Open an empty back end for vectors of 16 numbers."""
    return MemoryBackend([], np.zeros((0, 16), np.float32), address)
