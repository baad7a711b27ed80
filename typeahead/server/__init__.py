"""The server: typing over a websocket, embeddings and searches over HTTP, on one port.

:func:`serve` runs it as a process; :func:`create_app` gives the ASGI application alone. The wire contract is in
:mod:`typeahead.wire.protocol`. The server needs the ``server`` extra.

Its packages import one way: :mod:`~typeahead.server.observe` nothing else of the server, then
:mod:`~typeahead.server.access`, :mod:`~typeahead.server.writing`, :mod:`~typeahead.server.typing`,
:mod:`~typeahead.server.http`, and :mod:`~typeahead.server.process` on top.
"""

from __future__ import annotations

from typeahead.errors import MissingExtra

try:
    import cryptography
    import httptools
    import jwt
    import mimeparse
    import msgspec
    import orjson
    import starlette
    import uvicorn
    import websockets
except ImportError as error:
    raise MissingExtra(error.name or "uvicorn", "server") from error

from typeahead.server.app import App, create_app
from typeahead.server.config import ConfigError, ServerConfig
from typeahead.server.process.listening import ListenError
from typeahead.server.process.run import serve

__all__ = ["App", "ConfigError", "ListenError", "ServerConfig", "create_app", "serve"]

del cryptography, httptools, jwt, mimeparse, msgspec, orjson, starlette, uvicorn, websockets
