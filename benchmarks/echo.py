"""A websocket server that only sends each message back: the limit of the transport.

    python -m benchmarks.echo

It is picows on uvloop, whose parser and writer are compiled. Prints its address. Needs the extra ``bench``.
"""

from __future__ import annotations

import asyncio
import signal

from typeahead.errors import MissingExtra

try:
    import picows
    import uvloop
except ImportError as error:
    raise SystemExit(str(MissingExtra(error.name or "picows", "bench"))) from error


class Echo(picows.WSListener):  # type: ignore[misc]
    """One connection."""

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Send the frame back."""
        if frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()
        else:
            transport.send(frame.msg_type, frame.get_payload_as_memoryview())


async def serve() -> None:
    """Serve on a free port until SIGTERM."""
    server = await picows.ws_create_server(lambda _request: Echo(), "127.0.0.1", 0, backlog=2048)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    server.close()


if __name__ == "__main__":
    uvloop.run(serve())
