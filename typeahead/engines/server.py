"""The way to an engine: a deadline for each call, one line for each error, and a circuit breaker.

While an engine cannot be reached, calls fail at once with one message, and a task looks whether it is back.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import ClassVar, Final, TypeVar

from typeahead.errors import AddressError, BackendAway, BackendClosed, DeadlinePassed, SearchError

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds for the first answer of a server.
CONNECT_SECONDS: Final = 5.0
#: Seconds after which a call without any deadline ends.
LONGEST_SECONDS: Final = 60.0
#: Seconds between two looks whether the server is back, at first and at most.
_LOOK_SECONDS, _MOST_LOOK_SECONDS = 0.2, 2.0
#: Calls in a row that were too late, after which the server counts as away.
_LATE: Final = 8


class EngineServer(ABC):
    """An engine that is called through some client. Belongs to one event loop."""

    #: What the client raises.
    errors: ClassVar[tuple[type[BaseException], ...]]

    def __init__(self, shown: str) -> None:
        #: The address as messages show it.
        self.shown = shown
        self._away: str | None = None
        self._late = 0
        self._looking: asyncio.Task[None] | None = None
        self._connected = self._closed = False

    async def asked(self, ask: Callable[[float], Awaitable[T]], deadline: float = math.inf) -> T:
        """Await a call of the client, which is given the seconds that it has.

        ``deadline`` is in seconds of :func:`time.monotonic`. Raises :class:`~typeahead.errors.DeadlinePassed`,
        :class:`~typeahead.errors.BackendClosed`, :class:`~typeahead.errors.BackendAway` while the engine cannot be
        reached, and :class:`~typeahead.errors.SearchError` for what it refuses.
        """
        self.check(deadline)
        if self._away is not None:
            raise BackendAway(self.shown, self._away)
        seconds = min(LONGEST_SECONDS, deadline - time.monotonic())
        try:
            async with asyncio.timeout(seconds):
                result = await ask(seconds)
        except TimeoutError:
            self._late += 1
            if self._late >= _LATE:
                self._lost(f"{_LATE} calls in a row were not answered in time")
            raise DeadlinePassed(f"{self.shown} did not answer in time") from None
        except self.errors as error:
            if self._closed:
                raise BackendClosed(self.shown) from error
            if self._unreachable(error):
                why = self._said(error)
                self._lost(why)
                raise BackendAway(self.shown, why) from error
            raise SearchError(f"{self.shown} cannot be searched: {self._said(error)}") from error
        self._late = 0
        return result

    async def first(self, connect: Callable[[], Awaitable[T]]) -> T:
        """Connect, with a first call among what is awaited.

        Raises :class:`~typeahead.errors.AddressError` with the reason if that fails.
        """
        try:
            result = await connect()
        except BackendAway as error:
            raise AddressError(self.shown, f"the server cannot be reached: {self._away}") from error
        except DeadlinePassed as error:
            raise AddressError(
                self.shown, f"the server accepts connections and does not answer for {CONNECT_SECONDS:g} seconds"
            ) from error
        except SearchError as error:
            if isinstance(error, AddressError):
                raise
            raise AddressError(self.shown, str(error).removeprefix(f"{self.shown} cannot be searched: ")) from error
        self._connected = True
        return result

    def check(self, deadline: float = math.inf) -> None:
        """Raise what :meth:`asked` raises before it begins."""
        if self._closed:
            raise BackendClosed(self.shown)
        if time.monotonic() >= deadline:
            raise DeadlinePassed(f"{self.shown} was asked too late")

    @property
    def away(self) -> str | None:
        """Why the engine cannot be reached; None while it can."""
        return self._away

    async def close(self) -> None:
        """Give up all connections."""
        if self._closed:
            return
        self._closed = True
        if self._looking is not None:
            self._looking.cancel()
        await self._disconnect()

    @abstractmethod
    async def _disconnect(self) -> None:
        """Close the client."""

    @abstractmethod
    async def _ask_anything(self) -> None:
        """Call the engine to see whether it answers. The caller sets the limit of time."""

    @abstractmethod
    def _unreachable(self, error: BaseException) -> bool:
        """Whether an error of the client means that the engine cannot be reached."""

    @abstractmethod
    def _said(self, error: BaseException) -> str:
        """Return in one line what an error says."""

    def _remote(self) -> bool:
        """Whether the engine is a process of its own, which may go away and come back."""
        return True

    def _lost(self, why: str) -> None:
        if self._closed or not self._remote():
            return
        if not self._connected:
            # Whoever opens it is told.
            self._away = why
            return
        if self._away is None:
            log.error("%s cannot be reached, so its searches fail until it is back: %s", self.shown, why)
        self._away = why
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._look())

    async def _look(self) -> None:
        """Look whether the engine is back."""
        wait = _LOOK_SECONDS
        while True:
            await asyncio.sleep(wait)
            wait = min(_MOST_LOOK_SECONDS, 2 * wait)
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await self._ask_anything()
            except TimeoutError:
                continue
            except self.errors as error:
                # An engine that answers, whatever it says, is back.
                if self._unreachable(error):
                    continue
            log.warning("%s is back", self.shown)
            self._away, self._late = None, 0
            return
