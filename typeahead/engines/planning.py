"""Decides what is asked of an engine for a request: by the words and fields in memory, before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from typeahead.core.encoder import Vectors
from typeahead.index.contents import Contents
from typeahead.index.lexical.lookup import LookedUp
from typeahead.search.filters import And, Filter
from typeahead.search.port import Request
from typeahead.search.space import direction
from typeahead.search.terms import Term

#: Up to so many documents that a filter or a phrase admits are compared one by one, instead of searched for.
FEW: Final = 2000
#: How many times as many of the nearest are asked for where some are left out by words.
WIDER: Final = 8


class Plan(NamedTuple):
    """What is asked of the engine for a request."""

    request: Request
    #: float32 (dim,), None to compare no vectors.
    vector: Vectors | None
    #: The terms of the request, looked up in each part of the copy.
    terms: Sequence[LookedUp]
    #: What the words found, best first; None where no words are asked for.
    matched: Sequence[str] | None
    #: The only documents that are compared; None for all that the filter admits.
    among: Sequence[str] | None
    #: How many documents there are to compare, as far as anybody knows.
    admitted: int
    #: How many rows are asked for.
    limit: int

    @property
    def wanted(self) -> int:
        """How many documents the arm of the vectors finds."""
        return self.request.k + self.request.offset


def plan(contents: Contents, request: Request, *, cosine: bool, every: int | None = None) -> Plan:
    """Plan a request. ``every`` is the number of documents, where ``contents`` have none of them."""
    words, wanted = request.words, request.k + request.offset
    vector = direction(request.vector)
    if vector is not None and not cosine:
        vector = request.vector
    if every is not None:
        return Plan(request, vector, (), None if words is None else (), None, every, wanted)
    masks = contents.masks(request.filter)
    terms = contents.look_up(words.terms if words is not None else ())
    matched = among = None
    if words is not None:
        without = [Term({form: 1.0}) for form in words.without]
        rows = contents.matching(terms, wanted, masks, words.phrases, without)
        matched = [contents.id(row) for row in rows.tolist()]
        if words.phrases:
            # Few hold a phrase.
            rows = contents.matching(contents.look_up(()), FEW, masks, words.phrases, without)
            among = [contents.id(row) for row in rows.tolist()]
    admitted = contents.admits(masks)
    if among is None and request.filter is not None and admitted <= FEW:
        among = [contents.id(row) for row in contents.live_rows(masks).tolist()]
    leaves_out = words is not None and bool(words.without)
    limit = wanted
    if contents.divided and among is None:
        # Several of the nearest passages may be those of one document.
        limit = 2 * wanted
    if leaves_out and among is None:
        limit *= WIDER
    if among is not None:
        # What a filter admits may hold words that are left out.
        admitted, limit = len(among), max(1, len(among)) if contents.divided or leaves_out else wanted
    return Plan(request, vector, terms, matched, among, admitted, limit)


def scope_and(scope: Filter | None, tree: Filter | None) -> Filter | None:
    """Join the filter of a view and that of a request."""
    both = [one for one in (scope, tree) if one is not None]
    return None if not both else both[0] if len(both) == 1 else And(tuple(both))
