"""The process: listens, serves until a signal comes, drains, and ends within ten seconds.

uvicorn handles the sockets. Its own shutdown closes websockets at once and drops replies that are due, so the
application is drained first. It also raises the signal again at the end, so that a server that stopped as it was told
would look killed; here it does not.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

import uvicorn
import uvloop

from typeahead.core.encoder import Encoder
from typeahead.logs import limit_library
from typeahead.search.port import Backend
from typeahead.server.app import DEFAULT_INDEX, App, create_app
from typeahead.server.config import ServerConfig
from typeahead.server.process.descriptors import fitted, raise_limit
from typeahead.server.process.door import Bounds
from typeahead.server.process.listening import listen, listener_port
from typeahead.server.process.protocols import INSTALL, choose_protocols, unknown_uvicorn
from typeahead.server.process.siblings import Siblings
from typeahead.server.process.unix_sockets import listen_unix

log = logging.getLogger(__name__)

#: Libraries that log a line for things that any client can cause.
_NOISY = ("asyncio", "uvicorn.error")

#: Ticks, ten a second, between chances for a full garbage collection. It is made if so many sessions have ended since
#: the last one, or at every tenth chance.
_COLLECT_TICKS = 600
_COLLECT_ENDED = 1000
_COLLECT_TIMES = 10

#: Seconds that closing handshakes, and then HTTP requests, have after the drain.
_CLOSING_SECONDS = 1.0
_REQUEST_SECONDS = 1


class Worker:
    """The sockets that a worker gets from its parent. ``handles`` are their numbers, the control socket first."""

    def __init__(self, handles: Sequence[int]) -> None:
        control, *listeners = [socket.socket(fileno=handle) for handle in handles]
        self.siblings = Siblings(control)
        self.listeners = listeners
        for listener in listeners:
            listener.setblocking(False)


def serve(
    config: ServerConfig,
    encoder: Encoder,
    index: Callable[[], Awaitable[Backend | Mapping[str, Backend]]] | None = None,
    *,
    passages: Encoder | None = None,
    fallback: Encoder | None = None,
    on_ready: Callable[[str], None] | None = None,
    worker: Worker | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP, then drain and return.

    ``index`` opens the back end to search, or several by their names, on the server's event loop; they are closed at
    the end. ``on_ready`` is called
    with the server's address, such as ``http://127.0.0.1:8765``, once it is ready. Raises
    :class:`~typeahead.server.process.listening.ListenError` where the port is taken, what ``index`` and
    :func:`~typeahead.server.app.create_app` raise, and what goes wrong while warming up. A ``worker`` is one of several
    processes: it listens on sockets that are there already.
    """
    # Only Server collects the oldest generation.
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, 10**9)
    siblings = None if worker is None else worker.siblings
    config = prepared(config, warn=worker is None)

    async def opened() -> None:
        found = {} if index is None else await index()
        indexes = found if isinstance(found, Mapping) else {DEFAULT_INDEX: found}
        try:
            app = create_app(config, encoder, indexes, passages=passages, fallback=fallback, siblings=siblings)
            sockets = listeners_of(config) if worker is None else worker.listeners
            try:
                await Server(app, on_ready).serve(sockets)
            finally:
                for listener in sockets:
                    listener.close()
        finally:
            for backend in indexes.values():
                await backend.close()
        if app.failure is not None:
            raise app.failure

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(opened())


def prepared(config: ServerConfig, *, warn: bool) -> ServerConfig:
    """Raise the limit on open files, fit the settings to it, and ``warn`` the operator.

    Workers do not warn, because the process that started them has done so.
    """
    if warn and config.exposed:
        log.warning("other machines may search on %s without a token: give one with --token-file", config.host)
    if warn and (unknown := unknown_uvicorn()) is not None:
        log.warning(
            "this server does not know the installed uvicorn: %s. It serves, but without its bounds on request heads, "
            "silent connections, connections of one address and slow readers, and keystrokes take longer: install %s",
            unknown,
            INSTALL,
        )
    return fitted(config, raise_limit(), warn=warn)


def listeners_of(config: ServerConfig) -> list[socket.socket]:
    """Listen where the settings say. Raises :class:`~typeahead.server.process.listening.ListenError`."""
    if config.socket is not None:
        return [listen_unix(config.socket, int(config.socket_mode, 8), take_over=config.share_port)]
    return listen(config.host, config.port, shared=config.share_port)


def address_of(config: ServerConfig, sockets: list[socket.socket]) -> str:
    """The address of a server for people, such as ``http://127.0.0.1:8765`` or ``unix:/run/typeahead.sock``."""
    if config.socket is not None:
        return f"unix:{config.socket}"
    host = config.host
    return f"http://{f'[{host}]' if ':' in host else host}:{listener_port(sockets)}"


class Server(uvicorn.Server):
    """uvicorn, with the application drained before its connections are closed."""

    def __init__(self, app: App, on_ready: Callable[[str], None] | None = None) -> None:
        config = app.config
        # What comes after the answer to a refused write is read and dropped, so that the client hears the answer.
        body_bytes = max(config.max_body_bytes, config.max_write_bytes if config.writes else 0)
        bounds = Bounds(config.max_head_bytes, body_bytes, config.stall_seconds)
        protocols = choose_protocols(app.door, bounds)
        super().__init__(
            uvicorn.Config(
                app,
                # For uvicorn's messages: it gets sockets that listen already.
                host=config.host,
                port=config.port,
                loop="uvloop",
                http=protocols.http,
                ws=protocols.websocket,
                limit_concurrency=protocols.limit_concurrency,
                ws_max_size=config.max_frame_bytes,
                ws_ping_interval=config.ping_seconds,
                ws_ping_timeout=config.ping_seconds,
                # Messages have a few hundred bytes: compressing them costs more time than it saves.
                ws_per_message_deflate=False,
                interface="asgi3",
                lifespan="on",
                # It would log paths and, at level DEBUG, frames: what people type is private.
                access_log=False,
                log_config=None,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=_REQUEST_SECONDS,
            )
        )
        for library in _NOISY:
            limit_library(library)
        self.app = app
        self._on_ready = on_ready
        self._collected = 0
        self._ended_then = 0
        #: When the server was told to stop.
        self._told: float | None = None
        #: Where the server listens, once it does.
        self.address = ""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop on a signal; on a second SIGINT, stop at once."""
        del frame
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Treat SIGHUP like SIGTERM, unless it was ignored when the server started, as under ``nohup``."""
        with super().capture_signals():
            if threading.current_thread() is not threading.main_thread() or not hears_hangup():
                yield
                return
            before = signal.signal(signal.SIGHUP, self.handle_exit)
            try:
                yield
            finally:
                signal.signal(signal.SIGHUP, before)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and keep the address."""
        await super().startup(sockets)
        self.address = address_of(self.app.config, sockets or [])

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: close silent connections, report that the server is ready, and say whether to stop."""
        if counter % _COLLECT_TICKS == _COLLECT_TICKS - 1:
            self._collect()
        self.app.door.turn_out_late()
        if self._on_ready is not None and self.app.status == "ready":
            self._on_ready(self.address)
            self._on_ready = None
        if self.app.failure is not None or self.app.orphaned:
            return True
        return await super().on_tick(counter) and self._is_noticed()

    def _is_noticed(self) -> bool:
        """Whether the server may stop: proxies have had the time that the settings give them to see that it will."""
        self.app.leaving = True
        now = time.monotonic()
        if self._told is None:
            self._told = now
        return self.force_exit or now - self._told >= self.app.config.notice_seconds

    def _collect(self) -> None:
        """Collect the garbage of ended sessions, instead of whenever the interpreter decides to.

        A full collection visits every live object, which takes tens of milliseconds with a thousand sessions.
        Keystrokes leave nothing for it; only ended sessions do.
        """
        self._collected += 1
        ended = self.app.sessions_ended
        if ended - self._ended_then >= _COLLECT_ENDED or self._collected >= _COLLECT_TIMES:
            self._ended_then, self._collected = ended, 0
            gc.collect()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, drain, let closing handshakes end, and close the rest."""
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


def hears_hangup() -> bool:
    """Whether SIGHUP exists here and is not ignored."""
    return hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
