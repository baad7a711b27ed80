"""The way to Qdrant: a deadline for each call, one line for each error, and a circuit breaker.

While a server cannot be reached, calls fail at once and with one message, and a task looks whether it is back. Local
mode is the client's own search in Python; it blocks, so it runs in a thread.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Final

import httpx
from qdrant_client import AsyncQdrantClient, QdrantClient
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from typeahead.engines.qdrant.address import API_KEY, QdrantAddress
from typeahead.errors import AddressError, BackendAway, BackendClosed, DeadlinePassed, SearchError

log = logging.getLogger(__name__)

#: Seconds for the first answer of a server.
CONNECT_SECONDS: Final = 5.0
#: Seconds after which a call without any deadline ends.
_LONGEST: Final = 60.0
#: Connections to a server, and the seconds that an idle one is kept. Servers close idle ones after five.
_CONNECTIONS, _IDLE_SECONDS = 100, 3.0
#: Seconds between two looks whether the server is back, at first and at most.
_LOOK_SECONDS, _MOST_LOOK_SECONDS = 0.2, 2.0
#: Calls in a row that were too late, after which the server counts as away.
_LATE: Final = 8
#: Answers of a proxy in front of a server that is away.
_AWAY: Final = frozenset({502, 503, 504})
_READS: Final = frozenset({"get_collection", "query_batch_points", "scroll", "retrieve", "count"})
#: What a connection raises that the other side closed while nobody used it.
_BROKEN: Final = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
_ERRORS: Final = (ApiException, QdrantException, httpx.HTTPError, ValueError, KeyError)


class Server:
    """Calls of one collection, by the names of the client's methods. Belongs to one event loop."""

    def __init__(self, address: QdrantAddress) -> None:
        self.shown, self.collection = address.shown, address.collection
        self._address = address
        self._remote: AsyncQdrantClient | None = None
        self._local: QdrantClient | None = None
        self._thread = ThreadPoolExecutor(1, "typeahead-qdrant")
        self._away: str | None = None
        self._late = 0
        self._looking: asyncio.Task[None] | None = None
        self._connected = self._closed = self._make_folder = False

    async def open(self) -> Any:
        """Connect, and describe the collection.

        Raises :class:`~typeahead.errors.AddressError` with the reason if that fails.
        """
        return await self._first("get_collection")

    async def create(self, **described: Any) -> bool:
        """Connect, and make the collection; returns False if it is there already, and raises what :meth:`open` does.

        In local mode the folder is made, too.
        """
        self._make_folder = True
        if await self._first("collection_exists"):
            return False
        await self.call("create_collection", **described)
        return True

    async def _first(self, method: str) -> Any:
        """Connect, and call a method."""
        try:
            if self._address.url is not None:
                self._remote = _client(self._address.url)
            else:
                self._local = await asyncio.get_running_loop().run_in_executor(self._thread, self._open_folder)
            result = await self.call(method, time.monotonic() + CONNECT_SECONDS)
            self._connected = True
            return result
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

    async def call(self, method: str, deadline: float = math.inf, **arguments: Any) -> Any:
        """Call a method of the client for the collection. ``deadline`` is in seconds of :func:`time.monotonic`.

        Raises :class:`~typeahead.errors.DeadlinePassed`, :class:`~typeahead.errors.BackendClosed`,
        :class:`~typeahead.errors.BackendAway` while the server cannot be reached, and
        :class:`~typeahead.errors.SearchError` for what it refuses.
        """
        self.check(deadline)
        if self._away is not None:
            raise BackendAway(self.shown, self._away)
        try:
            async with asyncio.timeout(min(_LONGEST, deadline - time.monotonic())):
                result = await self._call(method, arguments)
        except TimeoutError:
            self._late += 1
            if self._late >= _LATE:
                self._lost(f"{_LATE} calls in a row were not answered in time")
            raise DeadlinePassed(f"{self.shown} did not answer in time") from None
        except _ERRORS as error:
            if self._closed:
                raise BackendClosed(self.shown) from error
            if _unreachable(error):
                self._lost(reason(error))
                raise BackendAway(self.shown, reason(error)) from error
            if _missing(error):
                said = f"there is no collection {self.collection}: name another, or make it again"
                raise SearchError(f"{self.shown} cannot be searched: {said}") from error
            raise SearchError(f"{self.shown} cannot be searched: {reason(error)}") from error
        self._late = 0
        return result

    def check(self, deadline: float = math.inf) -> None:
        """Raise what :meth:`call` raises before it begins."""
        if self._closed:
            raise BackendClosed(self.shown)
        if time.monotonic() >= deadline:
            raise DeadlinePassed(f"{self.shown} was asked too late")

    @property
    def away(self) -> str | None:
        """Why the server cannot be reached; None while it can."""
        return self._away

    async def close(self) -> None:
        """Give up all connections."""
        if self._closed:
            return
        self._closed = True
        if self._looking is not None:
            self._looking.cancel()
        if self._remote is not None:
            with suppress(*_ERRORS):
                await self._remote.close()
        if self._local is not None:
            # After what the thread is busy with.
            await asyncio.get_running_loop().run_in_executor(self._thread, self._local.close)
        self._thread.shutdown(wait=False)

    async def _call(self, method: str, arguments: dict[str, Any]) -> Any:
        if self._remote is None:
            call = partial(getattr(self._local, method), self.collection, **arguments)
            # Shielded: the thread goes on whatever becomes of whoever waits.
            return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, call))
        remote: Callable[..., Any] = getattr(self._remote, method)
        try:
            return await remote(self.collection, **arguments)
        except ResponseHandlingException as error:
            if not (method in _READS and isinstance(error.source, _BROKEN)):
                raise
            return await remote(self.collection, **arguments)

    def _open_folder(self) -> QdrantClient:
        folder = self._address.folder
        assert folder is not None
        if not (self._make_folder or (folder / "meta.json").is_file()):
            # The client would make one.
            raise AddressError(self.shown, f"{folder} is no folder of Qdrant's local mode: it has no meta.json")
        try:
            return QdrantClient(path=str(folder), force_disable_check_same_thread=True)
        except (RuntimeError, OSError, ValueError, KeyError) as error:
            raise AddressError(self.shown, f"the folder cannot be opened: {reason(error)}") from error

    def _lost(self, why: str) -> None:
        if self._closed or self._remote is None:
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
        """Look whether the server is back."""
        wait = _LOOK_SECONDS
        while True:
            await asyncio.sleep(wait)
            wait = min(_MOST_LOOK_SECONDS, 2 * wait)
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await self._call("get_collection", {})
            except TimeoutError:
                continue
            except _ERRORS as error:
                # A server that answers, whatever it says, is back.
                if _unreachable(error):
                    continue
            log.warning("%s is back", self.shown)
            self._away, self._late = None, 0
            return


def _client(url: str) -> AsyncQdrantClient:
    key = os.environ.get(API_KEY)
    # It logs each request.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return AsyncQdrantClient(
        url=url,
        # As a header: the client warns of a key over http, as a user of one machine may well have.
        headers={"api-key": key} if key else None,
        timeout=round(_LONGEST),
        check_compatibility=False,
        limits=httpx.Limits(
            max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS, keepalive_expiry=_IDLE_SECONDS
        ),
    )


def _unreachable(error: BaseException) -> bool:
    if isinstance(error, ResponseHandlingException):
        return isinstance(error.source, httpx.TransportError)
    return isinstance(error, httpx.TransportError) or (
        isinstance(error, UnexpectedResponse) and error.status_code in _AWAY
    )


def _missing(error: BaseException) -> bool:
    if isinstance(error, UnexpectedResponse):
        return error.status_code == httpx.codes.NOT_FOUND
    # Local mode.
    return isinstance(error, ValueError) and str(error).startswith("Collection ") and "not found" in str(error)


def reason(error: BaseException) -> str:
    """Return in one line what an error says."""
    if isinstance(error, ResponseHandlingException):
        error = error.source
    if isinstance(error, UnexpectedResponse):
        said = f"{error.status_code} {error.reason_phrase}".strip()
        with suppress(ValueError, LookupError, TypeError):
            said = f"{said}: {json.loads(error.content)['status']['error']}"
        return " ".join(said.split())[:300]
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
