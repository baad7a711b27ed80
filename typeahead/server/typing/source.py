"""What a searcher searches: one back end with its scale. :mod:`typeahead.server.typing.joined` has several at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, Protocol, TypeAlias, TypeVar

from typeahead.errors import FilterError, SearchError
from typeahead.search.asking import Asker, finds_words
from typeahead.search.fields import KnownFields, check_fields, check_kinds
from typeahead.search.filters import Filter
from typeahead.search.learning import TOGETHER, learn
from typeahead.search.port import Backend, Request
from typeahead.search.ranking import Found, find
from typeahead.search.scoring import UNCALIBRATED

T = TypeVar("T")

#: Seconds after which what was copied from a database counts as stale, if nobody could look there since. A look that
#: can be made is never as late as that.
STALE_SECONDS: Final = 10.0

#: Finds what each request asks for, or why it is refused. The deadline is in seconds of the monotonic clock.
Find: TypeAlias = Callable[[Sequence[Request], float], Awaitable[list[Found | FilterError]]]


class Source(Protocol):
    """Documents that can be searched. Belongs to one event loop."""

    @property
    def version(self) -> str:
        """Names the present state of the documents."""

    @property
    def count(self) -> int:
        """Number of documents."""

    @property
    def stale(self) -> bool:
        """Whether the documents may have changed meanwhile in a database that cannot be read."""

    @property
    def words(self) -> bool:
        """Whether words are found beside vectors."""

    @property
    def at_once(self) -> int:
        """How many batches of requests are best searched at the same time."""

    def check(self, tree: Filter) -> None:
        """Raise :class:`~typeahead.errors.UnsupportedFilter` for a filter that cannot be applied."""

    def run(self, work: Callable[[Find], Awaitable[T]]) -> Awaitable[T]:
        """Run what finds, and works on what was found. It may run in another thread, and then awaits nothing else."""

    async def learn(self, asker: Asker, deadline: float, *, together: int = TOGETHER) -> None:
        """Learn what the documents hold, and teach ``asker`` their words.

        ``together`` texts are encoded at a time; ``deadline`` is in seconds of the monotonic clock.
        """


class BackendSource:
    """One back end."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        #: What similarities and scores mean in it.
        self.scale = UNCALIBRATED
        self.words = finds_words(backend)
        self._fields = KnownFields()

    @property
    def version(self) -> str:
        """See :attr:`Source.version`."""
        return self.backend.version

    @property
    def count(self) -> int:
        """See :attr:`Source.count`; 0 while nobody knows."""
        try:
            return self.backend.count
        except SearchError:
            return 0

    @property
    def stale(self) -> bool:
        """See :attr:`Source.stale`."""
        lag = self.backend.capabilities.lag
        return lag is not None and lag() > STALE_SECONDS

    @property
    def at_once(self) -> int:
        """See :attr:`Source.at_once`."""
        return self.backend.capabilities.at_once

    def check(self, tree: Filter) -> None:
        """See :meth:`Source.check`."""
        check_kinds(tree, self.backend)

    def run(self, work: Callable[[Find], Awaitable[T]]) -> Awaitable[T]:
        """See :meth:`Source.run`."""

        async def within(backend: Backend) -> T:
            async def search(requests: Sequence[Request], deadline: float) -> list[Found | FilterError]:
                known = await self.known_fields(backend) if _filtered(requests) else None
                return await find_known(requests, known, lambda some: find(backend, some, deadline, self.scale))

            return await work(search)

        together = self.backend.capabilities.together
        return within(self.backend) if together is None else together(within)

    async def known_fields(self, backend: Backend | None = None) -> Collection[str] | None:
        """Return the names of the fields that documents have; None if nobody knows."""
        return await self._fields.of(self.backend if backend is None else backend)

    async def learn(self, asker: Asker, deadline: float, *, together: int = TOGETHER) -> None:
        """See :meth:`Source.learn`."""
        self.scale = await learn(self.backend, asker, deadline, together=together)


def _filtered(requests: Sequence[Request]) -> bool:
    return any(request.filter is not None for request in requests)


async def find_known(
    requests: Sequence[Request],
    known: Collection[str] | None,
    search: Callable[[Sequence[Request]], Awaitable[list[Found]]],
) -> list[Found | FilterError]:
    """Search for the requests whose filters look at known fields alone, and refuse the others."""
    refused: dict[int, FilterError] = {}
    for row, request in enumerate(requests):
        if request.filter is not None:
            try:
                check_fields(request.filter, known)
            except FilterError as error:
                refused[row] = error
    found = iter(await search([request for row, request in enumerate(requests) if row not in refused]))
    return [refused[row] if row in refused else next(found) for row in range(len(requests))]
