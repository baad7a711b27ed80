"""Finds and weighs candidates in the contents of an index: what a back end does, without threads or files.

Everything here blocks, so :mod:`typeahead.index.backend` puts a thread round it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import starmap
from typing import Final, NamedTuple, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.errors import BackendClosed, DeadlinePassed
from typeahead.index.contents import NOTHING_NEAR, Contents, Masks, Near
from typeahead.index.lexical.lookup import LookedUp
from typeahead.index.showing import best_passage, held_together
from typeahead.index.sparse import SparseWords
from typeahead.search.filters import KINDS, Filter
from typeahead.search.port import DENSE, LEXICAL, Candidates, Capabilities, Key, Request
from typeahead.search.ranking import check_requests
from typeahead.search.space import Space
from typeahead.search.terms import Term, Words
from typeahead.search.vocabulary import Vocabulary
from typeahead.text.document import Document, Value

#: Documents that hold a phrase, among which the nearest may be; more are not looked at.
_MOST_ALLOWED: Final = 2000
#: The arm of a trained sparse encoder.
SPARSE: Final = "sparse"
#: Rows from which on both arms work at the same time. With fewer, the threads wait for each other as long as they save,
#: and take more of the processor.
_SIDE_BY_SIDE: Final = 200_000
#: How many times as many of the nearest are looked at where too many of them are left out, and how often that is done.
_WIDER: Final = 8
_WIDENINGS: Final = 2
_NO_ROWS: Final = np.zeros(0, np.int64)


class Source(Protocol):
    """What an engine searches: an index that may change, or a view of one."""

    #: The address that it was opened by.
    address: str

    @property
    def space(self) -> Space:
        """The embedding space of the vectors."""

    @property
    def sparse(self) -> SparseWords | None:
        """The token weights of a sparse encoder, of the documents of the first part; None without any."""

    @property
    def contents(self) -> Contents:
        """The contents as they are now."""

    @property
    def version(self) -> str:
        """Names the contents as they are now."""

    def close(self) -> None:
        """Give up files."""


class _Matched(NamedTuple):
    """What the words of a request found: its terms in each part, and the best rows; None where it asks for none."""

    terms: Sequence[LookedUp]
    rows: NDArray[np.int64] | None


class EmbeddedEngine:
    """An index as a back end that blocks; see :class:`~typeahead.search.port.Backend`. One thread at a time."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.address = source.address
        self.space = source.space
        self._closed = False
        self._pool = ThreadPoolExecutor(1, "typeahead-words")
        #: By row, its place among the candidates of the request that is being answered; -1 between requests.
        self._places = np.full(0, -1)
        self.capabilities = Capabilities(
            lexical=True,
            phrases=True,
            filters=KINDS,
            vocabulary=self._vocabulary,
            documents=self._documents,
            fields=self._fields,
            facets=self._facets,
        )

    @property
    def version(self) -> str:
        """Names the present state of the documents."""
        return self._source.version

    @property
    def count(self) -> int:
        """Number of documents."""
        return self._source.contents.count

    async def candidates(self, requests: Sequence[Request], deadline: float) -> Sequence[Candidates]:
        """See :meth:`~typeahead.search.port.Backend.candidates`."""
        self._check(deadline)
        check_requests(requests, self.space.dim)
        contents = self._source.contents
        masks = [contents.masks(request.filter) for request in requests]
        # Zeros have no direction, and find nothing.
        asked = [None if one.vector is None or not one.vector.any() else one.vector for one in requests]
        match = partial(self._match, contents)
        arms = zip(masks, requests, strict=True)
        if contents.rows < _SIDE_BY_SIDE:
            matching = list(starmap(match, arms))
            nearest = self._nearest(contents, masks, asked, requests)
        else:
            # Both arms leave Python for most of their time.
            begun = [self._pool.submit(match, *one) for one in arms]
            nearest = self._nearest(contents, masks, asked, requests)
            matching = [one.result() for one in begun]
        return [
            self._weighed(contents, mask, request, vector, near, matched)
            for mask, request, vector, near, matched in zip(masks, requests, asked, nearest, matching, strict=True)
        ]

    async def fetch(self, keys: Sequence[Key], deadline: float) -> Mapping[Key, Document]:
        """See :meth:`~typeahead.search.port.Backend.fetch`."""
        self._check(deadline)
        contents = self._source.contents
        rows = contents.find([key.document for key in keys])
        there = [key for key in keys if key.document in rows]
        shown = contents.shown([rows[key.document] for key in there], [key.passage for key in there])
        return dict(zip(there, shown, strict=True))

    async def close(self) -> None:
        """Close the files."""
        if not self._closed:
            self._closed = True
            self._pool.shutdown()
            self._source.close()

    async def _vocabulary(self) -> Mapping[str, int]:
        self._check()
        return vocabulary(self._source.contents)

    async def _documents(self, ids: Sequence[str]) -> Mapping[str, Document]:
        self._check()
        contents = self._source.contents
        rows = contents.find(ids)
        return dict(zip(rows, contents.documents(list(rows.values())), strict=True))

    async def _fields(self) -> Mapping[str, str]:
        self._check()
        return self._source.contents.kinds

    async def _facets(self, tree: Filter | None, names: Sequence[str]) -> Mapping[str, Mapping[Value, int]]:
        self._check()
        contents = self._source.contents
        masks = contents.masks(tree)
        return {name: contents.counts(name, masks) for name in names}

    def _nearest(
        self, contents: Contents, masks: Sequence[Masks], asked: Sequence[Vectors | None], requests: Sequence[Request]
    ) -> list[Near]:
        """The documents near each request. Those of one filter are searched for together."""
        nearest = [NOTHING_NEAR] * len(requests)
        together: dict[int, list[int]] = {}
        for row, vector in enumerate(asked):
            if vector is not None:
                together.setdefault(id(masks[row]), []).append(row)
        for rows in together.values():
            vectors = np.stack([asked[row] for row in rows])  # type: ignore[misc]
            depth = max(_wanted(requests[row]) for row in rows)
            for row, found in zip(rows, contents.nearest(vectors, depth, masks[rows[0]]), strict=True):
                nearest[row] = _first(found, _wanted(requests[row]))
        return nearest

    def _match(self, contents: Contents, masks: Masks, request: Request) -> _Matched:
        """Look the words of a request up, and find the best rows by them."""
        words = request.words
        if words is None:
            return _Matched(contents.look_up(()), None)
        terms = contents.look_up(words.terms)
        return _Matched(terms, contents.matching(terms, _wanted(request), masks, words.phrases, _terms(words.without)))

    def _weighed(
        self,
        contents: Contents,
        masks: Masks,
        request: Request,
        vector: Vectors | None,
        near: Near,
        matched: _Matched,
    ) -> Candidates:
        """Weigh what the arms found for a request: what is ``near``, and what matches its words."""
        words, found = request.words, {}
        if request.vector is not None:
            if vector is not None and words is not None and (words.phrases or words.without):
                # What is nearest may lack a phrase, or hold a word that is to be left out.
                near = self._near_admitted(contents, masks, request, vector, near)
            found[DENSE] = near.rows
        if words is not None and matched.rows is not None:
            found[LEXICAL] = matched.rows
            if self._source.sparse is not None:
                found[SPARSE] = self._sparse(contents, masks, words, _wanted(request))
        # As they were found, the nearest first.
        rows, arms = self._union(contents.rows, found)
        evidence = contents.evidence(rows, matched.terms)
        return Candidates(
            _Named(contents, rows, vector, matched.terms),
            arms,
            _similarities(contents, vector, rows, near),
            evidence.frequencies,
            evidence.weights,
            evidence.lengths,
            contents.document_frequencies(matched.terms),
            contents.average_length,
            {name: contents.counts_among(name, rows) for name in request.facets},
            held_together(contents, rows, matched.terms, evidence),
        )

    def _union(
        self, count: int, found: Mapping[str, NDArray[np.int64]]
    ) -> tuple[NDArray[np.int64], dict[str, NDArray[np.bool_]]]:
        """All rows that arms found, each once and in their order, and which of them each arm found."""
        if len(self._places) < count:
            self._places = np.full(count + count // 8, -1)
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

    def _near_admitted(self, contents: Contents, masks: Masks, request: Request, vector: Vectors, near: Near) -> Near:
        """What is nearest of the documents that hold all phrases, and no word that is to be left out."""
        words, wanted = request.words, _wanted(request)
        assert words is not None
        if words.phrases:
            # Few hold a phrase, so these are compared rather than all others left out.
            rows = contents.matching(contents.look_up(()), _MOST_ALLOWED, masks, words.phrases, _terms(words.without))
            (near,) = contents.nearest(vector[None], wanted, contents.only(rows, masks))
            return near
        depth, every = len(near.rows), contents.admits(masks)
        for widening in range(_WIDENINGS + 1):
            without = contents.look_up(_terms(words.without))
            admitted = np.logical_not(contents.evidence(near.rows, without).frequencies.any(axis=(1, 2)))
            if np.count_nonzero(admitted) >= wanted or len(near.rows) < depth or not 0 < depth < every:
                break
            if widening < _WIDENINGS:
                depth = min(_WIDER * depth, every)
                (near,) = contents.nearest(vector[None], depth, masks)
        return _first(Near(near.rows[admitted], near.scores[admitted]), wanted)

    def _sparse(self, contents: Contents, masks: Masks, words: Words, depth: int) -> NDArray[np.int64]:
        """The best rows of the first part by the weights of a sparse encoder."""
        assert self._source.sparse is not None
        rows = np.array([row for row, _ in self._source.sparse.search(words.text, depth)], np.int64)
        if (mask := masks.documents[0]) is not None:
            rows = rows[mask[rows]]
        if words.phrases or words.without:
            terms = contents.look_up(())
            admitted = contents.matching(terms, _MOST_ALLOWED, masks, words.phrases, _terms(words.without))
            held = contents.evidence(rows, contents.look_up(_terms(words.without))).frequencies.any(axis=(1, 2))
            rows = rows[np.isin(rows, admitted)] if words.phrases else rows[~held]
        return rows

    def _check(self, deadline: float = math.inf) -> None:
        if self._closed:
            raise BackendClosed(self.address)
        if time.monotonic() >= deadline:
            raise DeadlinePassed(f"{self.address} was asked too late")


def vocabulary(contents: Contents) -> Vocabulary:
    """Count how many documents hold each form."""
    words = [one.vocabulary for one in contents.words]
    if len(words) == 1:
        return words[0]
    counts: dict[str, int] = {}
    for one in words:
        for form, number in one.items():
            counts[form] = counts.get(form, 0) + number
    return Vocabulary.of(counts)


def _terms(forms: Sequence[str]) -> list[Term]:
    return [Term({form: 1.0}) for form in forms]


def _similarities(contents: Contents, vector: Vectors | None, rows: NDArray[np.int64], near: Near) -> Vectors:
    """The exact similarity of each row; the nearest come first, and theirs are known."""
    similarities = np.full(len(rows), np.nan, np.float32)
    if vector is not None:
        known = len(near.rows)
        similarities[:known] = near.scores
        if known < len(rows):
            similarities[known:] = contents.similarities(vector, rows[known:])
    return similarities


def _wanted(request: Request) -> int:
    return request.k + request.offset


def _first(found: Near, wanted: int) -> Near:
    return found if len(found.rows) <= wanted else Near(found.rows[:wanted], found.scores[:wanted])


class _Named(Sequence[Key]):
    """The keys of some rows, made as they are asked for: a ranking asks for those of the best."""

    def __init__(
        self, contents: Contents, rows: NDArray[np.int64], vector: Vectors | None, terms: Sequence[LookedUp]
    ) -> None:
        contents.read_ids()
        self._contents, self._rows = contents, rows.tolist()
        self._vector, self._terms = vector, terms
        self._keys: dict[int, Key] = {}

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Key: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Key]: ...

    def __getitem__(self, place: int | slice) -> Key | Sequence[Key]:
        if isinstance(place, slice):
            return [self._key(row) for row in self._rows[place]]
        return self._key(self._rows[place])

    def _key(self, row: int) -> Key:
        if (key := self._keys.get(row)) is None:
            contents = self._contents
            passage = best_passage(contents, row, self._vector, self._terms) if contents.divided else 0
            key = self._keys[row] = Key(contents.id(row), passage)
        return key
