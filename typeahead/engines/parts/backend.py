"""Several back ends as one: see :class:`typeahead.search.port.Backend`.

All parts are searched at the same time, each for its likely share of the best candidates. One that turns out to have
more of them is asked again, so that nothing is lost where documents are not spread by chance. What a part that is away
or late would have found is missing from an answer, which says so; the others do not wait for it. What only makes sense
as a whole fails with the part: writes, whole documents, and counts over all documents.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial, reduce
from typing import Any, TypeVar

from typeahead.engines.parts.merging import PartKey, add, merge, share_of, short
from typeahead.engines.parts.part import Failed, Part
from typeahead.engines.parts.writing import PartedWrites
from typeahead.errors import BackendAway, BackendClosed, DeadlinePassed, TypeaheadError
from typeahead.search.filters import Filter
from typeahead.search.port import Backend, Candidates, Capabilities, Incomplete, Key, Request
from typeahead.search.ranking import check_requests
from typeahead.search.space import Space
from typeahead.text.document import Document, Value

T = TypeVar("T")

#: How much a second question weighs against searches without one, and from when on parts are asked for everything at
#: once: documents are not spread by chance then.
_AGAIN, _UNEVEN = 10, 100


class PartedBackend:
    """Back ends of one space, each with a part of the documents. Of a document in several, the first counts."""

    def __init__(self, backends: Sequence[Backend]) -> None:
        self._parts = [Part(backend) for backend in backends]
        self.address = " ".join(backend.address for backend in backends)
        self.space: Space = backends[0].space
        self._closed = False
        #: Grows as parts are asked again for more than their share, and shrinks with every search.
        self._uneven = 0
        offered = [backend.capabilities for backend in backends]
        lags = [one.lag for one in offered if one.lag is not None]

        def all_have(name: str) -> bool:
            return all(getattr(one, name) is not None for one in offered)

        self.capabilities = Capabilities(
            lexical=all(one.lexical for one in offered),
            phrases=all(one.phrases for one in offered),
            filters=reduce(frozenset.intersection, (one.filters for one in offered)),
            vocabulary=self._vocabulary if all_have("vocabulary") else None,
            writes=PartedWrites(self) if all_have("writes") and all_have("documents") else None,
            documents=self._documents if all_have("documents") else None,
            fields=self._fields if all_have("fields") else None,
            facets=self._facets if all_have("facets") else None,
            scoped=self._scoped if all_have("scoped") else None,
            as_role=self._as_role if all_have("as_role") else None,
            describe=self._describe if all_have("describe") else None,
            lag=(lambda: max(lag() for lag in lags)) if lags else None,
            at_once=min(one.at_once for one in offered),
        )

    @property
    def backends(self) -> Sequence[Backend]:
        """The parts in their order. Raises :class:`~typeahead.errors.BackendClosed`."""
        self._check()
        return [part.backend for part in self._parts]

    @property
    def version(self) -> str:
        """The sum of the versions of all parts, which grow; a digest where a version is no number."""
        versions = [part.backend.version for part in self._parts]
        if all(one.isascii() and one.isdecimal() for one in versions):
            return str(sum(map(int, versions)))
        return hashlib.blake2b(" ".join(versions).encode(), digest_size=8).hexdigest()

    @property
    def count(self) -> int:
        """Number of documents in all parts."""
        return sum(part.backend.count for part in self._parts)

    async def candidates(self, requests: Sequence[Request], deadline: float) -> Sequence[Candidates]:
        """See :meth:`~typeahead.search.port.Backend.candidates`."""
        self._check(deadline)
        check_requests(requests, self.space.dim)
        if not requests:
            return []
        parts = 1 if self._uneven > _UNEVEN else len(self._parts)
        shares = [share_of(request, parts) for request in requests]
        asked = [replace(request, k=share, offset=0) for request, share in zip(requests, shares, strict=True)]
        answers = await self._ask(lambda one, until: one.candidates(asked, until), len(requests), deadline)
        found = [{part: some[row] for part, some in answers.items()} for row in range(len(requests))]
        more = [short(*one) for one in zip(requests, shares, found, strict=True)]
        complete = len(answers) == len(self._parts)
        if any(more):
            self._uneven += _AGAIN
            complete = await self._ask_again(requests, found, more, deadline) and complete
        self._uneven = max(0, self._uneven - 1)
        counts = [part.backend.count for part in self._parts]
        return [merge(*one, counts, partial=not complete) for one in zip(requests, found, strict=True)]

    async def _ask_again(
        self,
        requests: Sequence[Request],
        found: Sequence[dict[int, Candidates]],
        more: Sequence[Sequence[int]],
        deadline: float,
    ) -> bool:
        """Ask parts that have more than their share for all; returns whether all of them answered."""
        rows = {part: [row for row, some in enumerate(more) if part in some] for some in more for part in some}

        async def one(part: int) -> Sequence[Candidates] | Failed:
            wanted = [requests[row] for row in rows[part]]
            return await self._parts[part].ask(
                lambda backend, until: backend.candidates(wanted, until), len(wanted), deadline
            )

        answers = await _all([one(part) for part in rows])
        for part, answer in zip(rows, answers, strict=True):
            if not isinstance(answer, Failed):
                for row, candidates in zip(rows[part], answer, strict=True):
                    found[row][part] = candidates
        return not any(isinstance(answer, Failed) for answer in answers)

    async def fetch(self, keys: Sequence[Key], deadline: float) -> Mapping[Key, Document]:
        """See :meth:`~typeahead.search.port.Backend.fetch`. Keys of candidates are asked of their parts alone."""
        self._check(deadline)
        if not keys:
            return {}
        wanted: list[list[Key]] = [[] for _ in self._parts]
        for key in keys:
            for some in [wanted[key.part]] if isinstance(key, PartKey) else wanted:
                some.append(key)
        asked = [place for place, some in enumerate(wanted) if some]

        async def one(place: int) -> Mapping[Key, Document] | Failed:
            return await self._parts[place].ask(
                lambda backend, until: backend.fetch(wanted[place], until), len(keys), deadline
            )

        answers = _answered(asked, await _all([one(place) for place in asked]))
        found: dict[Key, Document] = Incomplete() if len(answers) < len(asked) else {}
        for answer in answers.values():
            for key, document in answer.items():
                found.setdefault(key, document)
        return found

    async def close(self) -> None:
        """Close all parts."""
        if not self._closed:
            self._closed = True
            await asyncio.gather(*(part.backend.close() for part in self._parts), return_exceptions=True)

    async def _ask(
        self, call: Callable[[Backend, float], Awaitable[T]], requests: int, deadline: float
    ) -> dict[int, T]:
        """Ask all parts at the same time, and return the answers by part. Raises where none answers."""
        made = await _all([part.ask(call, requests, deadline) for part in self._parts])
        return _answered(range(len(made)), made)

    def _check(self, deadline: float | None = None) -> None:
        if self._closed:
            raise BackendClosed(self.address)
        if deadline is not None and time.monotonic() >= deadline:
            raise DeadlinePassed(f"{self.address} was asked too late")

    async def _vocabulary(self) -> Mapping[str, int]:
        offered = [one.capabilities.vocabulary for one in self.backends]
        counts: dict[str, int] = {}
        for one in await _all([count() for count in offered if count is not None]):
            for form, number in one.items():
                counts[form] = counts.get(form, 0) + number
        return counts

    async def _documents(self, ids: Sequence[str]) -> Mapping[str, Document]:
        offered = [one.capabilities.documents for one in self.backends]
        found: dict[str, Document] = {}
        for one in await _all([read(ids) for read in offered if read is not None]):
            found = {**one, **found}
        return found

    async def _fields(self) -> Mapping[str, str]:
        offered = [one.capabilities.fields for one in self.backends]
        kinds: dict[str, str] = {}
        for one in await _all([tell() for tell in offered if tell is not None]):
            kinds = {**one, **kinds}
        return kinds

    async def _facets(self, tree: Filter | None, names: Sequence[str]) -> Mapping[str, Mapping[Value, int]]:
        offered = [one.capabilities.facets for one in self.backends]
        return add(await _all([count(tree, names) for count in offered if count is not None]))

    async def _scoped(self, tree: Filter) -> Backend:
        offered = [one.capabilities.scoped for one in self.backends]
        return await self._of_parts([partial(scoped, tree) for scoped in offered if scoped is not None])

    async def _as_role(self, role: str) -> Backend:
        offered = [one.capabilities.as_role for one in self.backends]
        return await self._of_parts([partial(as_role, role) for as_role in offered if as_role is not None])

    async def _of_parts(self, making: Sequence[Callable[[], Awaitable[Backend]]]) -> Backend:
        """Make back ends of parts of the parts, one after the other, and put them together."""
        made: list[Backend] = []
        try:
            for make in making:
                # One by one: those made so far are closed if one fails.
                made.append(await make())  # noqa: PERF401
        except BaseException:
            for one in made:
                with suppress(TypeaheadError):
                    await one.close()
            raise
        return PartedBackend(made)

    async def _describe(self) -> Mapping[str, Any]:
        offered = [one.capabilities.describe for one in self.backends]
        parts = await _all([tell() for tell in offered if tell is not None])
        return {
            "documents": self.count,
            "version": self.version,
            "parts": [{"address": backend.address, **told} for backend, told in zip(self.backends, parts, strict=True)],
        }


def _answered(places: Sequence[int], answers: Sequence[T | Failed]) -> dict[int, T]:
    """The answers among what came of asking some parts. If there is none, raises why: that one is away, if it is."""
    found = {place: one for place, one in zip(places, answers, strict=True) if not isinstance(one, Failed)}
    if found:
        return found
    errors = [one.error for one in answers if isinstance(one, Failed)]
    raise next((one for one in errors if isinstance(one, BackendAway)), errors[0])


async def _all(calls: Sequence[Awaitable[T]]) -> list[T]:
    """Wait for all of them, and raise what the first of them raised: none goes on unheard."""
    done = await asyncio.gather(*calls, return_exceptions=True)
    for one in done:
        if isinstance(one, BaseException):
            raise one
    return [one for one in done if not isinstance(one, BaseException)]
