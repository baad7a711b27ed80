"""The name of each request and websocket, for logs: the proxy's ``X-Request-Id`` if it is sound, else one made here.

One name leads from a line in the proxy's log to the lines here, so that these need neither an address nor a text. It
goes back to the client in the same header. With an access log each request and each websocket gets a line when it
ends. That line holds no query string, and of paths only those that the server itself has.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Collection
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER: Final = b"x-request-id"

access_log = logging.getLogger("typeahead.access")

#: What a name may be made of. It stands in log lines, so it must not be able to imitate one.
_SOUND: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:=+/@-]{0,127}")


@dataclass(frozen=True, slots=True)
class _Request:
    name: str
    task: asyncio.Task[Any] | None


_request: ContextVar[_Request | None] = ContextVar("typeahead_request", default=None)


def current_request() -> str:
    """The name of the request that this code runs for; empty where it runs for none, or for several.

    Tasks and callbacks inherit the context of the code that started them, and some outlive its request. So they have
    no name; threads that a request waits for have one.
    """
    found = _request.get()
    if found is None:
        return ""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # a thread without an event loop
        return found.name
    return found.name if task is found.task else ""


def name_of(headers: Collection[tuple[bytes, bytes]]) -> str:
    """Return the name that the headers of a request give, or a new one of 16 hexadecimal digits."""
    given = [value for key, value in headers if key == HEADER]
    # Two of them: the proxy did not replace what its client sent.
    if len(given) == 1 and _SOUND.fullmatch(given[0]):
        return given[0].decode("ascii")
    return secrets.token_hex(8)


class NamedRequests:
    """An ASGI application that names requests and websockets, and logs them with ``logged``.

    ``paths`` may be written to the log as they are, even where the answer is an error. ``quiet`` ones are not logged:
    proxies and orchestrators ask for them all the time.
    """

    def __init__(self, app: ASGIApp, *, logged: bool, paths: Collection[str], quiet: Collection[str] = ()) -> None:
        self._app = app
        self._logged = logged
        self._paths = frozenset(paths)
        self._quiet = frozenset(quiet)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, websocket or lifespan (ASGI 3)."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        name = name_of(scope["headers"])
        _request.set(_Request(name, asyncio.current_task()))
        header, status, started = (HEADER, name.encode()), 0, time.monotonic()

        async def send_named(message: Message) -> None:
            nonlocal status
            kind = message["type"]
            if kind in ("http.response.start", "websocket.http.response.start", "websocket.accept"):
                message["headers"] = [*message.get("headers", ()), header]
                status = message.get("status", 101)
            await send(message)

        try:
            await self._app(scope, receive, send_named)
        finally:
            if self._logged and scope["path"] not in self._quiet:
                self._log(scope, status, time.monotonic() - started)

    def _log(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope.get("method", "WEBSOCKET")
        path = self._shown(scope["path"], status)
        milliseconds = round(seconds * 1000, 1)
        access_log.info(
            "%s %s %d in %g ms",
            method,
            path,
            status,
            milliseconds,
            extra={"fields": {"method": method, "path": path, "status": status, "duration_ms": milliseconds}},
        )

    def _shown(self, path: str, status: int) -> str:
        """A path as it may be written: a path that is not there, or a document's id, may be anything."""
        if path in self._paths:
            return path
        if path.startswith("/v1/documents/"):
            return "/v1/documents/*"
        return path if status in (200, 206, 304) else "*"
