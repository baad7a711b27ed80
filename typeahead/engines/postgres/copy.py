"""A copy of a table in memory, which follows the changes of the table.

A cold copy has words and fields; texts and vectors stay in the table. A hot copy has all of it, so that nothing is
asked of the database to answer a key. :mod:`~typeahead.engines.living` keeps either.

The copy looks for changes at intervals. A row carries the transaction that wrote it (``xmin``), and a snapshot tells
which transactions were over: so all rows are found that were written since the last look, whoever wrote them, without a
trigger and without a right to write. While no transaction has ended anywhere since, a look is one small query. Fewer
rows than expected means deletions, and then ids are compared. After a lost connection, another server may answer, which
may lack transactions of the one before: then the versions of all rows are compared.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import psycopg

from typeahead.engines.documents import Read
from typeahead.engines.following import FollowedCopy
from typeahead.engines.postgres.database import CONNECT_SECONDS, Connection, connect, first_line
from typeahead.engines.postgres.rows import read_rows
from typeahead.engines.postgres.statements import Statement, Statements
from typeahead.index.queries import Preparation

log = logging.getLogger(__name__)

#: Rows that are read at once.
_ROWS: Final = 1000
#: Seconds between two looks, at least. After a long look, a cold copy rests for more times as long than a hot one, as
#: its candidates are read again anyway if they have changed; and neither rests for longer than the last number says.
LEAST_SECONDS: Final = 0.5
_COLD_REST, _HOT_REST = (30, 60.0), (5, 5.0)
#: The same where somebody has said that there is a change.
_HEARD_REST, _HEARD_SECONDS = 2, 0.01
#: Seconds between two attempts while the database is away, at most.
_AWAY_SECONDS: Final = 2.0
#: Seconds that a standby has to read what somebody has written.
_BEHIND_SECONDS: Final = 0.5
#: Seconds that closing waits for a look.
_CLOSE_SECONDS: Final = 1.0


class _Snapshot(NamedTuple):
    """Which transactions were over."""

    text: str
    #: The oldest transaction that was not, and the one after the newest.
    oldest: str
    newest: int
    #: Whether the server is a standby.
    standby: bool

    def is_same(self, later: _Snapshot) -> bool:
        """Whether no transaction has ended since. A standby does not list all that run, so it cannot tell then."""
        return self == later and not (self.standby and int(self.oldest) != self.newest % (1 << 32))


class _Found(NamedTuple):
    """What a look found: documents that may be new, ids that are gone, and how many rows there are."""

    read: list[Read]
    gone: list[str]
    usable: int | None = None
    rows: int = 0


class Copy(FollowedCopy):
    """The words and fields of a table. Belongs to one event loop. :meth:`open` reads the table.

    ``hot`` keeps vectors and texts, too, and says how queries compare with the vectors. Without ``words`` the copy only
    counts the rows, and tells when they change.
    """

    def __init__(
        self, conninfo: str, shown: str, statements: Statements, *, words: bool, hot: Preparation | None = None
    ) -> None:
        super().__init__(shown, words=words, hot=hot)
        self._conninfo, self._statements, self.hot = conninfo, statements, hot is not None
        #: The documents that the last change was about.
        self.taken: Sequence[str] = ()
        self._last: _Snapshot | None = None
        #: When the last look began that succeeded, in seconds of :func:`time.monotonic`.
        self._looked = time.monotonic()
        self._heard = asyncio.Event()
        self._position: str | None = None
        self._connection: Connection | None = None

    async def open(self) -> None:
        """Read the table. Raises what psycopg does."""
        async with self._lock:
            await self._read()

    def settled(self) -> Callable[[str], bool]:
        """Return a test of stamps: whether a row was written before what the copy has now was read.

        A visible row that was is the one that the copy has, if the copy has the document at all. Some that were may
        fail the test.
        """
        oldest = 0 if self._last is None else int(self._last.oldest)
        # Numbers of transactions go round.
        return lambda stamp: 0 < (oldest - int(stamp)) % (1 << 32) < 1 << 31

    def lag(self) -> float:
        """How many seconds ago the copy was known to be the table."""
        return time.monotonic() - self._looked

    def hear(self, position: str | None = None) -> None:
        """Look for changes soon: somebody has said that there are some, up to a position in the primary's log."""
        self._position = position
        self._heard.set()

    def stamps(self, ids: Sequence[str]) -> Mapping[str, str]:
        """The versions of those documents among ``ids`` that are there, by id; see :attr:`.documents.Read.stamp`.

        Call it only while the copy is :meth:`at_rest`, or as a follower.
        """
        return self._living.stamps(ids)

    async def refresh(self, ids: Sequence[str] | None = None, position: str | None = None) -> None:
        """Take in what has changed; with ``ids``, only in these documents, which reads no others.

        A standby has a moment to come as far as a ``position`` in the primary's log.

        Raises what psycopg does, and :class:`~typeahead.errors.BackendClosed`.
        """
        await self._take_in(lambda: self._read(ids, position))

    async def close(self) -> None:
        """Follow no more."""
        self._closed = True
        if self._task is not None:
            with suppress(TimeoutError):
                # A look that is under way may end.
                async with asyncio.timeout(_CLOSE_SECONDS), self._lock:
                    self._task.cancel()
            self._task.cancel()
            # A server that is silent may keep it for longer.
            await asyncio.wait([self._task], timeout=_CLOSE_SECONDS)
        if self._connection is not None:
            with suppress(psycopg.Error, TimeoutError):
                await asyncio.wait_for(self._connection.close(), CONNECT_SECONDS)

    async def _look(self) -> None:
        wait, took, failure = LEAST_SECONDS, 0.0, ""
        times, most = _HOT_REST if self.hot else _COLD_REST
        while True:
            await self._rest(took, wait)
            started = time.monotonic()
            try:
                position, self._position = self._position, None
                await self.refresh(position=position)
            except (psycopg.Error, OSError, TimeoutError) as error:
                if (told := first_line(error)) != failure:
                    failure = told
                    log.error("%s cannot be read, so what was read before is searched: %s", self._shown, told)
                wait = min(_AWAY_SECONDS, 2 * wait)
            except Exception:
                log.exception("what was read before is searched, as the changes of %s make an error", self._shown)
                wait = most
            else:
                failure, took = "", time.monotonic() - started
                wait = min(max(LEAST_SECONDS, times * took), most)

    async def _rest(self, took: float, wait: float) -> None:
        """Wait for the next look; less long where somebody has said that there is a change."""
        least = min(wait, _HEARD_REST * took + _HEARD_SECONDS)
        await asyncio.sleep(least)
        with suppress(TimeoutError):
            # Not wait_for: before Python 3.12, that may lose a cancellation.
            async with asyncio.timeout(wait - least):
                await self._heard.wait()
        self._heard.clear()

    async def _read(self, ids: Sequence[str] | None = None, position: str | None = None) -> None:
        """Read what has changed since the last time; at first, that is everything."""
        began, compare = time.monotonic(), False
        connection, last = self._connection, self._last
        if connection is None or connection.closed:
            compare = last is not None
            connection = self._connection = await connect(self._conninfo)
        try:
            if position is not None:
                await _reached(connection, position)
            if ids is None and not compare and last is not None and last.is_same(await _snapshot(connection)):
                self._looked = began
                return
            async with connection.transaction():
                await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                snapshot = await _snapshot(connection)
                if last is None:
                    await self._fill(connection, snapshot)
                elif ids is not None and not compare and self.words:
                    await self._take(await self._of_ids(connection, ids), snapshot)
                    # Others may have written meanwhile.
                    return
                elif not self.words:
                    await self._count(connection, last, snapshot, compare=compare)
                elif compare:
                    await self._take(await self._compared(connection), snapshot)
                else:
                    await self._take(await self._since(connection, last), snapshot)
        except BaseException:
            if compare:
                # The next attempt has to compare, too.
                await connection.close()
            raise
        self._last, self._looked = snapshot, began

    async def _fill(self, connection: Connection, snapshot: _Snapshot) -> None:
        """Read the whole table."""
        usable, rows, _ = await self._counted(connection)
        if self.words:
            async for some in _documents(connection, self._statements.rows(None, vectors=self.hot)):
                await asyncio.to_thread(self._living.add, some)
            await asyncio.to_thread(self._living.begin, snapshot.newest)
        self.version = snapshot.newest
        self.count, self.skipped = usable, rows - usable

    async def _of_ids(self, connection: Connection, ids: Sequence[str]) -> _Found:
        """What there is of some documents."""
        read: list[Read] = []
        for first in range(0, len(ids), _ROWS):
            statement = self._statements.rows(ids[first : first + _ROWS], vectors=self.hot)
            rows = await (await connection.execute(statement.query, statement.values, binary=self.hot)).fetchall()
            read += read_rows(rows)
        there = {one.document.id for one in read}
        known = self._living.stamps([key for key in ids if key not in there])
        return _Found(read, list(known))

    async def _since(self, connection: Connection, last: _Snapshot) -> _Found:
        """What has changed since a snapshot."""
        usable, rows, changed = await self._counted(connection, last.oldest)
        read: list[Read] = []
        if changed:
            async for some in _documents(connection, self._statements.changed(last.oldest, vectors=self.hot)):
                read += some
        known = self._living.stamps([one.document.id for one in read])
        gone: list[str] = []
        if self.contents.count + sum(one.document.id not in known for one in read) != usable:
            there = {key async for some in _stream(connection, self._statements.keys()) for key, _ in some}
            gone = [key for key in await asyncio.to_thread(self._living.stamps) if key not in there]
        return _Found(read, gone, usable, rows)

    async def _compared(self, connection: Connection) -> _Found:
        """What differs from the table, whenever that was written."""
        usable, rows, _ = await self._counted(connection)
        there = {key: stamp async for some in _stream(connection, self._statements.keys()) for key, stamp in some}
        known = await asyncio.to_thread(self._living.stamps)
        different = [key for key, stamp in there.items() if known.get(key) != stamp]
        gone = [key for key in known if key not in there]
        return _Found((await self._of_ids(connection, different)).read, gone, usable, rows)

    async def _take(self, found: _Found, snapshot: _Snapshot) -> None:
        """Take in what a look found."""
        known = self._living.stamps([one.document.id for one in found.read])
        new = [one for one in found.read if known.get(one.document.id) != one.stamp]
        if new or found.gone:
            version = max(snapshot.newest, self.version + 1)
            await asyncio.to_thread(self._living.change, new, found.gone, version)
            self.version, self.taken = version, [*(one.document.id for one in new), *found.gone]
        if found.usable is None:
            self.count = self.contents.count
        else:
            self.count, self.skipped = found.usable, found.rows - found.usable

    async def _count(self, connection: Connection, last: _Snapshot, snapshot: _Snapshot, *, compare: bool) -> None:
        """Count the rows, and find out whether any has changed."""
        usable, rows, changed = await self._counted(connection, last.oldest)
        if compare or usable != self.count or changed:
            self.version = max(snapshot.newest, self.version + 1)
        self.count, self.skipped = usable, rows - usable

    async def _counted(self, connection: Connection, since: str | None = None) -> tuple[int, int, int]:
        """How many documents can be found, how many there are, and how many rows were written ``since``."""
        statement = self._statements.count(since)
        row = await (await connection.execute(statement.query, statement.values)).fetchone()
        assert row is not None
        return row[0], row[1], row[2]


async def _snapshot(connection: Connection) -> _Snapshot:
    row = await (
        await connection.execute(
            "SELECT now::text, pg_snapshot_xmin(now)::xid::text, pg_snapshot_xmax(now)::text, pg_is_in_recovery()"
            " FROM pg_current_snapshot() AS now"
        )
    ).fetchone()
    assert row is not None
    return _Snapshot(row[0], row[1], int(row[2]), row[3])


async def _reached(connection: Connection, position: str) -> None:
    """Wait until a standby has come to a position in the primary's log, but not for long."""
    ends = time.monotonic() + _BEHIND_SECONDS
    query = "SELECT NOT pg_is_in_recovery() OR pg_last_wal_replay_lsn() >= %s::text::pg_lsn"
    while time.monotonic() < ends:
        row = await (await connection.execute(query, [position])).fetchone()
        if row and row[0]:
            return
        await asyncio.sleep(0.005)


async def _stream(connection: Connection, statement: Statement) -> AsyncIterator[list[Any]]:
    """Read the rows of a statement, some at a time."""
    async with connection.cursor("typeahead_rows") as cursor:
        # Vectors are half as long in binary form.
        await cursor.execute(statement.query, statement.values, binary=True)
        while rows := await cursor.fetchmany(_ROWS):
            yield rows


async def _documents(connection: Connection, statement: Statement) -> AsyncIterator[Iterator[Read]]:
    """Read the documents of a statement, some at a time, each with all of its rows."""
    rest: list[Any] = []
    async for some in _stream(connection, statement):
        rows = [*rest, *some]
        # More rows of the last document may follow.
        place = len(rows)
        while place and rows[place - 1][0] == rows[-1][0]:
            place -= 1
        rest = rows[place:]
        yield read_rows(rows[:place])
    yield read_rows(rest)
