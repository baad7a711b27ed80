"""A proxy that lets no websocket through while ``blocking`` is set, as some companies' networks do."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Self

_REFUSAL = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BlockingProxy:
    """Listens on a free port of this machine, in a thread of its own, for what ``port`` serves."""

    def __init__(self, port: int) -> None:
        self.blocking = True
        self.url = ""
        self._upstream = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="blocking-proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"

    async def _stop(self) -> None:
        # First accept no more: what is accepted and has no transport yet when its server closes is never closed.
        for listening in self._server.sockets:
            self._loop.remove_reader(listening)
        while left := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in left:
                task.cancel()
            await asyncio.wait(left)
        self._server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if self.blocking and b"upgrade: websocket" in head.lower():
            writer.write(_REFUSAL)
            await writer.drain()
            return
        upstream, out = await asyncio.open_connection("127.0.0.1", self._upstream)
        out.write(head)
        try:
            await asyncio.gather(_copy(reader, out), _copy(upstream, writer))
        finally:
            out.transport.abort()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(1 << 16):
        target.write(data)
        await target.drain()
    target.write_eof()
