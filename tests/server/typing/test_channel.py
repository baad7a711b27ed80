"""Sessions over plain ASGI: for servers that know nothing of channels."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.server.fakes import BruteForceIndex, MeanEncoder
from typeahead.server import ServerConfig, create_app
from typeahead.server.app import App
from typeahead.server.typing.channel import AsgiChannel


@asynccontextmanager
async def started(**settings: Any) -> AsyncIterator[App]:
    """The application through its lifespan, without a server."""
    app = create_app(ServerConfig(web=Path("/nonexistent"), **settings), MeanEncoder(), BruteForceIndex())
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    said: asyncio.Queue[Any] = asyncio.Queue()
    events.put_nowait({"type": "lifespan.startup"})
    lifespan = asyncio.create_task(app({"type": "lifespan", "asgi": {"version": "3.0"}}, events.get, said.put))
    assert (await said.get())["type"] == "lifespan.startup.complete"
    while app.status == "starting":
        await asyncio.sleep(0)
    yield app
    events.put_nowait({"type": "lifespan.shutdown"})
    await lifespan


class Client:
    """One websocket connection, as an ASGI server shows it to the application."""

    def __init__(self, app: App) -> None:
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        #: Cleared, nothing that the application sends is taken.
        self.reads = asyncio.Event()
        self.reads.set()
        scope = {"type": "websocket", "path": "/v1/type", "headers": [(b"host", b"localhost")], "subprotocols": []}
        self._to_app.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(app(scope, self._to_app.get, self._take))

    async def _take(self, event: Any) -> None:
        await self.reads.wait()
        self._from_app.put_nowait(event)

    def say(self, **message: Any) -> None:
        self._to_app.put_nowait({"type": "websocket.receive", "text": json.dumps(message)})

    def say_bytes(self, payload: bytes) -> None:
        self._to_app.put_nowait({"type": "websocket.receive", "bytes": payload})

    def leave(self) -> None:
        self._to_app.put_nowait({"type": "websocket.disconnect", "code": 1005})

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(20):
            return await self._from_app.get()

    async def hear_reply(self) -> dict[str, Any]:
        reply: dict[str, Any] = json.loads((await self.hear())["text"])
        return reply


async def test_keystrokes_embeddings_and_errors_go_both_ways() -> None:
    async with started() as app:
        client = Client(app)
        assert (await client.hear())["type"] == "websocket.accept"
        client.say(hello={"embedding": "float32"})
        assert "hello" in await client.hear_reply()
        client.say(seq=1, text="boil an egg")
        assert (await client.hear_reply())["hits"][0]["title"] == "boil an egg"
        assert len((await client.hear())["bytes"]) == 8 + 4 * 16
        client.say_bytes(b"x")
        assert (await client.hear_reply())["error"]["code"] == "bad_frame"
        client.leave()
        await client.task


async def test_while_a_client_does_not_read_newer_replies_replace_older_ones() -> None:
    async with started() as app:
        client = Client(app)
        await client.hear()
        client.reads.clear()
        for seq in range(1, 200):
            client.say(seq=seq, text=f"boil {seq} eggs")
            await asyncio.sleep(0)
        client.say(seq=200, submit=True)
        for _ in range(50):
            await asyncio.sleep(0)
        client.reads.set()
        heard = [(await client.hear_reply())["seq"]]
        while heard[-1] != 200:
            heard.append((await client.hear_reply())["seq"])
        assert heard == sorted(heard)
        assert len(heard) <= 4
        client.leave()
        await client.task


async def test_a_session_that_the_server_ends_is_closed_with_its_code() -> None:
    async with started(token="s3cret") as app:
        client = Client(app)
        await client.hear()
        client.say(seq=1, text="tea")
        assert (await client.hear_reply())["error"]["code"] == "unauthorized"
        closing = await client.hear()
        assert (closing["type"], closing["code"]) == ("websocket.close", 1008)
        await client.task


async def test_a_server_whose_client_is_gone_raises_oserror_and_that_is_an_end_like_any_other() -> None:
    lost = []

    class Receiver:
        def receive_text(self, payload: bytes) -> None:
            channel.send(b"reply to " + payload)

        def caught_up(self) -> None:
            return

        def receive_binary(self) -> None:
            raise AssertionError

        def writable(self) -> None:
            return

        def lost(self) -> None:
            lost.append(True)

    said: asyncio.Queue[Any] = asyncio.Queue()
    said.put_nowait({"type": "websocket.receive", "text": "tea"})

    async def send(_event: Any) -> None:
        raise OSError("gone")

    channel = AsgiChannel(said.get, send)
    channel.attach(Receiver())
    await channel.run()
    assert lost == [True]
