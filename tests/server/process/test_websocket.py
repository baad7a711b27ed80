from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from tests.server.fakes import TITLES, BruteForceIndex, MeanEncoder
from tests.server.running import PATIENCE, Client, Running, eventually, metric, running
from typeahead.wire.replies import read_embedding


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(BruteForceIndex(), max_frame_bytes=2048, max_chars=100) as server:
        yield server


@pytest.fixture
def client(server: Running) -> Iterator[Client]:
    with server.client() as client:
        yield client


def test_typing_editing_and_enter_are_answered_as_the_contract_says(client: Client) -> None:
    client.say(seq=1, text="boil an eg")
    first = client.hear()
    assert first["seq"] == 1
    client.say(seq=2, edit={"at": 10, "del": 0, "ins": "g"})
    second = client.hear()
    assert list(second) == ["seq", "hits", "encoder", "version"]
    assert list(second["hits"][0]) == ["id", "score", "title", "text", "url", "marks", "arms"]
    assert second["hits"][0]["title"] == "boil an egg"
    client.say(seq=3, submit=True)
    third = client.hear()
    assert (third["seq"], third["submit"], third["ready"]) == (3, True, True)
    assert third["hits"] == second["hits"]


def test_the_subprotocol_is_agreed(client: Client) -> None:
    assert client.connection.subprotocol == "typeahead.v1"


def test_a_tool_may_leave_the_subprotocol_out(server: Running) -> None:
    with connect(server.websocket) as connection:
        connection.send('{"seq": 1, "text": "tea"}')
        assert json.loads(connection.recv(timeout=PATIENCE))["seq"] == 1


def test_a_session_by_a_name_that_is_not_the_servers_is_refused(server: Running) -> None:
    # What a page sends whose name was made to point here: it is of the same origin as far as that name goes.
    with pytest.raises(InvalidStatus) as caught, socket.create_connection(("127.0.0.1", server.port)) as rebound:
        connect(
            f"ws://evil.example:{server.port}/v1/type",
            sock=rebound,
            origin=Origin(f"http://evil.example:{server.port}"),
        )
    assert caught.value.response.status_code == 421
    assert b"allowed_hosts" in (caught.value.response.body or b"")


def test_another_subprotocol_is_refused(server: Running) -> None:
    with pytest.raises(InvalidStatus) as caught, connect(server.websocket, subprotocols=[Subprotocol("typeahead.v2")]):
        pass
    assert caught.value.response.status_code == 400
    assert b"typeahead.v1" in (caught.value.response.body or b"")


def test_the_hello_is_answered_and_sets_k(client: Client) -> None:
    client.say(hello={"k": 2})
    hello = client.hear()["hello"]
    assert (hello["k"], hello["max_chars"], hello["documents"], hello["encoder"]) == (2, 100, len(TITLES), "mean")
    client.say(seq=1, text="tea")
    assert len(client.hear()["hits"]) == 2


@pytest.mark.parametrize(("name", "least"), [("float32", 1), ("float16", 0.999999), ("int8", 0.999)])
def test_the_embedding_follows_its_reply_as_a_binary_frame(client: Client, name: str, least: float) -> None:
    client.say(hello={"embedding": name})
    assert client.hear()["hello"]["embedding"] == name
    client.say(seq=4, text="café 🙂")
    assert client.hear()["seq"] == 4
    seq, vector = read_embedding(client.hear())
    assert seq == 4
    assert vector is not None
    expected = MeanEncoder().encode(["café 🙂"])[0]
    assert float(vector @ expected) / np.linalg.norm(vector) >= least - 1e-6


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ('{"seq": 2, "text": ', "bad_json"),
        ('{"seq": 2, "text": "a", "user": 1}', "bad_message"),
        ('{"seq": 1, "text": "a"}', "bad_seq"),
        ('{"seq": 2, "edit": {"at": 4, "del": 0, "ins": "a"}}', "bad_edit"),
        ('{"seq": 2, "text": "\\ud83d"}', "bad_text"),
        (b'{"seq": 2, "text": "a"}', "bad_frame"),
        ('{"seq": 2, "text": "' + "a" * 101 + '"}', "text_too_long"),
        ('{"hello": {}}', "bad_hello"),
    ],
)
def test_bad_input_is_answered_with_an_error_and_the_session_lives_on(
    client: Client, frame: str | bytes, code: str
) -> None:
    client.say(seq=1, text="tea")
    client.hear()
    client.connection.send(frame)
    error = client.hear()
    assert error["error"]["code"] == code
    assert error.get("seq", 2) == 2
    client.say(seq=3, edit={"at": 3, "del": 0, "ins": "s"})
    assert client.hear()["seq"] == 3


def test_a_frame_that_is_too_large_closes_with_1009(client: Client) -> None:
    client.connection.send("x" * 2049)
    with pytest.raises(ConnectionClosed) as caught:
        client.hear()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009


def test_text_that_is_not_utf_8_closes_with_1007(server: Running) -> None:
    with _upgraded(server) as connection:
        connection.sendall(_masked(1, b"\xff"))
        opcode, length, *code = connection.recv(4)
        assert (opcode, length >= 2, int.from_bytes(bytes(code))) == (0x88, True, 1007)


def test_ten_thousand_keystrokes_in_one_burst_are_survived_and_the_last_is_answered(server: Running) -> None:
    burst = "".join(f'{{"seq": {seq}, "text": "egg {seq % 50}"}}\n' for seq in range(1, 10_001)).splitlines()
    with server.client() as client:
        for frame in burst:
            client.connection.send(frame)
        client.say(seq=10_001, submit=True)
        heard = client.hear_until(10_001)
    numbers = [reply["seq"] for reply in heard]
    assert numbers == sorted(set(numbers))
    assert numbers[-2:] == [10_000, 10_001]
    assert heard[-1]["hits"] == heard[-2]["hits"]
    assert len(numbers) < 10_001


def test_replies_are_those_of_each_client_alone(server: Running) -> None:
    with server.client() as one, server.client() as two:
        one.say(seq=1, text="bake bread")
        two.say(seq=1, text="boil an egg")
        assert one.hear()["hits"][0]["title"] == "bake bread"
        assert two.hear()["hits"][0]["title"] == "boil an egg"


def test_a_search_that_a_newer_key_overtook_is_dropped_before_it_starts() -> None:
    index = BruteForceIndex()
    with running(index) as server, server.client() as client:
        index.gate.clear()
        client.say(seq=1, text="tea 1")
        index.await_search()
        for seq in range(2, 7):
            client.say(seq=seq, text=f"tea {seq}")
        eventually(lambda: metric(server, 'typeahead_keystrokes_total{outcome="superseded"}') == 5)
        index.gate.set()
        assert client.hear()["seq"] == 6
    assert index.batches == [1, 1]


@pytest.mark.parametrize(
    ("origin", "status"), [("https://evil.example", 403), ("null", 403), ("https://a.example", 101)]
)
def test_pages_of_other_origins_may_not_connect_unless_allowed(origin: str, status: int) -> None:
    with running(allowed_origins=("https://a.example",)) as server:
        with server.client(origin=server.http):
            pass
        try:
            with server.client(origin=origin):
                seen = 101
        except InvalidStatus as error:
            seen = error.response.status_code
        assert seen == status


def test_a_token_is_asked_for_in_the_first_message() -> None:
    with running(token="s3cret") as server:
        with server.client(token="s3cret") as client:
            client.say(seq=1, text="tea")
            assert client.hear()["seq"] == 1
        with server.client() as client:
            client.say(seq=1, text="tea")
            assert client.hear()["error"]["code"] == "unauthorized"
            with pytest.raises(ConnectionClosed) as caught:
                client.hear()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1008


def test_sessions_beyond_the_limit_are_closed_with_1013() -> None:
    with running(max_sessions=1) as server, server.client() as client:
        with server.client() as other, pytest.raises(ConnectionClosed) as caught:
            other.hear()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1013
        client.say(seq=1, text="tea")
        assert client.hear()["seq"] == 1


def test_an_idle_session_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typeahead.server.typing.endpoint.SWEEP_SECONDS", 0.01)
    with running(idle_seconds=0.01) as server, server.client() as client, pytest.raises(ConnectionClosed) as caught:
        client.hear()
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1000, "idle")


def chatter(client: Client) -> None:
    while True:
        client.connection.send("x")
        client.hear()


def test_where_the_time_went_is_told_to_operators_and_to_all_if_the_server_is_told_so() -> None:
    stages = ["queue", "tokenize", "step", "search", "serialize", "total"]

    def told(server: Running, token: str | None) -> bool:
        with server.client(token=token) as client:
            if token is None:
                client.say(hello={})
                client.hear()
            client.say(seq=1, text="boil an egg")
            reply = client.hear()
        assert list(reply.get("timing_us", stages)) == stages
        return "timing_us" in reply

    with running(BruteForceIndex(), operator_token="0per") as server:
        assert [told(server, token) for token in (None, "wr0ng", "0per")] == [False, False, True]
    with running(BruteForceIndex(), token="s3cret", operator_token="0per") as server:
        assert [told(server, token) for token in ("s3cret", "0per")] == [False, True]
    with running(BruteForceIndex(), timings=True) as server:
        assert told(server, None)


def test_strangers_share_nothing_that_is_remembered_and_holders_of_a_token_if_the_server_is_told_so() -> None:
    def cached(server: Running, token: str | None) -> float:
        for _ in range(2):
            with server.client(token=token) as client:
                client.say(seq=1, text="boil an egg")
                client.hear()
        return metric(server, 'typeahead_steps_total{source="cached"}', token=token)

    with running(BruteForceIndex()) as server:
        assert cached(server, None) == 0
    with running(BruteForceIndex(), token="s3cret") as server:
        assert cached(server, "s3cret") == 0
    with running(BruteForceIndex(), token="s3cret", shared_cache=True) as server:
        assert cached(server, "s3cret") == 3


def test_a_client_without_its_token_is_closed_however_much_it_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typeahead.server.typing.endpoint.SWEEP_SECONDS", 0.01)
    with running(token="s3cret", hello_seconds=0.01) as server, server.client() as client:
        with pytest.raises(ConnectionClosed) as caught:
            chatter(client)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1008


def _upgraded(server: Running) -> socket.socket:
    """A websocket by hand, with as small a buffer as the system gives."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", server.port))
    connection.settimeout(PATIENCE)
    connection.sendall(
        b"GET /v1/type HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert connection.recv(4096).startswith(b"HTTP/1.1 101")
    return connection


def _masked(opcode: int, payload: bytes) -> bytes:
    assert len(payload) < 126
    return bytes([0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


def _split(data: bytes, at: int) -> tuple[bytes, bytes]:
    return data[:at], data[at:]


def _next_text(connection: socket.socket, buffer: bytearray) -> dict[str, Any]:
    """Read the next unmasked text frame."""
    while True:
        if len(buffer) >= 4:
            size, start = buffer[1], 2
            if size == 126:
                size, start = int.from_bytes(buffer[2:4], "big"), 4
            if len(buffer) >= start + size:
                assert buffer[0] == 0x81
                reply: dict[str, Any] = json.loads(buffer[start : start + size])
                del buffer[: start + size]
                return reply
        buffer += connection.recv(65536)


def _frame(payload: bytes, *, fin: bool = True, opcode: int = 1, mask: bytes = b"\x01\x02\x03\x04") -> bytes:
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return bytes([(0x80 if fin else 0) | opcode]) + length + mask + masked


def typed(seq: int, text: str) -> bytes:
    return json.dumps({"seq": seq, "text": text}).encode()


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 6, 7, 20])
def test_a_frame_may_come_in_pieces(server: Running, cut: int) -> None:
    first, rest = _split(_frame(typed(1, "boil an egg")), cut)
    with _upgraded(server) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(first)
        buffer = bytearray()
        connection.sendall(rest + _frame(typed(2, "bake bread")) + _frame(b'{"seq": 3, "submit": true}'))
        seqs = [_next_text(connection, buffer)["seq"]]
        while seqs[-1] != 3:
            seqs.append(_next_text(connection, buffer)["seq"])
        assert seqs == sorted(seqs)


def test_frames_of_every_size_and_kind_may_come_in_one_piece(server: Running) -> None:
    long = "x" * 99  # with a 16-bit length in JSON escapes
    escaped = b'{"seq": 2, "text": "' + b"\\u0078" * 99 + b'"}'
    assert len(escaped) > 126
    fragments = _frame(typed(3, "boil an egg")[:9], fin=False) + _frame(typed(3, "boil an egg")[9:], opcode=0)
    together = b"".join(
        (
            _frame(typed(1, "tea")),
            _frame(escaped),
            fragments,
            _frame(b"ping", opcode=9),
            _frame(b'{"seq": 4, "submit": true}'),
        )
    )
    with _upgraded(server) as connection:
        connection.sendall(together)
        data = bytearray()
        while b"\x8a\x04ping" not in data:
            data += connection.recv(65536)
        del data[data.index(b"\x8a\x04ping") : data.index(b"\x8a\x04ping") + 6]
        while (reply := _next_text(connection, data))["seq"] != 4:
            pass
        assert reply["hits"][0]["title"] == "boil an egg"
        connection.sendall(_frame(typed(5, long)))
        assert _next_text(connection, data)["seq"] == 5


def test_a_frame_that_lies_about_its_length_breaks_the_connection(server: Running) -> None:
    with _upgraded(server) as connection:
        # 16 bits for a length below 126, which RFC 6455 forbids (section 5.2).
        connection.sendall(b"\x81\xfe\x00\x05\0\0\0\0tea!!" + b"\0" * 8)
        opcode, length, *code = connection.recv(4)
        assert (opcode, length >= 2, int.from_bytes(bytes(code), "big")) == (0x88, True, 1002)


def test_a_client_that_does_not_mask_is_refused(server: Running) -> None:
    with _upgraded(server) as connection:
        connection.sendall(b"\x81\x18" + typed(1, "boil"))
        opcode, length, *code = connection.recv(4)
        assert (opcode, length >= 2, int.from_bytes(bytes(code), "big")) == (0x88, True, 1002)


def test_an_overloaded_server_takes_no_new_sessions(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typeahead.server.typing.pipeline.Pipeline.overloaded", True)
    with server.client() as client, pytest.raises(ConnectionClosed) as caught:
        client.hear()
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1013, "the server is overloaded")


def flood(connection: socket.socket, frame: Callable[[int], bytes]) -> None:
    """Send for as long as the server lets us, within reason."""
    for first in range(2, 2_000_000, 1000):
        connection.sendall(b"".join(frame(seq) for seq in range(first, first + 1000)))


def submit_frame(seq: int) -> bytes:
    return _masked(1, b'{"seq": %d, "submit": true}' % seq)


def ping_frame(_seq: int) -> bytes:
    return _masked(9, b"x" * 125)


@pytest.mark.parametrize("frame", [submit_frame, ping_frame])
def test_a_client_that_never_reads_is_not_read_from_and_cut_off(frame: Callable[[int], bytes]) -> None:
    index = BruteForceIndex(text="x" * 300)
    with running(index, stall_seconds=0.2) as server, _upgraded(server) as connection:
        connection.sendall(_masked(1, b'{"seq": 1, "text": "tea"}'))
        with pytest.raises(ConnectionError):
            flood(connection, frame)
        eventually(lambda: metric(server, "typeahead_active_sessions") == 0)
        # Replies of 2 kB each: what the buffers of the two sockets hold was answered, not what was sent.
        assert metric(server, 'typeahead_submits_total{ready="true"}') < 20_000


def test_nothing_that_is_typed_gets_into_logs_metrics_or_errors(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    private = "xyzzyprivate"
    index = BruteForceIndex()
    with running(index) as server:
        with server.client() as client:
            client.say(seq=1, text=private)
            client.hear()
            client.say(seq=2, text=private + "\ud800")
            assert private not in json.dumps(client.hear())
            index.broken = True
            client.say(seq=3, text=private + " again")
            error = client.hear()
            assert error["error"]["code"] == "internal"
            assert private not in json.dumps(error)
        httpx.post(f"{server.http}/v1/search?q={private}", json={"query": private})
        assert private not in httpx.get(f"{server.http}/metrics").text
    logged = [
        record for record in caplog.records if not record.name.startswith(("websockets.client", "httpcore", "httpx"))
    ]
    assert "searches failed" in caplog.text
    assert not [record for record in logged if private in record.getMessage() or private in (record.exc_text or "")]


def test_metrics_count_what_happened() -> None:
    with running(BruteForceIndex()) as server, server.client() as client:
        client.say(seq=1, text="tea")
        client.hear()
        client.say(seq=2, submit=True)
        client.hear()
        client.connection.send("{")
        client.hear()
        assert metric(server, 'typeahead_keystrokes_total{outcome="served"}') == 1
        assert metric(server, 'typeahead_keystrokes_total{outcome="error"}') == 1
        assert metric(server, 'typeahead_submits_total{ready="true"}') == 1
        assert metric(server, "typeahead_keystroke_duration_seconds_count") == 2
        assert metric(server, 'typeahead_stage_duration_seconds_count{stage="search"}') == 1
        assert metric(server, "typeahead_active_sessions") == 1
        assert metric(server, 'typeahead_steps_total{source="computed"}') > 1
        assert metric(server, "typeahead_state_cache_bytes") > 0
