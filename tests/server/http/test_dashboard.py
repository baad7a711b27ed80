from __future__ import annotations

import httpx
import pytest

from tests.server.fakes import BruteForceIndex, WholeEncoder
from tests.server.running import running
from typeahead.paths import web_folder
from typeahead.server.http.dashboard import write_dashboard
from typeahead.server.observe.counters import BUCKETS, merge
from typeahead.server.observe.metrics import STAGES, ServerMetrics
from typeahead.server.observe.slow import merge_slow


def test_the_answer_has_what_the_page_draws() -> None:
    with running(BruteForceIndex()) as server, server.client() as client:
        client.say(seq=1, text="boil an egg")
        client.hear()
        client.say(seq=2, submit=True)
        client.hear()
        answer = httpx.get(f"{server.http}/v1/dashboard")
        assert answer.headers["cache-control"] == "no-store"
        seen = answer.json()
        assert seen["version"] == 1
        assert seen["bounds"] == list(BUCKETS)
        metrics = {name: {str(labels): value for labels, value in series} for name, series in seen["metrics"].items()}
        assert metrics["typeahead_active_sessions"] == {"{}": 1}
        assert metrics["typeahead_submits_total"]["{'ready': 'true'}"] == 1
        assert sum(metrics["typeahead_keystroke_duration_seconds"]["{}"]["counts"]) == 2
        stages = [labels["stage"] for labels, _ in seen["metrics"]["typeahead_stage_duration_seconds"]]
        assert stages == list(STAGES)
        assert {reply["chars"] for reply in seen["slow"]} == {11}
        assert seen["teacher"] is None
        later = httpx.get(f"{server.http}/v1/dashboard").json()
        assert later["started"] == seen["started"]
        assert later["at"] > seen["at"]


def test_nothing_that_was_typed_is_in_the_answer() -> None:
    with running(BruteForceIndex()) as server, server.client() as client:
        client.say(seq=1, text="xyzzy plugh")
        client.hear()
        for path in ("/v1/dashboard", "/metrics"):
            text = httpx.get(server.http + path).text
            assert "xyzzy" not in text
            assert "plugh" not in text


def test_the_teacher_is_measured_where_an_encoder_of_whole_texts_is_loaded() -> None:
    with running(BruteForceIndex(), passages=WholeEncoder("doc")) as server:
        teacher = httpx.get(f"{server.http}/v1/dashboard").json()["teacher"]
    assert teacher["encoder"] == "doc"
    assert [chars for chars, _ in teacher["points"]] == sorted(chars for chars, _ in teacher["points"])
    assert all(microseconds > 0 for _, microseconds in teacher["points"])


def test_the_answer_asks_for_the_token_and_the_page_does_not() -> None:
    with running(token="secret", web=web_folder()) as server:
        assert httpx.get(f"{server.http}/v1/dashboard").status_code == 401
        headers = {"authorization": "Bearer secret"}
        assert httpx.get(f"{server.http}/v1/dashboard", headers=headers).status_code == 200
        assert httpx.get(f"{server.http}/dashboard").status_code == 200


@pytest.mark.parametrize("path", ["/dashboard", "/dashboard.html"])
def test_the_page_has_a_name_that_people_can_type(path: str) -> None:
    with running(web=web_folder()) as server:
        answer = httpx.get(server.http + path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_several_processes_make_one_answer() -> None:
    parts = [ServerMetrics("mean") for _ in range(2)]
    for number, part in enumerate(parts):
        part.replied(0, 10**6 * (number + 1), (10**6, 0, 0, 0, 0), chars=3, tokens=1, submit=False)
    snapshot = merge([part.registry.snapshot() for part in parts])
    slow = merge_slow(part.slow.snapshot(10, STAGES) for part in parts)
    answer = write_dashboard(snapshot, slow, None, started=1.0, at=2.0)
    assert sum(answer["metrics"]["typeahead_keystroke_duration_seconds"][0][1]["counts"]) == 2
    assert [reply["total_us"] for reply in answer["slow"]] == [2000, 1000]
