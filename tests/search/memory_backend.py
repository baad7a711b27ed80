"""A back end that keeps everything in memory, written from ``docs/adding-a-back-end.md`` alone."""

import time
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.errors import BackendClosed, DeadlinePassed
from typeahead.search import addresses, filters, ranking, space, terms
from typeahead.search.port import DENSE, LEXICAL, Candidates, Capabilities, Entry, Key, Request
from typeahead.text.document import Document


class MemoryBackend:
    """Documents and their vectors, compared by cosine. Its lexical arm finds those that hold most words."""

    def __init__(self, documents: Sequence[Document], vectors: Vectors, address: str = "memory://") -> None:
        self.address, self.version, self._closed = address, "0", False
        self.space = space.Space("memory", None, vectors.shape[1], "cosine")
        self.capabilities = Capabilities(True, True, filters.KINDS, self.vocabulary, writes=self)
        self._held = _hold(documents, vectors)

    @property
    def count(self) -> int:
        """Number of documents."""
        return len(self._held)

    async def candidates(self, requests: Sequence[Request], deadline: float) -> list[Candidates]:
        """Find the best documents of each arm by looking at all of them."""
        self._check(deadline)
        ranking.check_requests(requests, self.space.dim)
        return [self._find(request, await self.vocabulary()) for request in requests]

    async def fetch(self, keys: Sequence[Key], deadline: float) -> dict[Key, Document]:
        """Return those documents that are there."""
        self._check(deadline)
        return {key: self._held[key.document][0] for key in keys if key.document in self._held}

    async def close(self) -> None:
        """Refuse all further calls."""
        self._closed = True

    async def vocabulary(self) -> Counter[str]:
        """Count the documents that hold each form."""
        self._check()
        return Counter(form for document, _ in self._held.values() for form in set(_forms(document)))

    async def upsert(self, entries: Sequence[Entry]) -> int:
        """Add documents, or replace those of the same id."""
        self._check()
        for document, _, vectors in entries:
            self._held |= _hold([document], vectors)
        self.version = str(int(self.version) + bool(entries))
        return int(self.version)

    async def delete(self, ids: Sequence[str]) -> tuple[int, int]:
        """Remove documents, and return how many were there, and the version."""
        self._check()
        gone = [self._held.pop(i) for i in ids if i in self._held]
        self.version = str(int(self.version) + bool(gone))
        return len(gone), int(self.version)

    async def matching(self, tree: filters.Filter, most: int) -> list[str]:
        """Return the ids of the documents that pass."""
        return [i for i, (document, _) in self._held.items() if filters.matches(tree, document)][:most]

    async def kinds(self) -> dict[str, str]:
        """Say nothing of fields: any value will do."""
        return {}

    def _check(self, deadline: float = float("inf")) -> None:
        if self._closed or time.monotonic() >= deadline:
            raise BackendClosed(self.address) if self._closed else DeadlinePassed(f"{self.address} is late")

    def _find(self, request: Request, counts: Counter[str]) -> Candidates:
        words, tree = request.words or terms.Words(()), request.filter or filters.And(())
        held = [d for d, _ in self._held.values() if filters.matches(tree, d) and terms.admits(d, words)]
        frequencies, weights, lengths = terms.weigh(held, words.terms)
        q, vectors = space.direction(request.vector), [self._held[d.id][1] for d in held]
        similarities = np.array([np.nan if q is None or v is None else v @ q for v in vectors], np.float32)
        scores, best = (frequencies * weights).sum(axis=(1, 2)), request.k + request.offset
        arms = {} if request.vector is None else {DENSE: _best(similarities, best)}
        arms |= {} if request.words is None else {LEXICAL: _best(np.where(scores, scores, np.nan), best)}
        rows = np.flatnonzero(np.any([*arms.values()], axis=0))
        keys, arms = [Key(held[row].id) for row in rows], {arm: found[rows] for arm, found in arms.items()}
        document_frequencies = terms.document_frequencies(counts, self.count, words.terms)
        average = sum(len(_forms(d)) for d, _ in self._held.values()) / max(1, self.count)
        evidence = similarities[rows], frequencies[rows], weights[rows], lengths[rows]
        return Candidates(keys, arms, *evidence, document_frequencies, average)


def _hold(documents: Sequence[Document], vectors: Vectors) -> dict[str, tuple[Document, Vectors | None]]:
    return {d.id: (d, space.direction(vector)) for d, vector in zip(documents, vectors, strict=True)}


def _forms(document: Document) -> list[str]:
    return [*terms.forms(document.title), *terms.forms(document.text)]


def _best(scores: Vectors, most: int) -> NDArray[np.bool_]:
    return np.isin(np.arange(len(scores)), np.argsort(-scores, kind="stable")[:most]) & ~np.isnan(scores)


async def open_memory(address: str, _options: addresses.OpenOptions) -> MemoryBackend:
    """Open an empty back end for vectors of 16 numbers."""
    return MemoryBackend([], np.zeros((0, 16), np.float32), address)
