"""The way to Qdrant: calls of its client, and what its errors mean. See :mod:`typeahead.engines.server`."""

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

from typeahead.engines import server
from typeahead.engines.qdrant.address import API_KEY, QdrantAddress
from typeahead.engines.server import EngineServer
from typeahead.errors import AddressError

#: Connections to a server, and the seconds that an idle one is kept. Servers close idle ones after five.
_CONNECTIONS, _IDLE_SECONDS = 100, 3.0
#: Answers of a proxy in front of a server that is away.
_AWAY: Final = frozenset({502, 503, 504})
_READS: Final = frozenset({"get_collection", "query_batch_points", "scroll", "retrieve", "count"})
#: What a connection raises that the other side closed while nobody used it.
_BROKEN: Final = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
_ERRORS: Final = (ApiException, QdrantException, httpx.HTTPError, ValueError, KeyError)


class Server(EngineServer):
    """Calls of one collection, by the names of the client's methods. Belongs to one event loop.

    Local mode is the client's own search in Python; it blocks, so it runs in a thread.
    """

    errors = _ERRORS

    def __init__(self, address: QdrantAddress) -> None:
        super().__init__(address.shown)
        self.collection = address.collection
        self._address = address
        self._client: AsyncQdrantClient | None = None
        self._local: QdrantClient | None = None
        self._thread = ThreadPoolExecutor(1, "typeahead-qdrant")
        self._make_folder = False

    async def open(self) -> Any:
        """Connect, and describe the collection.

        Raises :class:`~typeahead.errors.AddressError` with the reason if that fails.
        """
        return await self.first(lambda: self._connect("get_collection"))

    async def create(self, **described: Any) -> bool:
        """Connect, and make the collection; returns False if it is there already, and raises what :meth:`open` does.

        In local mode the folder is made, too.
        """
        self._make_folder = True
        if await self.first(lambda: self._connect("collection_exists")):
            return False
        await self.call("create_collection", **described)
        return True

    async def call(self, method: str, deadline: float = math.inf, **arguments: Any) -> Any:
        """Call a method of the client for the collection. Raises what :meth:`asked` does."""
        return await self.asked(lambda _: self._call(method, arguments), deadline)

    async def _connect(self, method: str) -> Any:
        if self._address.url is not None:
            self._client = _client(self._address.url)
        else:
            self._local = await asyncio.get_running_loop().run_in_executor(self._thread, self._open_folder)
        return await self.call(method, time.monotonic() + server.CONNECT_SECONDS)

    async def _disconnect(self) -> None:
        if self._client is not None:
            with suppress(*_ERRORS):
                await self._client.close()
        if self._local is not None:
            # After what the thread is busy with.
            await asyncio.get_running_loop().run_in_executor(self._thread, self._local.close)
        self._thread.shutdown(wait=False)

    async def _ask_anything(self) -> None:
        await self._call("get_collection", {})

    def _remote(self) -> bool:
        return self._client is not None

    def _unreachable(self, error: BaseException) -> bool:
        return _unreachable(error)

    def _said(self, error: BaseException) -> str:
        return (
            f"there is no collection {self.collection}: name another, or make it again"
            if _missing(error)
            else reason(error)
        )

    async def _call(self, method: str, arguments: dict[str, Any]) -> Any:
        if self._client is None:
            call = partial(getattr(self._local, method), self.collection, **arguments)
            # Shielded: the thread goes on whatever becomes of whoever waits.
            return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, call))
        remote: Callable[..., Any] = getattr(self._client, method)
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


def _client(url: str) -> AsyncQdrantClient:
    key = os.environ.get(API_KEY)
    # It logs each request.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return AsyncQdrantClient(
        url=url,
        # As a header: the client warns of a key over http, as a user of one machine may well have.
        headers={"api-key": key} if key else None,
        timeout=round(server.LONGEST_SECONDS),
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
