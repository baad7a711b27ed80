"""uvicorn's HTTP protocol with bounds on what a client may send before it has shown who it is.

uvicorn and its parser accept request heads and trailers of any length, and wait for a head for ever (looked up in
uvicorn 0.54, ``httptools_impl.py``, and httptools 0.7). Here bytes are counted as they go to the parser, in pieces so
small that an overlong head is refused before it is read. A head that two servers could read in two ways is refused,
such as one with two ``Host`` headers (RFC 9112, sections 3.2 and 6.3). A :class:`~typeahead.server.process.door.Door`
decides who may connect, and closes connections that say nothing. Websockets begin here, and go on in
:mod:`typeahead.server.process.websocket`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from http import HTTPStatus
from typing import Any, Final, cast

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from typeahead.server.http.api import ApiError
from typeahead.server.observe.metrics import Refusal
from typeahead.server.process.door import Bounds, Door, Refused, Visit
from typeahead.server.process.stall import StallBound
from typeahead.server.process.websocket import BoundedWebsocket

#: Bytes that the parser gets at a time. A bound may be exceeded by less than that.
_PIECE: Final = 16 << 10
#: Lines of a head, at most. The websockets library has the same bound.
_MAX_HEADERS: Final = 128
#: Headers that may not come twice: they decide what is asked, by whom, and where the request ends.
_ONCE: Final = frozenset(
    {
        b"authorization",
        b"content-length",
        b"content-type",
        b"host",
        b"origin",
        b"sec-websocket-key",
        b"sec-websocket-version",
        b"transfer-encoding",
        b"upgrade",
    }
)


class BoundedHttp(StallBound, HttpToolsProtocol):
    """An HTTP connection whose heads, trailers and silence are bounded."""

    def __init__(self, *args: Any, door: Door, bounds: Bounds, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._door = door
        self._bounds = bounds
        self._visit: Visit | None = None
        self._in_head = False
        #: Bytes of a head, a trailer or a chunk's extensions: all since the last body, chunk size or whole head.
        self._framing = 0
        self._framed = False
        #: Bytes of a body that came after the answer.
        self._discarded = 0
        #: Requests that are not answered yet.
        self._unanswered = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Ask at the door."""
        super().connection_made(transport)
        self.watch(self.loop, transport, self._bounds.stall_seconds)
        try:
            self._visit = self._door.enter(self, self.client[0] if self.client else None)
        except Refused as refused:
            self._answer(refused)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave."""
        if self._visit is not None:
            self._visit.end()
        super().connection_lost(exc)

    def turn_out(self, refusal: Refusal) -> None:
        """Close, with an answer if half a head has come."""
        if refusal is Refusal.TOO_LATE and self._in_head:
            seconds = f"{self._door.head_seconds:g}"
            self._answer(Refused(refusal, 408, f"the request head did not come within {seconds} seconds"))
        else:
            self._close()

    def data_received(self, data: bytes) -> None:
        """Give the parser the data, piece by piece, until the connection closes."""
        self._unset_keepalive_if_required()
        for start in range(0, len(data), _PIECE):
            if not self._feed(data[start : start + _PIECE]):
                return

    def _feed(self, piece: bytes) -> bool:
        """Give the parser one piece. Return False if the connection closes or is no longer HTTP."""
        self._framed = False
        try:
            self.parser.feed_data(piece)
            self._framing = 0 if self._framed else self._framing + len(piece)
            if self._framing > self._bounds.head_bytes:
                raise self._too_large(f"more than {self._bounds.head_bytes} bytes")
        except httptools.HttpParserUpgrade:
            # Other upgrades are answered as requests. Data that came with one is not read: the client had to wait.
            if self._should_upgrade():
                self.handle_websocket_upgrade()
            return False
        except Refused as refused:
            self._refuse(refused)
            return False
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, Refused) else _malformed("this is not an HTTP request"))
            return False
        return not self.transport.is_closing()

    def handle_websocket_upgrade(self) -> None:
        """Go on as a websocket, which keeps the visit at the door."""
        super().handle_websocket_upgrade()
        cast("BoundedWebsocket", self.transport.get_protocol()).visit = self._visit
        # It refers to this protocol: the cycle would live until a full garbage collection, which is rare.
        self.parser = None

    # Calls from the parser

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._in_head = True
        self._discarded = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; those of a trailer are dropped."""
        if not self._in_head:
            return
        if len(self.headers) >= _MAX_HEADERS:
            raise self._too_large(f"more than {_MAX_HEADERS} headers")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Check a head, and begin to answer it."""
        self._in_head = False
        self._framed = True
        self._check_head()
        if self._visit is not None:
            self._visit.spoke(self.headers)
        if not (self.parser.should_upgrade() and self._should_upgrade()):
            self._unanswered += 1
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body. What comes after the answer is dropped, up to a bound; then the connection closes."""
        self._framed = True
        if self.cycle is not None and self.cycle.response_complete:
            self._discarded += len(body)
            if self._discarded > self._bounds.body_bytes:
                self._close()
        super().on_body(body)

    def on_chunk_header(self) -> None:
        """Note that a chunk begins. The last one has no bytes, and a trailer follows it."""
        self._framed = True

    def on_message_complete(self) -> None:
        """End a request."""
        self._framed = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, unless one is waiting already."""
        self._unanswered -= 1
        if not self._unanswered and self._visit is not None:
            self._visit.fell_silent(self)
        super().on_response_complete()

    # Bounds

    def _check_head(self) -> None:
        """Raise :class:`Refused` for a head that two servers could understand differently."""
        counts = Counter(name for name, _ in self.headers if name in _ONCE)
        for name, count in counts.items():
            if count > 1:
                raise _malformed(f"the header {name.decode()} is there {count} times")
        if not counts[b"host"] and self.parser.get_http_version() == "1.1":
            raise _malformed("the header host is missing")
        if counts[b"content-length"] and counts[b"transfer-encoding"]:
            raise _malformed("content-length and transfer-encoding are both there")
        # A target may name a host too, and proxies go by it. Nearly all targets are only a path.
        if not self.url.startswith((b"/", b"*")):
            host = next((value for name, value in self.headers if name == b"host"), b"")
            authority = self.url.partition(b"://")[2].partition(b"/")[0].partition(b"?")[0]
            if authority.lower() != host.lower():
                raise _malformed("the request's target and its host header name different hosts")

    @staticmethod
    def _too_large(what: str) -> Refused:
        return Refused(Refusal.TOO_LARGE, 431, f"the request head has {what}")

    def _refuse(self, refused: Refused) -> None:
        """Count a refusal, and answer it."""
        if refused.refusal is not Refusal.ADDRESS:  # counted at the door
            self._door.count(refused.refusal)
        self._answer(refused)

    def _answer(self, refused: Refused) -> None:
        """Say why and close. Nothing is said while an earlier request is being answered."""
        if not self._unanswered and not self.transport.is_closing():
            status = HTTPStatus(refused.status)
            body = orjson.dumps({"error": ApiError(refused.status, str(refused)).fields})
            head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
            head += f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            self.transport.write(head.encode() + body)
        self._close()

    def _close(self) -> None:
        """Close, at once if the client does not read."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()


def _malformed(message: str) -> Refused:
    return Refused(Refusal.MALFORMED, 400, f"{message}: send it again as RFC 9112 says")


def bounded_http(door: Door, bounds: Bounds) -> type[asyncio.Protocol]:
    """Return a factory that uvicorn takes for an HTTP protocol class."""

    def make(*args: Any, **kwargs: Any) -> BoundedHttp:
        return BoundedHttp(*args, door=door, bounds=bounds, **kwargs)

    return cast("type[asyncio.Protocol]", make)
