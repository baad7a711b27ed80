"""What a role of the database may see, as row-level security decides: a part of the copy in memory.

The copy has what the server's own role sees, so the database is asked which rows a role sees: as that role, after each
change of the table for the documents that changed, and every few seconds for all, because a policy may depend on
anything. A document counts if the role sees the very version that is in memory.

A role is taken on with ``SET LOCAL ROLE``, within one transaction. When that ends, however it ends, the connection is
the server's again, so no pool can hand a role's connection to somebody else; and the server needs no passwords of
roles. All statements are the server's own, with parameters, so nothing that somebody types can take the role off.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Any, Final, Self, TypeVar

import psycopg

from typeahead.engines.following import Follower
from typeahead.engines.postgres.copy import Copy
from typeahead.engines.postgres.database import Connection, Database, first_line
from typeahead.engines.postgres.statements import Statement, Statements
from typeahead.errors import BackendAway, DeadlinePassed, RoleRefused, TypeaheadError
from typeahead.index.contents import Contents
from typeahead.index.view import View

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds between two times that the database is asked for everything that a role sees; and as many times longer as
#: asking takes, up to a bound.
ROLE_SECONDS, _ROLE_REST, _MOST_ROLE_SECONDS = 5.0, 20, 30.0
#: Seconds for which what a role saw is still searched while the database cannot be asked.
TRUSTED_SECONDS: Final = 60.0
#: Documents that have changed, up to which the role is asked for these alone.
_FEW: Final = 1000
#: What the database says of a role that is not there, or that the server's role must not take on.
_REFUSALS: Final = (psycopg.errors.InvalidParameterValue, psycopg.errors.InsufficientPrivilege)


def as_role(role: str, work: Callable[[Connection], Awaitable[T]]) -> Callable[[Connection], Awaitable[T]]:
    """Return ``work`` in a transaction of its own, in which the connection is ``role``.

    It raises :class:`~typeahead.errors.RoleRefused` where the role cannot be taken on, or may not read the table.
    """

    async def within(connection: Connection) -> T:
        try:
            async with connection.transaction():
                # The same as SET LOCAL ROLE, which takes no parameter.
                await connection.execute("SELECT set_config('role', %s, true)", [role])
                return await work(connection)
        except _REFUSALS as error:
            raise RoleRefused(role, first_line(error)) from error

    return within


class RoleView:
    """What a role sees of a copy. Made by :meth:`of`. Belongs to one event loop, like the copy."""

    def __init__(self, role: str, copy: Copy, database: Database, statements: Statements) -> None:
        self._role, self._copy, self._database, self._statements = role, copy, database, statements
        self._view = View(None)
        self._seen: set[str] = set()
        self._present: tuple[Contents, str]
        self._whole: Contents
        self._refused: TypeaheadError | None = None
        #: Whether it was not asked what the role sees of some change.
        self._missed = False
        #: When the database was last asked for everything, and how long that took.
        self._asked = -math.inf
        self._took = 0.0
        self._followers: list[Follower] = []
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def of(cls, role: str, copy: Copy, database: Database, statements: Statements) -> Self:
        """Make a view, which follows the copy and what the role may see.

        Raises :class:`~typeahead.errors.RoleRefused`, :class:`~typeahead.errors.SearchError` if it is too large, and
        what the database raises.
        """
        view = cls(role, copy, database, statements)
        await copy.at_rest(view._ask)
        # Nothing comes between: this gives the event loop no turn.
        copy.follow(view._changed)
        view._task = asyncio.ensure_future(view._renew())
        return view

    @property
    def contents(self) -> Contents:
        """What the role sees of the copy.

        Raises why that is not known any more: the role was refused, or nobody could ask for a minute.
        """
        if self._refused is not None:
            raise self._refused
        if time.monotonic() - self._asked > TRUSTED_SECONDS:
            raise BackendAway(self._database.shown, f"what the role {self._role!r} may see is not known any more")
        return self._present[0]

    @property
    def version(self) -> str:
        """A digest of the contents."""
        return self._present[1]

    def lag(self) -> float:
        """How many seconds ago the contents were known to be the table, and what the role may see."""
        # The next time is not late before it is due.
        return max(self._copy.lag(), time.monotonic() - self._asked - self._pause)

    def follow(self, follower: Follower | None = None) -> None:
        """Tell ``follower`` of new contents from now on."""
        if follower is not None:
            self._followers.append(follower)

    def unfollow(self, follower: Follower) -> None:
        """Tell no more of changes."""
        with suppress(ValueError):
            self._followers.remove(follower)

    def close(self) -> None:
        """Follow nothing any more."""
        self._copy.unfollow(self._changed)
        if self._task is not None:
            self._task.cancel()

    @property
    def _pause(self) -> float:
        return min(max(ROLE_SECONDS, _ROLE_REST * self._took), _MOST_ROLE_SECONDS)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._pause)
            await self._heeding(self._copy.at_rest(self._ask))

    async def _changed(self, contents: Contents) -> None:
        """Hear of new contents; the copy waits meanwhile."""
        taken = self._copy.taken
        everything = self._missed or len(taken) > _FEW
        await self._heeding(self._ask(contents, None if everything else taken))

    async def _heeding(self, asking: Awaitable[None]) -> None:
        """Wait for the database. What the role saw counts for a while without it, but not against its refusal."""
        try:
            await asking
        except (BackendAway, DeadlinePassed, OSError):
            self._missed = True
        except TypeaheadError as error:
            self._missed = True
            if self._refused is None:
                log.error("%s", error)
            self._refused = error

    async def _ask(self, contents: Contents, ids: Collection[str] | None = None) -> None:
        """Ask what the role sees of some documents, or of all; and make the contents of it."""
        began = time.monotonic()
        seen = await self._visible(None if ids is None else self._statements.ids(list(ids)))
        if ids is None:
            self._took = time.monotonic() - began
        else:
            seen |= self._seen.difference(ids)
        same = self._refused is None and self._asked > -math.inf and contents is self._whole and seen == self._seen
        if not same:
            self._present = await asyncio.to_thread(self._view.of, contents, seen)
        self._whole, self._seen, self._refused = contents, seen, None
        if ids is None:
            self._asked, self._missed = began, False
        if not same:
            for follower in list(self._followers):
                await follower(self._present[0])

    async def _visible(self, ids: Sequence[str] | None) -> set[str]:
        """The documents that the role sees in the version that the copy has."""
        if ids is not None and not ids:
            return set()
        statement: Statement = self._statements.keys(ids)

        async def read(connection: Connection) -> list[Any]:
            return await (await connection.execute(statement.query, statement.values)).fetchall()

        rows = await self._database.call(as_role(self._role, read))
        stamps = self._copy.stamps([key for key, _ in rows])
        return {key for key, stamp in rows if stamps.get(key) == stamp}
