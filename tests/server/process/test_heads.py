"""What a client may send before anybody knows who it is, over real sockets."""

from __future__ import annotations

import gc
import json
import logging
import socket
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.server.fakes import BruteForceIndex
from tests.server.running import PATIENCE, Running, eventually, metric, running
from typeahead.server.process.heads import BoundedHttp
from typeahead.server.process.websocket import BoundedWebsocket

BOUND = 4096
UPGRADE = (
    b"GET /v1/type HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
CHUNKED = b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(BruteForceIndex(), max_head_bytes=BOUND, max_body_bytes=BOUND) as server:
        yield server


def connected(server: Running) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.settimeout(PATIENCE)
    return connection


def read_all(connection: socket.socket) -> bytes:
    data = b""
    try:
        while part := connection.recv(65536):
            data += part
    except ConnectionError:
        pass  # closed while something lay unread
    return data


def said(server: Running, request: bytes) -> bytes:
    """Send it, and give all that comes back until the server closes."""
    with connected(server) as connection:
        connection.sendall(request)
        return read_all(connection)


def status(response: bytes) -> int:
    return int(response.split(b" ", 2)[1])


def pour(connection: socket.socket, piece: bytes) -> int:
    """Send pieces until the server closes; the bytes that it took, with those that lay in buffers."""
    sent = 0
    try:
        while sent < 64 << 20:
            connection.sendall(piece)
            sent += len(piece)
    except ConnectionError:
        return sent
    raise AssertionError("it took everything")


ENDLESS = [
    pytest.param(GET + b"X: ", b"a" * 65536, id="one header"),
    pytest.param(UPGRADE + b"X: ", b"a" * 65536, id="one header of a websocket"),
    pytest.param(GET, b"x: 1\r\n" * 10_000, id="lines"),
    pytest.param(UPGRADE, b"x: 1\r\n" * 10_000, id="lines of a websocket"),
    pytest.param(b"GET /", b"a" * 65536, id="request line"),
    pytest.param(b"\r\n", b"\r\n" * 32768, id="empty lines"),
    pytest.param(CHUNKED + b"0\r\n", b"x: 1\r\n" * 10_000, id="trailer lines"),
    pytest.param(CHUNKED + b"0\r\nX: ", b"a" * 65536, id="one trailer"),
    pytest.param(CHUNKED + b"1;", b"a" * 65536, id="extension of a chunk"),
]


@pytest.mark.parametrize(("start", "piece"), ENDLESS)
def test_what_has_no_end_is_cut_off(server: Running, start: bytes, piece: bytes) -> None:
    before = metric(server, 'typeahead_connections_refused_total{reason="too_large"}')
    with connected(server) as connection:
        connection.sendall(start)
        pour(connection, piece)
    assert metric(server, 'typeahead_connections_refused_total{reason="too_large"}') == before + 1


def test_a_head_at_the_bound_is_served_and_one_beyond_it_is_told_so(server: Running) -> None:
    end = b"Connection: close\r\nX: %s\r\n\r\n"
    fits = GET + end % (b"a" * (BOUND - len(GET + end) + 2))
    assert len(fits) == BOUND
    assert status(said(server, fits)) == 200
    with connected(server) as connection:
        connection.sendall(GET + b"X: " + b"a" * BOUND)
        response = read_all(connection)
    assert status(response) == 431
    assert f"more than {BOUND} bytes" in json.loads(response.partition(b"\r\n\r\n")[2])["error"]["message"]


def test_a_websocket_line_that_the_library_does_not_take_is_answered() -> None:
    with running() as server:
        response = said(server, UPGRADE + b"X: " + b"a" * 9000 + b"\r\n\r\n")
        assert status(response) == 431


def test_a_body_as_large_as_it_may_be_is_read_in_chunks_of_any_size(server: Running) -> None:
    body = json.dumps({"query": "tea", "k": 1}).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    response = said(
        server, CHUNKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + chunks + b"0\r\nx: 1\r\n\r\n"
    )
    assert status(response) == 200
    assert b"hits" in response


def test_a_body_that_nobody_wants_is_not_read_for_ever(server: Running) -> None:
    with connected(server) as connection:
        connection.sendall(GET + b"Content-Length: 99999999999\r\n\r\n")
        assert status(connection.recv(65536)) == 200
        pour(connection, b"a" * 65536)


def test_requests_that_follow_each_other_are_each_within_the_bound(server: Running) -> None:
    request = GET + b"X: " + b"a" * 1000 + b"\r\n\r\n"
    last = GET + b"Connection: close\r\n\r\n"
    assert said(server, request * 20 + last).count(b"HTTP/1.1 200") == 21


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: 127.0.0.1\r\n", "host is there 2 times"),
        (b"GET /healthz HTTP/1.1\r\n", "host is missing"),
        (UPGRADE + b"Host: 127.0.0.1\r\n", "host is there 2 times"),
        (UPGRADE + b"Origin: http://127.0.0.1\r\nOrigin: http://evil.example\r\n", "origin is there 2 times"),
        (GET + b"Authorization: Bearer a\r\nauthorization: Bearer b\r\n", "authorization is there 2 times"),
        (GET + b"Content-Type: text/plain\r\nContent-Type: application/json\r\n", "content-type is there 2 times"),
        (GET + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", "transfer-encoding is there 2 times"),
        (GET + b"Content-Length: 0\r\nContent-Length: 5\r\n", ""),
        (GET + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", ""),
        (b"GET http://evil.example/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n", "different hosts"),
        (b"no request at all\r\n", ""),
    ],
)
def test_a_head_that_could_be_read_in_two_ways_is_refused(server: Running, head: bytes, reason: str) -> None:
    response = said(server, head + b"\r\n")
    assert status(response) == 400
    assert reason in json.loads(response.partition(b"\r\n\r\n")[2])["error"]["message"]


def test_a_target_that_names_the_same_host_and_http_1_0_without_one_are_served(server: Running) -> None:
    assert (
        status(said(server, b"GET http://127.0.0.1/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"))
        == 200
    )
    assert status(said(server, b"GET /healthz HTTP/1.0\r\n\r\n")) == 200


def test_silent_connections_and_half_heads_are_closed() -> None:
    with running(head_seconds=0.2) as server, connected(server) as silent, connected(server) as half:
        half.sendall(GET)
        assert status(read_all(half)) == 408
        assert read_all(silent) == b""
        assert metric(server, 'typeahead_connections_refused_total{reason="too_late"}') == 2


def test_a_connection_that_was_answered_is_closed_once_it_says_no_more() -> None:
    with running(head_seconds=0.2) as server, connected(server) as connection:
        connection.sendall(GET + b"\r\n" + GET)
        response = read_all(connection)
        assert response.startswith(b"HTTP/1.1 200")
        assert b"HTTP/1.1 408" in response


def test_a_session_may_be_silent() -> None:
    with running(BruteForceIndex(), head_seconds=0.1, max_silent_connections=1) as server, server.client() as client:
        with connected(server) as silent:
            assert read_all(silent) == b""
        client.say(seq=1, text="tea")
        assert client.hear()["seq"] == 1
        assert metric(server, "typeahead_open_connections") == 2


def test_silent_connections_lock_nobody_out() -> None:
    with running(BruteForceIndex(), max_sessions=2, max_connections=20) as server:
        crowd = [connected(server) for _ in range(100)]
        with server.client() as client:
            client.say(seq=1, text="tea")
            assert client.hear()["seq"] == 1
        assert metric(server, 'typeahead_connections_refused_total{reason="silent"}') >= 80
        for connection in crowd:
            connection.close()


def test_an_address_has_as_many_connections_as_it_may() -> None:
    with running(BruteForceIndex(), max_connections_per_address=2) as server:
        with server.client() as client, connected(server):
            assert status(said(server, b"")) == 429
            client.say(seq=1, text="tea")
            assert client.hear()["seq"] == 1
        eventually(lambda: status(said(server, GET + b"Connection: close\r\n\r\n")) == 200)
        assert metric(server, 'typeahead_connections_refused_total{reason="address"}') >= 1


def test_behind_a_trusted_proxy_the_forwarded_address_counts() -> None:
    headers = {"X-Forwarded-For": "198.51.100.9"}
    with running(BruteForceIndex(), max_connections_per_address=1, trusted_proxies=("127.0.0.0/8",)) as server:
        with server.client(additional_headers=headers) as client:
            client.say(seq=1, text="tea")
            client.hear()
            assert httpx.get(f"{server.http}/healthz", headers=headers).status_code == 429
            other = {"X-Forwarded-For": "198.51.100.9, 198.51.100.10"}
            assert httpx.get(f"{server.http}/healthz", headers=other).status_code == 200
        eventually(lambda: httpx.get(f"{server.http}/healthz", headers=headers).status_code == 200)


def test_a_client_that_does_not_read_its_answer_is_cut_off() -> None:
    with running(BruteForceIndex(text="x" * 300), stall_seconds=0.2) as server, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        # More than the buffers of both sockets hold.
        connection.sendall((GET.replace(b"healthz", b"metrics") + b"\r\n") * 2000)
        eventually(lambda: metric(server, "typeahead_open_connections") == 1)


def alive() -> int:
    return sum(isinstance(each, BoundedHttp | BoundedWebsocket) for each in gc.get_objects())


def test_strangers_that_are_gone_leave_no_garbage_to_collect() -> None:
    with running(BruteForceIndex(), head_seconds=0.2) as server:
        gc.collect()
        gc.disable()
        try:
            evil = UPGRADE + b"Origin: http://evil.example\r\n\r\n"
            for request in (b"", GET, GET + b"Connection: close\r\n\r\n", b"nonsense\r\n\r\n", evil):
                said(server, request)
            # Collections would come too late: the server leaves the oldest objects alone for minutes.
            eventually(lambda: metric(server, "typeahead_open_connections") == 1 and alive() <= 1)
        finally:
            gc.enable()


def test_refused_sessions_are_counted_and_write_one_line_a_second(caplog: pytest.LogCaptureFixture) -> None:
    with running(BruteForceIndex(), max_sessions=1) as server:
        with server.client():
            for _ in range(3):
                with server.client() as other, pytest.raises(ConnectionClosed):
                    other.hear()
                assert status(said(server, UPGRADE + b"Origin: http://evil.example\r\n\r\n")) == 403
                assert status(said(server, UPGRADE.replace(b"13", b"12") + b"\r\n")) == 400
                said(server, b"nonsense\r\n\r\n")
        assert metric(server, 'typeahead_sessions_refused_total{reason="full"}') == 3
        assert metric(server, 'typeahead_sessions_refused_total{reason="origin"}') == 3
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    kinds = {line.partition(" (")[0] for line in lines}
    assert len(lines) < 3 * len(kinds)
    assert not [record for record in caplog.records if record.exc_info]
    assert not [line for line in lines if "ASGI" in line]


def test_a_damaged_index_writes_one_traceback(caplog: pytest.LogCaptureFixture) -> None:
    index = BruteForceIndex()
    with running(index) as server, server.client() as client:
        index.broken = True
        for seq in range(1, 30):
            client.say(seq=seq, text=f"tea {seq}")
            assert client.hear()["error"]["code"] == "internal"
    failed = [record for record in caplog.records if "searches failed" in record.getMessage()]
    assert len([record for record in failed if record.exc_info]) == 1
    assert len(failed) < 29
