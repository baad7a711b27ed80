"""How many connections there may be: in all, silent, and from one address.

There are no sockets here: :mod:`typeahead.server.process.heads` reports what happens to connections, and is told which
ones to close. A connection is *silent* while no request of its own is being answered: it has sent nothing, or part of a
request head, or is idle between requests. Silent connections cost descriptors and memory before they have shown a
token, so they are closed first when there is no room. An open websocket is never silent.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from typeahead.logs import LimitedLog
from typeahead.server.observe.counters import Counter as Count
from typeahead.server.observe.metrics import Refusal
from typeahead.server.process.addresses import Address, Network, forwarded_client, group, is_trusted, read_address

log = logging.getLogger(__name__)


class Refused(Exception):
    """A connection is not served. Has the status and message for the client."""

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
    """A connection, as far as the door knows it."""

    def turn_out(self, refusal: Refusal) -> None:
        """Close the connection."""


class Door:
    """The connections of one process.

    Args:
        max_connections: the most that there may be.
        max_silent: the most that may be silent; the oldest makes room for the newest.
        max_per_address: the most from one address, or from one /64 under IPv6; 0 for any number.
        head_seconds: the longest that one may be silent.
        trusted: proxies that are believed about addresses.
        trust_unnamed: whether who has no address is such a proxy, as behind a unix socket.
        refused: counters of refusals.
        clock: returns seconds.
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
        trust_unnamed: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_connections = max_connections
        self.max_silent = max_silent
        self.max_per_address = max_per_address
        self.head_seconds = head_seconds
        self.trusted = trusted
        self._trust_unnamed = trust_unnamed
        self._refused = refused
        self._clock = clock
        self._log = LimitedLog(log, clock=clock)
        #: The silent ones, in the order in which they fell silent.
        self._silent: dict[Visit, tuple[float, Guest]] = {}
        self._count = 0
        self._addresses: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._count

    def enter(self, guest: Guest, peer: str | None) -> Visit:
        """Take a connection from ``peer``, silent at first.

        Raises :class:`Refused` if its address has too many, or if there is no room and no silent connection to close.
        """
        address = None if peer is None else read_address(peer)
        proxy = address if address is not None and is_trusted(address, self.trusted) else None
        visit = Visit(self, proxy, by_proxy=proxy is not None or (peer is None and self._trust_unnamed))
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
        """Close the connections that have been silent for too long. To be called several times a second."""
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
        """Count a refusal, and log at most one line of its kind a second."""
        self._refused[refusal].add()
        self._log.warning(_LINES[refusal])

    def fell_silent(self, visit: Visit, guest: Guest) -> None:
        """Note that all requests of a connection are answered. ``guest`` is told if it has to close."""
        self._silent[visit] = self._clock(), guest

    def spoke(self, visit: Visit) -> None:
        """Note that a whole request head came."""
        self._silent.pop(visit, None)

    def left(self, visit: Visit) -> None:
        """Note its end."""
        self._silent.pop(visit, None)
        self._count -= 1

    def claim(self, key: str) -> None:
        """Count one more for an address. Raises :class:`Refused` if it has as many as it may."""
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
    """One connection, from accepted to lost. ``by_proxy``: its peer is a trusted proxy, None behind a unix socket."""

    # It does not hold its guest, which holds it: a cycle would live until a full garbage collection.
    __slots__ = ("_by_proxy", "_door", "_ended", "_key", "_proxy")

    def __init__(self, door: Door, proxy: Address | None, *, by_proxy: bool) -> None:
        self._door = door
        self._proxy = proxy
        self._by_proxy = by_proxy
        self._key: str | None = None
        self._ended = False

    def spoke(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Note a whole request head. Raises :class:`Refused` if its client has too many connections, or is unclear."""
        if self._by_proxy:
            self.release()
            try:
                client = forwarded_client(self._proxy, headers, self._door.trusted)
            except ValueError as error:
                raise Refused(Refusal.MALFORMED, 400, str(error)) from None
            if client is not None:
                self.claim(client)
        self._door.spoke(self)

    def fell_silent(self, guest: Guest) -> None:
        """Note that all requests of ``guest`` are answered."""
        if self._ended:
            return
        if self._by_proxy:
            # The connection is the proxy's; its next request may be another client's.
            self.release()
        self._door.fell_silent(self, guest)

    def claim(self, address: Address) -> None:
        """Count for an address. Raises :class:`Refused` if it has too many."""
        key = group(address)
        self._door.claim(key)
        self._key = key

    def release(self) -> None:
        """Count for no address any more."""
        if self._key is not None:
            self._door.release(self._key)
            self._key = None

    def end(self) -> None:
        """Note that the connection is gone, or about to be. Only the first call counts."""
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
