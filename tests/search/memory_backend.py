"""A back end that keeps everything in memory, written from ``docs/adding-a-back-end.md`` alone."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.errors import BackendClosed, DeadlinePassed, FieldTypeError
from typeahead.search import addresses, filters, ranking, space, terms
from typeahead.search.port import DENSE, LEXICAL, Candidates, Capabilities, Entry, Key, Request
from typeahead.text.document import Document, Passage, Value


class MemoryBackend:
    """Documents and their vectors, compared by cosine. Its lexical arm finds those that hold most words."""

    def __init__(self, documents: Sequence[Document], vectors: Vectors, address: str = "memory://") -> None:
        self.address, self._version, self._closed = address, 0, False
        self.space = space.Space("memory", None, vectors.shape[1], "cosine")
        self._tree: filters.Filter = filters.And(())
        self._all = {d.id: Entry(d, (Passage(d.text),), v[None]) for d, v in zip(documents, vectors, strict=True)}
        self.capabilities = Capabilities(True, True, filters.KINDS, self.vocabulary, writes=self)
        self.capabilities = replace(
            self.capabilities, documents=self.documents, fields=self.kinds, facets=self.facets, scoped=self.scoped
        )

    @property
    def divides(self) -> bool:
        """Long documents may come in passages."""
        return True

    @property
    def _held(self) -> dict[str, Entry]:
        return {i: entry for i, entry in self._all.items() if filters.matches(self._tree, entry.document)}

    @property
    def version(self) -> str:
        """Counts the changes; a view has a digest of what it holds, as others' changes are none of its business."""
        held = self._held.values()
        whole = self._tree == filters.And(())
        return str(self._version if whole else crc32(repr([(e[:2], e.vectors.tobytes()) for e in held]).encode()))

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
        """Return those documents that are there, each with the text and the URL of one passage."""
        self._check(deadline)
        return {key: _shown(self._held[key.document], key.passage) for key in keys if key.document in self._held}

    async def close(self) -> None:
        """Refuse all further calls."""
        self._closed = True

    async def vocabulary(self) -> Counter[str]:
        """Count the documents that hold each form."""
        self._check()
        return Counter(form for entry in self._held.values() for form in set(_forms(entry.document)))

    async def documents(self, ids: Sequence[str]) -> dict[str, Document]:
        """Return the whole documents."""
        self._check()
        return {i: self._held[i].document for i in ids if i in self._held}

    async def kinds(self) -> dict[str, str]:
        """Return the kind of value of each field."""
        self._check()
        values = [(name, v) for e in self._held.values() for name in e.document.fields for v in _values(e, name)]
        return {name: {bool: "truth", str: "text"}.get(type(value), "number") for name, value in values}

    async def facets(self, tree: filters.Filter | None, names: Sequence[str]) -> dict[str, Counter[Value]]:
        """Count the values of fields."""
        self._check()
        passing = [e for e in self._held.values() if tree is None or filters.matches(tree, e.document)]
        return {name: Counter(value for e in passing for value in _values(e, name)) for name in names}

    async def scoped(self, tree: filters.Filter) -> "MemoryBackend":
        """Make a view, which looks at the same documents each time it is asked."""
        self._check()
        view = MemoryBackend([], np.zeros((0, self.space.dim), np.float32), self.address)
        view._tree, view._all = filters.And((self._tree, tree)), self._all
        view.capabilities = replace(view.capabilities, writes=None)
        return view

    async def upsert(self, entries: Sequence[Entry]) -> int:
        """Add documents, or replace those of the same id."""
        self._check()
        kinds = await self.kinds()
        for entry in entries:
            for name, kind in (await MemoryBackend([entry.document], entry.vectors[:1]).kinds()).items():
                if kinds.setdefault(name, kind) != kind:
                    raise FieldTypeError(f"{entry.document.id}: {name} must be {kinds[name]}, as it is elsewhere")
        self._all.update((entry.document.id, entry) for entry in entries)
        self._version += bool(entries)
        return self._version

    async def delete(self, ids: Sequence[str]) -> tuple[int, int]:
        """Remove documents, and return how many were there, and the version."""
        self._check()
        gone = [self._all.pop(i) for i in ids if i in self._all]
        self._version += bool(gone)
        return len(gone), self._version

    async def matching(self, tree: filters.Filter, most: int) -> list[str]:
        """Return the ids of the documents that pass."""
        self._check()
        return [i for i, entry in self._held.items() if filters.matches(tree, entry.document)][:most]

    def _check(self, deadline: float = float("inf")) -> None:
        if self._closed or time.monotonic() >= deadline:
            raise BackendClosed(self.address) if self._closed else DeadlinePassed(f"{self.address} is late")

    def _find(self, request: Request, counts: Counter[str]) -> Candidates:
        words, tree = request.words or terms.Words(()), request.filter or filters.And(())
        entries = [e for e in self._held.values() if filters.matches(tree, e[0]) and terms.admits(e[0], words)]
        frequencies, weights, lengths = terms.weigh([e.document for e in entries], words.terms)
        best = [_nearest(entry, space.direction(request.vector)) for entry in entries]
        similarities = np.array([similarity for similarity, _ in best], np.float32)
        scores, most = (frequencies * weights).sum(axis=(1, 2)), request.k + request.offset
        arms = {} if request.vector is None else {DENSE: _best(similarities, most)}
        arms |= {} if request.words is None else {LEXICAL: _best(np.where(scores, scores, np.nan), most)}
        rows = np.flatnonzero(np.any([*arms.values()], axis=0))
        keys = [Key(entries[row].document.id, best[row][1]) for row in rows]
        document_frequencies = terms.document_frequencies(counts, self.count, words.terms)
        average = sum(len(_forms(entry.document)) for entry in self._held.values()) / max(1, self.count)
        evidence = similarities[rows], frequencies[rows], weights[rows], lengths[rows]
        facets = {name: Counter(v for row in rows for v in _values(entries[row], name)) for name in request.facets}
        arms = {arm: found[rows] for arm, found in arms.items()}
        return Candidates(keys, arms, *evidence, document_frequencies, average, facets)


def _shown(entry: Entry, number: int) -> Document:
    # A document that was replaced meanwhile may have fewer passages.
    passage = entry.passages[min(number, len(entry.passages) - 1)]
    url = entry.document.url + (f"#{passage.anchor}" if passage.anchor else "")
    return replace(entry.document, text=passage.text, url=url)


def _nearest(entry: Entry, query: Vectors | None) -> tuple[float, int]:
    vectors = [space.direction(vector) for vector in entry.vectors]
    found = [np.nan if query is None or vector is None else float(vector @ query) for vector in vectors]
    number = max(range(len(found)), key=lambda row: -2 if np.isnan(found[row]) else found[row])
    return found[number], number


def _values(entry: Entry, name: str) -> set[Value]:
    values = entry.document.fields.get(name, ())
    return {values} if isinstance(values, str | int | float) else set(values)


def _forms(document: Document) -> list[str]:
    return [*terms.forms(document.title), *terms.forms(document.text)]


def _best(scores: Vectors, most: int) -> NDArray[np.bool_]:
    return np.isin(np.arange(len(scores)), np.argsort(-scores, kind="stable")[:most]) & ~np.isnan(scores)


async def open_memory(address: str, _options: addresses.OpenOptions) -> MemoryBackend:
    """Open an empty back end for vectors of 16 numbers."""
    return MemoryBackend([], np.zeros((0, 16), np.float32), address)
