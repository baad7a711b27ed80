"""Hears that a table has changed, where somebody says so: ``NOTIFY``, by a trigger.

Tables that ``typeahead index`` makes have such a trigger. For another table, the user names the channel. Whoever hears
nothing still finds each change at the next look, so a lost connection loses nothing but time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import psycopg
from psycopg import sql

from typeahead.engines.postgres.database import Connection, connect, first_line

log = logging.getLogger(__name__)

#: Seconds between two attempts to connect.
_AGAIN_SECONDS: Final = 2.0
_POSITION: Final = "SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_lsn()::text END"


class Listening:
    """Calls ``hear`` for each notification of a channel, with the server's position in its log.

    A standby cannot be listened to, so ``conninfo`` leads to the primary. Belongs to the running event loop.
    """

    def __init__(self, conninfo: str, channel: str, hear: Callable[[str | None], None]) -> None:
        self._conninfo, self._channel, self._hear = conninfo, channel, hear
        self._task = asyncio.ensure_future(self._listen())

    async def close(self) -> None:
        """Listen no more."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _listen(self) -> None:
        failure = ""
        while True:
            try:
                async with await connect(self._conninfo) as connection:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
                    failure = ""
                    while True:
                        # At first for what came before.
                        self._hear(await _position(connection))
                        async for _ in connection.notifies(stop_after=1):
                            pass
            except (psycopg.Error, OSError) as error:
                if (told := first_line(error)) != failure:
                    failure = told
                    log.warning("nobody listens to channel %s, so changes are seen later: %s", self._channel, told)
            await asyncio.sleep(_AGAIN_SECONDS)


async def _position(connection: Connection) -> str | None:
    row = await (await connection.execute(_POSITION)).fetchone()
    return row[0] if row else None
