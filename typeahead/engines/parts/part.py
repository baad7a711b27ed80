"""One part of an index: how long it is waited for, and what is said when it does not answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, TypeVar

from typeahead.errors import BackendAway, BackendClosed, DeadlinePassed, FilterError, SearchError, UnsupportedFilter
from typeahead.search.port import Backend

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds that a search waits for a part, and more of them for each request of a batch. A deadline may be sooner: half
#: of the time until then is left for the documents of the hits.
PATIENCE_SECONDS, REQUEST_SECONDS = 1.0, 0.1
#: The same for a part that was late the last time. It hardly delays the others, and shows when it is well again.
LATE_SECONDS: Final = 0.1


class Failed(NamedTuple):
    """Why a part did not answer."""

    error: SearchError


class Part:
    """A back end that holds a part of the documents."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._late = self._missed = False

    async def ask(self, call: Callable[[Backend, float], Awaitable[T]], requests: int, deadline: float) -> T | Failed:
        """Ask the part by ``call``, which gets the back end and a deadline.

        Raises what a request itself is refused for, and :class:`~typeahead.errors.BackendClosed`.
        """
        now = time.monotonic()
        patience = LATE_SECONDS if self._late else PATIENCE_SECONDS + REQUEST_SECONDS * requests
        try:
            answer = await call(self.backend, now + min((deadline - now) / 2, patience))
        except (FilterError, UnsupportedFilter, BackendClosed):
            raise
        except SearchError as error:
            self._late = isinstance(error, DeadlinePassed)
            if not self._missed and not isinstance(error, BackendAway):
                # Who is away has said so.
                why = str(error).removeprefix(f"{self.backend.address} ")
                log.error("searches go on without %s: %s", self.backend.address, why)
            self._missed = True
            return Failed(error)
        if self._missed:
            log.warning("%s answers again", self.backend.address)
        self._late = self._missed = False
        return answer
