"""The process: listens, serves until a signal comes, drains, and is gone within ten seconds.

uvicorn does the sockets. Its own shutdown closes websockets at once and drops replies that are due, so the application
is drained before that; and it ends by raising the signal again, so a server that did as it was told would look killed.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType

import uvicorn

from typeahead.encoders.base import Encoder
from typeahead.errors import TypeaheadError
from typeahead.server.app import App, create_app
from typeahead.server.config import ServerConfig
from typeahead.server.pipeline import SearchIndex
from typeahead.server.siblings import Siblings
from typeahead.server.websocket import bounded

#: Looks at the clock, ten a second, between full collections of garbage; sessions that ended since the last one, or
#: so many of those times, make one worth its pause.
_COLLECT_TICKS = 600
_COLLECT_ENDED = 1000
_COLLECT_TIMES = 10

#: Seconds that closing handshakes, and then HTTP requests, have after the drain.
_CLOSING_SECONDS = 1.0
_REQUEST_SECONDS = 1


class ListenError(TypeaheadError):
    """An address that cannot be listened on."""

    def __init__(self, host: str, port: int, message: str) -> None:
        super().__init__(f"cannot listen on {host}:{port}: {message}")
        self.host = host
        self.port = port


class Worker:
    """What a process has of the one that started it: ``handles`` are the numbers of its sockets, the control first."""

    def __init__(self, handles: Sequence[int]) -> None:
        control, *listeners = [socket.socket(fileno=handle) for handle in handles]
        self.siblings = Siblings(control)
        self.listeners = listeners
        for listener in listeners:
            listener.setblocking(False)


def serve(
    config: ServerConfig,
    encoder: Encoder,
    index: SearchIndex | None = None,
    *,
    passages: Encoder | None = None,
    fallback: Encoder | None = None,
    on_ready: Callable[[str], None] | None = None,
    worker: Worker | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return.

    ``on_ready`` is called with the server's address, such as ``http://127.0.0.1:8765``, once it is ready. Raises
    :class:`ListenError` where the port is taken, what :func:`~typeahead.server.app.create_app` raises, and what goes
    wrong while warming up. ``index`` is not closed. A ``worker`` is one of several processes: it listens on sockets
    that are there already.
    """
    # The oldest generation is collected by Server: never by itself.
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, 10**9)
    siblings = None if worker is None else worker.siblings
    app = create_app(config, encoder, index, passages=passages, fallback=fallback, siblings=siblings)
    sockets = listen(config.host, config.port) if worker is None else worker.listeners
    try:
        Server(app, on_ready).run(sockets)
    finally:
        for listener in sockets:
            listener.close()
    if app.failure is not None:
        raise app.failure


def listen(host: str, port: int, *, shared: bool = False) -> list[socket.socket]:
    """Listen on every address of ``host``, so that "localhost" is found by whichever family a client tries first.

    ``shared`` lets other sockets of this user listen there too, to each of which the system gives its part of the
    connections; where it cannot, :class:`ListenError` is raised.
    """
    if shared and not hasattr(socket, "SO_REUSEPORT"):
        raise ListenError(host, port, "this system does not share a port among processes: use one worker")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ListenError(host, port, f"{error.strerror}: give an address of this machine as host") from error
    sockets: list[socket.socket] = []
    for family, kind, protocol, _, address in dict.fromkeys(found):
        try:
            listener = socket.socket(family, kind, protocol)
        except OSError:  # a family that this machine does not have, such as IPv6 in a container
            continue
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # Port 0 means any port, but the same one for all addresses.
            listener.bind((address[0], listener_port(sockets) or port, *address[2:]))
            listener.listen(2048)
        except OSError as error:
            listener.close()
            if error.errno == errno.EADDRNOTAVAIL and family == socket.AF_INET6 and len(found) > 1:
                continue
            for other in sockets:
                other.close()
            raise ListenError(host, port, _advice(error, port)) from error
        listener.setblocking(False)
        sockets.append(listener)
    if not sockets:
        raise ListenError(host, port, "this machine has no such address: give another host")
    return sockets


def listener_port(sockets: list[socket.socket]) -> int:
    """Return the port that is listened on, 0 if there is none yet."""
    return int(sockets[0].getsockname()[1]) if sockets else 0


def _advice(error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the port is in use: stop what uses it, or give another port (0 takes a free one)"
    if error.errno == errno.EACCES:
        return f"no permission: ports below 1024 need a privileged user, so give one from 1024 up instead of {port}"
    return f"{error.strerror}: give an address of this machine as host"


class Server(uvicorn.Server):
    """uvicorn, with the application drained before its connections are closed."""

    def __init__(self, app: App, on_ready: Callable[[str], None] | None = None) -> None:
        config = app.config
        super().__init__(
            uvicorn.Config(
                app,
                # What the listening sockets do not say by themselves; named here for uvicorn's messages.
                host=config.host,
                port=config.port,
                loop="uvloop",
                http="httptools",
                # "websockets-sansio", with the gaps filled that let a client hold memory for ever.
                ws=bounded(config.stall_seconds),
                ws_max_size=config.max_frame_bytes,
                ws_ping_interval=config.ping_seconds,
                ws_ping_timeout=config.ping_seconds,
                # Messages of a few hundred bytes: compressing them costs more time than it saves.
                ws_per_message_deflate=False,
                interface="asgi3",
                lifespan="on",
                # Paths and, at level DEBUG, frames would be logged: what is typed is private.
                access_log=False,
                log_config=None,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=_REQUEST_SECONDS,
            )
        )
        self.app = app
        self._on_ready = on_ready
        self._collected = 0
        self._ended_then = 0
        #: Where the server listens, once it does.
        self.address = ""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal as the wish to stop; a second SIGINT stops at once."""
        del frame
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and note the address."""
        await super().startup(sockets)
        host = self.config.host
        self.address = f"http://{f'[{host}]' if ':' in host else host}:{listener_port(sockets or [])}"

    async def on_tick(self, counter: int) -> bool:
        """Look ten times a second whether it is time to stop, or to tell that the server is ready."""
        if counter % _COLLECT_TICKS == _COLLECT_TICKS - 1:
            self._collect()
        if self._on_ready is not None and self.app.status == "ready":
            self._on_ready(self.address)
            self._on_ready = None
        return await super().on_tick(counter) or self.app.failure is not None or self.app.orphaned

    def _collect(self) -> None:
        """Collect the garbage of ended sessions, instead of whenever the interpreter thinks of it.

        A full collection looks at all that is alive, which with a thousand sessions takes tens of milliseconds, and
        keystrokes leave nothing for it: only sessions that end do.
        """
        self._collected += 1
        ended = self.app.sessions_ended
        if ended - self._ended_then >= _COLLECT_ENDED or self._collected >= _COLLECT_TIMES:
            self._ended_then, self._collected = ended, 0
            gc.collect()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, drain, let closing handshakes end, and then close what is left."""
        for server in self.servers:
            server.close()
        if not self.force_exit:
            await self.app.drain()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._websockets_closed(), _CLOSING_SECONDS)
        await super().shutdown(sockets)

    async def _websockets_closed(self) -> None:
        while any(getattr(connection, "close_sent", False) for connection in self.server_state.connections):
            await asyncio.sleep(0.01)
