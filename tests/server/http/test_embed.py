"""POST /v1/embed: three formats, lines as they come, and what is refused."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from tests.server.fakes import BruteForceIndex, MeanEncoder
from tests.server.running import PATIENCE, Running, running
from typeahead.encoders.static import StaticEncoder

TEXTS = ["boil an egg", "café au lait", "한국어 배우기", "🙂 smile", ""]
LIMITS: dict[str, Any] = {"max_batch": 20, "max_input_chars": 1000, "max_chars": 100, "max_body_bytes": 65536}


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(BruteForceIndex(), passages=MeanEncoder("passages"), **LIMITS) as server:
        yield server


def post(server: Running, fields: Any, *, accept: str | None = None, **options: Any) -> httpx.Response:
    headers = {"content-type": "application/json", **({} if accept is None else {"accept": accept})}
    content = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    options = {"headers": headers, "content": content, "timeout": PATIENCE, **options}
    return httpx.post(f"{server.http}/v1/embed", **options)


def expected(name: str = "mean") -> np.ndarray:
    return MeanEncoder(name).encode(TEXTS)


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/html, application/json;q=0.9"])
def test_json_holds_the_vectors_in_the_order_of_the_texts(server: Running, accept: str | None) -> None:
    reply = post(server, {"texts": TEXTS}, accept=accept)
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    found = reply.json()
    assert (found["model"], found["dim"]) == ("mean", 16)
    np.testing.assert_array_equal(np.array(found["embeddings"], np.float32), expected())


@pytest.mark.parametrize(("dtype", "numpy"), [(None, "<f4"), ("float32", "<f4"), ("float16", "<f2")])
def test_binary_holds_the_values_and_nothing_else(server: Running, dtype: str | None, numpy: str) -> None:
    fields = {"texts": TEXTS, "model": "passages", **({} if dtype is None else {"dtype": dtype})}
    reply = post(server, fields, accept="application/octet-stream")
    assert reply.headers["content-type"] == "application/octet-stream"
    said = {name: reply.headers[f"typeahead-{name}"] for name in ("model", "dim", "count", "dtype")}
    assert said == {"model": "passages", "dim": "16", "count": "5", "dtype": dtype or "float32"}
    vectors = np.frombuffer(reply.content, numpy).reshape(5, 16)
    np.testing.assert_array_equal(vectors, expected("passages").astype(numpy))


@pytest.mark.parametrize(
    ("accept", "format"),
    [
        (["application/json;q=0.1, application/octet-stream"], "application/octet-stream"),
        (["application/json;q=0.1", "application/octet-stream;q=0.2"], "application/octet-stream"),
        (["application/jsonl", "*/*;q=0.5"], "application/x-ndjson"),
        (["application/json;q=0, */*"], "application/octet-stream"),
        ([], "application/json"),
    ],
)
def test_the_format_with_the_largest_weight_is_sent(server: Running, accept: list[str], format: str) -> None:
    headers = [("content-type", "application/json"), *(("accept", line) for line in accept)]
    with httpx.Client() as client:
        client.headers.pop("accept")
        reply = client.post(f"{server.http}/v1/embed", headers=headers, content=b'{"texts": ["egg"]}')
    assert reply.headers["content-type"] == format


@pytest.mark.parametrize("count", [1, 20])
def test_a_batch_has_one_text_or_as_many_as_are_allowed(server: Running, count: int) -> None:
    reply = post(server, {"texts": ["egg"] * count}, accept="application/octet-stream")
    assert len(reply.content) == count * 16 * 4


def test_json_may_be_answered_by_lines(server: Running) -> None:
    reply = post(server, {"texts": TEXTS}, accept="application/x-ndjson")
    assert reply.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in reply.text.splitlines()]
    assert [line["index"] for line in lines] == list(range(5))
    np.testing.assert_array_equal(np.array([line["embedding"] for line in lines], np.float32), expected())


@pytest.mark.parametrize(
    ("fields", "status", "named"),
    [
        ({}, 400, "texts"),
        ({"texts": []}, 400, "texts"),
        ({"texts": "egg"}, 400, "texts"),
        ({"texts": ["a", 1]}, 400, "texts"),
        ({"texts": ["a"] * 21}, 413, "20"),
        ({"texts": ["a", "a" * 1001]}, 413, "1 has 1001 code points"),
        ({"texts": ["a", "\ud800"]}, 400, "text 1 has a lone surrogate"),
        ({"texts": ["a"], "model": "ada"}, 404, "mean, passages"),
        ({"texts": ["a"], "model": 1}, 400, "mean, passages"),
        ({"texts": ["a"], "dtype": "int8"}, 400, '"float32" or "float16"'),
        ({"texts": ["a"], "dtype": ["float32"]}, 400, '"float32" or "float16"'),
        ({"texts": ["a"], "batch": 1}, 400, "batch"),
        (b"{", 400, "JSON"),
        (b"[]", 400, "object"),
        (b'{"texts": ["' + b"x" * 65536 + b'"]}', 413, "65536 bytes"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_reason(
    server: Running, fields: Any, status: int, named: str
) -> None:
    reply = post(server, fields)
    assert reply.status_code == status
    assert named in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("headers", "status", "named"),
    [
        ({"content-type": "text/csv"}, 415, "application/json or application/x-ndjson"),
        ({"content-type": "application/octet-stream"}, 415, "application/json"),
        ({"content-type": "application/json", "accept": "text/html"}, 406, "application/octet-stream"),
        ({"content-type": "application/json", "accept": "*/*;q=0"}, 406, "application/octet-stream"),
        ({"content-type": "application/x-ndjson", "accept": "application/*, application/x-ndjson;q=0"}, 406, "ndjson"),
        ({"content-type": "application/x-ndjson", "accept": "application/octet-stream"}, 406, "application/x-ndjson"),
    ],
)
def test_a_format_that_is_not_known_is_refused_by_the_known_ones_names(
    server: Running, headers: dict[str, str], status: int, named: str
) -> None:
    reply = post(server, {"texts": ["a"]}, headers=headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, "unknown_format")
    assert named in reply.json()["error"]["message"]


def test_it_is_for_post_alone(server: Running) -> None:
    reply = httpx.get(f"{server.http}/v1/embed")
    assert reply.status_code == 405


def test_what_an_encoder_fails_at_is_said_without_the_text_and_the_server_goes_on() -> None:
    encoder = MeanEncoder()
    with running(BruteForceIndex(), encoder=encoder) as server:
        encoder.broken = True
        reply = post(server, {"texts": ["a secret"]})
        assert reply.status_code == 500
        assert "secret" not in reply.text
        encoder.broken = False
        encoder.sick = True
        assert post(server, {"texts": ["a"]}).status_code == 500
        encoder.sick = False
        assert post(server, {"texts": ["a"]}).status_code == 200


def test_pages_of_other_origins_and_clients_without_the_token_are_refused() -> None:
    with running(BruteForceIndex(), token="s3cret", allowed_origins=("https://a.example",)) as server:
        right = {"authorization": "Bearer s3cret", "content-type": "application/json"}
        assert post(server, {"texts": ["a"]}, headers={"authorization": "Bearer wrong"}).status_code == 401
        assert post(server, {"texts": ["a"]}, headers=right | {"origin": "https://b.example"}).status_code == 403
        reply = post(server, {"texts": ["a"]}, headers=right | {"origin": "https://a.example"})
        assert reply.status_code == 200
        assert reply.headers["access-control-allow-origin"] == "https://a.example"
        assert "typeahead-dim" in reply.headers["access-control-expose-headers"]


def test_a_static_model_answers_as_it_encodes(static: StaticEncoder) -> None:
    with running(None, encoder=static) as server:
        for texts in (TEXTS, ["how to boil an egg"] * 1000):
            reply = post(server, {"texts": texts}, accept="application/octet-stream")
            vectors = np.frombuffer(reply.content, "<f4").reshape(len(texts), -1)
            np.testing.assert_array_equal(vectors, static.encode(texts))


class Stream:
    """A request whose lines are written one by one, and whose answers are read as they come."""

    def __init__(self, server: Running, *, query: str = "") -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
        self.file = self.socket.makefile("rb")
        self.socket.sendall(
            f"POST /v1/embed{query} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: application/x-ndjson\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def write(self, data: bytes) -> None:
        self.socket.sendall(b"%x\r\n%b\r\n" % (len(data), data))

    def say(self, *texts: Any) -> None:
        self.write(b"".join(json.dumps(text).encode() + b"\n" for text in texts))

    def end(self) -> None:
        self.socket.sendall(b"0\r\n\r\n")

    def head(self) -> bytes:
        lines = []
        while (line := self.file.readline()) not in (b"\r\n", b""):
            lines.append(line)
        return lines[0]

    def rest(self) -> list[dict[str, Any]]:
        """The lines up to the next end of what the server writes at a time; nothing where the answer has ended."""
        size = int(self.file.readline(), 16)
        data = self.file.read(size + 2)[:size]
        return [json.loads(line) for line in data.splitlines()]


def test_lines_are_answered_before_the_last_one_has_come(server: Running) -> None:
    with Stream(server) as stream:
        assert b"200" in stream.head()
        stream.say("boil an egg")
        (first,) = stream.rest()
        assert first["index"] == 0
        np.testing.assert_array_equal(np.array(first["embedding"], np.float32), expected()[0])
        stream.write(b'"caf')
        stream.write(b'\\u00e9 au lait"\n\n  \n"')
        (second,) = stream.rest()
        np.testing.assert_array_equal(np.array(second["embedding"], np.float32), expected()[1])
        stream.write(b'egg"')
        stream.end()  # without an end of line
        (third,) = stream.rest()
        assert (second["index"], third["index"]) == (1, 2)
        assert stream.rest() == []


def test_a_line_that_cannot_be_answered_is_told_so_in_its_place(server: Running) -> None:
    bad = [b"{", b"5", b'"\\ud800"', b'"' + b"x" * 1001 + b'"', b'"' + b"x" * 200_000 + b'"', b'"\xff"']
    with Stream(server) as stream:
        stream.head()
        stream.write(b"".join(line + b"\n" for line in (b'"egg"', *bad, b'"egg"')))
        stream.end()
        found: list[dict[str, Any]] = []
        while lines := stream.rest():
            found += lines
    assert [line["index"] for line in found] == list(range(8))
    assert found[0]["embedding"] == found[-1]["embedding"]
    codes = [line["error"]["code"] for line in found[1:-1]]
    assert codes == ["bad_json", "bad_message", "bad_json", "text_too_long", "text_too_long", "bad_json"]
    assert "xxx" not in json.dumps(found)


def test_a_stream_that_stops_in_the_middle_of_a_line_is_answered_up_to_there(server: Running) -> None:
    with Stream(server) as stream:
        stream.head()
        stream.write(b'"egg"\n"bo')
        assert [line["index"] for line in stream.rest()] == [0]
        stream.end()
        (last,) = stream.rest()
        assert (last["index"], last["error"]["code"]) == (1, "bad_json")
        assert stream.rest() == []
    with Stream(server) as stream:
        stream.head()
        stream.write(b'"egg"\n"bo')
    # The client is gone; others do not notice.
    assert post(server, {"texts": ["a"]}).status_code == 200


def test_a_stream_that_goes_silent_is_ended() -> None:
    with running(BruteForceIndex(), body_seconds=1.0) as server, Stream(server) as stream:
        stream.head()
        stream.say("egg")
        assert [line["index"] for line in stream.rest()] == [0]
        (late,) = stream.rest()
        assert late["error"]["code"] == "late"
        assert stream.rest() == []


def test_the_address_says_which_model_answers_lines(server: Running) -> None:
    with Stream(server, query="?model=passages") as stream:
        assert b"200" in stream.head()
        stream.say("egg")
        assert "embedding" in stream.rest()[0]
    for query, status in (("?model=ada", b"404"), ("?dtype=int8", b"400"), ("?x=1", b"400")):
        with Stream(server, query=query) as stream:
            assert status in stream.head()


def test_many_lines_of_a_client_that_reads_late_are_all_answered(server: Running) -> None:
    """More than fits into the sockets' buffers, so that the server has to wait for the client in between."""
    count = 30_000
    with Stream(server) as stream:
        stream.head()
        stream.socket.settimeout(PATIENCE)

        def write() -> None:
            for _ in range(count // 1000):
                stream.say(*["egg"] * 1000)
            stream.end()

        writer = threading.Thread(target=write)
        writer.start()
        indexes: list[int] = []
        while lines := stream.rest():
            indexes += [line["index"] for line in lines]
        writer.join(PATIENCE)
    assert indexes == list(range(count))
