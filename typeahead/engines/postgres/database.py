"""The way to the database: a pool of connections, a deadline for each call, and a circuit breaker.

A call whose connection breaks is made once more, over a new connection, which goes to another server where the address
names several. While none can be reached, calls fail at once and with one message, and a task looks whether it is back.
A call that is too late is cancelled at the server, too, and its connection is given up if that takes long.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from typeahead.core.encoder import Vectors
from typeahead.errors import AddressError, BackendAway, BackendClosed, DeadlinePassed, SearchError

log = logging.getLogger(__name__)

T = TypeVar("T")
Connection = AsyncConnection[Any]

#: Seconds for opening a connection.
CONNECT_SECONDS: Final = 5.0
#: How connections are made. A server that is gone without a word is noticed in seconds, not in hours.
_OPTIONS: Final[dict[str, Any]] = {
    "autocommit": True,
    "connect_timeout": round(CONNECT_SECONDS),
    "application_name": "typeahead",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
#: Seconds between two looks whether the database is back, at first and at most.
_LOOK_SECONDS, _MOST_LOOK_SECONDS = 0.2, 2.0
#: What the codes of errors begin with after which a connection is of no use: it is lost, or the server stops or starts.
_BROKEN: Final = ("08", "57P")
#: Calls in a row that were too late, after which the database counts as away.
_LATE: Final = 8


class SentVector:
    """A vector as a parameter, float32 (dim,): in the binary form that pgvector reads."""

    __slots__ = ("data",)

    def __init__(self, vector: Vectors) -> None:
        self.data = len(vector).to_bytes(2) + bytes(2) + vector.astype(">f4").tobytes()


class Database:
    """Connections to ``conninfo``; ``shown`` is the address for messages. Belongs to one event loop."""

    def __init__(self, conninfo: str, shown: str, connections: int) -> None:
        self._conninfo, self.shown = conninfo, shown
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            conninfo,
            min_size=1,
            max_size=connections,
            open=False,
            kwargs=_OPTIONS,
            configure=self._configure,
            reconnect_timeout=math.inf,
        )
        self._vector_oid = 0
        self._away: str | None = None
        self._late = 0
        self._looking: asyncio.Task[None] | None = None
        self._repairing: asyncio.Task[None] | None = None
        #: Calls that are too late, until their connections are given up.
        self._given_up: set[asyncio.Future[Any]] = set()
        self._closed = False

    async def open(self, like: Database | None = None) -> None:
        """Connect. Raises :class:`~typeahead.errors.AddressError` with the reason if that fails.

        With another database that is ``like`` this one and open, it only begins to.
        """
        if like is not None:
            self._vector_oid = like._vector_oid
            await self._pool.open()
            return
        try:
            async with asyncio.timeout(2 * CONNECT_SECONDS):
                connection = await connect(self._conninfo)
                async with connection:
                    row = await (await connection.execute("SELECT to_regtype('vector')::oid")).fetchone()
        except TimeoutError:
            raise AddressError(
                self.shown, f"the server accepts connections and does not answer for {2 * CONNECT_SECONDS:g} seconds"
            ) from None
        except psycopg.Error as error:
            raise AddressError(self.shown, f"the database cannot be reached: {first_line(error)}") from error
        self._vector_oid = (row or (None,))[0] or 0
        # The pool logs each attempt that fails, at length.
        logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
        await self._pool.open()

    async def call(
        self, work: Callable[[Connection], Awaitable[T]], deadline: float = math.inf, *, again: bool = True
    ) -> T:
        """Run ``work`` over a connection. ``deadline`` is in seconds of :func:`time.monotonic`.

        Where the connection breaks, ``work`` runs once more over another if ``again``; what writes may have been done.

        Raises :class:`~typeahead.errors.DeadlinePassed`, :class:`~typeahead.errors.BackendClosed`,
        :class:`~typeahead.errors.BackendAway` while the database cannot be reached,
        :class:`~typeahead.errors.SearchError` for what the server refuses, and what ``work`` raises of its own.
        """
        self.check(deadline)
        if self._away is not None:
            raise BackendAway(self.shown, self._away)
        left = None if deadline == math.inf else deadline - time.monotonic()
        task = asyncio.ensure_future(self._within(work, left, again=again))
        try:
            # Shielded: a task that is cancelled waits for the server first, which may never answer.
            done, _ = await asyncio.wait([task], timeout=left)
        except asyncio.CancelledError:
            self._give_up(task)
            raise
        if not done:
            self._give_up(task)
            self._late += 1
            if self._late >= _LATE:
                self._lost(f"{_LATE} calls in a row were not answered in time")
            raise DeadlinePassed(f"{self.shown} did not answer in time")
        try:
            result = task.result()
        except psycopg.errors.QueryCanceled:
            raise DeadlinePassed(f"{self.shown} did not answer in time") from None
        except PoolTimeout:
            # All connections are busy, or none can be made.
            raise DeadlinePassed(f"{self.shown} had no connection free in time") from None
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self._lost(first_line(error))
            raise BackendAway(self.shown, first_line(error)) from error
        except psycopg.Error as error:
            raise SearchError(f"{self.shown} cannot be searched: {first_line(error)}") from error
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
        """Why the database cannot be reached; None while it can."""
        return self._away

    async def close(self) -> None:
        """Close all connections."""
        if self._closed:
            return
        self._closed = True
        if self._looking is not None:
            self._looking.cancel()
        if self._repairing is not None:
            self._repairing.cancel()
        for task in self._given_up:
            task.cancel()
        await self._pool.close(timeout=1.0)

    async def _within(self, work: Callable[[Connection], Awaitable[T]], left: float | None, *, again: bool) -> T:
        try:
            async with self._pool.connection(timeout=left) as connection:
                return await work(connection)
        except PoolTimeout:
            raise
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if not again or not self._is_broken(error):
                raise
        # Whatever else is in the pool may be broken, too.
        async with await connect(self._conninfo) as connection:
            await self._configure(connection)
            result = await work(connection)
        self._repair()
        return result

    def _is_broken(self, error: psycopg.Error) -> bool:
        """Whether an error is one of the connection, not of a statement."""
        return error.sqlstate is None or error.sqlstate.startswith(_BROKEN)

    def _repair(self) -> None:
        """Have the pool give up connections that are broken."""
        if self._repairing is None or self._repairing.done():
            self._repairing = asyncio.ensure_future(self._pool.check())
            self._repairing.add_done_callback(_heeded)

    async def _configure(self, connection: Connection) -> None:
        if self._vector_oid:
            connection.adapters.register_dumper(SentVector, vector_dumper(self._vector_oid))

    def _give_up(self, task: asyncio.Future[Any]) -> None:
        task.cancel()
        self._given_up.add(task)
        task.add_done_callback(self._was_given_up)

    def _was_given_up(self, task: asyncio.Future[Any]) -> None:
        self._given_up.discard(task)
        _heeded(task)

    def _lost(self, reason: str) -> None:
        if self._closed:
            return
        if self._away is None:
            log.error("%s cannot be reached, so its searches fail until it is back: %s", self.shown, reason)
        self._away = reason
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._look())

    async def _look(self) -> None:
        """Look whether the database is back."""
        wait = _LOOK_SECONDS
        while True:
            await asyncio.sleep(wait)
            wait = min(_MOST_LOOK_SECONDS, 2 * wait)
            with suppress(psycopg.Error, PoolTimeout, TimeoutError, OSError):
                async with asyncio.timeout(CONNECT_SECONDS):
                    async with await connect(self._conninfo) as connection:
                        await connection.execute("SELECT 1")
                    # Connections of before are broken, and make place for new ones.
                    await self._pool.check()
                log.warning("%s is back", self.shown)
                self._away, self._late = None, 0
                return


def _heeded(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        task.exception()  # so that nobody calls it forgotten


async def connect(conninfo: str) -> Connection:
    """Open a connection outside of any pool."""
    return await AsyncConnection.connect(conninfo, **_OPTIONS)


def first_line(error: BaseException) -> str:
    """Return what an error says first, without the lines that point into statements."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def vector_dumper(vector_oid: int) -> type[Dumper]:
    """Return how vectors are sent, by the number that the type has in this database."""

    class VectorDumper(Dumper):
        """Sends a vector as pgvector's own binary form: its dimension, two bytes of zeros, and float32 values."""

        format = Format.BINARY
        oid = vector_oid

        def dump(self, obj: SentVector) -> Buffer:
            return obj.data

    return VectorDumper
