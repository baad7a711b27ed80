"""How strangers can disturb people who type: endless request heads, and more silent connections than descriptors.

    python -m benchmarks.denial [--descriptors 1024] [--silent 1100] [--seconds 6] [--json PATH]

The server may open at most --descriptors files. --connections people type, --rate keys a second in all: first
undisturbed, then during each attack:

one header       connections send one header of 40 MB
header lines     connections send header lines without end
silent           --silent connections are open and say nothing

A refused attacker connects again after some milliseconds, for as long as the phase lasts. Each line of the table has:

- the latency of the people who type, counted from when a key was due
- the growth of the server's memory; its cache of token prefixes is small and full beforehand, so typing adds nothing
- the bytes that an attacker had sent when it was refused; it sends 4 kB at a time and looks for an answer after each
- the longest time that a newcomer waited for a session and its first answer

The bars: refused below 128 kB, p99 of the others at most 50 ms, at most 10 MB more memory, no newcomer waits 30 s.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from benchmarks import options, schedule
from benchmarks.load import QUERIES
from benchmarks.loadgen import Generator
from benchmarks.machine import allow_files, pinned
from benchmarks.servers import Running, started
from benchmarks.typed import load_queries, load_traces, varied_texts
from typeahead.tables import report

#: Bytes of the server's cache of token prefixes, and seconds of a closed loop that fills it.
_CACHE_BYTES: Final = 16 << 20
FILL_SECONDS: Final = 4.0
_HEADER_BYTES: Final = 40_000_000
_PIECE: Final = 4096
#: After this many bytes an attacker no longer waits for an answer to each piece.
_PATIENT_BYTES: Final = 512 << 10
_PATIENCE: Final = 0.004
#: Seconds before a refused attacker connects again, between readings of the memory, and between newcomers.
_AGAIN: Final = 0.02
_LOOK: Final = 0.1
_NEW: Final = 0.5
#: Seconds after which a newcomer counts as kept out.
_KEPT_OUT: Final = 30.0

HEAD: Final = b"GET /v1/type HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@dataclass
class Phase:
    """What was observed while people typed."""

    stop: threading.Event = field(default_factory=threading.Event)
    refused_after: list[int] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


Attack = Callable[[socket.socket, Phase], None]


def send_until_refused(connection: socket.socket, phase: Phase, start: bytes, piece: bytes) -> None:
    """Send ``start`` and then pieces until an answer comes or the phase ends. Note how many bytes an answer took."""
    sent = 0
    try:
        connection.sendall(start)
        while sent < _HEADER_BYTES and not phase.stop.is_set():
            connection.sendall(piece)
            sent += len(piece)
            if select.select([connection], [], [], _PATIENCE if sent < _PATIENT_BYTES else 0)[0]:
                break
        else:
            return
    except ConnectionError:
        pass
    phase.refused_after.append(len(start) + sent)


def one_header(connection: socket.socket, phase: Phase) -> None:
    """Send one header without end."""
    send_until_refused(connection, phase, HEAD + b"X: ", b"a" * _PIECE)


def header_lines(connection: socket.socket, phase: Phase) -> None:
    """Send header lines without end."""
    line = b"X-Line: " + b"a" * 54 + b"\r\n"
    send_until_refused(connection, phase, HEAD, line * (_PIECE // len(line)))


def attacking(address: tuple[str, int], attack: Attack, phase: Phase) -> None:
    """Attack again and again until the phase ends."""
    while not phase.stop.is_set():
        with suppress(OSError), socket.create_connection(address, 1.0) as connection:
            attack(connection, phase)
        phase.stop.wait(_AGAIN)


def lying_there(address: tuple[str, int], count: int, phase: Phase) -> None:
    """Hold silent connections, and reopen those that the server closes."""
    with ExitStack() as stack:
        lying: list[socket.socket] = []
        closed = select.poll()
        while not phase.stop.is_set():
            gone = {descriptor for descriptor, _ in closed.poll(0)}
            for connection in [one for one in lying if one.fileno() in gone]:
                closed.unregister(connection)
                lying.remove(connection)
                connection.close()
            with suppress(OSError):
                while len(lying) < count and not phase.stop.is_set():
                    lying.append(stack.enter_context(socket.create_connection(address, 1.0)))
                    closed.register(lying[-1], select.POLLIN | select.POLLHUP)
            phase.stop.wait(_LOOK)


def being_new(server: Running, phase: Phase) -> None:
    """Connect, type a key, wait for its answer and leave. Note how long that took, however many attempts."""
    websocket = server.address.replace("http", "ws", 1) + "/v1/type"
    while not phase.stop.is_set():
        began = time.monotonic()
        answered = False
        while not answered and time.monotonic() - began < _KEPT_OUT:
            with (
                suppress(OSError, WebSocketException),
                connect(websocket, open_timeout=2.0, compression=None) as client,
            ):
                client.send(json.dumps({"seq": 1, "text": "a"}))
                client.recv(timeout=2.0)
                answered = True
        phase.waits.append(time.monotonic() - began)
        phase.stop.wait(_NEW)


def watching(server: Running, phase: Phase) -> None:
    """Record the server's memory."""
    while not phase.stop.is_set():
        phase.memory.append(server.resident_megabytes())
        phase.stop.wait(_LOOK)


@contextmanager
def running(*tasks: Callable[[Phase], None]) -> Iterator[Phase]:
    """Run tasks in threads until the block ends."""
    phase = Phase()

    def run(task: Callable[[Phase], None]) -> None:
        # The load generator shares the client's core and must have priority.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        task(phase)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    try:
        yield phase
    finally:
        phase.stop.set()
        for thread in threads:
            thread.join()


@contextmanager
def limited_server(descriptors: int, *, cores: frozenset[int]) -> Iterator[Running]:
    """Run ``typeahead serve`` with at most ``descriptors`` open files."""
    serve = [sys.executable, "-m", "typeahead", "serve", "--port", "0", "--cache-bytes", str(_CACHE_BYTES)]
    command = ["sh", "-c", f'ulimit -n {descriptors} && exec "$@"', "sh", *serve]
    with started("typeahead", command, cores=cores) as server:
        yield server


def measure(
    what: str, generator: Generator, server: Running, chosen: Any, attack: Callable[[Phase], None] | None
) -> dict[str, Any]:
    """Let people type, during an attack if one is given. Returns a line of the table."""
    due, people = schedule.constant(chosen.rate, chosen.seconds, generator.connections)
    tasks: list[Callable[[Phase], None]] = [
        lambda phase: watching(server, phase),
        lambda phase: being_new(server, phase),
    ]
    with running(*tasks, *([] if attack is None else [attack])) as phase:
        outcome = generator.open_loop(due, people)
    fates = outcome.row()
    return {
        "what": what,
        "keys": fates["keys"],
        "unanswered": fates["unanswered"] + fates["errors"] + fates["overloaded"],
        "p50 ms": outcome.latencies_ms().get("p50 ms", float("inf")),
        "p99 ms": outcome.latencies_ms().get("p99 ms", float("inf")),
        "sent late p99 ms": round(outcome.late_p99_ms, 2),
        "memory MB": round(max(phase.memory) - phase.memory[0], 1),
        "refused": len(phase.refused_after),
        "after bytes": max(phase.refused_after, default=0),
        "new people": len(phase.waits),
        "longest wait s": round(max(phase.waits, default=0.0), 2),
    }


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = options.parser("denial", __doc__)
    parser.add_argument("--descriptors", type=options.whole, default=1024, help="most files that the server may open")
    parser.add_argument("--silent", type=options.whole, default=1100, help="silent connections (1100)")
    parser.add_argument("--connections", type=options.whole, default=50, help="people who type (50)")
    parser.add_argument(
        "--rate", type=options.positive, default=300.0, help="keys a second, of all people together (300)"
    )
    parser.add_argument("--seconds", type=options.positive, default=6.0, help="of each phase (6)")
    options.add_cores(parser)
    options.add_typing(parser)
    chosen = parser.parse_args(arguments)
    traces, typing = load_traces(chosen.traces)
    queries, asked = load_queries(chosen.queries, QUERIES)
    texts = varied_texts(traces, queries, chosen.connections)
    allow_files(chosen.silent + chosen.connections + 256)
    table: list[dict[str, Any]] = []
    with limited_server(chosen.descriptors, cores=chosen.server_cores) as server, pinned(chosen.client_core):
        parts = urlsplit(server.address)
        address = (str(parts.hostname), int(parts.port or 80))
        attacks: dict[str, Callable[[Phase], None] | None] = {
            "nothing else": None,
            "one header": lambda phase: attacking(address, one_header, phase),
            "header lines": lambda phase: attacking(address, header_lines, phase),
            "silent": lambda phase: lying_there(address, chosen.silent, phase),
        }
        with Generator(server.address, texts, spin=False) as generator:
            generator.closed_loop(FILL_SECONDS)
            table = [measure(what, generator, server, chosen, attack) for what, attack in attacks.items()]
    heads = [row for row in table if row["what"] in ("one header", "header lines")]
    facts = {
        "typing": typing,
        "queries": asked,
        "descriptors": chosen.descriptors,
        "heads_are_refused_below_128_kB": all(0 < row["after bytes"] < 128_000 for row in heads),
        "p99_of_others_at_most_50_ms": all(row["p99 ms"] <= 50 for row in table),
        "memory_grows_by_10_MB_at_most": all(row["memory MB"] <= 10 for row in table),
        "nobody_waits_30_s": all(row["new people"] and row["longest wait s"] < _KEPT_OUT for row in table),
    }
    report("Denial", table, json_path=chosen.json, **facts)


if __name__ == "__main__":
    options.run(main)
