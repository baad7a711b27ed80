"""The one ranking above all back ends: from candidates to hits.

A back end finds; here scores are made, passages collapse to documents and copies to one hit, and offset and k cut the
list. Everything that shows results goes through :func:`find`: the server, the terminal, the measurements.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import compress
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.search.copies import SPARE, Collapse, Ranked, Row
from typeahead.search.fields import check_kinds
from typeahead.search.port import Backend, Candidates, Key, Request
from typeahead.search.scoring import UNCALIBRATED, Scale, score
from typeahead.text.document import Value, Values

#: Candidates of each arm, at least. The best by both arms together may be some way down the list of either.
DEPTH: Final = 100
#: How often twice as many candidates are asked for, where many of them are passages of the same documents, or copies.
_DOUBLINGS: Final = 4


class Hit(NamedTuple):
    """A document that was found, by its best passage.

    A tuple, as thousands are made a second: a frozen dataclass takes three times as long.
    """

    id: str
    #: From 0 to 1, with the same meaning from query to query.
    score: float
    title: str
    text: str
    url: str
    #: The arms that found it.
    arms: tuple[str, ...] = ()
    #: How many documents with this title and text were found; the others are no hits of their own.
    copies: int = 1
    #: The name of its index, where several were searched together.
    index_name: str = ""
    #: The fields of the document.
    fields: Mapping[str, Values] = MappingProxyType({})


class Found(NamedTuple):
    """What one request found."""

    #: Best first.
    hits: list[Hit]
    #: The version of the documents that were searched.
    version: str
    #: Whether even the best hit is poor: it is no better than what texts without meaning find.
    weak: bool = False
    #: By field of :attr:`~typeahead.search.port.Request.facets`: its values, and how many documents have each. None
    #: where the back end does not count.
    facets: Mapping[str, Mapping[Value, int]] | None = None
    #: Whether hits may be missing, because a part of the documents could not be searched in time.
    partial: bool = False


async def find(
    backend: Backend,
    requests: Sequence[Request],
    deadline: float,
    scale: Scale = UNCALIBRATED,
    *,
    whole: bool = False,
) -> list[Found]:
    """Search for each request, and return its hits from ``offset`` on, ``k`` at most; ``whole``, from the first one on.

    ``scale`` is what similarities and scores mean in this index. ``deadline`` is in seconds of :func:`time.monotonic`.
    Raises ``ValueError`` for a request that makes no sense, :class:`~typeahead.errors.UnsupportedFilter` for a filter
    that the back end cannot apply, :class:`~typeahead.errors.DeadlinePassed`, and what the back end raises.
    """
    check_requests(requests, backend.space.dim)
    for request in requests:
        if request.filter is not None:
            check_kinds(request.filter, backend)
    version, documents = backend.version, backend.count
    rows: list[list[Row]] = [[] for _ in requests]
    collapse = Collapse(backend, deadline)
    # A text without a token has no embedding, and one without a word asks for none.
    left = [row for row, request in enumerate(requests) if request.vector is not None or request.words is not None]
    facets = await _all_facets(backend, requests, set(range(len(requests))) - set(left))
    layers: list[list[tuple[Candidates, Vectors]]] = [[] for _ in requests]
    wider = 1
    while left:
        asked = [replace(requests[row], k=_depth(requests[row], wider), offset=0) for row in left]
        found = await backend.candidates(asked, deadline)
        ranked, wanted, full = [], [], []
        for row, request, candidates in zip(left, asked, found, strict=True):
            wanted.append(requests[row].k + requests[row].offset)
            most = wider * wanted[-1] + SPARE
            layers[row].append((candidates, score(candidates, documents, scale)))
            ranked.append(_ranked(layers[row], most))
            if request.facets and request.facets[0] in candidates.facets:
                facets[row] = candidates.facets
            arms = candidates.arms.values()
            full.append(len(ranked[-1]) == most or any(np.count_nonzero(arm) >= request.k for arm in arms))
        again = []
        for row, most, more, made in zip(left, wanted, full, await collapse.rows(ranked, wanted), strict=True):
            rows[row] = made
            if len(made) < most and more and _depth(requests[row], wider) < max(most, DEPTH) << _DOUBLINGS:
                again.append(row)
        left, wider = again, 2 * wider
    found_all = [
        _found(made, 0 if whole else request.offset, request, version, scale, facets.get(row))
        for row, (made, request) in enumerate(zip(rows, requests, strict=True))
    ]
    partial = [collapse.incomplete or any(one.partial for one, _ in made) for made in layers]
    return [one._replace(partial=True) if less else one for one, less in zip(found_all, partial, strict=True)]


async def _all_facets(
    backend: Backend, requests: Sequence[Request], empty: set[int]
) -> dict[int, Mapping[str, Mapping[Value, int]]]:
    """The facets of requests that ask for nothing: those of all documents that their filters admit."""
    count = backend.capabilities.facets
    return {
        row: await count(requests[row].filter, requests[row].facets)
        for row in empty
        if count is not None and requests[row].facets
    }


def _found(
    rows: Sequence[Row],
    first: int,
    request: Request,
    version: str,
    scale: Scale,
    facets: Mapping[str, Mapping[Value, int]] | None,
) -> Found:
    hits = [
        Hit(one.id, scale.unit(ranked.score), one.title, one.text, one.url, ranked.arms, copies, fields=one.fields)
        for one, ranked, copies in rows[first : request.offset + request.k]
    ]
    return Found(hits, version, bool(rows) and scale.unit(rows[0].ranked.score) < scale.weak, facets)


def _depth(request: Request, wider: int) -> int:
    # The offset does not count: all pages of a list begin with the same candidates, so they agree on its order.
    return wider * max(request.k, DEPTH)


def _ranked(layers: Sequence[tuple[Candidates, Vectors]], most: int) -> list[Ranked]:
    """The best passage of each of the ``most`` best documents; of equal scores the earlier candidate comes first.

    What the first search found stands before what only a wider one found, with whatever score, so that the first pages
    stay as they are when somebody asks for further ones.
    """
    ranked: list[Ranked] = []
    seen: set[str] = set()
    for found, scores in layers:
        ranked += _layer(found, scores, most - len(ranked), seen)
        if len(ranked) == most:
            break
        seen.update(one.key.document for one in ranked)
    return ranked


def _layer(found: Candidates, scores: Vectors, most: int, seen: Collection[str]) -> list[Ranked]:
    best: dict[str, tuple[Key, int]] = {}
    for row in np.argsort(-scores, kind="stable").tolist():
        key = found.keys[row]
        if key.document not in seen and key.document not in best:
            best[key.document] = key, row
            if len(best) == most:
                break
    rows = [row for _, row in best.values()]
    masks = [mask[rows].tolist() for mask in found.arms.values()]
    names = tuple(found.arms)
    return [
        Ranked(key, value, tuple(compress(names, held)))
        for (key, _), value, *held in zip(best.values(), scores[rows].tolist(), *masks, strict=True)
    ]


def check_requests(requests: Sequence[Request], dim: int) -> None:
    """Raise ``ValueError`` for a request that no back end can answer."""
    for request in requests:
        if request.k < 1 or request.offset < 0:
            raise ValueError(f"k is {request.k} and offset {request.offset}: they must be at least 1 and 0")
        if request.vector is not None and request.vector.shape != (dim,):
            raise ValueError(f"a vector has the shape {request.vector.shape}, it must be ({dim},)")
