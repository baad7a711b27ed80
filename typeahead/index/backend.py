"""The embedded back end: an index folder behind the search port (:mod:`typeahead.search.port`).

It blocks, so :func:`embed` wraps it in a thread (:mod:`typeahead.search.threads`).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.errors import BackendClosed, DeadlinePassed
from typeahead.index.folder import Index, LexicalFiles, open_index
from typeahead.index.manifest import Manifest
from typeahead.index.vectors import Ranking
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
_MOST_ALLOWED: Final = 10_000
#: The arm of a trained sparse encoder.
SPARSE: Final = "sparse"
#: How many times as many of the nearest are looked at, where too few hold a phrase.
_WIDER: Final = 8
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


class _Arm(NamedTuple):
    """What an arm found, best first: int64 (n,) and float32 (n,)."""

    rows: NDArray[np.int64]
    scores: Vectors


class EmbeddedEngine:
    """An index as a back end that blocks; see :class:`~typeahead.search.port.Backend`. One thread at a time."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self.address = str(index.folder)
        self.space = index.space
        self._closed = False
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
        nearest: list[_Arm | None] = [None] * len(requests)
        asked = [row for row, request in enumerate(requests) if request.vector is not None]
        if asked:
            vectors = np.stack([requests[row].vector for row in asked])  # type: ignore[misc]
            depth = max(map(_wanted, requests))
            for row, ranking in zip(asked, self._index.rank(vectors, depth), strict=True):
                nearest[row] = _arm(ranking[: _wanted(requests[row])])
        return [self._weighed(request, those) for request, those in zip(requests, nearest, strict=True)]

    async def fetch(self, ids: Sequence[str], deadline: float) -> Mapping[str, Document]:
        """See :meth:`~typeahead.search.port.Backend.fetch`."""
        self._check(deadline)
        return {document.id: document for document in self._index.named(ids).values()}

    async def close(self) -> None:
        """Close the files."""
        if not self._closed:
            self._closed = True
            self._index.close()

    async def _vocabulary(self) -> Mapping[str, int]:
        self._check()
        return self._index.lexical.vocabulary

    def _weighed(self, request: Request, nearest: _Arm | None) -> Candidates:
        """Look for the words of a request, and weigh what either arm found: the ``nearest``, and the best by words."""
        words, found = request.words, {}
        if nearest is not None:
            found[DENSE] = nearest.rows
        if words is not None:
            found[LEXICAL] = self._matching(words, _wanted(request))
            if self._index.sparse is not None:
                found[SPARSE] = _arm(self._index.sparse.search(words.text, _wanted(request))).rows
            if words.phrases or words.without:
                # What the other arms found may lack a phrase, or hold a word that is to be left out.
                if nearest is not None:
                    nearest = self._nearest_admitted(request, words, nearest)
                    found[DENSE] = nearest.rows
                if SPARSE in found:
                    found[SPARSE] = found[SPARSE][self._admits(found[SPARSE], words)]
        every = np.concatenate(list(found.values()) or [_NO_ROWS])
        rows, places = np.unique(every, return_index=True)
        # As they were found, the nearest first.
        rows = rows[np.argsort(places)]
        terms = () if words is None else words.terms
        lexical = self._index.lexical
        evidence = lexical.evidence(rows, terms)
        return Candidates(
            self._named(rows),
            {arm: np.isin(rows, those) for arm, those in found.items()},
            self._similarities(request.vector, rows, nearest),
            evidence.frequencies,
            evidence.weights,
            evidence.lengths,
            lexical.document_frequencies(terms),
            float(lexical.average_lengths.sum()),
        )

    def _nearest_admitted(self, request: Request, words: Words, nearest: _Arm) -> _Arm:
        """The nearest of the rows that hold all phrases, and no word that is to be left out."""
        assert request.vector is not None
        wanted, depth = _wanted(request), len(nearest.rows)
        while True:
            admitted = self._admits(nearest.rows, words)
            if np.count_nonzero(admitted) >= wanted or len(nearest.rows) < depth or depth >= self.count:
                return _Arm(nearest.rows[admitted][:wanted], nearest.scores[admitted][:wanted])
            depth = min(_WIDER * depth, self.count)
            nearest = _arm(self._index.rank(request.vector[None], depth)[0])

    def _admits(self, rows: NDArray[np.int64], words: Words) -> NDArray[np.bool_]:
        """Whether each row holds all phrases, and no word that is to be left out."""
        without = [Term({form: 1.0}) for form in words.without]
        held = self._index.lexical.evidence(rows, without).frequencies
        admitted: NDArray[np.bool_] = ~np.any(held, axis=(1, 2))
        if words.phrases:
            admitted &= np.isin(rows, self._matching(words._replace(terms=()), _MOST_ALLOWED))
        return admitted

    def _matching(self, words: Words, depth: int) -> NDArray[np.int64]:
        without = [Term({form: 1.0}) for form in words.without]
        rows, _ = self._index.lexical.candidates(words.terms, depth, words.phrases, without)
        return rows.astype(np.int64)

    def _similarities(self, vector: Vectors | None, rows: NDArray[np.int64], nearest: _Arm | None) -> Vectors:
        """The exact similarity of each row; those of the nearest are known."""
        similarities = np.full(len(rows), np.nan, np.float32)
        if vector is None or nearest is None:
            return similarities
        # The nearest come first.
        known = np.isin(rows, nearest.rows)
        order = np.argsort(nearest.rows)
        similarities[known] = nearest.scores[order[np.searchsorted(nearest.rows, rows[known], sorter=order)]]
        others = rows[~known]
        if len(others) and (scores := self._index.similarities(vector, others.tolist())) is not None:
            similarities[~known] = scores
        return similarities

    def _named(self, rows: NDArray[np.int64]) -> list[Key]:
        keys = self._keys
        return [keys[row] for row in rows.tolist()]

    def _check(self, deadline: float = math.inf) -> None:
        if self._closed:
            raise BackendClosed(self.address)
        if time.monotonic() >= deadline:
            raise DeadlinePassed(f"{self.address} was asked too late")

    @cached_property
    def _keys(self) -> Sequence[Key] | _Keys:
        ids = self._index.ids()
        return list(map(Key, ids)) if len(ids) <= _MOST_KEYS else _Keys(ids)


def _wanted(request: Request) -> int:
    return request.k + request.offset


def _arm(ranking: Ranking) -> _Arm:
    rows, scores = zip(*ranking, strict=True) if ranking else ((), ())
    return _Arm(np.array(rows, np.int64), np.array(scores, np.float32))


class _Keys:
    """The keys of many documents by row, made as they are asked for."""

    def __init__(self, ids: PassageIds) -> None:
        self._ids = ids

    def __getitem__(self, row: int) -> Key:
        return Key(self._ids[row])
