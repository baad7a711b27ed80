from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.running import Running, metric, running
from typeahead.server import ConfigError, ServerConfig
from typeahead.server.http.api import ApiError
from typeahead.server.http.bodies import MAX_EVENTS
from typeahead.server.http.events import MAX_BYTES, Events
from typeahead.server.observe.metrics import ServerMetrics

QUERY = {"kind": "query", "results": 8}
SELECT = {"kind": "select", "position": 1}


def body(*events: Any) -> bytes:
    return json.dumps({"events": events}).encode()


class Desk:
    """Events at a time that the test sets, without a record of texts."""

    def __init__(self, **settings: Any) -> None:
        self.now = 0.0
        self.metrics = ServerMetrics("mean")
        self.events = Events(ServerConfig(events=True, **settings), self.metrics, None, clock=lambda: self.now)

    def counts(self) -> dict[str, int]:
        counters = {**self.metrics.queries, **self.metrics.choices}
        return {name: counter.value for name, counter in counters.items() if counter.value}


def test_queries_are_counted_by_what_was_found() -> None:
    desk = Desk()
    weak, nothing = {**QUERY, "weak": True}, {"kind": "query", "results": 0, "weak": True}
    desk.events.take(body(QUERY, QUERY, weak, nothing))
    assert desk.counts() == {"good": 2, "weak": 1, "nothing": 1}
    assert desk.metrics.events["accepted"].value == 1


def test_choices_are_counted_by_their_place_and_late_ones_together() -> None:
    desk = Desk()
    desk.events.take(body(*({"kind": "select", "position": place} for place in (1, 1, 10, 11, 10_000))))
    assert desk.counts() == {"1": 2, "10": 1, "later": 2}


@pytest.mark.parametrize(
    ("event", "part"),
    [
        ({"kind": "purchase"}, "events"),
        ({"results": 8}, "kind"),
        ({"kind": "query"}, "results"),
        ({"kind": "query", "results": -1}, "events"),
        ({"kind": "query", "results": True}, "events"),
        ({"kind": "query", "results": 8, "position": 1}, "unknown field 'position'"),
        ({"kind": "select", "position": 0}, "events"),
        ({"kind": "select", "position": 1.5}, "events"),
        ({"kind": "select", "position": 10_001}, "events"),
        ({"kind": "query", "results": 8, "text": "how t"}, "records no texts"),
        ({"kind": "select", "position": 1, "id": "eggs"}, "records no texts"),
        ({"kind": "query", "results": 8, "user": "me"}, "unknown field 'user'"),
        ("query", "events"),
        (None, "events"),
    ],
)
def test_a_bad_event_is_refused_with_all_that_came_with_it(event: Any, part: str) -> None:
    desk = Desk()
    with pytest.raises(ApiError) as caught:
        desk.events.take(body(QUERY, event))
    assert caught.value.status == 400
    assert part in str(caught.value)
    assert "how t" not in str(caught.value)
    assert desk.counts() == {}


def test_events_beyond_the_rate_are_not_read_and_the_rate_comes_back() -> None:
    desk = Desk(max_events=1)
    desk.events.admit()
    with pytest.raises(ApiError, match="too many events"):
        desk.events.admit()
    desk.now = 1.0
    desk.events.admit()
    assert desk.metrics.events["limited"].value == 1


@pytest.mark.parametrize(
    ("sent", "status", "part"),
    [
        (b"", 400, "JSON"),
        (b"[1]", 400, "object"),
        (b'{"events": ', 400, "JSON"),
        (b"{}", 400, '"events" is missing'),
        (b'{"events": []}', 400, "a list of 1 to 16 events"),
        (b'{"events": {"kind": "query"}}', 400, "a list of 1 to 16 events"),
        (b'{"events": [], "text": "how t"}', 400, "unknown field"),
        (body(*[QUERY] * (MAX_EVENTS + 1)), 400, "a list of 1 to 16 events"),
        (body(QUERY) + b" " * MAX_BYTES, 413, "bytes"),
    ],
)
def test_hostile_bodies_are_refused_and_counted_as_such(sent: bytes, status: int, part: str) -> None:
    with running(events=True) as server:
        answer = httpx.post(f"{server.http}/v1/events", content=sent)
        assert answer.status_code == status
        assert part in answer.json()["error"]["message"]
        assert metric(server, 'typeahead_events_total{outcome="refused"}') == 1
        assert metric(server, 'typeahead_queries_total{found="good"}') == 0


def test_over_http_an_event_has_no_answer_but_that_it_came() -> None:
    with running(events=True) as server:
        answer = httpx.post(f"{server.http}/v1/events", content=body(QUERY, SELECT))
        assert (answer.status_code, answer.content) == (204, b"")
        assert metric(server, 'typeahead_queries_total{found="good"}') == 1
        assert metric(server, 'typeahead_choices_total{position="1"}') == 1
        dashboard = httpx.get(f"{server.http}/v1/dashboard").json()["metrics"]
        assert [{"position": "1"}, 1] in dashboard["typeahead_choices_total"]


def test_other_origins_other_methods_and_who_has_no_token_are_refused() -> None:
    with running(events=True, token="secret", allowed_origins=("https://friend.example",)) as server:
        url = f"{server.http}/v1/events"
        bearer = {"authorization": "Bearer secret"}
        assert httpx.get(url, headers=bearer).status_code == 405
        assert httpx.post(url, content=body(QUERY)).status_code == 401
        for origin, status in (("https://evil.example", 403), ("https://friend.example", 204)):
            answer = httpx.post(url, content=body(QUERY), headers=bearer | {"origin": origin})
            assert answer.status_code == status


def test_too_many_requests_get_429_and_are_not_read() -> None:
    with running(events=True, max_events=1) as server:
        assert httpx.post(f"{server.http}/v1/events", content=body(QUERY)).status_code == 204
        answers = [httpx.post(f"{server.http}/v1/events", content=b"not even JSON") for _ in range(2)]
        limited = next(answer for answer in answers if answer.status_code == 429)
        assert limited.headers["retry-after"] == "1"
        assert metric(server, 'typeahead_events_total{outcome="limited"}') >= 1


def hello_of(server: Running) -> dict[str, Any]:
    with server.client() as client:
        client.say(hello={})
        hello: dict[str, Any] = client.hear()["hello"]
        return hello


def test_unless_the_operator_asks_nobody_is_asked_for_events_and_none_are_taken() -> None:
    with running() as server:
        assert "events" not in hello_of(server)
        answer = httpx.post(f"{server.http}/v1/events", content=body(QUERY))
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "events_off")
        assert "--events" in answer.json()["error"]["message"]
        assert metric(server, 'typeahead_queries_total{found="good"}') == 0


def test_texts_are_recorded_only_in_the_file_that_the_operator_names(tmp_path: Path) -> None:
    path = tmp_path / "texts.db"
    with running(events=True) as server:
        assert hello_of(server)["events"] == "numbers"
    with running(events=True, record_query_texts=path, max_chars=20) as server:
        assert hello_of(server)["events"] == "texts"
        url = f"{server.http}/v1/events"
        events = (QUERY | {"text": "boil an egg"}, SELECT | {"text": "boil an egg", "id": "eggs"}, SELECT)
        assert httpx.post(url, content=body(*events)).status_code == 204
        longer = httpx.post(url, content=body(QUERY | {"text": "x" * 21}))
        assert (longer.status_code, "20 code points" in longer.json()["error"]["message"]) == (400, True)
        assert metric(server, 'typeahead_choices_total{position="1"}') == 2
        assert "boil" not in httpx.get(f"{server.http}/metrics").text
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT kind, text, results, position, document FROM events ORDER BY number").fetchall()
    connection.close()
    assert rows == [("query", "boil an egg", 8, None, None), ("select", "boil an egg", None, 1, "eggs")]


def test_a_record_of_texts_without_events_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="record_query_texts needs events"):
        ServerConfig(record_query_texts=tmp_path / "texts.db")


def test_a_file_that_cannot_record_texts_stops_the_start(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"record_query_texts cannot be used: .*nowhere"),
        running(events=True, record_query_texts=tmp_path / "nowhere" / "texts.db"),
    ):
        pass
