from __future__ import annotations

import itertools
import json
import math
import pickle
import random
from collections.abc import Iterable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from typeahead.server.observe.counters import BUCKETS, Counter, Histogram, Reading, Registry, Snapshot, merge, render
from typeahead.server.observe.metrics import ServerMetrics


def registry(seed: int) -> Registry:
    """One with every kind of metric, and other numbers for other seeds."""
    random.seed(seed)
    made = Registry()
    counters = {outcome: Counter() for outcome in ("served", "error")}
    for counter in counters.values():
        counter.add(random.randrange(100))
    made.add("keys_total", "counter", "Keys.", {(("outcome", name),): counter for name, counter in counters.items()})
    histogram = Histogram()
    for _ in range(50):
        histogram.observe(random.lognormvariate(-6, 3))
    made.add("took_seconds", "histogram", "Took.", {(("stage", "step"),): histogram})
    sessions = random.randrange(9)
    made.add("sessions", "gauge", "Open.", {(): Reading(lambda: sessions)})
    made.add("build_info", "gauge", "Build.", {(("version", "1"),): Reading(lambda: 1)}, combine="max")
    return made


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """All samples, as Prometheus' own parser reads them."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_buckets_start_at_15_microseconds_and_grow_by_half_to_ten_seconds() -> None:
    assert BUCKETS[0] == 15e-6
    assert all(after / before == pytest.approx(1.5, rel=1e-3) for before, after in itertools.pairwise(BUCKETS))
    assert 5 < BUCKETS[-1] < 15


def test_metrics_are_written_in_prometheus_text_format() -> None:
    made = Registry()
    counter = Counter()
    counter.add(3)
    made.add("keys_total", "counter", "Keys\\\nin all.", {(("outcome", 'a"b\\c\nd'),): counter})
    made.add("open", "gauge", "Open.", {(): Reading(lambda: 2)})
    assert made.render() == (
        "# HELP keys_total Keys\\\\\\nin all.\n"
        "# TYPE keys_total counter\n"
        'keys_total{outcome="a\\"b\\\\c\\nd"} 3\n'
        "# HELP open Open.\n"
        "# TYPE open gauge\n"
        "open 2\n"
    )
    assert samples(made.render())["keys_total", (("outcome", 'a"b\\c\nd'),)] == 3


def test_histogram_buckets_are_cumulative_and_a_bound_belongs_to_its_bucket() -> None:
    histogram = Histogram()
    for seconds in (0.0, BUCKETS[0], BUCKETS[0] * 1.01, 1e9):
        histogram.observe(seconds)
    made = Registry()
    made.add("t", "histogram", "T.", {(("stage", "step"),): histogram})
    lines = made.render().splitlines()[2:]
    assert lines[0] == 't_bucket{stage="step",le="1.5e-05"} 2'
    assert lines[1].endswith(" 3")
    assert lines[len(BUCKETS) - 1].endswith(" 3")
    assert lines[len(BUCKETS)] == 't_bucket{stage="step",le="+Inf"} 4'
    assert lines[-1] == 't_count{stage="step"} 4'
    assert histogram.count == 4


def test_the_parser_of_prometheus_reads_what_is_written() -> None:
    (family,) = [f for f in text_string_to_metric_families(registry(1).render()) if f.name == "took_seconds"]
    assert family.type == "histogram"
    buckets = [sample for sample in family.samples if sample.name == "took_seconds_bucket"]
    assert [float(sample.labels["le"]) for sample in buckets] == [*BUCKETS, math.inf]
    assert [sample.value for sample in buckets] == sorted(sample.value for sample in buckets)
    assert [sample.value for sample in family.samples if sample.name == "took_seconds_count"] == [50]


def test_one_snapshot_merged_is_rendered_as_the_registry_itself() -> None:
    metrics = ServerMetrics("mean")
    metrics.replied(0, 10**6, (1, 2, 3, 0, 5), chars=1, tokens=1, submit=False)
    for made in (registry(1), metrics.registry):
        snapshot = made.snapshot()
        through: Iterable[Snapshot] = (snapshot, json.loads(json.dumps(snapshot)), pickle.loads(pickle.dumps(snapshot)))
        for one in through:
            assert made.render() == render(merge([one])) == render(one)


def test_merged_snapshots_add_up() -> None:
    parts = [registry(seed) for seed in range(3)]
    merged = samples(render(merge([part.snapshot() for part in parts])))
    each = [samples(part.render()) for part in parts]
    assert merged.keys() == each[0].keys()
    for key, value in merged.items():
        combine = max if key[0] == "build_info" else sum
        assert value == pytest.approx(combine(part[key] for part in each)), key


def test_merging_changes_no_snapshot() -> None:
    first, second = registry(1).snapshot(), registry(2).snapshot()
    before = json.dumps([first, second])
    merge([first, second])
    assert json.dumps([first, second]) == before


def test_a_series_that_one_process_lacks_is_kept() -> None:
    first, second = registry(1).snapshot(), registry(2).snapshot()
    del first[0]["series"][1]
    del second[2]
    merged = samples(render(merge([first, second])))
    assert merged["keys_total", (("outcome", "error"),)] == second[0]["series"][1][1]
    assert merged["sessions", ()] == first[2]["series"][0][1]


def test_processes_with_other_buckets_are_not_added_up() -> None:
    first, second = registry(1).snapshot(), registry(2).snapshot()
    second[1]["bounds"] = second[1]["bounds"][1:]
    with pytest.raises(ValueError, match="took_seconds has different buckets"):
        merge([first, second])


def test_a_name_is_taken_once_and_a_kind_is_a_kind() -> None:
    made = registry(1)
    with pytest.raises(ValueError, match="keys_total already"):
        made.add("keys_total", "counter", "Again.", {})
    with pytest.raises(ValueError, match="'summary'"):
        made.add("other", "summary", "Other.", {})
    with pytest.raises(ValueError, match="'mean'"):
        made.add("other", "gauge", "Other.", {}, combine="mean")
