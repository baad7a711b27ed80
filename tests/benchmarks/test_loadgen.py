"""The load generator tells the truth about servers that answer, stall, drop, refuse and go away."""

from __future__ import annotations

import json
import struct
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from websockets.sync.server import ServerConnection

from benchmarks import schedule
from benchmarks.loadgen import Fate, Generator, Outcome, Protocol
from benchmarks.native import has_compiler
from tests.benchmarks.scripted import answer, http_server, websocket_server
from typeahead.errors import TypeaheadError

pytestmark = pytest.mark.skipif(not has_compiler(), reason="the load generator is compiled, and there is no C compiler")

#: Seconds after which a test gives up on what has to come, and of those that must not come.
LONG, SHORT = 20.0, 0.2


def at_once(count: int, connections: int = 1) -> schedule.Schedule:
    """A schedule whose keys are all due at the start."""
    return np.zeros(count, np.int64), (np.arange(count) % connections).astype(np.int32)


def test_the_server_reads_what_is_typed_in_order_with_ascending_seq() -> None:
    texts = ["h", "hé", "hé 🇪🇺", 'say "\\', "ล", "a" * 200, "b" * 70_000]
    heard: list[dict[str, Any]] = []

    def script(connection: ServerConnection, message: dict[str, Any]) -> None:
        heard.append(message)
        answer(connection, message)

    with websocket_server(script) as address, Generator(address, [texts], spin=False) as generator:
        outcome = generator.open_loop(*at_once(9), patience=LONG)
    assert [message["text"] for message in heard] == [*texts, *texts[:2]]
    assert [message["seq"] for message in heard] == list(range(1, 10))
    assert outcome.count(Fate.ANSWERED) == outcome.keys == 9
    assert outcome.bytes_out > 70_200


@pytest.mark.parametrize("spin", [True, False])
def test_a_stall_shows_in_every_key_that_was_due_in_it(spin: bool) -> None:
    """No coordinated omission: one stall of 0.6 s delays all keys of 0.6 s, not one for each connection."""
    stalled = threading.Event()
    lock = threading.Lock()

    def script(connection: ServerConnection, message: dict[str, Any]) -> None:
        with lock:  # one stall holds up everybody
            if message["seq"] == 10 and not stalled.is_set():
                stalled.set()
                time.sleep(0.6)
        answer(connection, message)

    with websocket_server(script) as address, Generator(address, [["a"]] * 4, spin=spin) as generator:
        outcome = generator.open_loop(*schedule.constant(200, 1.0, 4), patience=LONG)
    assert outcome.keys == outcome.count(Fate.ANSWERED) == 200
    # The stall begins with the 37th to 40th key, some 0.2 s after the start, so 120 keys are due in it.
    delayed = int(np.count_nonzero(outcome.latency_us > 100_000))
    assert delayed >= 95
    assert outcome.latencies_ms()["p90 ms"] >= 400
    assert outcome.latencies_ms()["max ms"] >= 590


def test_keys_wait_for_a_server_that_does_not_read() -> None:
    """A key that could not be sent in time is not sent late and called quick."""
    release = threading.Event()

    def script(connection: ServerConnection, message: dict[str, Any]) -> None:
        release.wait(LONG)
        answer(connection, message)

    # More than the sockets' buffers take.
    with websocket_server(script) as address, Generator(address, [["x" * 100_000]], spin=False) as generator:
        timer = threading.Timer(0.5, release.set)
        timer.start()
        outcome = generator.open_loop(*schedule.constant(1000, 0.2, 1), patience=LONG)
        timer.join()
    assert outcome.count(Fate.ANSWERED) == 200
    assert float(outcome.latency_us.min()) >= 290_000


def test_an_overtaken_key_is_superseded_and_an_unanswered_one_is_told() -> None:
    def every_third(connection: ServerConnection, message: dict[str, Any]) -> None:
        if message["seq"] % 3 == 0:
            answer(connection, message)

    with websocket_server(every_third) as address, Generator(address, [["a"]], spin=False) as generator:
        outcome = generator.open_loop(*at_once(11), patience=SHORT)
    fates = [Fate.SUPERSEDED, Fate.SUPERSEDED, Fate.ANSWERED] * 3 + [Fate.UNANSWERED] * 2
    assert outcome.fate.tolist() == fates
    assert outcome.row() | {"keys": 11, "superseded": 6, "unanswered": 2, "errors": 0} == outcome.row()
    # Those that were overtaken have the time until then, and are not in the percentiles of the answered ones.
    assert len(outcome.latency_us[outcome.latency_us > 0]) == 9


def test_errors_and_overload_are_told_apart() -> None:
    def refuse(connection: ServerConnection, message: dict[str, Any]) -> None:
        codes = {1: "internal", 2: "overloaded"}
        if message["seq"] in codes:
            error = {"code": codes[message["seq"]], "message": 'it said "seq":9'}
            connection.send(json.dumps({"error": error, "seq": message["seq"]}, separators=(",", ":")))
        else:
            answer(connection, message)

    with websocket_server(refuse) as address, Generator(address, [["a"]], spin=False) as generator:
        outcome = generator.open_loop(*at_once(3), patience=LONG)
    assert outcome.fate.tolist() == [Fate.FAILED, Fate.OVERLOADED, Fate.ANSWERED]
    assert "internal" in outcome.first_error


def test_hits_that_talk_of_seq_and_overload_are_answers() -> None:
    def hits(connection: ServerConnection, message: dict[str, Any]) -> None:
        text = '{"error": "seq": 7, "code":"overloaded", "overloaded":true'
        connection.send(json.dumps({"seq": message["seq"], "hits": [{"title": "overloaded", "text": text * 2000}]}))

    with websocket_server(hits) as address, Generator(address, [["a"]], spin=False) as generator:
        outcome = generator.open_loop(*at_once(3), patience=LONG)
    assert outcome.count(Fate.ANSWERED) == 3
    assert outcome.bytes_in > 3 * 100_000


def test_a_connection_that_the_server_closes_leaves_its_keys_unanswered() -> None:
    def leave(connection: ServerConnection, message: dict[str, Any]) -> None:
        if message["seq"] == 2:
            connection.close(1013)
        else:
            answer(connection, message)

    with websocket_server(leave) as address, Generator(address, [["a"], ["b"]], spin=False) as generator:
        due = np.array([0, 0, 200_000_000, 10_000_000_000], np.int64)
        outcome = generator.open_loop(due[:3], np.array([0, 1, 0], np.int32), patience=LONG)
        assert outcome.fate.tolist() == [Fate.ANSWERED, Fate.ANSWERED, Fate.UNANSWERED]
        assert outcome.closed == 1
        outcome = generator.open_loop(*at_once(1), patience=LONG)
    assert outcome.fate.tolist() == [Fate.UNSENT]
    assert outcome.row()["unanswered"] == 1


def test_an_embedding_answers_by_its_own_frame() -> None:
    def embed(connection: ServerConnection, message: dict[str, Any]) -> None:
        if "hello" in message:
            assert message["hello"] == {"embedding": "float32"}
            connection.send(json.dumps({"hello": {}}))
            return
        answer(connection, message)
        if message["seq"] != 2:
            connection.send(struct.pack("<IBHB", message["seq"], 1, 384, 0) + bytes(1536))

    with (
        websocket_server(embed) as address,
        Generator(
            address, [["a"]], protocol=Protocol.WEBSOCKET_BINARY, hello={"embedding": "float32"}, spin=False
        ) as generator,
    ):
        outcome = generator.open_loop(*at_once(3), patience=LONG)
    assert outcome.fate.tolist() == [Fate.ANSWERED, Fate.SUPERSEDED, Fate.ANSWERED]


def test_pings_are_answered() -> None:
    ponged = threading.Event()

    def ping(connection: ServerConnection, message: dict[str, Any]) -> None:
        pong = connection.ping(b"are you there")

        def wait() -> None:
            if pong.wait(LONG):
                ponged.set()

        threading.Thread(target=wait).start()
        threading.Timer(0.05, answer, (connection, message)).start()

    with websocket_server(ping) as address, Generator(address, [["a"]], spin=False) as generator:
        assert generator.open_loop(*at_once(1), patience=LONG).count(Fate.ANSWERED) == 1
        assert ponged.wait(LONG)


def test_a_closed_loop_has_one_key_in_flight_on_each_connection() -> None:
    lock = threading.Lock()
    in_flight: dict[ServerConnection, int] = {}
    most = 0

    def script(connection: ServerConnection, message: dict[str, Any]) -> None:
        nonlocal most
        with lock:
            in_flight[connection] = in_flight.get(connection, 0) + 1
            most = max(most, in_flight[connection])
        time.sleep(0.005)
        with lock:
            in_flight[connection] -= 1
        answer(connection, message)

    with websocket_server(script) as address, Generator(address, [["a"]] * 3, spin=False) as generator:
        outcome = generator.closed_loop(0.5, patience=LONG)
    assert most == 1
    assert outcome.count(Fate.ANSWERED) == outcome.keys >= 3
    # 5 ms a key and connection at least.
    assert outcome.answered_a_second(0.0, 0.5) <= 600
    assert np.all(outcome.latency_us >= 5000)


def test_http_is_asked_one_post_a_key() -> None:
    heard: list[dict[str, Any]] = []

    def status(body: dict[str, Any]) -> int:
        heard.append(body)
        return 503 if body["text"] == "b" else 200

    with (
        http_server(status) as address,
        Generator(address, [["a", "b", "ç"]], protocol=Protocol.HTTP, path="/embed", spin=False) as generator,
    ):
        outcome = generator.open_loop(*at_once(4), patience=LONG)
    assert heard == [{"text": text} for text in ("a", "b", "ç", "a")]
    assert outcome.fate.tolist() == [Fate.ANSWERED, Fate.FAILED, Fate.ANSWERED, Fate.ANSWERED]
    assert "503" in outcome.first_error


def test_a_key_over_http_may_be_a_list_of_texts() -> None:
    heard: list[dict[str, Any]] = []

    def status(body: dict[str, Any]) -> int:
        heard.append(body)
        return 200

    texts = [[("a", "b"), ("ç",)]]
    with (
        http_server(status) as address,
        Generator(address, texts, protocol=Protocol.HTTP, path="/", field="texts", spin=False) as generator,
    ):
        outcome = generator.open_loop(*at_once(3), patience=LONG)
    assert heard == [{"texts": ["a", "b"]}, {"texts": ["ç"]}, {"texts": ["a", "b"]}]
    assert outcome.count(Fate.ANSWERED) == 3


def test_a_server_that_refuses_is_an_error() -> None:
    with (
        http_server(lambda _: 200) as address,
        pytest.raises(TypeaheadError, match=r"refused a connection: HTTP/1\.1 501"),
    ):
        Generator(address, [["a"]])


def outcome_of(latencies_ms: Sequence[float], fates: Sequence[Fate], due_ms: Sequence[float]) -> Outcome:
    """An outcome with these latencies."""
    return Outcome(
        due_ns=(np.array(due_ms) * 1e6).astype(np.int64),
        late_us=np.zeros(len(due_ms), np.int32),
        latency_us=(np.array(latencies_ms) * 1000).astype(np.float32),
        connection=np.zeros(len(due_ms), np.int32),
        fate=np.array(fates, np.uint8),
        seconds=1.0,
        client_busy=0.0,
        bytes_in=0,
        bytes_out=0,
        closed=0,
        first_error="",
    )


def test_percentiles_are_those_of_the_answered_keys() -> None:
    latencies = [*range(1, 102), 5000]
    fates = [Fate.ANSWERED] * 101 + [Fate.SUPERSEDED]
    outcome = outcome_of(latencies, fates, [0] * 102)
    assert outcome.latencies_ms() == {"p50 ms": 51, "p90 ms": 91, "p99 ms": 100, "p99.9 ms": 100.9, "max ms": 101}
    assert outcome.latencies_ms(Fate.ANSWERED, Fate.SUPERSEDED)["max ms"] == 5000
    assert outcome.row()["it or a newer key p99 ms"] == pytest.approx(100.99)
    assert outcome_of([1], [Fate.UNANSWERED], [0]).row()["p50 ms"] is None


def test_rates_count_the_moments_of_the_answers() -> None:
    outcome = outcome_of([10, 10, 700, 1], [Fate.ANSWERED] * 3 + [Fate.FAILED], [0, 400, 450, 460])
    assert outcome.answered_a_second(0.0, 0.5) == 4
    assert outcome.between(0.4, 0.455).keys == 2


def test_a_schedule_that_makes_no_sense_is_refused() -> None:
    with websocket_server(answer) as address, Generator(address, [["a"]], spin=False) as generator:
        with pytest.raises(ValueError, match="ascend"):
            generator.open_loop(np.array([2, 1]), np.array([0, 0], np.int32))
        with pytest.raises(ValueError, match="beyond"):
            generator.open_loop(np.array([1]), np.array([1], np.int32))
    with pytest.raises(ValueError, match="closed"):
        generator.closed_loop(1.0)
    with pytest.raises(TypeaheadError, match="needs a text"):
        Generator("http://127.0.0.1:1", [[]])
