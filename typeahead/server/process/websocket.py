"""uvicorn's websocket protocol as a :class:`~typeahead.server.typing.channel.Channel`, safe against slow readers.

The handshake, control frames, fragments and whatever breaks RFC 6455 are left to uvicorn and ``websockets``. The one
shape that nearly all frames of typing have, a whole text frame below 64 KiB, is read here without their parser and
handed to the receiver at once. :mod:`typeahead.server.process.socket_channel` sends the replies.

uvicorn bounds what an application sends, but two gaps are left (looked up in uvicorn 0.54,
``websockets_sansio_impl.py``). It writes pongs even while the buffer is full. And it closes a transport by ``close()``,
which waits for the buffer to empty, so a client that never reads would keep its connection, and with it a session, for
ever. Here pongs are left out while the buffer is full, and a connection that makes no progress is aborted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import OPEN
from websockets.utils import apply_mask as apply_mask_slowly

from typeahead.server.process.door import Visit
from typeahead.server.process.socket_channel import SocketChannel
from typeahead.server.process.stall import StallBound
from typeahead.server.typing.channel import EXTENSION, TURN_FRAMES, Receiver

try:
    from websockets.speedups import apply_mask
except ImportError:  # an interpreter for which websockets has no compiled part
    apply_mask = apply_mask_slowly

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

#: Seconds that the client of a closing connection has to read the rest of the buffer, and to close its side.
CLOSE_SECONDS = 2.0

_WHOLE_TEXT = 0x81
_MASKED = 0x80
_SIZE_16 = 126


class BoundedWebsocket(StallBound, WebSocketsSansIOProtocol):
    """A websocket connection that lasts only as long as its client reads.

    ``stall_seconds`` is how long a full buffer may go without getting emptier. The scope's extensions hold a
    :class:`~typeahead.server.process.socket_channel.SocketChannel` for the application, which may attach a receiver to
    it once it has accepted the connection.
    """

    def __init__(self, *args: Any, stall_seconds: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stall_seconds = stall_seconds
        #: Its visit at the door, which ends with the connection.
        self.visit: Visit | None = None
        self._close_deadline: asyncio.TimerHandle | None = None
        self.close_timeout = CLOSE_SECONDS
        self.blocked = False
        self._receiver: Receiver | None = None
        #: Messages that are read and not handed over yet: whether it is text, and the payload.
        self._waiting: deque[tuple[bool, bytes]] = deque()
        self._paused = False
        self._turn_due = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, with a watch on what the client reads."""
        super().connection_made(transport)
        self.watch(self.loop, self.transport, self._stall_seconds)

    def handle_connect(self, event: Any) -> None:
        """Put the channel into the scope."""
        super().handle_connect(event)
        if not self.close_sent:
            cast("dict[str, Any]", self.scope["extensions"])[EXTENSION] = SocketChannel(
                self, encrypted=self.scheme == "wss"
            )

    def attach(self, receiver: Receiver) -> None:
        """Hand messages to ``receiver`` from now on, instead of to ``receive``."""
        self._receiver = receiver
        while not self.queue.empty():
            # The client may send its first message before the handshake has ended.
            event = self.queue.get_nowait()
            if event["type"] == "websocket.receive":
                text = event.get("text")
                self._waiting.append((False, b"") if text is None else (True, text.encode()))
        self.read_paused = False
        self._take_turn_soon()
        self._bound_reading()

    def pause(self, paused: bool) -> None:
        """Hand over no more messages for now, or go on doing so."""
        self._paused = paused
        self._take_turn_soon()
        self._bound_reading()

    def close(self, code: int, reason: str) -> None:
        """Send a close frame, and give the client time to answer it."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        # Anything more from the client is read and dropped, up to its own close frame.
        self._waiting.clear()
        self.transport.resume_reading()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.close)
        self._end_soon()

    def data_received(self, data: bytes) -> None:
        """Hand whole text frames to the receiver; leave everything else to uvicorn."""
        if self._receiver is not None and not (self._waiting or self._paused or self.close_sent):
            data = self._receive_texts(self._receiver, data)
        if data:
            super().data_received(data)
        if not self.handshake_initiated:
            self._end_handshake()

    def _end_handshake(self) -> None:
        """Send the library's refusal of a head, such as one with a line of more than 8 KiB.

        The whole head is there, but uvicorn waits for more: the connection would stay for ever, without an answer.
        """
        if not self.close_sent:
            self.handshake_complete = self.close_sent = True
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def _receive_texts(self, receiver: Receiver, data: bytes) -> bytes:
        """Hand over the whole text frames that ``data`` begins with, one turn of them, and return the rest."""
        conn, end, at = self.conn, len(data), 0
        # Only between messages: no part of a frame has been read, and no fragmented message has begun.
        if conn.reader.buffer or conn.current_size is not None or conn.state is not OPEN:
            return data
        for _ in range(TURN_FRAMES):
            if end - at < 8 or data[at] != _WHOLE_TEXT:
                break
            size = data[at + 1] - _MASKED
            mask = at + 2
            if size == _SIZE_16:
                size = data[mask] << 8 | data[mask + 1]
                mask += 2
                if size < _SIZE_16:
                    break
            elif not 0 <= size < _SIZE_16:
                break
            start = mask + 4
            stop = start + size
            if stop > end or size > self.config.ws_max_size:
                break
            at = stop
            if not self._hand_over(receiver, True, apply_mask(data[start:stop], data[mask:start])):
                return b""
            if at == end or self._paused or self.close_sent:
                break
        receiver.caught_up()
        return data[at:]

    def _hand_over(self, receiver: Receiver, is_text: bool, payload: bytes) -> bool:
        """Hand a message to the receiver. Return False if it was refused and the connection is closing."""
        if not is_text:
            receiver.receive_binary()
            return True
        try:
            receiver.receive_text(payload)
        except UnicodeDecodeError:
            receiver.caught_up()
            self.conn.send_close(1007)
            self.handle_parser_exception()
            return False
        return True

    def send_receive_event_to_app(self) -> None:
        """Keep a message that uvicorn has read until it is the receiver's turn."""
        if self._receiver is None:
            super().send_receive_event_to_app()
            return
        payload = b"".join(self.frames)
        self.frames = []
        if not self.close_sent:
            self._waiting.append((self.curr_msg_data_type == "text", payload))
            self._take_turn_soon()
            self._bound_reading()

    def _take_turn_soon(self) -> None:
        if self._waiting and not self._paused and not self._turn_due:
            self._turn_due = True
            self.loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        """Hand over some of the waiting messages. Other clients have their turn before the next ones."""
        self._turn_due = False
        for _ in range(TURN_FRAMES):
            if not self._waiting or self._paused or self._receiver is None:
                break
            if not self._hand_over(self._receiver, *self._waiting.popleft()):
                return
        if self._receiver is not None:
            self._receiver.caught_up()
        self._take_turn_soon()
        self._bound_reading()

    def _bound_reading(self) -> None:
        """Read from the socket only while no message is waiting."""
        if self.close_sent:
            return
        if self._waiting or self._paused:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    # Bounds

    def pause_writing(self) -> None:
        """Send no more for now: the buffer is full."""
        super().pause_writing()
        self.blocked = True

    def resume_writing(self) -> None:
        """Send again."""
        super().resume_writing()
        self.blocked = False
        if self._receiver is not None:
            self._receiver.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """Clear the timers, leave, and tell the receiver."""
        if self.visit is not None:
            self.visit.end()
        if self._close_deadline is not None:
            self._close_deadline.cancel()
        self._waiting.clear()
        if hasattr(self, "scope"):
            # It refers to this protocol: the cycle would live until a full garbage collection, which is rare.
            cast("dict[str, Any]", self.scope["extensions"]).pop(EXTENSION, None)
        super().connection_lost(exc)
        if self._receiver is not None:
            receiver, self._receiver = self._receiver, None
            receiver.lost()

    def handle_ping(self) -> None:
        """Answer a ping, unless the client does not read."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def keepalive_timeout(self) -> None:
        """Give up on a client that does not answer pings."""
        super().keepalive_timeout()
        self._end_soon()

    def handle_close(self, event: Any) -> None:
        """Answer the client's close."""
        super().handle_close(event)
        self._end_soon()

    def handle_parser_exception(self) -> None:
        """Close on a frame that breaks RFC 6455 or is too large."""
        if self.handshake_initiated:
            super().handle_parser_exception()
        self._end_soon()

    def shutdown(self) -> None:
        """Close because the server stops."""
        super().shutdown()
        self._end_soon()

    async def send(self, message: ASGISendEvent) -> None:
        """Send an ASGI message; waits while the buffer is full."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            # uvicorn would take the refused handshake for a forgotten one, and log an error.
            self.handshake_complete = True
        if message["type"] == "websocket.close":
            self._end_soon()

    def _end_soon(self) -> None:
        if self._close_deadline is None:
            self._close_deadline = self.loop.call_later(2 * CLOSE_SECONDS, self.transport.abort)


def bounded_websocket(stall_seconds: float) -> type[asyncio.Protocol]:
    """Return a factory that uvicorn takes for a websocket protocol class."""

    def make(*args: Any, **kwargs: Any) -> BoundedWebsocket:
        return BoundedWebsocket(*args, stall_seconds=stall_seconds, **kwargs)

    return cast("type[asyncio.Protocol]", make)
