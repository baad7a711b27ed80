"""The way to Milvus: calls of its client, and what its errors mean. See :mod:`typeahead.engines.server`.

The client blocks, so its calls run in threads. One of before 2.4 describes the collection before each query, so its
connection is asked in place of it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Final
from uuid import uuid4

import grpc
import pymilvus
from pymilvus import MilvusClient, MilvusException

from typeahead.engines import server
from typeahead.engines.milvus.address import TOKEN, MilvusAddress
from typeahead.engines.server import EngineServer
from typeahead.errors import AddressError

#: Calls at a time.
_THREADS: Final = 16
#: Versions of the client before 2.4.
OLD: Final = pymilvus.__version__.startswith(("2.0", "2.1", "2.2", "2.3"))
_MISSING: Final = 100
_ERRORS: Final = (MilvusException, grpc.RpcError, ValueError, TypeError, KeyError, OSError)
#: What errors of the client say around the server's own words.
_AROUND: Final = re.compile(r"^(?:Retry (?:run out of \d+ retry times|timeout: [\d.]+s), message=)+")
_AWAY: Final = re.compile(r"UNAVAILABLE|[Ff]ail(?:ed)? connecting to server|[Cc]annot invoke RPC")
_SILENT: Final = re.compile(r"DEADLINE_EXCEEDED|Deadline Exceeded")


class Server(EngineServer):
    """Calls of one collection, by the names of the client's methods. Belongs to one event loop."""

    errors = _ERRORS

    def __init__(self, address: MilvusAddress) -> None:
        super().__init__(address.shown)
        self.collection = address.collection
        self._address = address
        self._client: Any = None
        self._threads = ThreadPoolExecutor(_THREADS, "typeahead-milvus")
        self._make_file = False

    async def open(self) -> Any:
        """Connect, and describe the collection.

        Raises :class:`~typeahead.errors.AddressError` with the reason if that fails.
        """
        return await self.first(lambda: self._connect("describe_collection"))

    async def create(self, **described: Any) -> bool:
        """Connect, and make the collection; returns False if it is there already, and raises what :meth:`open` does.

        A file of Milvus Lite is made, too.
        """
        self._make_file = True
        if await self.first(lambda: self._connect("has_collection")):
            return False
        await self.call("create_collection", **described)
        return True

    async def call(self, method: str, deadline: float = math.inf, **arguments: Any) -> Any:
        """Call a method of the client for the collection. Raises what :meth:`asked` does."""
        return await self.asked(lambda seconds: self._call(method, seconds, arguments), deadline)

    async def _connect(self, method: str) -> Any:
        deadline = time.monotonic() + server.CONNECT_SECONDS
        # The client has a limit of its own, which is told better.
        self._client = await self.asked(lambda _: self._in_thread(self._made))
        return await self.call(method, deadline)

    async def _disconnect(self) -> None:
        if self._client is not None:
            await self._in_thread(partial(_close, self._client))
        self._threads.shutdown(wait=False)

    async def _ask_anything(self) -> None:
        # gRPC waits up to two minutes before it connects again, so this is another connection.
        client = await self._in_thread(self._made)
        before, self._client = self._client, client
        _close(before)
        await self._call("has_collection", server.CONNECT_SECONDS, {})

    def _remote(self) -> bool:
        return self._address.file is None

    def _unreachable(self, error: BaseException) -> bool:
        return isinstance(error, grpc.RpcError | MilvusException | OSError) and bool(_AWAY.search(_text(error)))

    def _said(self, error: BaseException) -> str:
        if getattr(error, "code", None) == _MISSING or "can't find collection" in str(error):
            return f"there is no collection {self.collection}: name another, or make it again"
        return reason(error)

    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def _call(self, method: str, seconds: float, arguments: dict[str, Any]) -> Any:
        called = self._client
        if OLD and method == "query":
            called = called._get_connection()
            arguments = {"expr" if key == "filter" else key: value for key, value in arguments.items()}
        elif OLD and method == "create_collection":
            arguments = {**arguments, "timeout": None}
        call = partial(getattr(called, method), self.collection, **{"timeout": seconds, **arguments})
        if method in ("search", "query"):
            # The circuit breaker is ours.
            call = partial(call, retry_times=0)
        try:
            return await self._in_thread(call)
        except _ERRORS as error:
            if _SILENT.search(_text(error)):
                raise TimeoutError from error
            raise

    def _made(self) -> Any:
        """Connect; blocks."""
        # It logs each error with its trace, and this package says the same in one line.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
        file, seconds = self._address.file, server.CONNECT_SECONDS
        own: dict[str, Any] = {} if OLD else {"alias": uuid4().hex, "dedicated": True}
        if file is not None:
            if OLD:
                raise AddressError(self.shown, "a file of Milvus Lite needs pymilvus 2.4 or newer, and milvus-lite")
            if not (self._make_file or file.exists()):
                # The client would make one.
                raise AddressError(self.shown, f"there is no file {file}")
            return MilvusClient(str(file), timeout=seconds, **own)
        uri = self._address.uri
        assert uri is not None
        _knock(uri, seconds)
        try:
            return MilvusClient(
                uri, token=os.environ.get(TOKEN, ""), db_name=self._address.database, timeout=seconds, **own
            )
        except _ERRORS as error:
            if _AWAY.search(_text(error)) or isinstance(error, grpc.FutureTimeoutError):
                # It has just accepted a connection.
                raise TimeoutError from error
            raise


def _knock(uri: str, seconds: float) -> None:
    """See whether anybody listens: the client tells nobody why it cannot connect."""
    host, _, port = uri.partition("://")[2].rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), seconds).close()
    except OSError as error:
        raise OSError(f"UNAVAILABLE: {error.strerror or error}") from error


def _close(client: Any) -> None:
    with suppress(*_ERRORS, AttributeError):
        client.close()


def _text(error: BaseException) -> str:
    if isinstance(error, grpc.RpcError) and callable(getattr(error, "code", None)):
        return f"{error.code()}: {error.details()}"
    return f"{getattr(error, 'code', '')}: {error}"


def reason(error: BaseException) -> str:
    """Return in one line what an error says."""
    if isinstance(error, grpc.RpcError) and callable(getattr(error, "details", None)):
        said = f"{error.code().name.lower().replace('_', ' ')}: {error.details()}"
    else:
        said = str(getattr(error, "message", "") or error)
    said = _AROUND.sub("", said.removeprefix("UNAVAILABLE: "))
    return " ".join(said.split())[:300] or type(error).__name__
