"""A :class:`~typeahead.server.typing.channel.Channel` that writes frames to the socket itself, at once where it can.

The event loop's own transport writes only after all other clients were read. So a reply goes straight to the socket
while nothing else waits for it, and by the transport otherwise.
"""

from __future__ import annotations

import asyncio
import os
from typing import Protocol

from typeahead.server.typing.channel import Receiver

_WHOLE_TEXT = 0x81
_WHOLE_BINARY = 0x82
_SIZE_16, _SIZE_64 = 126, 127


class Carrier(Protocol):
    """What the channel needs of a websocket protocol. Each method is as the one of the channel."""

    transport: asyncio.Transport
    blocked: bool

    def attach(self, receiver: Receiver) -> None:
        """Call ``receiver`` from now on."""

    def close(self, code: int, reason: str) -> None:
        """Send a close frame."""

    def pause(self, paused: bool) -> None:
        """Hand over no more messages for now, or go on doing so."""


class SocketChannel:
    """The channel of one websocket; see :class:`~typeahead.server.typing.channel.Channel`.

    ``encrypted`` says whether there is TLS in between, so that bytes must go through the transport.
    """

    def __init__(self, protocol: Carrier, *, encrypted: bool) -> None:
        self._protocol = protocol
        self._transport = protocol.transport
        self._fd = -1 if encrypted else protocol.transport.get_extra_info("socket").fileno()

    @property
    def blocked(self) -> bool:
        """Whether the client does not read what it was sent."""
        return self._protocol.blocked

    def attach(self, receiver: Receiver) -> None:
        """Call ``receiver`` from now on."""
        # Whatever the socket does not take at once counts as not read: newer replies then replace older ones here.
        self._transport.set_write_buffer_limits(0)
        self._protocol.attach(receiver)

    def send(self, text: bytes, binary: tuple[bytes, memoryview] | None = None) -> None:
        """Send a text frame, and the parts of a binary one after it."""
        frame = _header(_WHOLE_TEXT, len(text)) + text
        if binary is None:
            self._write((frame,), len(frame))
        else:
            start, values = binary
            frame += _header(_WHOLE_BINARY, len(start) + values.nbytes) + start
            self._write((frame, values), len(frame) + values.nbytes)

    def close(self, code: int, reason: str) -> None:
        """Send a close frame; nothing is sent after it."""
        self._protocol.close(code, reason)

    def pause_reading(self) -> None:
        """Hear no more for now."""
        self._protocol.pause(True)

    def resume_reading(self) -> None:
        """Hear again."""
        self._protocol.pause(False)

    def _write(self, parts: tuple[bytes | memoryview, ...], size: int) -> None:
        """Write to the socket at once if nothing waits before it; what it does not take goes through the transport."""
        transport = self._transport
        if transport.is_closing():
            return
        sent = 0
        if self._fd >= 0 and not transport.get_write_buffer_size():
            try:
                sent = os.writev(self._fd, parts)
            except OSError:  # full, or broken, which the transport finds out by itself
                sent = 0
            if sent == size:
                return
        # Joined here, as the values may be another text's by the time that the transport writes them.
        transport.write(b"".join(parts)[sent:])


def _header(kind: int, size: int) -> bytes:
    """The header of a whole, unmasked frame (RFC 6455, section 5.2)."""
    if size < _SIZE_16:
        return bytes((kind, size))
    if size < 1 << 16:
        return bytes((kind, _SIZE_16, size >> 8, size & 0xFF))
    return bytes((kind, _SIZE_64)) + size.to_bytes(8, "big")
