from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.server.fakes import TITLES, BruteForceIndex, MeanEncoder, WholeEncoder
from tests.server.running import PATIENCE, Running, eventually, running
from typeahead.errors import TeacherMismatch
from typeahead.server import ConfigError, ServerConfig, create_app

LIMITS: dict[str, Any] = {"max_body_bytes": 4096, "max_inputs": 20, "max_input_chars": 1000, "max_chars": 100}


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(BruteForceIndex(), passages=MeanEncoder("passages"), **LIMITS) as server:
        yield server


def post(server: Running, path: str, fields: Any = None, **options: Any) -> httpx.Response:
    if fields is not None:
        options["content"] = json.dumps(fields)  # httpx itself refuses to write a lone surrogate
    return httpx.post(f"{server.http}{path}", timeout=PATIENCE, **options)


def test_embeddings_are_those_of_the_encoder_in_openais_shape(server: Running) -> None:
    texts = [f"{title} number {row}" for row, title in enumerate(TITLES * 2)]
    reply = post(server, "/v1/embeddings", {"model": "mean", "input": texts}).json()
    assert list(reply) == ["object", "data", "model", "usage"]
    assert (reply["object"], reply["model"]) == ("list", "mean")
    assert [(row["object"], row["index"]) for row in reply["data"]] == [("embedding", row) for row in range(len(texts))]
    vectors = np.array([row["embedding"] for row in reply["data"]], np.float32)
    assert (vectors == MeanEncoder().encode(texts)).all()
    words = sum(len(text.split()) for text in texts)
    assert reply["usage"] == {"prompt_tokens": words, "total_tokens": words}


def test_one_text_in_base64_is_the_same_vector(server: Running) -> None:
    request = {"model": "passages", "input": "café", "encoding_format": "base64", "dimensions": 16, "user": "u"}
    (row,) = post(server, "/v1/embeddings", request).json()["data"]
    vector = np.frombuffer(base64.b64decode(row["embedding"]), "<f4")
    assert (vector == MeanEncoder().encode(["café"])[0]).all()


@pytest.mark.parametrize(
    ("fields", "status", "named"),
    [
        ({"model": "mean"}, 400, "input"),
        ({"model": "mean", "input": []}, 400, "input"),
        ({"model": "mean", "input": [1, 2]}, 400, "input"),
        ({"model": "mean", "input": ["a", None]}, 400, "input"),
        ({"model": "mean", "input": ["a"] * 21}, 400, "20"),
        ({"model": "mean", "input": "a" * 1001}, 400, "1000"),
        ({"model": "mean", "input": ["a", "\ud800"]}, 400, "surrogate"),
        ({"model": "mean", "input": "a", "encoding_format": "hex"}, 400, "encoding_format"),
        ({"model": "mean", "input": "a", "dimensions": 8}, 400, "16 dimensions"),
        ({"model": "mean", "input": "a", "dimensions": True}, 400, "dimensions"),
        ({"model": "mean", "input": "a", "batch": 1}, 400, "batch"),
        ({"model": "ada", "input": "a"}, 404, "mean, passages"),
        ({"input": "a"}, 400, "mean, passages"),
    ],
)
def test_embeddings_that_cannot_be_had_are_refused_with_a_reason(
    server: Running, fields: dict[str, Any], status: int, named: str
) -> None:
    reply = post(server, "/v1/embeddings", fields)
    assert reply.status_code == status
    error = reply.json()["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert error["type"] == "invalid_request_error"
    assert named in error["message"]


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/search"])
@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"[]", 400), (b"\xff", 400), (b'"' + b"x" * 4096, 413)])
def test_a_body_that_is_no_json_object_or_too_large_is_refused(
    server: Running, path: str, body: bytes, status: int
) -> None:
    reply = post(server, path, content=body)
    assert reply.status_code == status
    assert reply.json()["error"]["message"]


def test_search_finds_what_typing_finds(server: Running) -> None:
    reply = post(server, "/v1/search", {"query": "bake bread", "k": 2}).json()
    assert next(hit["title"] for hit in reply["hits"]) == "bake bread"
    assert reply["encoder"] == "mean"
    with server.client() as client:
        client.say(hello={"k": 2})
        client.hear()
        client.say(seq=1, text="bake bread")
        assert client.hear()["hits"] == reply["hits"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "query"),
        ({"query": 1}, "query"),
        ({"query": "a", "k": 0}, '"k"'),
        ({"query": "a", "k": 101}, '"k"'),
        ({"query": "a", "k": True}, '"k"'),
        ({"query": "a", "min_score": 2}, '"min_score" has to be a number from 0 to 1'),
        ({"query": "a", "n": 1}, "'n'"),
        ({"query": "a" * 101}, "101"),
        ({"query": "\udc00"}, "surrogate"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(server: Running, fields: dict[str, Any], named: str) -> None:
    reply = post(server, "/v1/search", fields)
    assert reply.status_code == 400
    assert named in reply.json()["error"]["message"]


def test_a_search_leaves_out_hits_below_the_least_score_and_says_if_all_are_poor(server: Running) -> None:
    found = post(server, "/v1/search", {"query": "bake bread"}).json()
    least = found["hits"][0]["score"]
    only = post(server, "/v1/search", {"query": "bake bread", "min_score": least}).json()
    assert only["hits"] == [hit for hit in found["hits"] if hit["score"] >= least]
    assert len(only["hits"]) < len(found["hits"])
    assert "weak" not in found


def test_a_search_and_embeddings_of_the_best_quality_are_the_fallbacks() -> None:
    whole = WholeEncoder()
    with running(BruteForceIndex(), fallback=whole, passages=MeanEncoder("passages")) as server:
        for quality, name in (("best", "whole"), ("fast", "mean")):
            found = post(server, "/v1/search", {"query": "bake bread", "quality": quality}).json()
            assert found["encoder"] == name
            request = {"model": "mean", "input": ["tea", "bake bread"], "quality": quality}
            reply = post(server, "/v1/embeddings", request).json()
            assert reply["model"] == "mean"
            assert [row["encoder"] for row in reply["data"]] == [name] * 2
            expected = (whole if quality == "best" else MeanEncoder()).encode(request["input"])
            assert (np.array([row["embedding"] for row in reply["data"]], np.float32) == expected).all()
        for model, row in (("whole", "whole"), ("passages", "passages")):
            assert post(server, "/v1/embeddings", {"model": model, "input": "tea"}).json()["data"][0]["encoder"] == row
        reply = post(server, "/v1/embeddings", {"model": "passages", "input": "tea", "quality": "best"})
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, "quality")


@pytest.mark.parametrize(
    ("quality", "code"), [("best", "no_fallback"), ("good", None), (None, None), (1, None), (["best"], None)]
)
@pytest.mark.parametrize("path", ["/v1/search", "/v1/embeddings"])
def test_a_quality_that_cannot_be_had_is_refused(server: Running, path: str, quality: Any, code: str | None) -> None:
    request = {"query": "tea"} if path == "/v1/search" else {"model": "mean", "input": "tea"}
    reply = post(server, path, request | {"quality": quality})
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert (error["param"], error["code"]) == ("quality", code)
    assert "fallback" in error["message"] if code else '"best"' in error["message"]


def test_without_an_index_searches_are_refused_and_typing_is_answered_without_hits() -> None:
    with running() as server:
        assert post(server, "/v1/search", {"query": "tea"}).status_code == 404
        with server.client() as client:
            client.say(seq=1, text="tea")
            assert list(client.hear()) == ["seq", "encoder"]


def test_a_search_that_the_index_cannot_answer_is_a_500() -> None:
    index = BruteForceIndex()
    with running(index) as server:
        index.broken = True
        assert post(server, "/v1/search", {"query": "tea"}).status_code == 500


def test_metrics_dashboard_and_timings_are_for_operators() -> None:
    def seen(server: Running, token: str | None) -> tuple[int, int, bool]:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        pages = [
            httpx.get(f"{server.http}{path}", headers=headers).status_code for path in ("/metrics", "/v1/dashboard")
        ]
        return pages[0], pages[1], "timing_us" in post(server, "/v1/search", {"query": "egg"}, headers=headers).json()

    with running(BruteForceIndex(), operator_token="0per") as server:
        assert seen(server, None) == seen(server, "wr0ng") == (401, 401, False)
        assert seen(server, "0per") == (200, 200, True)
    with running(BruteForceIndex(), token="s3cret", operator_token="0per") as server:
        assert seen(server, None) == (401, 401, False)
        assert seen(server, "s3cret") == (401, 401, False)
        assert seen(server, "0per") == (200, 200, True)
    with running(BruteForceIndex(), token="s3cret") as server:
        assert seen(server, "s3cret") == (200, 200, False)
    with running(BruteForceIndex()) as server:
        assert seen(server, None) == (200, 200, False)
    with running(BruteForceIndex(), timings=True) as server:
        assert seen(server, None) == (200, 200, True)
    with running(BruteForceIndex(), allowed_hosts=("search.example",)) as server:
        assert seen(server, None) == (403, 403, False)


def test_a_token_guards_everything_but_the_probes() -> None:
    with running(BruteForceIndex(), token="s3cret") as server:
        request = {"query": "tea"}
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic s3cret"}):
            reply = post(server, "/v1/search", request, headers=headers)
            assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")
            assert reply.json()["error"]["code"] == "invalid_api_key"
            assert httpx.get(f"{server.http}/metrics", headers=headers).status_code == 401
        right = {"Authorization": "Bearer s3cret"}
        assert post(server, "/v1/search", request, headers=right).status_code == 200
        assert post(server, f"/v1/search?token={'s3cret'}", request).status_code == 401
        assert httpx.get(f"{server.http}/metrics", headers=right).status_code == 200
        assert httpx.get(f"{server.http}/readyz").status_code == 200


def test_pages_of_other_origins_are_refused_unless_they_are_allowed() -> None:
    with running(BruteForceIndex(), allowed_origins=("https://a.example",)) as server:
        for origin, status in ((server.http, 200), ("https://a.example", 200), ("https://evil.example", 403)):
            reply = post(server, "/v1/search", {"query": "tea"}, headers={"Origin": origin})
            assert reply.status_code == status
        reply = httpx.options(
            f"{server.http}/v1/search",
            headers={"Origin": "https://a.example", "Access-Control-Request-Method": "POST"},
        )
        assert reply.headers["access-control-allow-origin"] == "https://a.example"


@pytest.mark.parametrize("path", ["/", "/metrics", "/nothing", "/v1/search"])
def test_a_request_by_a_name_that_is_not_the_servers_is_refused_but_for_probes(path: str, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>hello")
    with running(BruteForceIndex(), web=tmp_path, allowed_hosts=("good.example",)) as server:
        evil = {"Host": "evil.example:8765", "Origin": "http://evil.example:8765"}
        for method in ("GET", "POST"):
            reply = httpx.request(method, server.http + path, headers=evil)
            assert reply.status_code == 421
            assert "allowed_hosts" in reply.json()["error"]["message"]
            assert "content-security-policy" in reply.headers
            assert httpx.request(method, server.http + path, headers={"Host": "good.example"}).status_code != 421
        for probe in ("/healthz", "/readyz"):
            assert httpx.get(server.http + probe, headers=evil).status_code == 200


def unfinished(server: Running) -> socket.socket:
    """A search of which the last byte of the body is missing."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    connection.sendall(b'POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 16\r\n\r\n{"query": "tea"')
    return connection


def test_a_body_that_does_not_come_is_given_up() -> None:
    with running(BruteForceIndex(), max_bodies=1, body_seconds=0.5) as server:
        with unfinished(server) as connection, connection.makefile("rb") as stream:
            reply = stream.read()  # to its end: the connection is closed
            assert reply.startswith(b"HTTP/1.1 408 ")
            assert b"within 0.5 seconds" in reply
        assert post(server, "/v1/search", {"query": "tea"}).status_code == 200


def test_requests_are_answered_while_the_body_of_another_is_awaited() -> None:
    with running(BruteForceIndex(), max_requests=1, max_bodies=2) as server, unfinished(server) as connection:
        # Two bodies at a time: a third request is refused only once the unfinished one is being read.
        with unfinished(server) as second:
            eventually(lambda: "being read" in post(server, "/v1/search", {"query": "tea"}).text)
            second.sendall(b"}")
            assert second.recv(12) == b"HTTP/1.1 200"
        assert post(server, "/v1/search", {"query": "tea"}).status_code == 200
        connection.sendall(b"}")
        assert connection.recv(12) == b"HTTP/1.1 200"


def test_requests_beyond_the_limit_are_told_to_come_again() -> None:
    index = BruteForceIndex()
    with running(index, max_requests=1) as server:
        index.gate.clear()
        first: list[int] = []
        waiting = threading.Thread(target=lambda: first.append(post(server, "/v1/search", {"query": "a"}).status_code))
        waiting.start()
        index.await_search()
        reply = post(server, "/v1/search", {"query": "b"})
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
        index.gate.set()
        waiting.join(PATIENCE)
        assert first == [200]


def test_it_is_ready_only_when_the_index_has_answered() -> None:
    index = BruteForceIndex()
    index.gate.clear()
    with running(index, wait=False) as server:
        index.await_search()
        assert httpx.get(f"{server.http}/healthz").status_code == 200
        reply = httpx.get(f"{server.http}/readyz")
        assert (reply.status_code, reply.json()) == (503, {"status": "starting"})
        assert post(server, "/v1/search", {"query": "tea"}).status_code == 503
        index.gate.set()
        eventually(lambda: httpx.get(f"{server.http}/readyz").status_code == 200)
        assert post(server, "/v1/search", {"query": "tea"}).status_code == 200


def test_pages_are_served_with_a_strict_policy_and_nothing_else_is(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web/index.html").write_text("<p>hello")
    (tmp_path / "secret").write_text("no")
    with running(web=tmp_path / "web") as server:
        page = httpx.get(server.http)
        assert (page.status_code, page.text) == (200, "<p>hello")
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["x-content-type-options"] == "nosniff"
        assert "server" not in page.headers
        for path in ("/%2e%2e/secret", "/../secret", "/nothing"):
            missing = httpx.get(server.http + path)
            assert missing.status_code == 404
            assert "content-security-policy" in missing.headers


def test_a_wrong_method_is_told_so(server: Running) -> None:
    assert httpx.get(f"{server.http}/v1/search").status_code == 405


def test_an_encoder_of_passages_cannot_be_typed_to() -> None:
    class Whole:
        config = MeanEncoder("whole").config
        dim = 16

        def encode(self, texts: Any) -> Any:
            raise NotImplementedError

    with pytest.raises(ConfigError, match="whole cannot encode what is typed"):
        create_app(ServerConfig(), Whole())


def test_an_index_of_another_space_is_refused_with_both_names() -> None:
    with pytest.raises(TeacherMismatch, match=r"'other'.*'teacher'"):
        create_app(ServerConfig(), MeanEncoder(), BruteForceIndex("other"))


def test_a_fallback_of_another_space_is_refused() -> None:
    with pytest.raises(ConfigError, match="fallback whole answers in the space of 'other'"):
        create_app(ServerConfig(), MeanEncoder(), fallback=WholeEncoder(teacher="other"))


def test_a_cache_that_is_too_small_is_refused() -> None:
    with pytest.raises(ConfigError, match="cache_bytes is too small"):
        create_app(ServerConfig(cache_bytes=100), MeanEncoder())
