"""Names of requests: where they come from, where they go, and what the access log tells."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

import httpx
import pytest

from tests.server.fakes import BruteForceIndex
from tests.server.running import eventually, running
from typeahead.server.observe.requests import NamedRequests, current_request, name_of

MADE = re.compile(r"[0-9a-f]{16}")


@pytest.mark.parametrize("given", [b"abc-123", b"Root=1-67891233-abcdef", b"00-4bf9/2+3:4@x_.", b"x" * 128])
def test_a_sound_name_of_the_proxy_is_taken(given: bytes) -> None:
    assert name_of([(b"host", b"x"), (b"x-request-id", given)]) == given.decode()


@pytest.mark.parametrize("given", [b"", b"a b", b'a"b', b"a\nb", b"[x]", "ä".encode(), b"x" * 129, b"-a"])
def test_any_other_is_replaced(given: bytes) -> None:
    assert MADE.fullmatch(name_of([(b"x-request-id", given)]))


def test_of_two_names_none_is_taken_and_two_requests_have_two() -> None:
    assert MADE.fullmatch(name_of([(b"x-request-id", b"a"), (b"x-request-id", b"b")]))
    assert name_of([]) != name_of([])


async def test_what_outlives_a_request_or_serves_several_has_no_name_and_threads_of_it_have_one() -> None:
    seen: dict[str, str] = {}

    async def later() -> None:
        seen["task"] = current_request()

    def call() -> None:
        seen["callback"] = current_request()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive, send
        seen["own"] = current_request()
        asyncio.get_running_loop().call_soon(call)
        await asyncio.create_task(later())
        seen["thread"] = await asyncio.to_thread(current_request)

    async def nothing(*_: Any) -> Any:
        return None

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"x-request-id", b"mine")]}
    await asyncio.create_task(NamedRequests(app, logged=False, paths=())(scope, nothing, nothing))
    assert seen == {"own": "mine", "thread": "mine", "task": "", "callback": ""}
    assert current_request() == ""


def test_the_name_goes_back_to_the_client_and_into_what_was_slow() -> None:
    with running(BruteForceIndex()) as server:
        assert (
            httpx.get(f"{server.http}/healthz", headers={"x-request-id": "from-proxy"}).headers["x-request-id"]
            == "from-proxy"
        )
        assert MADE.fullmatch(httpx.get(f"{server.http}/nothing").headers["x-request-id"])
        with server.client(additional_headers={"X-Request-Id": "my-socket"}) as client:
            assert client.connection.response is not None
            assert client.connection.response.headers["x-request-id"] == "my-socket"
            client.say(seq=1, text="boil an egg")
            client.hear()
            slow = httpx.get(f"{server.http}/v1/dashboard").json()["slow"]
            assert {reply["request_id"] for reply in slow} == {"my-socket"}


def lines(caplog: pytest.LogCaptureFixture, logger: str) -> list[Any]:
    return [record for record in caplog.records if record.name == logger]


def test_the_access_log_has_a_line_for_each_request_and_websocket_without_what_was_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "typeahead.access")
    with running(BruteForceIndex(), access_log=True, write_token="w") as server:
        httpx.post(f"{server.http}/v1/search", json={"query": "xyzzy"}, params={"q": "xyzzy"})
        for path in ("/xyzzy", "/v1/documents/xyzzy", "/v1/xyzzy?q=xyzzy", "/healthz", "/metrics"):
            httpx.get(server.http + path)
        with server.client() as client:
            client.say(seq=1, text="xyzzy")
            client.hear()
        eventually(lambda: len(lines(caplog, "typeahead.access")) == 6)
    fields = [record.fields for record in lines(caplog, "typeahead.access")]
    assert [(one["method"], one["path"], one["status"]) for one in fields] == [
        ("POST", "/v1/search", 200),
        ("GET", "*", 404),
        ("GET", "/v1/documents/*", 401),
        ("GET", "*", 404),
        ("GET", "/metrics", 200),
        ("WEBSOCKET", "/v1/type", 101),
    ]
    assert all(one["duration_ms"] >= 0 for one in fields)
    assert "xyzzy" not in caplog.text


def test_without_an_access_log_there_is_no_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "typeahead.access")
    with running(BruteForceIndex()) as server:
        httpx.get(f"{server.http}/healthz")
    assert not lines(caplog, "typeahead.access")


def test_a_search_that_fails_names_the_requests_that_it_was_for(caplog: pytest.LogCaptureFixture) -> None:
    index = BruteForceIndex()
    with running(index) as server:
        index.broken = True
        answer = httpx.post(f"{server.http}/v1/search", json={"query": "egg"}, headers={"x-request-id": "over-http"})
        assert answer.status_code == 500
        with server.client(additional_headers={"X-Request-Id": "over-websocket"}) as client:
            # The log takes one such line a second.
            caplog.clear()
            eventually(lambda: failed_for(client, caplog) == ("over-websocket",))


def failed_for(client: Any, caplog: pytest.LogCaptureFixture) -> Any:
    failed_for.seq += 1  # type: ignore[attr-defined]
    client.say(seq=failed_for.seq, text=f"egg {failed_for.seq}")  # type: ignore[attr-defined]
    client.hear()
    return next((vars(record)["requests"] for record in caplog.records if "searches failed" in record.msg), None)


failed_for.seq = 0  # type: ignore[attr-defined]


def test_slow_replies_are_logged_by_length_and_stage(caplog: pytest.LogCaptureFixture) -> None:
    with (
        running(BruteForceIndex(), slow_ms=0.001) as server,
        server.client(additional_headers={"X-Request-Id": "slow-one"}) as client,
    ):
        client.say(seq=1, text="boil an egg")
        client.hear()
    (record,) = lines(caplog, "typeahead.server.observe.metrics")
    assert record.requests == ("slow-one",)
    assert record.fields["chars"] == len("boil an egg")
    stages = ("queue_ms", "tokenize_ms", "step_ms", "search_ms", "serialize_ms")
    assert sum(record.fields[stage] for stage in stages) == pytest.approx(record.fields["duration_ms"], abs=0.01)
    assert "egg" not in caplog.text
