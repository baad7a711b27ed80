"""Which protocol classes uvicorn gets: this server's own, or uvicorn's where it is not a version that they know.

:mod:`typeahead.server.process.heads` and :mod:`typeahead.server.process.websocket` subclass uvicorn's protocol classes,
and those are not a public interface: a new release may rename what they override. So they are used only with the
releases named in :data:`KNOWN`, and only if all that they rely on (:data:`RELIED_ON`) is there. With any other release
the server still serves, by uvicorn's own classes and plain ASGI, and says once what it lacks then.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any, Final, Literal

import uvicorn
from uvicorn.server import ServerState

from typeahead.server.process.door import Bounds, Door

#: Releases of uvicorn that the protocol classes are tested with, and the bounds in ``pyproject.toml`` that allow them.
KNOWN: Final = ((0, 54),)
INSTALL: Final = "uvicorn>=0.54,<0.55"

#: What the protocol classes override or call, as ``module:class``: methods with their parameters, and attributes.
RELIED_ON: Final[Mapping[str, tuple[Mapping[str, tuple[str, ...]], tuple[str, ...]]]] = {
    "uvicorn.protocols.http.httptools_impl:HttpToolsProtocol": (
        {
            "connection_made": ("transport",),
            "connection_lost": ("exc",),
            "data_received": ("data",),
            "handle_websocket_upgrade": (),
            "on_message_begin": (),
            "on_header": ("name", "value"),
            "on_headers_complete": (),
            "on_body": ("body",),
            "on_message_complete": (),
            "on_response_complete": (),
            "pause_writing": (),
            "resume_writing": (),
            "_should_upgrade": (),
            "_unset_keepalive_if_required": (),
        },
        ("client", "cycle", "headers", "loop", "parser", "transport"),
    ),
    "uvicorn.protocols.websockets.websockets_sansio_impl:WebSocketsSansIOProtocol": (
        {
            "connection_made": ("transport",),
            "connection_lost": ("exc",),
            "data_received": ("data",),
            "handle_connect": ("event",),
            "handle_ping": (),
            "handle_close": ("event",),
            "handle_parser_exception": (),
            "keepalive_timeout": (),
            "pause_writing": (),
            "resume_writing": (),
            "send": ("message",),
            "send_receive_event_to_app": (),
            "shutdown": (),
        },
        (
            "close_sent",
            "close_timeout",
            "close_timer",
            "config",
            "conn",
            "curr_msg_data_type",
            "disconnected",
            "frames",
            "handshake_complete",
            "handshake_initiated",
            "loop",
            "queue",
            "read_paused",
            "scheme",
            "transport",
            "writable",
        ),
    ),
    "websockets.server:ServerProtocol": (
        {"data_to_send": (), "send_close": ("code", "reason")},
        ("current_size", "reader", "state"),
    ),
    "websockets.streams:StreamReader": ({}, ("buffer",)),
}


@dataclass(frozen=True, slots=True)
class Protocols:
    """uvicorn's settings ``http``, ``ws`` and ``limit_concurrency``."""

    http: type[asyncio.Protocol] | Literal["auto"]
    websocket: type[asyncio.Protocol] | Literal["auto"]
    limit_concurrency: int | None


def choose_protocols(door: Door, bounds: Bounds) -> Protocols:
    """Return the protocol classes with bounds, or uvicorn's own where :func:`unknown_uvicorn` finds something."""
    if unknown_uvicorn() is not None:
        # uvicorn can at least bound the number of connections.
        return Protocols("auto", "auto", door.max_connections)
    # An unknown uvicorn need not even have the modules that these import.
    from typeahead.server.process.heads import bounded_http
    from typeahead.server.process.websocket import bounded_websocket

    return Protocols(bounded_http(door, bounds), bounded_websocket(bounds.stall_seconds), None)


def unknown_uvicorn() -> str | None:
    """Say what about the installed uvicorn this server does not know, or None where it knows it."""
    return _unknown(uvicorn.__version__)


@lru_cache
def _unknown(version: str) -> str | None:
    known = " or ".join(f"{major}.{minor}" for major, minor in KNOWN)
    if not any(version.startswith(f"{major}.{minor}.") for major, minor in KNOWN):
        return f"it is version {version}, and not {known}"
    lacking = [lack for place in RELIED_ON for lack in _lacking(place)]
    return f"it lacks {', '.join(lacking)}" if lacking else None


def _lacking(place: str) -> list[str]:
    """What is relied upon and not there, of one class."""
    methods, attributes = RELIED_ON[place]
    module, _, name = place.partition(":")
    try:
        kind = getattr(import_module(module), name)
        example = _example(kind)
    except (ImportError, AttributeError, TypeError):
        return [name]
    lacking = [f"{name}.{attribute}" for attribute in attributes if not hasattr(example, attribute)]
    for method, parameters in methods.items():
        found = getattr(kind, method, None)
        if found is None or tuple(inspect.signature(found).parameters)[1:] != parameters:
            lacking.append(f"{name}.{method}({', '.join(parameters)})")
    return lacking


def _example(kind: type[Any]) -> Any:
    """Make an instance as uvicorn does, to see its attributes."""
    if not kind.__module__.startswith("uvicorn."):
        return kind()
    config = uvicorn.Config(_no_app, log_config=None, interface="asgi3", lifespan="off")
    return kind(config, ServerState(), {}, object())


async def _no_app(scope: Any, receive: Any, send: Any) -> None:
    """Stand in for an application."""
