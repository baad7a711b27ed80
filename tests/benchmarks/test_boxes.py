"""Boxes of people in Python: what they send after a connection is lost, and what they count."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from benchmarks.boxes import Box, Record


class Scripted:
    """A server that answers each key with its text as the one hit, until it is told to hang up."""

    def __init__(self) -> None:
        self.url = ""
        #: What came over each connection.
        self.heard: list[list[dict[str, Any]]] = []
        self.open: ServerConnection | None = None
        self.silent = False
        self.busy = False

    async def talk(self, socket: ServerConnection) -> None:
        heard: list[dict[str, Any]] = []
        self.open, text = socket, ""
        self.heard.append(heard)
        async for frame in socket:
            message = json.loads(frame)
            heard.append(message)
            if "hello" in message or self.silent:
                continue
            if "edit" in message:
                change = message["edit"]
                text = text[: change["at"]] + change["ins"] + text[change["at"] + change["del"] :]
            text = message.get("text", text)
            reply: dict[str, Any] = {"seq": message["seq"], "hits": [{"id": text}]}
            if message.get("submit"):
                reply["submit"] = True
            if self.busy:
                self.busy = False
                reply = {"error": {"code": "overloaded", "message": ""}, "seq": message["seq"]}
            await socket.send(json.dumps(reply))


@asynccontextmanager
async def box_at_a_server() -> AsyncIterator[tuple[Box, Record, Scripted]]:
    server, record = Scripted(), Record()
    async with serve(server.talk, "127.0.0.1", 0, subprotocols=["typeahead.v1"]) as listening:  # type: ignore[list-item]
        port = next(iter(listening.sockets)).getsockname()[1]
        box = Box(f"ws://127.0.0.1:{port}", record)
        box.start()
        yield box, record, server
        await box.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def test_keys_and_enter_without_an_answer_are_asked_again_over_the_next_connection() -> None:
    async with box_at_a_server() as (box, record, server):
        await box.type("boil")
        await until(lambda: box.is_settled)
        server.silent = True
        await box.type("boil an egg")
        await box.enter()
        await until(lambda: len(server.heard[0]) == 4)
        server.silent = False
        assert server.open is not None
        await server.open.close(1012)
        await until(lambda: box.is_settled)
        assert [message.get("text", message.get("submit")) for message in server.heard[1][1:]] == ["boil an egg", True]
        assert record.now.codes == [1012]
        assert (len(record.now.reconnects), len(record.now.waits), len(record.now.enters)) == (1, 2, 1)
        assert record.seen == {"boil": {("boil",)}, "boil an egg": {("boil an egg",)}}


async def test_edits_go_where_they_are_shorter_and_mean_the_same_text() -> None:
    async with box_at_a_server() as (box, record, server):
        for text in ("how long to boil an egg", "how long to boil an eggs", "how long to boil eggs"):
            await box.type(text)
            await until(lambda: box.is_settled)
        assert server.heard[0][2]["edit"] == {"at": 23, "del": 0, "ins": "s"}
        assert {found for shown in record.seen.values() for found in shown} == {(text,) for text in record.seen}


async def test_a_text_that_the_server_was_too_busy_for_is_asked_again() -> None:
    async with box_at_a_server() as (box, record, server):
        server.busy = True
        await box.type("egg")
        await until(lambda: box.is_settled)
        assert record.now.errors == {"overloaded": 1}
        assert [message["text"] for message in server.heard[0][1:]] == ["egg", "egg"]


async def test_what_never_gets_an_answer_is_counted() -> None:
    async with box_at_a_server() as (box, record, server):
        server.silent = True
        await box.type("egg")
        await box.enter()
        await until(lambda: len(server.heard) == 1 and len(server.heard[0]) == 3)
    assert record.now.unanswered == 2
