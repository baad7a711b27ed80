from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from typeahead.server.http.api import ApiError
from typeahead.server.http.paced import LEAST_RATE, paced


class Sender:
    """Sends pieces, each some seconds of its own clock after it was asked for."""

    def __init__(self, *pieces: tuple[float, bytes], ends: bool = True) -> None:
        self.now = 0.0
        self._pieces = list(pieces)
        self._ends = ends

    async def receive(self) -> MutableMapping[str, Any]:
        if not self._pieces:
            return {"type": "http.disconnect"}
        seconds, piece = self._pieces.pop(0)
        self.now += seconds
        return {"type": "http.request", "body": piece, "more_body": bool(self._pieces) or not self._ends}


async def read(sender: Sender, *, limit: int = 1 << 20, busy: float = 0.0) -> bytes:
    body = b""
    async for piece in paced(sender.receive, limit=limit, seconds=10, clock=lambda: sender.now):
        body += piece
        sender.now += busy
    return body


async def test_a_body_comes_out_as_it_was_sent() -> None:
    assert await read(Sender((0, b"one"), (9, b""), (0.5, b"two"))) == b"onetwo"


async def test_a_client_may_be_slow_but_not_for_long() -> None:
    drops = [(1.0, b"x")] * 11
    with pytest.raises(ApiError) as error:
        await read(Sender(*drops))
    assert (error.value.status, error.value.code) == (408, "late")
    stream = [(1.0, b"x" * LEAST_RATE)] * 100
    assert len(await read(Sender(*stream), limit=1 << 30)) == 100 * LEAST_RATE


async def test_the_time_that_the_server_takes_is_not_the_clients() -> None:
    assert await read(Sender(*[(0.1, b"x")] * 20), busy=60) == b"x" * 20


async def test_a_body_that_is_too_long_is_not_read_on() -> None:
    with pytest.raises(ApiError) as error:
        await read(Sender((0, b"x" * 6), (0, b"x" * 6)), limit=10)
    assert (error.value.status, error.value.code) == (413, "body_too_long")


async def test_a_client_that_goes_away_is_noticed() -> None:
    with pytest.raises(ClientDisconnect):
        await read(Sender((0, b"x"), ends=False))


async def test_silence_ends_by_the_real_clock() -> None:
    async def never() -> MutableMapping[str, Any]:
        await asyncio.Event().wait()
        return {}

    with pytest.raises(ApiError, match="did not come"):
        async for _ in paced(never, limit=10, seconds=0.01):
            pass
