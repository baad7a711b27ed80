"""Who may be connected: how many, how many of them silent, how many of one address.

Without sockets: :mod:`typeahead.server.process.heads` tells what happens to connections, and is told whom to turn out.
A connection is *silent* while no request of it is being answered: it has sent nothing, or a part of a request's head,
or lies idle between requests. Silent ones cost descriptors and memory before a token was shown, so they are the ones
that go when there is no room; an open websocket is never silent.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from typeahead.server.observe.counters import Counter as Count
from typeahead.server.observe.logs import LimitedLog
from typeahead.server.observe.metrics import Refusal
from typeahead.server.process.addresses import Address, Network, forwarded_client, group, is_trusted, read_address

log = logging.getLogger(__name__)


class Refused(Exception):
    """A connection that is not served, with what to tell the client."""

    def __init__(self, refusal: Refusal, status: int, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal
        self.status = status


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one connection may send, in bytes, and how many seconds it may leave unread what it was sent."""

    head_bytes: int
    body_bytes: int
    stall_seconds: float


class Guest(Protocol):
    """A connection, as the door sees it."""

    def turn_out(self, refusal: Refusal) -> None:
        """Close the connection."""


class Door:
    """The connections of one process.

    Args:
        max_connections: how many there may be.
        max_silent: how many of them may be silent; the oldest makes room for the newest.
        max_per_address: how many may be of one address, or of one /64 under IPv6; 0 for any number.
        head_seconds: how long one may be silent.
        trusted: proxies whose word on addresses counts.
        refused: where refusals are counted.
        clock: tells seconds.
    """

    def __init__(
        self,
        *,
        max_connections: int,
        max_silent: int,
        max_per_address: int,
        head_seconds: float,
        trusted: Sequence[Network],
        refused: Mapping[Refusal, Count],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_connections = max_connections
        self.max_silent = max_silent
        self.max_per_address = max_per_address
        self.head_seconds = head_seconds
        self.trusted = trusted
        self._refused = refused
        self._clock = clock
        self._log = LimitedLog(log, clock=clock)
        #: Those that are silent, by when they fell silent: the longest first, as each is added last.
        self._silent: dict[Visit, tuple[float, Guest]] = {}
        self._count = 0
        self._addresses: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._count

    def enter(self, guest: Guest, peer: str | None) -> Visit:
        """Take a connection from ``peer``, silent at first.

        Raises :class:`Refused` where its address has too many, or there is no room and nobody silent to make some.
        """
        address = None if peer is None else read_address(peer)
        proxy = address if address is not None and is_trusted(address, self.trusted) else None
        visit = Visit(self, proxy)
        if address is not None and proxy is None:
            visit.claim(address)
        try:
            self._make_room()
        except Refused:
            visit.release()
            raise
        self._count += 1
        self.fell_silent(visit, guest)
        return visit

    def _make_room(self) -> None:
        if self._count < self.max_connections and len(self._silent) < self.max_silent:
            return
        if not self._silent:
            self.count(Refusal.FULL)
            raise Refused(Refusal.FULL, 503, "the server has no room for another connection: try again")
        self._turn_out(next(iter(self._silent)), Refusal.SILENT)

    def turn_out_late(self) -> None:
        """Turn out those that have been silent for too long; to be called some times a second."""
        latest = self._clock() - self.head_seconds
        while self._silent:
            visit, (since, _) = next(iter(self._silent.items()))
            if since > latest:
                return
            self._turn_out(visit, Refusal.TOO_LATE)

    def _turn_out(self, visit: Visit, refusal: Refusal) -> None:
        _, guest = self._silent[visit]
        # Its place is free at once; its end comes when the event loop has closed the socket.
        visit.end()
        self.count(refusal)
        guest.turn_out(refusal)

    def count(self, refusal: Refusal) -> None:
        """Count a refusal, and write one line of its kind a second at most."""
        self._refused[refusal].add()
        self._log.warning(_LINES[refusal])

    def fell_silent(self, visit: Visit, guest: Guest) -> None:
        """Note that nothing of it is being answered any more; ``guest`` is told if it has to go."""
        self._silent[visit] = self._clock(), guest

    def spoke(self, visit: Visit) -> None:
        """Note that a whole request head came."""
        self._silent.pop(visit, None)

    def left(self, visit: Visit) -> None:
        """Note its end."""
        self._silent.pop(visit, None)
        self._count -= 1

    def claim(self, key: str) -> None:
        """Count one more for an address; :class:`Refused` where it has as many as it may."""
        if self.max_per_address and self._addresses[key] >= self.max_per_address:
            self.count(Refusal.ADDRESS)
            raise Refused(Refusal.ADDRESS, 429, "too many connections from this address: close some")
        self._addresses[key] += 1

    def release(self, key: str) -> None:
        """Count one less."""
        self._addresses[key] -= 1
        if not self._addresses[key]:
            del self._addresses[key]


class Visit:
    """One connection's stay, from being accepted to being lost; ``proxy`` is its peer where that is a trusted one."""

    # Without its guest, which has it: in a circle both would stay until a full collection of garbage.
    __slots__ = ("_door", "_ended", "_key", "_proxy")

    def __init__(self, door: Door, proxy: Address | None) -> None:
        self._door = door
        self._proxy = proxy
        self._key: str | None = None
        self._ended = False

    def spoke(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Hear a whole request head; :class:`Refused` where its client has too many connections, or cannot be told."""
        if self._proxy is not None:
            self.release()
            try:
                self.claim(forwarded_client(self._proxy, headers, self._door.trusted))
            except ValueError as error:
                raise Refused(Refusal.MALFORMED, 400, str(error)) from None
        self._door.spoke(self)

    def fell_silent(self, guest: Guest) -> None:
        """Hear that all requests of ``guest`` were answered."""
        if self._ended:
            return
        if self._proxy is not None:
            # The connection is the proxy's; its next request may be another client's.
            self.release()
        self._door.fell_silent(self, guest)

    def claim(self, address: Address) -> None:
        """Count as one of an address; :class:`Refused` where that has too many."""
        key = group(address)
        self._door.claim(key)
        self._key = key

    def release(self) -> None:
        """Count as nobody's."""
        if self._key is not None:
            self._door.release(self._key)
            self._key = None

    def end(self) -> None:
        """Hear that the connection is gone, or is going to be; once counts."""
        if not self._ended:
            self._ended = True
            self.release()
            self._door.left(self)


#: What the log says; the numbers are in the metrics.
_LINES = {
    Refusal.TOO_LARGE: "refused a request: its head is larger than max_head_bytes or has too many lines",
    Refusal.TOO_LATE: "closed a connection: no whole request head came within head_seconds",
    Refusal.MALFORMED: "refused a request: its head is no HTTP, or could be read in two ways",
    Refusal.ADDRESS: "refused a connection: its address has max_connections_per_address already",
    Refusal.SILENT: "closed the oldest silent connection, as another needed its place",
    Refusal.FULL: "refused a connection: no descriptors are left, raise ulimit -n or start another server",
}
