"""What stands in ``deploy/`` asks for metrics that exist, by labels and values that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import ROOT
from typeahead.server import ServerConfig
from typeahead.server.observe.metrics import ServerMetrics

DEPLOY = ROOT / "deploy"

#: What Prometheus adds to every series.
TARGET_LABELS = {"instance", "job"}
COUNTS = {"rate", "increase", "irate"}


def metrics() -> dict[str, list[Mapping[str, str]]]:
    """The labels of each sample that a server gives, by name; read from what it writes, by Prometheus' parser."""
    made = ServerMetrics("minilm-gru")
    made.read(
        sessions=int,
        cache_bytes=int,
        cache_capacity=0,
        steps_computed=int,
        steps_cached=int,
        searches_made=int,
        searches_stood=int,
        searches_partial=int,
        connections=int,
        version=int,
        engine_lag=float,
    )
    found: dict[str, list[Mapping[str, str]]] = {"up": [{}]}
    for family in text_string_to_metric_families(made.registry.render()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


METRICS = metrics()


def expressions() -> Iterator[Any]:
    """Every expression of the dashboard and of the alerts, with where it stands."""
    dashboard = json.loads((DEPLOY / "grafana" / "typeahead.json").read_text(encoding="utf-8"))
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield pytest.param(target["expr"], id=f"panel {panel['title']}-{target['refId']}")
    for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            yield pytest.param(rule["expr"], id=f"alert {rule['alert']}")


def parse(expression: str) -> Any:
    """Grafana's variables are filled in as Grafana does."""
    return promql_parser.parse(expression.replace("$__rate_interval", "1m").replace("$instance", ".*"))


def nodes(node: Any) -> Iterator[Any]:
    """The expression and all its parts."""
    found: list[Any] = []
    promql_parser.walk(node, lambda each: found.append(each))
    yield from found


def selectors(node: Any) -> Iterator[Any]:
    return (part for part in nodes(node) if isinstance(part, promql_parser.VectorSelector))


def check(expression: str) -> None:
    """Raise AssertionError for an expression that would find nothing, or what it should not."""
    tree = parse(expression)
    found = list(selectors(tree))
    assert found, "it asks for no metric"
    for selector in found:
        assert selector.name in METRICS, f"there is no metric {selector.name}"
        series = METRICS[selector.name]
        for matcher in selector.matchers.matchers:
            values = {labels[matcher.name] for labels in series if matcher.name in labels}
            assert matcher.name in TARGET_LABELS or values, f"{selector.name} has no label {matcher.name}"
            if matcher.name not in TARGET_LABELS and matcher.op == promql_parser.MatchOp.Equal:
                assert matcher.value in values, f"{selector.name} has no {matcher.name}={matcher.value}"
    for part in nodes(tree):
        if isinstance(part, promql_parser.Call) and part.func.name in COUNTS:
            (counter,) = selectors(part)
            assert counter.name.endswith(("_total", "_bucket", "_sum", "_count")), f"{counter.name} is no counter"
        if isinstance(part, promql_parser.Call) and part.func.name == "histogram_quantile":
            (buckets,) = selectors(part)
            assert buckets.name.endswith("_bucket"), f"{buckets.name} has no buckets"
        if isinstance(part, promql_parser.AggregateExpr) and part.modifier is not None:
            known = {label for selector in selectors(part) for labels in METRICS[selector.name] for label in labels}
            missing = set(part.modifier.labels) - known - TARGET_LABELS
            assert not missing, f"it groups by {missing}, which no series has"


@pytest.mark.parametrize("expression", list(expressions()))
def test_each_expression_asks_for_what_the_server_gives(expression: str) -> None:
    check(expression)


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        ("rate(typeahead_keystroke_total[5m])", "no metric"),
        ('rate(typeahead_keystrokes_total{outcome="dropped"}[5m])', "no outcome=dropped"),
        ('rate(typeahead_keystrokes_total{user="me"}[5m])', "no label user"),
        ("rate(typeahead_active_sessions[5m])", "no counter"),
        ("histogram_quantile(0.9, rate(typeahead_keystroke_duration_seconds_sum[5m]))", "no buckets"),
        ("sum by (stage) (rate(typeahead_keystrokes_total[5m]))", "groups by"),
    ],
)
def test_the_check_finds_what_is_wrong(wrong: str, part: str) -> None:
    with pytest.raises(AssertionError, match=part):
        check(wrong)


def test_every_metric_is_shown_somewhere() -> None:
    """What nobody looks at need not be counted."""
    asked = {selector.name for parameter in expressions() for selector in selectors(parse(parameter.values[0]))}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}
    assert families == {re.sub(r"_(bucket|sum|count)$", "", name) for name in METRICS}


def test_panels_have_names_units_and_places_of_their_own() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "typeahead.json").read_text(encoding="utf-8"))
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["fieldConfig"]["defaults"]["unit"]
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    datasources = {json.dumps(target["datasource"]) for panel in panels for target in panel["targets"]}
    assert datasources == {'{"type": "prometheus", "uid": "${datasource}"}'}


def test_the_example_of_prometheus_finds_the_server_and_the_alerts() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))
    (scrape,) = config["scrape_configs"]
    assert scrape["metrics_path"] == "/metrics"
    assert scrape["static_configs"][0]["targets"] == [f"127.0.0.1:{ServerConfig().port}"]
    assert all((DEPLOY / name).is_file() for name in config["rule_files"])
    jobs = {matcher.value for matcher in _matchers() if matcher.name == "job"}
    assert jobs == {scrape["job_name"]}


def _matchers() -> Iterator[Any]:
    for parameter in expressions():
        for selector in selectors(parse(parameter.values[0])):
            yield from selector.matchers.matchers


def test_the_guide_names_every_file() -> None:
    guide = (DEPLOY / "README.md").read_text(encoding="utf-8")
    for path in DEPLOY.rglob("*"):
        if path.is_file() and path.name != "README.md":
            assert str(path.relative_to(DEPLOY)) in guide, path.name
    assert Path("typeahead/server/metrics.py").name in guide
