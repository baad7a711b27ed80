"""The embedded back end: an index folder behind the search port (:mod:`typeahead.search.port`).

It blocks, so :func:`embed` wraps it in a thread (:mod:`typeahead.search.threads`).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Final, cast, overload

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.errors import BackendClosed, DeadlinePassed
from typeahead.index.exact import Nearest, best
from typeahead.index.folder import Index, LexicalFiles, open_index
from typeahead.index.lexical.lookup import LookedUp
from typeahead.index.manifest import Manifest
from typeahead.search.addresses import OpenOptions, folder_of
from typeahead.search.port import DENSE, LEXICAL, Backend, Candidates, Capabilities, Key, Request
from typeahead.search.ranking import check_requests
from typeahead.search.terms import Term, Words
from typeahead.search.threads import ThreadedBackend
from typeahead.text.document import Document
from typeahead.text.ids import PassageIds

#: Documents up to which a key for each is kept: 130 bytes each, and a fifth of the time to name candidates.
_MOST_KEYS: Final = 200_000
#: Documents that hold a phrase, among which the nearest may be; more are not looked at.
_MOST_ALLOWED: Final = 2000
#: The arm of a trained sparse encoder.
SPARSE: Final = "sparse"
#: How many times as many of the nearest are looked at where too many of them are left out, and how often that is done.
_WIDER: Final = 8
_WIDENINGS: Final = 2
_NO_ROWS: Final = np.zeros(0, np.int64)


async def open_embedded(address: str, options: OpenOptions) -> Backend:
    """Open the index folder of ``address``; raises what :func:`~typeahead.index.folder.open_index` does.

    ``options.snapshot`` is a folder with the manifest of an older generation, which is opened instead.
    """
    folder = folder_of(address)
    assert folder is not None
    manifest = None if options.snapshot is None else Manifest.read(Path(options.snapshot))
    lexical = cast("LexicalFiles", options.lexical)
    index = await asyncio.to_thread(open_index, folder, lexical=lexical, manifest=manifest)
    if index.manifest.warning:
        options.warn(index.manifest.warning)
    return embed(index)


def embed(index: Index) -> Backend:
    """Put an open index behind the port; closing the back end closes the index."""
    return ThreadedBackend(EmbeddedEngine(index))


class EmbeddedEngine:
    """An index as a back end that blocks; see :class:`~typeahead.search.port.Backend`. One thread at a time."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self.address = str(index.folder)
        self.space = index.space
        self._closed = False
        self._pool = ThreadPoolExecutor(1, "typeahead-words")
        self.capabilities = Capabilities(lexical=True, phrases=True, vocabulary=self._vocabulary)

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
        # Both arms leave Python for most of their time, so they work at the same time.
        matching = [self._pool.submit(self._match, request) for request in requests]
        nearest: list[Nearest | None] = [None] * len(requests)
        asked = [row for row, request in enumerate(requests) if request.vector is not None]
        if asked:
            vectors = np.stack([requests[row].vector for row in asked])  # type: ignore[misc]
            depth = max(map(_wanted, requests))
            for row, found in zip(asked, self._index.nearest(vectors, depth), strict=True):
                nearest[row] = _first(found, _wanted(requests[row]))
        return [
            self._weighed(request, those, *matched.result())
            for request, those, matched in zip(requests, nearest, matching, strict=True)
        ]

    async def fetch(self, keys: Sequence[Key], deadline: float) -> Mapping[Key, Document]:
        """See :meth:`~typeahead.search.port.Backend.fetch`."""
        self._check(deadline)
        found = {one.id: one for one in self._index.named([key.document for key in keys]).values()}
        return {key: found[key.document] for key in keys if key.document in found}

    async def close(self) -> None:
        """Close the files."""
        if not self._closed:
            self._closed = True
            self._pool.shutdown()
            self._index.close()

    async def _vocabulary(self) -> Mapping[str, int]:
        self._check()
        return self._index.lexical.vocabulary

    def _match(self, request: Request) -> tuple[LookedUp, NDArray[np.int64] | None]:
        """Look the words of a request up: its terms, and the best rows by them; None where it asks for none."""
        words = request.words
        if words is None:
            return self._index.lexical.look_up(()), None
        terms = self._index.lexical.look_up(words.terms)
        return terms, self._matching(words, terms, _wanted(request))

    def _weighed(
        self, request: Request, nearest: Nearest | None, terms: LookedUp, matching: NDArray[np.int64] | None
    ) -> Candidates:
        """Weigh what the arms found for a request: the ``nearest``, and those ``matching`` its words."""
        words, found = request.words, {}
        lexical = self._index.lexical
        if nearest is not None:
            if words is not None and (words.phrases or words.without):
                # What is nearest may lack a phrase, or hold a word that is to be left out.
                nearest = self._nearest_admitted(request, words, nearest)
            found[DENSE] = nearest.rows
        if words is not None and matching is not None:
            found[LEXICAL] = matching
            if self._index.sparse is not None:
                found[SPARSE] = self._sparse(words, _wanted(request))
        # As they were found, the nearest first.
        rows, arms = self._union(found)
        evidence = lexical.evidence(rows, terms)
        return Candidates(
            _Named(self._keys, rows.tolist()),
            arms,
            self._similarities(request.vector, rows, nearest),
            evidence.frequencies,
            evidence.weights,
            evidence.lengths,
            lexical.document_frequencies(terms),
            self._average_length,
        )

    def _union(self, found: Mapping[str, NDArray[np.int64]]) -> tuple[NDArray[np.int64], dict[str, NDArray[np.bool_]]]:
        """All rows that arms found, each once and in their order, and which of them each arm found."""
        places, every, size = self._places, [_NO_ROWS], 0
        for those in found.values():
            new = those[places[those] < 0]
            places[new] = np.arange(size, size + len(new))
            every.append(new)
            size += len(new)
        arms = {arm: np.zeros(size, np.bool_) for arm in found}
        for arm, those in found.items():
            arms[arm][places[those]] = True
        rows = np.concatenate(every)
        places[rows] = -1
        return rows, arms

    def _nearest_admitted(self, request: Request, words: Words, nearest: Nearest) -> Nearest:
        """The nearest of the rows that hold all phrases, and no word that is to be left out."""
        assert request.vector is not None
        wanted, depth = _wanted(request), len(nearest.rows)
        if words.phrases:
            # Few hold a phrase, so these are compared rather than all others left out.
            rows = np.sort(self._matching(words, (), _MOST_ALLOWED))
            scores = self._index.similarities(request.vector, rows)
            if scores is not None:
                return best(rows, scores, wanted)
        for widening in range(_WIDENINGS + 1):
            admitted = self._admits(nearest.rows, words)
            if np.count_nonzero(admitted) >= wanted or len(nearest.rows) < depth or not 0 < depth < self.count:
                break
            if widening < _WIDENINGS:
                depth = min(_WIDER * depth, self.count)
                (nearest,) = self._index.nearest(request.vector[None], depth)
        return _first(Nearest(nearest.rows[admitted], nearest.scores[admitted]), wanted)

    def _admits(self, rows: NDArray[np.int64], words: Words) -> NDArray[np.bool_]:
        """Whether each row holds all phrases, and no word that is to be left out."""
        without = [Term({form: 1.0}) for form in words.without]
        held = self._index.lexical.evidence(rows, without).frequencies
        admitted = np.logical_not(held.any(axis=(1, 2)))
        if words.phrases:
            admitted = admitted & np.isin(rows, self._matching(words, (), _MOST_ALLOWED))
        return admitted

    def _matching(self, words: Words, terms: Sequence[Term] | LookedUp, depth: int) -> NDArray[np.int64]:
        """The best rows by some terms; without any, all that phrases admit."""
        without = [Term({form: 1.0}) for form in words.without]
        rows, _ = self._index.lexical.candidates(terms, depth, words.phrases, without)
        return rows.astype(np.int64)

    def _sparse(self, words: Words, depth: int) -> NDArray[np.int64]:
        """The best rows by the weights of a sparse encoder."""
        assert self._index.sparse is not None
        rows = np.array([row for row, _ in self._index.sparse.search(words.text, depth)], np.int64)
        return rows[self._admits(rows, words)] if words.phrases or words.without else rows

    def _similarities(self, vector: Vectors | None, rows: NDArray[np.int64], nearest: Nearest | None) -> Vectors:
        """The exact similarity of each row; the nearest come first, and theirs are known."""
        similarities = np.full(len(rows), np.nan, np.float32)
        if vector is None or nearest is None:
            return similarities
        known = len(nearest.rows)
        similarities[:known] = nearest.scores
        if known < len(rows) and (scores := self._index.similarities(vector, rows[known:])) is not None:
            similarities[known:] = scores
        return similarities

    def _check(self, deadline: float = math.inf) -> None:
        if self._closed:
            raise BackendClosed(self.address)
        if time.monotonic() >= deadline:
            raise DeadlinePassed(f"{self.address} was asked too late")

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        """By row, its place among the candidates of the request that is being answered; -1 between requests."""
        return np.full(self.count, -1)

    @cached_property
    def _average_length(self) -> float:
        return float(self._index.lexical.average_lengths.sum())

    @cached_property
    def _keys(self) -> Sequence[Key] | _Keys:
        ids = self._index.ids()
        return list(map(Key, ids)) if len(ids) <= _MOST_KEYS else _Keys(ids)


def _wanted(request: Request) -> int:
    return request.k + request.offset


def _first(found: Nearest, wanted: int) -> Nearest:
    return found if len(found.rows) <= wanted else Nearest(found.rows[:wanted], found.scores[:wanted])


class _Named(Sequence[Key]):
    """The keys of some rows, looked up as they are asked for: a ranking asks for those of the best."""

    def __init__(self, keys: Sequence[Key] | _Keys, rows: list[int]) -> None:
        self._keys, self._rows = keys, rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Key: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Key]: ...

    def __getitem__(self, place: int | slice) -> Key | Sequence[Key]:
        if isinstance(place, slice):
            return _Named(self._keys, self._rows[place])
        return self._keys[self._rows[place]]


class _Keys:
    """The keys of many documents by row, made as they are asked for."""

    def __init__(self, ids: PassageIds) -> None:
        self._ids = ids

    def __getitem__(self, row: int) -> Key:
        return Key(self._ids[row])
