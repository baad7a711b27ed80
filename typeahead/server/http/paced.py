"""A request body that is read piece by piece, bounded in length, and in the time that the client may take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

from starlette.requests import ClientDisconnect

from typeahead.server.http.api import ApiError, Receive

#: Bytes a second at which a body has to come on the whole.
LEAST_RATE: Final = 10_000


async def paced(
    receive: Receive, *, limit: int, seconds: float, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[bytes]:
    """Yield the pieces of a body of at most ``limit`` bytes, by ASGI's ``receive``.

    The client may be silent for ``seconds``, and slower than :data:`LEAST_RATE` for no longer. Only waiting for it
    counts, not what the server does with a piece. Raises :class:`ApiError` and ``ClientDisconnect``.
    """
    total, left = 0, seconds
    while True:
        began = clock()
        try:
            async with asyncio.timeout(left):
                event = await receive()
        except TimeoutError:
            left = 0
        else:
            left -= clock() - began
        if left <= 0:
            raise ApiError(408, f"the body did not come within {seconds:g} seconds: send it faster", code="late")
        if event["type"] == "http.disconnect":
            raise ClientDisconnect
        piece: bytes = event.get("body", b"")
        total += len(piece)
        if total > limit:
            raise ApiError(413, f"the body has more than {limit} bytes: send several requests", code="body_too_long")
        left = min(seconds, left + len(piece) / LEAST_RATE)
        yield piece
        if not event.get("more_body"):
            return
