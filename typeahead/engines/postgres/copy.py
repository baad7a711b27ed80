"""A copy of a table's words and fields in memory, which follows the changes of the table.

Texts and vectors stay in the table. The words are those of the embedded index, so evidence, counts, phrases and facets
are the same here as there, and cost no round trip.

The copy looks for changes at intervals. A row carries the transaction that wrote it (``xmin``), and a snapshot tells
which transactions were over: so all rows are found that were written since the last look, whoever wrote them, without a
trigger and without a right to write. Fewer rows than expected means deletions, and then ids are compared. Each
candidate comes with its ``xmin``, too, so one that the copy has in an earlier version is read again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, cast

import numpy as np
import psycopg

from typeahead.engines.documents import Read
from typeahead.engines.postgres.database import CONNECT_SECONDS, Connection, connect, first_line
from typeahead.engines.postgres.rows import read_rows
from typeahead.engines.postgres.statements import Statement, Statements
from typeahead.errors import BackendClosed, FieldTypeError
from typeahead.index.changes import forms
from typeahead.index.changes.analysed import DocumentWords
from typeahead.index.changes.following import Changes
from typeahead.index.changes.journal import Journal
from typeahead.index.changes.memory import Held, MemoryPart
from typeahead.index.changes.records import Change, Stored
from typeahead.index.columns import StoredColumns
from typeahead.index.contents import Contents
from typeahead.index.kinds import FieldKinds
from typeahead.index.parts import PassageMap
from typeahead.index.queries import Preparation
from typeahead.text.document import Document, Passage

log = logging.getLogger(__name__)

#: Rows that are read, and documents whose words are put together, at once.
_ROWS: Final = 1000
_TOGETHER: Final = 10_000
#: Seconds between two looks, at least and at most; in between, so many times what a look takes.
LEAST_SECONDS, MOST_SECONDS = 0.5, 60.0
_REST: Final = 30
#: The parts of an index have vectors. These stay in the table, and one zero stands for each.
_PREPARATION: Final = Preparation(1, cosine=False)
_ZERO: Final = np.zeros((1, 1), np.float32)

#: Hears of new contents, on the event loop.
Follower = Callable[[Contents], Awaitable[None]]


class Copy:
    """The words and fields of a table. Belongs to one event loop. :meth:`open` reads the table.

    Without ``words`` it only counts the rows, and tells when they change.
    """

    def __init__(self, conninfo: str, shown: str, statements: Statements, *, words: bool) -> None:
        self._conninfo, self._shown, self._statements = conninfo, shown, statements
        self.words = words
        self.contents = Contents(1, [], [], [])
        #: Number of documents, and of rows that cannot be found as something is missing.
        self.count = self.skipped = 0
        self.version = 1
        self._changes: Changes | None = None
        self._feed = _Feed()
        #: The oldest transaction that was not over at the last look.
        self._since = ""
        self._kinds = FieldKinds()
        self._followers: list[Follower] = []
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def open(self) -> None:
        """Read the table. Raises what psycopg does."""
        async with self._lock:
            await self._read()

    def follow(self, follower: Follower | None = None) -> None:
        """Look for changes from now on; ``follower`` hears of them."""
        if follower is not None:
            self._followers.append(follower)
        if self._task is None:
            self._task = asyncio.ensure_future(self._look())

    def unfollow(self, follower: Follower) -> None:
        """Tell no more of changes."""
        with suppress(ValueError):
            self._followers.remove(follower)

    async def refresh(self) -> None:
        """Take in what has changed. Raises what psycopg does, and :class:`~typeahead.errors.BackendClosed`."""
        async with self._lock:
            if self._closed:
                raise BackendClosed(self._shown)
            before = self.version
            await self._read()
            if self.version != before:
                # Whoever wrote waits for this: views have what was written once a write is answered.
                for follower in list(self._followers):
                    await follower(self.contents)

    async def close(self) -> None:
        """Follow no more."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._connection is not None:
            with suppress(psycopg.Error, TimeoutError):
                await asyncio.wait_for(self._connection.close(), CONNECT_SECONDS)

    async def _look(self) -> None:
        wait, failure = LEAST_SECONDS, ""
        while True:
            await asyncio.sleep(wait)
            started = time.monotonic()
            try:
                await self.refresh()
            except (psycopg.Error, OSError, TimeoutError) as error:
                if (told := first_line(error)) != failure:
                    failure = told
                    log.error("the words of before are searched, as %s cannot be read: %s", self._shown, told)
                wait = min(10.0, 2 * wait)
            except Exception:
                log.exception("the words of before are searched, as the changes of %s make an error", self._shown)
                wait = MOST_SECONDS
            else:
                failure = ""
                wait = min(max(LEAST_SECONDS, _REST * (time.monotonic() - started)), MOST_SECONDS)

    async def _read(self) -> None:
        """Read what has changed since the last time; at first, that is everything."""
        if self._connection is None or self._connection.closed:
            self._connection = await connect(self._conninfo)
        connection, statements = self._connection, self._statements
        async with connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            snapshot = await (
                await connection.execute(
                    "SELECT pg_snapshot_xmin(pg_current_snapshot())::xid::text, pg_snapshot_xmax(pg_current_snapshot())"
                )
            ).fetchone()
            assert snapshot is not None
            oldest, newest = snapshot
            counted = await (await _execute(connection, statements.count())).fetchone()
            assert counted is not None
            usable, rows = counted
            first = not self._since
            changed: list[Read] = []
            if not self.words:
                pass
            elif first:
                await self._fill(connection)
            else:
                async for some in _stream(connection, statements.changed(self._since)):
                    changed += read_rows(some)
            altered = await self._take(connection, changed, usable, first=first)
        self._since = oldest
        self.count, self.skipped = usable, rows - usable
        if altered or first:
            self.version = max(int(newest), self.version + 1)
            if self._changes is not None:
                self.contents = _contents_of(self._changes, self.version)

    async def _fill(self, connection: Connection) -> None:
        """Read the whole table. Words are put together in parts, as they take much memory before."""
        parts: list[MemoryPart] = []
        stored: list[Stored] = []
        rest: list[Sequence[Any]] = []
        async for some in _stream(connection, self._statements.rows(None)):
            whole, rest = _complete([*rest, *some])
            stored += await asyncio.to_thread(self._analyse, list(read_rows(whole)))
            if len(stored) >= _TOGETHER:
                parts.append(await asyncio.to_thread(MemoryPart.of, stored, _PREPARATION))
                stored = []
        stored += await asyncio.to_thread(self._analyse, list(read_rows(rest)))
        if stored:
            parts.append(await asyncio.to_thread(MemoryPart.of, stored, _PREPARATION))
        base = await asyncio.to_thread(_merged, parts)
        self._changes = Changes(cast("Journal", self._feed), base, _PREPARATION)
        self._changes.refresh()

    async def _take(self, connection: Connection, changed: Sequence[Read], usable: int, *, first: bool) -> bool:
        """Take changes in, and find out what was deleted; returns whether anything is different."""
        if not self.words:
            if first:
                return True
            since = {"since": self._since}
            query = psycopg.sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE age(xmin) <= age(%(since)s::xid))")
            found = await (await connection.execute(query.format(self._statements.table.quoted), since)).fetchone()
            return bool(found and found[0]) or usable != self.count
        assert self._changes is not None
        if first:
            return True
        contents = self.contents
        rows = contents.find([one.document.id for one in changed])
        known = dict(zip(rows, (one.url for one in contents.documents(list(rows.values()))), strict=True))
        new = [one for one in changed if known.get(one.document.id) != one.stamp]
        added = sum(one.document.id not in known for one in new)
        gone: list[str] = []
        if contents.count + added != usable:
            there = {key async for some in _stream(connection, self._statements.keys()) for (key,) in some}
            every = contents.live_rows(contents.masks(None)).tolist()
            gone = [key for row in every if (key := contents.id(row)) not in there]
        if not new and not gone:
            return False
        stored = await asyncio.to_thread(self._analyse, new)
        changes = self._changes
        await asyncio.to_thread(self._feed.put, changes, stored, gone)
        return True

    def _analyse(self, read: Sequence[Read]) -> list[Stored]:
        """Keep of documents what is searched: words, fields, and the version of the row in place of the URL."""
        found = []
        for document, passages, stamp in read:
            words = DocumentWords.of(document, passages)
            kept = Document(document.id, url=stamp, fields=document.fields)
            try:
                self._kinds.add(kept)
            except FieldTypeError:
                kept = Document(document.id, url=stamp, fields=self._of_known_kinds(document))
                self._kinds.add(kept)
            vectors = _ZERO if len(passages) == 1 else np.zeros((len(passages), 1), np.float32)
            found.append(Stored(kept, (_NO_TEXT,) * len(passages), vectors, words))
        return found

    def _of_known_kinds(self, document: Document) -> dict[str, Any]:
        """The fields of a document without those that have another kind of value elsewhere."""
        fields = {}
        for name, values in document.fields.items():
            with suppress(FieldTypeError):
                FieldKinds(self._kinds.kinds).add(Document(document.id, fields={name: values}))
                fields[name] = values
        return fields


_NO_TEXT: Final = Passage("")


class _Feed:
    """Changes that :class:`~typeahead.index.changes.following.Changes` has not taken yet, as a journal has them."""

    def __init__(self) -> None:
        self._number = 0
        self._waiting: list[Change] = []

    def since(self, number: int) -> Iterable[Change]:
        """Return the changes after one."""
        return [one for one in self._waiting if one.version > number]

    def put(self, changes: Changes, stored: Sequence[Stored], gone: Sequence[str]) -> None:
        """Have changes taken."""
        for one in stored:
            self._number += 1
            self._waiting.append(Change(self._number, one.document.id, one))
        for key in gone:
            self._number += 1
            self._waiting.append(Change(self._number, key, None))
        changes.refresh()
        self._waiting.clear()


def _merged(parts: Sequence[MemoryPart]) -> MemoryPart:
    if not parts:
        return MemoryPart(
            Held([], []), PassageMap(0, None), np.zeros((0, 1), np.float32), _PREPARATION,
            forms.of_documents([]), StoredColumns.of([]),
        )  # fmt: skip
    return parts[0] if len(parts) == 1 else MemoryPart.of_pieces([part.pieces() for part in parts], _PREPARATION)


def _contents_of(changes: Changes, version: int) -> Contents:
    state = changes.refresh()
    words = [
        part.words if mask is None else part.words.without(np.flatnonzero(~mask))
        for part, mask in zip(state.parts, state.admitted, strict=True)
    ]
    return Contents(version, state.parts, state.admitted, words)


def _complete(rows: list[Sequence[Any]]) -> tuple[list[Sequence[Any]], list[Sequence[Any]]]:
    """Part rows in front of the last document, of which more rows may follow."""
    place = len(rows)
    while place and rows[place - 1][0] == rows[-1][0]:
        place -= 1
    return rows[:place], rows[place:]


async def _execute(connection: Connection, statement: Statement) -> psycopg.AsyncCursor[Any]:
    return await connection.execute(statement.query, statement.values)


async def _stream(connection: Connection, statement: Statement) -> AsyncIterator[list[Any]]:
    """Read the rows of a statement, some at a time."""
    async with connection.cursor("typeahead_rows") as cursor:
        await cursor.execute(statement.query, statement.values)
        while rows := await cursor.fetchmany(_ROWS):
            yield rows
