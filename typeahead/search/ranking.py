"""The one ranking above all back ends: from candidates to hits.

A back end finds; here scores are made, passages collapse to documents, and offset and k cut the list. Everything that
shows results goes through :func:`find`: the server, the terminal, the measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.errors import UnsupportedFilter
from typeahead.search.filters import kinds
from typeahead.search.port import Backend, Candidates, Key, Request
from typeahead.search.scoring import UNCALIBRATED, Scale, score

#: Candidates of each arm, at least. The best by both arms together may be some way down the list of either.
DEPTH: Final = 100
#: How often twice as many candidates are asked for, where many of them are passages of the same documents.
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


class Found(NamedTuple):
    """What one request found."""

    #: Best first.
    hits: list[Hit]
    #: The version of the documents that were searched.
    version: str
    #: Whether even the best hit is poor: it is no better than what texts without meaning find.
    weak: bool = False


class _Ranked(NamedTuple):
    """The best passage of each document, best first: keys, sums of parts, and the arms that found it."""

    keys: Sequence[Key] = ()
    scores: Sequence[float] = ()
    arms: Sequence[tuple[str, ...]] = ()


async def find(
    backend: Backend, requests: Sequence[Request], deadline: float, scale: Scale = UNCALIBRATED
) -> list[Found]:
    """Search for each request, and return its hits from ``offset`` on, ``k`` at most.

    ``scale`` is what similarities and scores mean in this index. ``deadline`` is in seconds of :func:`time.monotonic`.
    Raises :class:`~typeahead.errors.UnsupportedFilter` for a filter that the back end cannot apply,
    :class:`~typeahead.errors.DeadlinePassed`, and what the back end raises.
    """
    for request in requests:
        if request.filter is not None and (unknown := kinds(request.filter) - backend.capabilities.filters):
            raise UnsupportedFilter(backend.address, unknown)
    version, documents = backend.version, backend.count
    ranked = [_Ranked()] * len(requests)
    # A text without a token has no embedding, and one without a word asks for none.
    left = [row for row, request in enumerate(requests) if request.vector is not None or request.words is not None]
    wider = 1
    while left:
        asked = [replace(requests[row], k=_depth(requests[row], wider), offset=0) for row in left]
        found = await backend.candidates(asked, deadline)
        again = []
        for row, request, candidates in zip(left, asked, found, strict=True):
            wanted = requests[row].k + requests[row].offset
            ranked[row] = _ranked(candidates, score(candidates, documents, scale), wanted)
            full = any(np.count_nonzero(arm) >= request.k for arm in candidates.arms.values())
            if len(ranked[row].keys) < wanted and full and wider < 2**_DOUBLINGS:
                again.append(row)
        left, wider = again, 2 * wider
    shown = [
        range(request.offset, min(request.offset + request.k, len(one.keys)))
        for request, one in zip(requests, ranked, strict=True)
    ]
    wanted_ids = {one.keys[row].document: None for one, rows in zip(ranked, shown, strict=True) for row in rows}
    fetched = await backend.fetch(list(wanted_ids), deadline)
    made = []
    for one, rows in zip(ranked, shown, strict=True):
        hits = []
        for row in rows:
            # A document may have gone between the two calls.
            if (document := fetched.get(one.keys[row].document)) is not None:
                value = scale.unit(one.scores[row])
                hits.append(Hit(document.id, value, document.title, document.text, document.url, one.arms[row]))
        made.append(Found(hits, version, len(one.scores) > 0 and scale.unit(one.scores[0]) < scale.weak))
    return made


def _depth(request: Request, wider: int) -> int:
    return wider * max(request.k + request.offset, DEPTH)


def _ranked(found: Candidates, scores: Vectors, wanted: int) -> _Ranked:
    """The ``wanted`` best documents; of equal scores the earlier candidate comes first."""
    order = np.argsort(-scores, kind="stable").tolist()
    best: dict[str, int] = {}
    for row in order:
        if best.setdefault(found.keys[row].document, row) == row and len(best) == wanted:
            break
    rows = list(best.values())
    names = list(found.arms)
    return _Ranked(
        [found.keys[row] for row in rows],
        scores[rows].tolist(),
        [tuple(name for name in names if found.arms[name][row]) for row in rows],
    )


def check_requests(requests: Sequence[Request], dim: int) -> None:
    """Raise ``ValueError`` for a request that no back end can answer."""
    for request in requests:
        if request.k < 1 or request.offset < 0:
            raise ValueError(f"k is {request.k} and offset {request.offset}: they must be at least 1 and 0")
        if request.vector is not None and request.vector.shape != (dim,):
            raise ValueError(f"a vector has the shape {request.vector.shape}, it must be ({dim},)")
