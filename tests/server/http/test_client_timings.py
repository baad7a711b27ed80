from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.server.running import metric, running
from typeahead.server.http.api import ApiError
from typeahead.server.http.bodies import MAX_VALUES, TimingsBody
from typeahead.server.http.client_timings import MAX_BYTES, ClientTimings
from typeahead.server.observe.metrics import CLIENT_TIMINGS, ServerMetrics

GOOD: dict[str, list[float]] = {
    "key_to_paint_ms": [11.5, 8],
    "round_trip_ms": [3.25],
    "network_ms": [],
    "enter_to_paint_ms": [7],
}


def test_a_report_has_a_list_for_each_histogram() -> None:
    assert set(TimingsBody.__struct_fields__) == {f"{name}_ms" for name in CLIENT_TIMINGS}


class Desk:
    """Reports at a time that the test sets."""

    def __init__(self, per_second: int = 10) -> None:
        self.now = 0.0
        self.metrics = ServerMetrics("mean")
        self.timings = ClientTimings(self.metrics, per_second=per_second, clock=lambda: self.now)

    def counts(self) -> list[int]:
        return [histogram.count for histogram in self.metrics.client.values()]


def test_a_report_is_counted_in_the_histograms_of_what_people_felt() -> None:
    desk = Desk()
    desk.timings.take(json.dumps(GOOD).encode())
    client = desk.metrics.client
    assert client["key_to_paint"].sum == pytest.approx(0.0195)
    assert client["round_trip"].sum == pytest.approx(0.00325)
    assert desk.counts() == [2, 1, 1, 0]
    assert desk.metrics.reports["accepted"].value == 1


@pytest.mark.parametrize(
    "report",
    [
        {},
        {"key_to_paint_ms": []},
        {"key_to_paint_ms": 3},
        {"key_to_paint_ms": ["3"]},
        {"key_to_paint_ms": [True]},
        {"key_to_paint_ms": [None]},
        {"key_to_paint_ms": [-0.1]},
        {"key_to_paint_ms": [[1]]},
        {"key_to_paint_ms": [1.0] * (MAX_VALUES + 1)},
        {"key_to_paint_ms": [1], "round_trip_ms": [1, "x"]},
    ],
)
def test_a_report_that_is_not_all_numbers_is_refused_whole(report: dict[str, Any]) -> None:
    desk = Desk()
    with pytest.raises(ApiError, match="_ms") as caught:
        desk.timings.take(json.dumps(report).encode())
    assert caught.value.param in (None, "key_to_paint_ms", "round_trip_ms")
    assert desk.counts() == [0, 0, 0, 0]


def test_what_nobody_can_have_waited_for_counts_as_a_minute() -> None:
    desk = Desk()
    desk.timings.take(b'{"key_to_paint_ms": [1e300, %d]}' % 2**63)
    assert desk.metrics.client["key_to_paint"].sum == 120.0


def test_reports_beyond_the_rate_are_not_read_and_the_rate_comes_back() -> None:
    desk = Desk(per_second=10)
    assert [desk.timings.admit() for _ in range(12)] == [True] * 10 + [False] * 2
    desk.now = 0.35
    assert [desk.timings.admit() for _ in range(4)] == [True] * 3 + [False]
    desk.now = 1000.0
    assert [desk.timings.admit() for _ in range(11)] == [True] * 10 + [False]
    assert desk.metrics.reports["limited"].value == 4
    assert not Desk(per_second=0).timings.admit()


def test_over_http_a_report_has_no_answer_but_that_it_came() -> None:
    with running() as server:
        answer = httpx.post(f"{server.http}/v1/client-timings", json=GOOD)
        assert (answer.status_code, answer.content) == (204, b"")
        assert metric(server, "typeahead_client_key_to_paint_seconds_count") == 2
        assert metric(server, 'typeahead_client_reports_total{outcome="accepted"}') == 1


def test_a_browser_that_sends_without_a_content_type_is_understood() -> None:
    """As ``navigator.sendBeacon`` does with a string."""
    with running() as server:
        headers = {"content-type": "text/plain;charset=UTF-8", "origin": server.http}
        answer = httpx.post(f"{server.http}/v1/client-timings", content=json.dumps(GOOD), headers=headers)
        assert answer.status_code == 204


@pytest.mark.parametrize(
    ("body", "status", "part"),
    [
        (b"", 400, "JSON"),
        (b"[1]", 400, "object"),
        (b'{"text": ["how t"]}', 400, "unknown field"),
        (b'{"key_to_paint_ms": [NaN]}', 400, "JSON"),
        (b'{"key_to_paint_ms": [-1]}', 400, "from 0 up"),
        (b'{"key_to_paint_ms": [1e999]}', 400, ""),
        (b'{"key_to_paint_ms": [' + b"1," * MAX_BYTES + b"1]}", 413, "bytes"),
    ],
)
def test_hostile_reports_are_refused_and_counted_as_such(body: bytes, status: int, part: str) -> None:
    with running() as server:
        answer = httpx.post(f"{server.http}/v1/client-timings", content=body)
        assert answer.status_code == status
        assert part in answer.json()["error"]["message"]
        assert metric(server, 'typeahead_client_reports_total{outcome="refused"}') == 1
        assert metric(server, "typeahead_client_key_to_paint_seconds_count") == 0


def test_the_largest_report_that_a_browser_makes_fits() -> None:
    with running() as server:
        report = {field: [12345.678] * MAX_VALUES for field in TimingsBody.__struct_fields__}
        assert httpx.post(f"{server.http}/v1/client-timings", json=report).status_code == 204


def test_other_origins_other_methods_and_who_has_no_token_are_refused() -> None:
    with running(token="secret") as server:
        url = f"{server.http}/v1/client-timings"
        bearer = {"authorization": "Bearer secret"}
        assert httpx.get(url, headers=bearer).status_code == 405
        assert httpx.post(url, json=GOOD).status_code == 401
        assert httpx.post(url, json=GOOD, headers=bearer | {"origin": "https://evil.example"}).status_code == 403
        assert httpx.post(url, json=GOOD, headers=bearer).status_code == 204


def test_too_many_reports_get_429_and_are_not_read() -> None:
    with running(client_reports=0) as server:
        answer = httpx.post(f"{server.http}/v1/client-timings", content=b"not even JSON")
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "1"
        assert metric(server, 'typeahead_client_reports_total{outcome="limited"}') == 1
