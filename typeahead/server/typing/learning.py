"""Has a room learn what its documents hold (:mod:`typeahead.search.learning`), and again when they change.

That happens before the room is entered, and again behind the typing. The steps of an encoder belong to the event loop,
so a calibration while people type encodes one text at a time, and gives way after each. Under constant writes a room
learns once a minute, one room after the other. Every process learns for itself, and all learn the same.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from typeahead.search.learning import TOGETHER
from typeahead.server.typing.room import Room

log = logging.getLogger(__name__)

#: Seconds in which documents must not change before it learns again, and for which it waits for that at most.
QUIET_SECONDS: Final = 2.0
MOST_SECONDS: Final = 60.0
#: Seconds between the end of one learning and the beginning of the next.
REST_SECONDS: Final = 60.0
#: Seconds that it may take.
_PATIENCE: Final = 60.0


class Learning:
    """Teaches ``room`` what its documents hold. Belongs to the room's event loop.

    Of all that share a ``turn``, one learns again at a time.
    """

    def __init__(
        self,
        room: Room,
        *,
        quiet_seconds: float = QUIET_SECONDS,
        most_seconds: float = MOST_SECONDS,
        rest_seconds: float = REST_SECONDS,
        turn: asyncio.Lock | None = None,
    ) -> None:
        self._room = room
        self._quiet = quiet_seconds
        self._most = most_seconds
        self._rest = rest_seconds
        self._turn = turn or asyncio.Lock()
        self._learned = ""
        #: When it has learned again, in seconds of the event loop's clock. What a start has learned does not count, so
        #: the first change is learned soon.
        self._ended = -rest_seconds
        self._task: asyncio.Task[None] | None = None

    async def learn(self, together: int = TOGETHER) -> None:
        """Learn now, with so many texts encoded together. Raises what the back end and the encoder raise."""
        version = self._room.source.version
        await self._room.learn(time.monotonic() + _PATIENCE, together=together)
        self._learned = version

    def changed(self) -> None:
        """Learn again once no more documents change."""
        if (self._task is None or self._task.done()) and self._learned != self._room.source.version:
            self._task = asyncio.create_task(self._learn_again())

    def stop(self) -> None:
        """Learn no more."""
        if self._task is not None:
            self._task.cancel()

    async def _learn_again(self) -> None:
        while self._learned != self._room.source.version:
            await self._settled()
            try:
                async with self._turn:
                    await self.learn(together=1)
            except Exception:
                log.exception("documents have changed, and could not be learned: the earlier words are used")
                return
            finally:
                self._ended = asyncio.get_running_loop().time()

    async def _settled(self) -> None:
        """Wait until documents no longer change, and until the last learning is long enough ago."""
        loop = asyncio.get_running_loop()
        earliest = self._ended + self._rest
        latest = max(loop.time() + self._most, earliest)
        while True:
            version = self._room.source.version
            await asyncio.sleep(self._quiet)
            if loop.time() >= (earliest if self._room.source.version == version else latest):
                return
