"""The one ranking above all back ends: from candidates to hits.

A back end finds; here scores are made, passages collapse to documents and copies to one hit, and offset and k cut the
list. Everything that shows results goes through :func:`find`: the server, the terminal, the measurements.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from typeahead.errors import UnsupportedFilter
from typeahead.search.copies import SPARE, Collapse, Row
from typeahead.search.filters import kinds
from typeahead.search.fusion import Fused, Fusion
from typeahead.search.port import DENSE, LEXICAL, Backend, Candidates, Key, Request

#: A passage, its score, and the arms that found it.
_Scored = tuple[Key, tuple[float, tuple[str, ...]]]
#: How often twice as many candidates are asked for, where many of them are passages of the same documents, or copies.
_DOUBLINGS = 4


class Hit(NamedTuple):
    """A document that was found, by its best passage.

    A tuple, as thousands are made a second: a frozen dataclass takes three times as long.
    """

    id: str
    score: float
    title: str
    text: str
    url: str
    #: The arms that found it, in a search by several.
    arms: tuple[str, ...] = ()
    #: How many documents with this title and text were found; the others are no hits of their own.
    copies: int = 1


class Found(NamedTuple):
    """What one request found."""

    #: Best first.
    hits: list[Hit]
    #: The version of the documents that were searched.
    version: str
    #: Arms that should have answered and were late.
    late: tuple[str, ...] = ()
    #: Whether even the best hit is a poor one.
    weak: bool = False


async def find(
    backend: Backend, requests: Sequence[Request], deadline: float, fusion: Fusion | None = None
) -> list[Found]:
    """Search for each request, and return its hits from ``offset`` on, ``k`` at most.

    With ``fusion`` words are searched beside vectors, where the back end can do that. ``deadline`` is in seconds of
    :func:`time.monotonic`. Raises :class:`~typeahead.errors.UnsupportedFilter` for a filter that the back end cannot
    apply, :class:`~typeahead.errors.DeadlinePassed`, and what the back end raises.
    """
    for request in requests:
        if request.filter is not None and (unknown := kinds(request.filter) - backend.capabilities.filters):
            raise UnsupportedFilter(backend.address, unknown)
    hybrid = fusion is not None and backend.capabilities.lexical
    version = backend.version
    rows: list[list[Row]] = [[] for _ in requests]
    collapse = Collapse(backend, deadline)
    late: list[tuple[str, ...]] = [()] * len(requests)
    # A text without a token has no embedding, and finds nothing.
    left = [row for row, request in enumerate(requests) if request.vector is not None]
    wider = 1
    while left:
        asked = [candidates_request(requests[row], fusion if hybrid else None, wider) for row in left]
        found = await backend.candidates(asked, deadline)
        ranked, wanted, full = [], [], []
        for row, request, candidates in zip(left, asked, found, strict=True):
            late[row] = (LEXICAL,) if hybrid and LEXICAL not in candidates else ()
            wanted.append(requests[row].k + requests[row].offset)
            most = wider * wanted[-1] + SPARE
            ranked.append(_collapsed(_scored(candidates, request.k, fusion if hybrid else None), most))
            full.append(any(len(ranking) >= request.k for ranking in candidates.values()))
        again = []
        for row, most, more, made in zip(left, wanted, full, await collapse.rows(ranked, wanted), strict=True):
            rows[row] = made
            if len(made) < most and more and wider < 2**_DOUBLINGS:
                again.append(row)
        left, wider = again, 2 * wider
    return [
        Found(
            [
                Hit(one.id, hit.score, one.title, one.text, one.url, hit.arms, copies)
                for one, hit, copies in made[request.offset : request.offset + request.k]
            ],
            version,
            missed,
        )
        for made, request, missed in zip(rows, requests, late, strict=True)
    ]


def candidates_request(request: Request, fusion: Fusion | None, wider: int = 1) -> Request:
    """The request that :func:`find` makes for candidates: as many as it needs, and words only where they are fused."""
    depth = wider * max(request.k + request.offset, 0 if fusion is None else fusion.depth)
    return replace(request, k=depth, offset=0, text="" if fusion is None else request.text)


def _scored(candidates: Candidates, depth: int, fusion: Fusion | None) -> Iterable[_Scored]:
    """Passages with their scores and arms, best first: the vectors' own scores, or those of the fusion."""
    dense = candidates.get(DENSE, ())
    if fusion is None:
        return ((key, (score, ())) for key, score in dense)
    return replace(fusion, depth=depth).order(dense, candidates.get(LEXICAL, ()))


def _collapsed(passages: Iterable[_Scored], wanted: int) -> list[Fused[Key]]:
    """The best passage of each of the first ``wanted`` documents."""
    best: dict[str, Fused[Key]] = {}
    for key, (score, arms) in passages:
        if key.document not in best:
            best[key.document] = Fused(key, score, arms)
            if len(best) == wanted:
                break
    return list(best.values())


def check_requests(requests: Sequence[Request], dim: int) -> None:
    """Raise ``ValueError`` for a request that no back end can answer."""
    for request in requests:
        if request.k < 1 or request.offset < 0:
            raise ValueError(f"k is {request.k} and offset {request.offset}: they must be at least 1 and 0")
        if request.vector is not None and request.vector.shape != (dim,):
            raise ValueError(f"a vector has the shape {request.vector.shape}, it must be ({dim},)")
