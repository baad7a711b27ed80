"""Has a server learn what its index holds (:mod:`typeahead.search.learning`), and again when documents change.

That happens before the server is ready, and again behind the typing. The steps of an encoder belong to the event loop,
so a calibration while people type encodes one text at a time, and gives way after each. Every process learns for
itself, and all learn the same.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from typeahead.search.learning import TOGETHER, learn
from typeahead.search.port import Backend
from typeahead.server.typing.pipeline import Pipeline

log = logging.getLogger(__name__)

#: Seconds in which documents must not change before it learns again, and for which it waits for that at most.
QUIET_SECONDS: Final = 2.0
MOST_SECONDS: Final = 60.0
#: Seconds that it may take.
_PATIENCE: Final = 60.0


class Learning:
    """Teaches ``pipeline`` what ``backend`` holds. Belongs to the pipeline's event loop."""

    def __init__(
        self,
        backend: Backend,
        pipeline: Pipeline,
        *,
        quiet_seconds: float = QUIET_SECONDS,
        most_seconds: float = MOST_SECONDS,
    ) -> None:
        self._backend = backend
        self._pipeline = pipeline
        self._quiet = quiet_seconds
        self._most = most_seconds
        self._task: asyncio.Task[None] | None = None

    async def learn(self, together: int = TOGETHER) -> None:
        """Learn now, with so many texts encoded together. Raises what the back end and the encoder raise."""
        deadline = time.monotonic() + _PATIENCE
        self._pipeline.weigh_by(await learn(self._backend, self._pipeline.asker, deadline, together=together))

    def changed(self) -> None:
        """Learn again once no more documents change."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._learn_again())

    def stop(self) -> None:
        """Learn no more."""
        if self._task is not None:
            self._task.cancel()

    async def _learn_again(self) -> None:
        learned = None
        while learned != self._backend.version:
            learned = await self._settled()
            try:
                await self.learn(together=1)
            except Exception:
                log.exception("documents have changed, and could not be learned: the earlier words are used")
                return

    async def _settled(self) -> str:
        """Wait until documents no longer change, and return their version."""
        latest = time.monotonic() + self._most
        while True:
            version = self._backend.version
            await asyncio.sleep(self._quiet)
            if self._backend.version == version or time.monotonic() >= latest:
                return self._backend.version
