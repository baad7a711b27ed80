from __future__ import annotations

import random
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from typeahead.server.observe.counters import Histogram
from typeahead.server.observe.metrics import STAGES, ReplyTimes, ServerMetrics


def metrics() -> ServerMetrics:
    made = ServerMetrics("minilm-gru")
    made.read(
        sessions=lambda: 2,
        cache_bytes=lambda: 1000,
        cache_capacity=4000,
        steps_computed=lambda: 30,
        steps_cached=lambda: 70,
        searches_made=lambda: 5,
        searches_stood=lambda: 2,
        searches_partial=lambda: 1,
        connections=lambda: 3,
        version=lambda: 7,
        engine_lag=lambda: 0.25,
    )
    return made


def test_every_series_exists_from_the_start() -> None:
    rendered = metrics().registry.render()
    for series in (
        'typeahead_keystrokes_total{outcome="superseded"} 0',
        'typeahead_keystrokes_total{outcome="overloaded"} 0',
        'typeahead_submits_total{ready="true"} 0',
        'typeahead_steps_total{source="cached"} 70',
        'typeahead_stage_duration_seconds_count{stage="search"} 0',
        'typeahead_stage_duration_seconds_count{stage="serialize"} 0',
        "typeahead_keystroke_duration_seconds_sum 0.0",
        "typeahead_event_loop_lag_seconds_count 0",
        "typeahead_client_key_to_paint_seconds_count 0",
        "typeahead_client_round_trip_seconds_count 0",
        'typeahead_client_reports_total{outcome="limited"} 0',
        'typeahead_queries_total{found="nothing"} 0',
        'typeahead_choices_total{position="1"} 0',
        'typeahead_choices_total{position="later"} 0',
        'typeahead_events_total{outcome="limited"} 0',
        'typeahead_recorded_texts_total{outcome="lost"} 0',
        "typeahead_active_sessions 2",
        "typeahead_state_cache_bytes 1000",
        "typeahead_state_cache_capacity_bytes 4000",
        'typeahead_fallback_texts_total{reason="long",outcome="shed"} 0',
        "typeahead_fallback_duration_seconds_count 0",
        'typeahead_connections_refused_total{reason="too_large"} 0',
        'typeahead_sessions_refused_total{reason="full"} 0',
        "typeahead_worker_deaths_total 0",
        "typeahead_open_connections 3",
        "typeahead_index_version 7",
        "typeahead_engine_lag_seconds 0.25",
        'encoder="minilm-gru"} 1',
    ):
        assert series in rendered


def test_names_follow_the_rules_of_prometheus() -> None:
    """https://prometheus.io/docs/practices/naming/: prefix, base units, _total for counters and for nothing else."""
    families = list(text_string_to_metric_families(metrics().registry.render()))
    assert len(families) > 10
    for family in families:
        assert re.fullmatch(r"(typeahead|process)(_[a-z]+)+", family.name)
        assert family.documentation.endswith(".")
        for sample in family.samples:
            if family.type == "counter":
                assert sample.name.endswith("_total")
            elif family.type == "histogram":
                assert family.name.endswith("_seconds")
            else:
                assert family.type == "gauge"
                assert not sample.name.endswith("_total")


def test_what_comes_later_makes_no_new_series() -> None:
    made = metrics()
    before = {line.rpartition(" ")[0] for line in made.registry.render().splitlines()}
    for number in range(1000):
        made.replied(number, 1000 * number, (1, 2, 3, 4, 5), chars=number, tokens=number, submit=number % 2 == 0)
    assert {line.rpartition(" ")[0] for line in made.registry.render().splitlines()} == before


@pytest.mark.parametrize("count", [1, ReplyTimes.BLOCK - 1, ReplyTimes.BLOCK, 3 * ReplyTimes.BLOCK + 1])
def test_replies_counted_in_blocks_are_counted_as_one_by_one(count: int) -> None:
    chance = random.Random(count)
    blocks = [Histogram() for _ in range(3)]
    single = [Histogram() for _ in range(3)]
    times = ReplyTimes(blocks)
    for _ in range(count):
        spent = tuple(chance.choice((0, 15_000, 15_001, 10**11, int(chance.lognormvariate(13, 2)))) for _ in range(3))
        times.add(spent[:-1], spent[-1])
        for histogram, spent_ns in zip(single, spent, strict=True):
            if spent_ns:
                histogram.observe(spent_ns * 1e-9)
    times.settle()
    assert [histogram.counts for histogram in blocks] == [histogram.counts for histogram in single]
    assert [histogram.sum for histogram in blocks] == pytest.approx([histogram.sum for histogram in single])


def test_stages_that_a_reply_did_not_need_are_not_counted() -> None:
    made = metrics()
    made.replied(0, 7000, (1000, 0, 0, 4000, 2000), chars=1, tokens=1, submit=True)
    made.replies.settle()
    assert {stage: made.stages[stage].count for stage in STAGES} == {
        "queue": 1,
        "tokenize": 0,
        "step": 0,
        "search": 1,
        "serialize": 1,
    }
    assert made.keystroke.count == 1
