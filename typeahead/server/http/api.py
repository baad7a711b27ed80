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
from typeahead.server.config import ServerConfig
from typeahead.wire.access import Access, Tokens
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

    def response(self) -> Response:
        """Write the error as OpenAI does."""
        headers = dict(NO_STORE)
        if self.status == 408:
            # The rest of the body may still come, and it is no request.
            headers["connection"] = "close"
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        if self.status in (429, 503):
            headers["retry-after"] = "1"
        return json_response({"error": self.fields}, status=self.status, headers=headers)


def json_response(value: Any, *, status: int = 200, headers: Mapping[str, str] = NO_STORE) -> Response:
    """Write a JSON response; NumPy arrays are written as lists."""
    body = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, headers, media_type="application/json")


class Gate:
    """Decides who may ask, and how many bodies are read at a time.

    ``status`` returns "ready", or what the server is doing instead. Headers are those of an ASGI scope, as a mapping:
    names in lower case.
    """

    def __init__(self, config: ServerConfig, status: Callable[[], str]) -> None:
        self._config = config
        self._tokens = Tokens(config.token, config.operator_token)
        self._status = status
        self._reading = 0

    def admit(self, headers: Mapping[bytes, bytes]) -> Access:
        """Return what a request may do.

        Raises :class:`ApiError` for a page of another origin, for a missing or wrong token, and while the server is not
        ready.
        """
        origin = headers.get(b"origin")
        if origin is not None and not self._config.allows(
            origin.decode("latin-1"), headers.get(b"host", b"").decode("latin-1")
        ):
            raise ApiError(403, "this origin may not ask: add it to the server's allowed_origins")
        access = self._access(headers)
        if access is Access.NONE:
            raise ApiError(401, _WANTS_TOKEN, code="invalid_api_key")
        if (status := self._status()) != "ready":
            raise ApiError(503, f"the server is {status}: try again", code="not_ready")
        return access

    def authorize_operator(self, headers: Mapping[bytes, bytes]) -> None:
        """Raise :class:`ApiError` for anybody who may not see the state of the server.

        Where operators have no token of their own, the clients' token will do. Without any token, everybody may see a
        server that only its own machine can reach, and nobody any other.
        """
        access = self._access(headers)
        if access is Access.NONE or (access is Access.CLIENT and self._config.operator_token is not None):
            raise ApiError(401, _WANTS_TOKEN, code="invalid_api_key")
        if access is Access.CLIENT and not self._tokens.asked_for and self._config.public:
            raise ApiError(
                403, "other machines reach this server: give it a token for operators, TYPEAHEAD_OPERATOR_TOKEN"
            )

    def _access(self, headers: Mapping[bytes, bytes]) -> Access:
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        return self._tokens.access(given.strip() if scheme.lower() == b"bearer" else b"")

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
