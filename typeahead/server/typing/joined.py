"""Several indexes that are searched as one: each finds by its own words and scale, and hits are merged by score.

Scores mean the same in every index (:mod:`typeahead.search.calibration`), so the better hit goes first, whichever index
it is in. A text is read once, by the words of all of them together.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from typeahead.errors import FilterError
from typeahead.search.asking import Asker
from typeahead.search.filters import Filter
from typeahead.search.learning import TOGETHER, learn_words
from typeahead.search.port import Request
from typeahead.search.ranking import Found, Hit, find
from typeahead.server.typing.source import BackendSource, Find, find_known
from typeahead.text.document import Value

T = TypeVar("T")


class JoinedSource:
    """Two sources or more, by the names of their indexes; see :class:`~typeahead.server.typing.source.Source`."""

    def __init__(self, parts: Mapping[str, BackendSource]) -> None:
        self._parts = parts
        self.words = any(part.words for part in parts.values())

    @property
    def version(self) -> str:
        """The versions of all parts, separated by commas."""
        return ",".join(part.version for part in self._parts.values())

    @property
    def count(self) -> int:
        """Number of documents in all of them."""
        return sum(part.count for part in self._parts.values())

    @property
    def stale(self) -> bool:
        """Whether the documents of any part may have changed meanwhile in a database that cannot be read."""
        return any(part.stale for part in self._parts.values())

    @property
    def at_once(self) -> int:
        """How many batches all of the parts search at the same time."""
        return min(part.at_once for part in self._parts.values())

    def check(self, tree: Filter) -> None:
        """Raise :class:`~typeahead.errors.UnsupportedFilter` for a filter that one of them cannot apply."""
        for part in self._parts.values():
            part.check(tree)

    def run(self, work: Callable[[Find], Awaitable[T]]) -> Awaitable[T]:
        """Run ``work`` on the event loop; each part searches as its back end does."""
        return work(self._find)

    async def learn(self, asker: Asker, deadline: float, *, together: int = TOGETHER) -> None:  # noqa: ARG002
        """Teach ``asker`` the words of all parts. Each part learns its own scale in a room of its own."""
        await learn_words([part.backend for part in self._parts.values()], asker)

    async def _find(self, requests: Sequence[Request], deadline: float) -> list[Found | FilterError]:
        known = await self._known_fields() if any(request.filter is not None for request in requests) else None
        return await find_known(requests, known, lambda some: self._merged(some, deadline))

    async def _known_fields(self) -> Collection[str] | None:
        """The fields of all documents, None if a part cannot tell, or if there are no documents."""
        known: set[str] | None = None
        for part in self._parts.values():
            names = await part.known_fields()
            if names is not None:
                known = {*(known or ()), *names}
            elif part.count:
                return None
        return known

    async def _merged(self, requests: Sequence[Request], deadline: float) -> list[Found]:
        found = await asyncio.gather(
            *(find(part.backend, requests, deadline, part.scale, whole=True) for part in self._parts.values())
        )
        return [self._merge(request, one) for request, *one in zip(requests, *found, strict=True)]

    def _merge(self, request: Request, found: Sequence[Found]) -> Found:
        # Heads are compared, not whole lists: what somebody has seen stays as it was when further pages come.
        by_name = dict(zip(self._parts, found, strict=True))
        named = [[hit._replace(index_name=name) for hit in one.hits] for name, one in by_name.items()]
        merged: list[Hit] = list(islice(heapq.merge(*named, key=_worse), request.offset + request.k))
        weak = bool(merged) and by_name[merged[0].index_name].weak
        version = ",".join(one.version for one in found)
        facets, partial = _add([one.facets for one in found]), any(one.partial for one in found)
        return Found(merged[request.offset :], version, weak, facets, partial)


def _worse(hit: Hit) -> float:
    return -hit.score


def _add(
    facets: Sequence[Mapping[str, Mapping[Value, int]] | None],
) -> Mapping[str, Mapping[Value, int]] | None:
    """The sum of facets; None where nobody counts."""
    counted = [one for one in facets if one is not None]
    if not counted:
        return None
    added: dict[str, Counter[Value]] = {}
    for one in counted:
        for name, counts in one.items():
            added.setdefault(name, Counter()).update(counts)
    return added
