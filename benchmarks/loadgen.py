"""The load generator: many connections that type, on one thread, and what became of every single key.

The inner loop is C (``loadgen.c``), compiled on first use, because a client in Python takes longer for a key than the
servers under test. This module does the handshakes, the texts and the bookkeeping; :mod:`benchmarks.schedule` decides
when keys are due. In an open loop, keys are due by a schedule and latency counts from then, so a stall shows in every
key that fell into it (no coordinated omission). In a closed loop, each connection keeps one key in flight. That finds
the highest rate, and says nothing about latency at a lower one.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import allow_files
from benchmarks.native import compiled
from typeahead.errors import TypeaheadError
from typeahead.wire.protocol import SUBPROTOCOL

#: Handshakes at a time: servers queue at most 2,048 new connections, some of them fewer.
_HANDSHAKES = 128
#: Seconds that one handshake may take.
_HANDSHAKE_SECONDS = 30.0
#: Most keys that a closed loop sends in a second; decides the size of its arrays.
_CLOSED_LOOP_RATE = 400_000

PERCENTILES = (50.0, 90.0, 99.0, 99.9, 100.0)
_PERCENTILE_NAMES = ("p50", "p90", "p99", "p99.9", "max")


class Protocol(IntEnum):
    """The protocol, with its code in ``loadgen.c``."""

    #: ``typeahead.v1``: a key is answered by its text frame.
    WEBSOCKET = 0
    #: The same with embeddings: a key is answered by its binary frame.
    WEBSOCKET_BINARY = 1
    #: One POST for each key, on a kept-alive connection.
    HTTP = 2


class Fate(IntEnum):
    """What became of a key, with its code in ``loadgen.c``."""

    #: No answer came in time, or the connection was closed.
    UNANSWERED = 0
    ANSWERED = 1
    #: By design: a newer key of the same person was answered instead.
    SUPERSEDED = 2
    FAILED = 3
    #: The server said that it was overloaded.
    OVERLOADED = 4
    #: The connection was already closed.
    UNSENT = 5


class _Records(ctypes.Structure):
    _fields_ = (
        ("capacity", ctypes.c_int64),
        ("count", ctypes.c_int64),
        ("due", ctypes.c_void_p),
        ("late", ctypes.c_void_p),
        ("latency", ctypes.c_void_p),
        ("conn", ctypes.c_void_p),
        ("body", ctypes.c_void_p),
        ("state", ctypes.c_void_p),
    )


@dataclass(frozen=True)
class Outcome:
    """Every key of a run in the order of sending, and how the client did."""

    #: Nanoseconds since the start at which each key was due, int64 (n,).
    due_ns: NDArray[np.int64]
    #: Microseconds from due to sent, int32 (n,).
    late_us: NDArray[np.int32]
    #: Microseconds from due to answered, or until the key that overtook it was answered, float32 (n,).
    latency_us: NDArray[np.float32]
    #: Number of its connection, int32 (n,).
    connection: NDArray[np.int32]
    #: :class:`Fate` of each, uint8 (n,).
    fate: NDArray[np.uint8]
    seconds: float
    #: Share of the time that the client spent sending and reading, 0 to 1.
    client_busy: float
    bytes_in: int
    bytes_out: int
    #: Connections that the server closed.
    closed: int
    #: The beginning of the first error message; servers put no typed text into errors.
    first_error: str

    def count(self, fate: Fate) -> int:
        """Number of keys with this fate."""
        return int(np.count_nonzero(self.fate == fate))

    @property
    def keys(self) -> int:
        """Number of keys."""
        return len(self.fate)

    @property
    def late_p99_ms(self) -> float:
        """How late the client sent keys. If large, the client was a bottleneck; latencies include it."""
        return float(np.percentile(self.late_us, 99)) / 1000 if self.keys else 0.0

    def between(self, start: float, end: float) -> Outcome:
        """The keys due between ``start`` and ``end``, in seconds."""
        chosen = (self.due_ns >= start * 1e9) & (self.due_ns < end * 1e9)
        return replace(
            self,
            due_ns=self.due_ns[chosen],
            late_us=self.late_us[chosen],
            latency_us=self.latency_us[chosen],
            connection=self.connection[chosen],
            fate=self.fate[chosen],
            seconds=end - start,
        )

    def latencies_ms(self, *fates: Fate) -> dict[str, float]:
        """Percentiles over keys with these fates, by default the answered ones. Empty if there are none."""
        values = self.latency_us[np.isin(self.fate, fates or (Fate.ANSWERED,))]
        if not len(values):
            return {}
        return {
            f"{name} ms": round(float(value) / 1000, 3)
            for name, value in zip(_PERCENTILE_NAMES, np.percentile(values, PERCENTILES), strict=True)
        }

    def answered_a_second(self, start: float, end: float) -> float:
        """Answers a second that arrived between ``start`` and ``end``, in seconds of the run."""
        moments = self.due_ns[self.fate == Fate.ANSWERED] / 1e9 + self.latency_us[self.fate == Fate.ANSWERED] / 1e6
        return float(np.count_nonzero((moments >= start) & (moments < end)) / (end - start))

    def row(self) -> dict[str, Any]:
        """Percentiles and fates as columns of a table.

        Percentiles are over the answered keys. A server could improve them by answering few keys, so another column
        counts until a key *or a newer one of the same person* was answered.
        """
        either = self.latencies_ms(Fate.ANSWERED, Fate.SUPERSEDED)
        return {
            **({f"{name} ms": None for name in _PERCENTILE_NAMES} | self.latencies_ms()),
            "it or a newer key p99 ms": either.get("p99 ms"),
            "keys": self.keys,
            "superseded": self.count(Fate.SUPERSEDED),
            "overloaded": self.count(Fate.OVERLOADED),
            "unanswered": self.count(Fate.UNANSWERED) + self.count(Fate.UNSENT),
            "errors": self.count(Fate.FAILED),
        }


@cache
def _library() -> ctypes.CDLL:
    library = compiled(Path(__file__).with_name("loadgen.c"))
    library.load_new.restype = ctypes.c_void_p
    for function in (library.load_run, library.load_facts, library.load_free):
        function.restype = None
    return library


class Generator:
    """Open connections that type. A context manager, for one thread at a time.

    ``texts`` holds what each connection types, one text a key; at the end it starts over. ``hello`` is the first
    message on each connection. Over HTTP a key is a POST of JSON with the text as ``field``; a tuple of texts becomes a
    list. ``accept`` is the format to ask for. With ``spin`` the client never sleeps: that keeps its clock exact and
    needs a core of its own. Raises :class:`~typeahead.errors.TypeaheadError` if the server refuses a connection, or if
    a connection has nothing to type.
    """

    def __init__(
        self,
        address: str,
        texts: Sequence[Sequence[str | tuple[str, ...]]],
        *,
        protocol: Protocol = Protocol.WEBSOCKET,
        path: str = "/v1/type",
        hello: dict[str, Any] | None = None,
        field: str = "text",
        accept: str = "*/*",
        spin: bool = True,
    ) -> None:
        if not texts or not all(texts):
            raise TypeaheadError("every connection needs a text to type")
        allow_files(len(texts) + 256)
        target = urlsplit(address)
        self._host, self._port, self._path = target.hostname or "127.0.0.1", target.port or 80, path
        self.connections = len(texts)
        self._library = _library()
        numbers: dict[str | tuple[str, ...], int] = {}
        paths = [numbers.setdefault(text, len(numbers)) for person in texts for text in person]
        bodies = [f'"{field}":{json.dumps(text, ensure_ascii=False)}}}'.encode() for text in numbers]
        # C keeps pointers to these, so they have to live as long as it does.
        self._kept = (
            b"".join(bodies),
            _offsets([len(body) for body in bodies]),
            np.array(paths, np.int32),
            _offsets([len(person) for person in texts]),
            (
                f"POST {path} HTTP/1.1\r\nHost: {target.netloc}\r\nAccept: {accept}\r\n"
                "Content-Type: application/json\r\nContent-Length: "
            ).encode(),
        )
        self._sockets: list[socket.socket] = []
        self._load: ctypes.c_void_p | None = None
        try:
            for first in range(0, len(texts), _HANDSHAKES):
                self._connect(min(_HANDSHAKES, len(texts) - first), protocol, hello)
        except BaseException:
            self.close()
            raise
        descriptors = np.array([connection.fileno() for connection in self._sockets], np.int32)
        blob, offsets, path_ids, path_offsets, head = self._kept
        self._load = ctypes.c_void_p(
            self._library.load_new(
                ctypes.c_int(len(descriptors)),
                _pointer(descriptors),
                ctypes.c_int(protocol),
                ctypes.c_int(spin),
                ctypes.c_char_p(blob),
                _pointer(offsets),
                _pointer(path_ids),
                _pointer(path_offsets),
                ctypes.c_char_p(head),
            )
        )

    def open_loop(self, due_ns: NDArray[np.int64], connection: NDArray[np.int32], *, patience: float = 10.0) -> Outcome:
        """Send a key on ``connection[i]`` at ``due_ns[i]``, in ascending order, then wait at most ``patience`` seconds.

        Both have the shape (n,).
        """
        if len(due_ns) != len(connection) or np.any(np.diff(due_ns) < 0):
            raise ValueError("a schedule needs one connection for each moment, and ascending moments")
        if len(connection) and not (connection.min() >= 0 and connection.max() < self.connections):
            raise ValueError(f"the schedule names connections beyond the {self.connections} that are open")
        due = np.ascontiguousarray(due_ns, np.int64)
        connections = np.ascontiguousarray(connection, np.int32)
        return self._run(len(due), len(due), due, connections, 0.0, patience)

    def closed_loop(self, seconds: float, *, patience: float = 10.0) -> Outcome:
        """Keep one key in flight on every connection for ``seconds``, then wait at most ``patience`` for the rest."""
        nothing = np.empty(0, np.int64)
        capacity = int(seconds * _CLOSED_LOOP_RATE) + self.connections
        return self._run(-1, capacity, nothing, nothing.astype(np.int32), seconds, patience)

    def _run(
        self,
        keys: int,
        capacity: int,
        due_ns: NDArray[np.int64],
        connection: NDArray[np.int32],
        seconds: float,
        patience: float,
    ) -> Outcome:
        if self._load is None:
            raise ValueError("the generator is closed")
        due, latency = np.empty(capacity, np.int64), np.empty(capacity, np.float32)
        late, conn, body = (np.empty(capacity, np.int32) for _ in range(3))
        state = np.empty(capacity, np.uint8)
        arrays = (due, late, latency, conn, body, state)
        records = _Records(capacity, 0, *(array.ctypes.data for array in arrays))
        # ctypes releases the GIL, so other threads run meanwhile.
        self._library.load_run(
            self._load,
            ctypes.byref(records),
            ctypes.c_int64(keys),
            _pointer(due_ns),
            _pointer(connection),
            ctypes.c_int64(int(seconds * 1e9)),
            ctypes.c_int64(int(patience * 1e9)),
        )
        facts = np.zeros(5, np.int64)
        error = ctypes.create_string_buffer(160)
        self._library.load_facts(self._load, _pointer(facts), error)
        busy, wall, bytes_in, bytes_out, closed = facts.tolist()
        count = int(records.count)
        return Outcome(
            due_ns=due[:count].copy(),
            late_us=late[:count].copy(),
            latency_us=latency[:count].copy(),
            connection=conn[:count].copy(),
            fate=state[:count].copy(),
            seconds=wall / 1e9,
            client_busy=busy / max(wall, 1),
            bytes_in=bytes_in,
            bytes_out=bytes_out,
            closed=closed,
            first_error=error.value.decode(errors="replace"),
        )

    def _connect(self, count: int, protocol: Protocol, hello: dict[str, Any] | None) -> None:
        new: list[socket.socket] = []
        for _ in range(count):
            connection = socket.create_connection((self._host, self._port), _HANDSHAKE_SECONDS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets.append(connection)
            new.append(connection)
        if protocol is not Protocol.HTTP:
            key = base64.b64encode(os.urandom(16)).decode()
            request = (
                f"GET {self._path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nUpgrade: websocket\r\n"
                f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
            )
            for connection in new:
                connection.sendall(request.encode())
            for connection in new:
                _await_upgrade(connection)
            if hello is not None:
                for connection in new:
                    connection.sendall(_frame(json.dumps({"hello": hello}).encode()))
        for connection in new:
            connection.setblocking(False)

    def close(self) -> None:
        """Close all connections."""
        if self._load is not None:
            self._library.load_free(self._load)
            self._load = None
        for connection in self._sockets:
            connection.close()
        self._sockets = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _offsets(lengths: Sequence[int]) -> NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _await_upgrade(connection: socket.socket) -> None:
    """Read the answer to the handshake and not one byte more, because frames may follow it."""
    head = b""
    deadline = time.monotonic() + _HANDSHAKE_SECONDS
    while not head.endswith(b"\r\n\r\n"):
        try:
            # Peek first, then take only what belongs to the answer.
            seen = connection.recv(4096, socket.MSG_PEEK)
        except TimeoutError:
            seen = b""
        if not seen or time.monotonic() > deadline:
            raise TypeaheadError("the server closed a connection or said nothing during the handshake")
        end = (head + seen).find(b"\r\n\r\n")
        head += connection.recv(len(seen) if end < 0 else end + 4 - len(head))
    status = head.partition(b"\r\n")[0].decode(errors="replace")
    if " 101" not in status:
        raise TypeaheadError(f"the server refused a connection: {status}")


def _frame(payload: bytes) -> bytes:
    """A client's text frame of fewer than 126 bytes (RFC 6455, section 5.2)."""
    mask = os.urandom(4)
    return bytes((0x81, 0x80 | len(payload))) + mask + bytes(byte ^ mask[at & 3] for at, byte in enumerate(payload))
