"""What all HTTP endpoints share: errors in OpenAI's shape, who may ask, and how bodies are read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import orjson
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from typeahead.core.encoder import Encoder
from typeahead.errors import ProtocolError
from typeahead.server.access.tokens import Tokens
from typeahead.server.config import ServerConfig
from typeahead.wire.access import DASHBOARD, METRICS, SEARCH, WRITE, Grant, TokenRefused
from typeahead.wire.fields import BadField, ObjectReader, Struct

_WANTS_TOKEN = 'this server wants a token: send the header "Authorization: Bearer …"'

NO_STORE = {"cache-control": "no-store"}

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class ApiError(Exception):
    """A request that is refused, in OpenAI's terms."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code

    @property
    def fields(self) -> dict[str, str | None]:
        """The fields of the JSON object ``error``."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"message": str(self), "type": kind, "param": self.param, "code": self.code}

    def response(self, others: Mapping[str, Any] | None = None) -> Response:
        """Write the error as OpenAI does, with ``others`` beside it."""
        headers = dict(NO_STORE)
        if self.status == 408 or self.code == "body_too_long":
            # The rest of the body may still come, and it is no request.
            headers["connection"] = "close"
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        if self.status in (429, 503):
            headers["retry-after"] = "1"
        return json_response({"error": self.fields, **(others or {})}, status=self.status, headers=headers)


def json_response(value: Any, *, status: int = 200, headers: Mapping[str, str] = NO_STORE) -> Response:
    """Write a JSON response; NumPy arrays are written as lists."""
    body = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, headers, media_type="application/json")


class Gate:
    """Decides who may ask, and how many bodies are read at a time.

    ``status`` returns "ready", or what the server is doing instead. Headers are those of an ASGI scope, as a mapping:
    names in lower case.
    """

    def __init__(self, config: ServerConfig, tokens: Tokens, status: Callable[[], str]) -> None:
        self._config = config
        self._tokens = tokens
        self._status = status
        self._reading = 0

    def admit(self, headers: Mapping[bytes, bytes], right: str = SEARCH) -> Grant:
        """Return what a request may do beside ``right``.

        Raises :class:`ApiError` for a page of another origin, for a token that is missing, wrong, or has not this
        right, and while the server is not ready.
        """
        if not self._config.allows(*_origin(headers)):
            raise ApiError(403, "this origin may not ask: add it to the server's allowed_origins")
        grant = self._grant(headers)
        if right not in grant.rights:
            raise _missing(right)
        self._check_ready()
        return grant

    def admit_writer(self, headers: Mapping[bytes, bytes], *, watching: bool = False) -> Grant:
        """Return what a request may do beside reading and changing documents.

        No page of another origin writes, whichever origins may search. With ``watching`` the right to metrics will do
        as well. Raises :class:`ApiError` as :meth:`admit` does, and where the server takes no writes.
        """
        if not self._config.own(*_origin(headers)):
            raise ApiError(403, "pages of other origins may not read or write documents: use a program", code="origin")
        if not (watching or self._tokens.writes):
            raise ApiError(
                403,
                "this server takes no writes: start it with TYPEAHEAD_WRITE_TOKEN or with TYPEAHEAD_SIGNING_KEYS",
                code="writes_off",
            )
        grant = self._grant(headers)
        if WRITE not in grant.rights and not (watching and METRICS in grant.rights):
            raise self._no_writer(grant)
        self._check_ready()
        return grant

    def authorize_metrics(self, headers: Mapping[bytes, bytes]) -> None:
        """Raise :class:`ApiError` for anybody who may not read the metrics."""
        self._authorize(headers, METRICS)

    def authorize_dashboard(self, headers: Mapping[bytes, bytes]) -> None:
        """Raise :class:`ApiError` for anybody who may not see the dashboard."""
        self._authorize(headers, DASHBOARD)

    def _authorize(self, headers: Mapping[bytes, bytes], right: str) -> None:
        """Raise :class:`ApiError` for anybody who may not see the state of the server.

        Where operators have no token of their own, the clients' token will do. Without any token, everybody may see a
        server that only its own machine can reach, and nobody any other.
        """
        if right in self._grant(headers).rights:
            return
        if not self._tokens.asked_for and self._config.operator_token is None:
            raise ApiError(
                403, "other machines reach this server: give it a token for operators, TYPEAHEAD_OPERATOR_TOKEN"
            )
        if self._grant(headers).expires is not None:
            raise _missing(right)
        raise ApiError(401, _WANTS_TOKEN, code="invalid_api_key")

    def _no_writer(self, grant: Grant) -> ApiError:
        """The error for a token that does not write: that it is wrong, if it gives no more than none does."""
        if not self._tokens.asked_for and grant == self._tokens.grant(b""):
            return ApiError(401, _WANTS_TOKEN, code="invalid_api_key")
        return _missing(WRITE)

    def _check_ready(self) -> None:
        if (status := self._status()) != "ready":
            raise ApiError(503, f"the server is {status}: try again", code="not_ready")

    def _grant(self, headers: Mapping[bytes, bytes]) -> Grant:
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        token = given.strip() if scheme.lower() == b"bearer" else b""
        try:
            return self._tokens.grant(token)
        except TokenRefused as error:
            message = _WANTS_TOKEN if error.code == "invalid_api_key" else str(error)
            raise ApiError(401, message, code=error.code) from None

    async def body(self, receive: Receive, limit: int) -> bytes:
        """Read a body of at most ``limit`` bytes, by ASGI's ``receive``."""
        # Not counted as a running request: a client that sends its body slowly keeps nobody else out.
        if self._reading >= self._config.max_bodies:
            raise ApiError(503, "too many requests are being read: try again", code="overloaded")
        self._reading += 1
        try:
            async with asyncio.timeout(self._config.body_seconds):
                return await _whole(receive, limit)
        except TimeoutError:
            raise ApiError(408, f"the body did not come within {self._config.body_seconds:g} seconds") from None
        finally:
            self._reading -= 1


def _origin(headers: Mapping[bytes, bytes]) -> tuple[str | None, str]:
    """The headers Origin and Host, as text."""
    origin = headers.get(b"origin")
    return None if origin is None else origin.decode("latin-1"), headers.get(b"host", b"").decode("latin-1")


def _missing(right: str) -> ApiError:
    return ApiError(403, f'this token has no right to "{right}": use one that has', code="missing_right")


async def _whole(receive: Receive, limit: int) -> bytes:
    body = b""
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientDisconnect
        part: bytes = event.get("body", b"")
        body += part
        if len(body) > limit:
            raise ApiError(413, f"the body has more than {limit} bytes: send less at a time")
        if not event.get("more_body"):
            return body


def read_body(reader: ObjectReader[Struct], body: bytes) -> Struct:
    """Read a JSON object; :class:`ApiError` for anything that the reader does not take."""
    try:
        return reader.read(body)
    except BadField as error:
        raise ApiError(400, str(error), param=error.field) from None
    except ProtocolError as error:
        raise ApiError(400, str(error), code=error.code) from None


def encoder_named(encoders: Mapping[str, Encoder], name: Any) -> Encoder:
    """The encoder of this name; :class:`ApiError` where there is none."""
    encoder = encoders.get(name) if type(name) is str else None
    if encoder is None:
        status, code = (404, "model_not_found") if type(name) is str else (400, None)
        raise ApiError(status, f'"model" has to be one of {", ".join(encoders)}', param="model", code=code)
    return encoder
