"""The pages, and what stands round every HTTP response: security headers, names of the server, other origins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from typeahead.server.config import ServerConfig
from typeahead.server.http.api import ApiError
from typeahead.server.http.routes import PROBE_PATHS

#: What pages of other origins have no business with begins like this.
OWN_PATHS: Final = ("/v1/documents", "/v1/index")

#: Pages load only what lies beside them, and nothing is ever evaluated; 'self' covers the websocket too (CSP 3).
SECURITY_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def pages(web: Path) -> list[BaseRoute]:
    """The routes of the pages in ``web``; none if the folder is missing."""
    if not web.is_dir():
        return []
    # By a name that people can type; everything else has the name of its file.
    dashboard = Route("/dashboard", lambda _: FileResponse(web / "dashboard.html"))
    return [dashboard, Mount("/", StaticFiles(directory=web, html=True))]


def paths(routes: Iterable[BaseRoute], before: str = "") -> Iterator[str]:
    """The paths of routes, without those that hold a name that the client chooses."""
    for route in routes:
        if isinstance(route, Mount):
            yield from paths(route.routes, before + route.path)
        elif isinstance(route, Route) and "{" not in route.path:
            yield before + route.path


def cross_origin(app: ASGIApp, config: ServerConfig) -> ASGIApp:
    """Tell browsers which other origins may ask, if any may; for documents none may."""
    if not config.allowed_origins:
        return app
    shared = CORSMiddleware(
        app,
        allow_origins=config.allowed_origins,
        allow_methods=["GET", "POST"],
        allow_headers=["authorization", "content-type"],
        expose_headers=["typeahead-model", "typeahead-dim", "typeahead-count", "typeahead-dtype"],
    )

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        # No page of another origin reads or changes documents, so browsers are told nothing.
        own = scope["type"] == "http" and scope["path"].startswith(OWN_PATHS)
        await (app if own else shared)(scope, receive, send)

    return asked


async def not_found(_request: Request, _error: Exception) -> Response:
    """Answer 404."""
    return ApiError(404, "nothing is here: docs/http.md lists what the server answers").response()


async def not_allowed(_request: Request, _error: Exception) -> Response:
    """Answer 405."""
    return ApiError(405, "not by this method: docs/http.md lists what the server answers").response()


def addressed(app: ASGIApp, config: ServerConfig) -> ASGIApp:
    """Refuse what is addressed to a name that is not the server's, except for probes, which use addresses."""
    # To parse a name takes 5 µs; a small request takes 100.
    allows = lru_cache(maxsize=256)(config.allows_host)

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope["path"] in PROBE_PATHS or allows(Headers(scope=scope).get("host")):
            await app(scope, receive, send)
        else:
            message = "this server does not answer to that name: add it to allowed_hosts"
            await ApiError(421, message).response()(scope, receive, send)

    return checked


def secured(app: ASGIApp) -> ASGIApp:
    """Put the security headers on every HTTP response."""

    async def sent(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                # Pages change with the package: browsers may keep them, but ask whether they still hold.
                headers.setdefault("cache-control", "no-cache")
            await send(message)

        await app(scope, receive, send_secured if scope["type"] == "http" else send)

    return sent
