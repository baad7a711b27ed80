from __future__ import annotations

import itertools

import pytest

from typeahead.server.metrics import BUCKETS, Counter, Histogram, Reading, Registry, ServerMetrics


def test_buckets_start_at_15_microseconds_and_grow_by_half_to_ten_seconds() -> None:
    assert BUCKETS[0] == 15e-6
    assert all(after / before == pytest.approx(1.5, rel=1e-3) for before, after in itertools.pairwise(BUCKETS))
    assert 5 < BUCKETS[-1] < 15


def test_metrics_are_written_in_prometheus_text_format() -> None:
    registry = Registry()
    counter = Counter()
    counter.add(3)
    registry.add("keys_total", "counter", "Keys.", {(("outcome", 'a"b\\c\nd'),): counter})
    registry.add("open", "gauge", "Open.", {(): Reading(lambda: 2)})
    assert registry.render() == (
        "# HELP keys_total Keys.\n"
        "# TYPE keys_total counter\n"
        'keys_total{outcome="a\\"b\\\\c\\nd"} 3\n'
        "# HELP open Open.\n"
        "# TYPE open gauge\n"
        "open 2\n"
    )


def test_histogram_buckets_are_cumulative_and_a_bound_belongs_to_its_bucket() -> None:
    histogram = Histogram()
    for seconds in (0.0, BUCKETS[0], BUCKETS[0] * 1.01, 1e9):
        histogram.observe(seconds)
    lines = histogram.lines("t", (("stage", "step"),))
    assert lines[0] == 't_bucket{stage="step",le="1.5e-05"} 2'
    assert lines[1].endswith(" 3")
    assert lines[len(BUCKETS) - 1].endswith(" 3")
    assert lines[len(BUCKETS)] == 't_bucket{stage="step",le="+Inf"} 4'
    assert lines[-1] == 't_count{stage="step"} 4'
    assert histogram.count == 4


def test_every_series_exists_from_the_start() -> None:
    rendered = ServerMetrics("minilm-gru").registry.render()
    for series in (
        'typeahead_keystrokes_total{outcome="superseded"} 0',
        'typeahead_submits_total{ready="true"} 0',
        'typeahead_stage_duration_seconds_count{stage="search"} 0',
        "typeahead_keystroke_duration_seconds_sum 0.0",
        'typeahead_fallback_texts_total{reason="long",outcome="shed"} 0',
        "typeahead_fallback_duration_seconds_count 0",
        'encoder="minilm-gru"} 1',
    ):
        assert series in rendered
