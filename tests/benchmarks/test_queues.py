"""Queues beside what is known of them, and the numbers of workers that follow."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.queues import Load, arrivals, by_key, by_pause, fewest, rate, responses, spread
from typeahead.evaluate.data.traces import Keystroke

TRACE = [Keystroke(at, text) for at, text in ((5.0, "a"), (105.0, "ab"), (405.0, "abc"), (5405.0, "abcd"))]


def draw() -> np.random.Generator:
    return np.random.default_rng(3)


def test_keys_come_with_their_gaps_and_texts_behind_pauses_later_and_fewer() -> None:
    (keys,) = by_key([TRACE])
    assert keys.at.tolist() == pytest.approx([0.0, 0.1, 0.4, 2.4]), "the longest gap is shortened"
    (pauses,) = by_pause([TRACE], 0.15)
    assert pauses.at.tolist() == pytest.approx([0.25, 0.55, 2.55])
    assert keys.lasts == pauses.lasts == pytest.approx(2.4)


def test_people_send_as_much_as_their_rate_says() -> None:
    queries = by_key([TRACE])
    drawn = arrivals(queries, 400, 100.0, 3.0, draw())
    assert np.all(np.diff(drawn) >= 0)
    assert len(drawn) / 100.0 == pytest.approx(400 * rate(queries, 3.0), rel=0.05)


def test_a_worker_serves_one_after_the_other() -> None:
    moments = np.array([0.0, 0.1, 0.15, 1.0])
    service = np.array([0.3, 0.1, 0.2, 0.1])
    assert responses(moments, service).tolist() == pytest.approx([0.3, 0.3, 0.45, 0.1])


@pytest.mark.parametrize("busy", [0.3, 0.6, 0.8])
def test_waits_are_those_of_a_queue_with_random_arrivals_and_equal_service(busy: float) -> None:
    # Pollaczek and Khinchine: the mean wait is busy / (2 (1 - busy)) of a service.
    generator = draw()
    moments = np.cumsum(generator.exponential(1 / busy, 400_000))
    waits = responses(moments, np.ones(len(moments))) - 1
    assert waits.mean() == pytest.approx(busy / (2 * (1 - busy)), rel=0.05)


def test_nobody_is_lost_when_people_are_spread_and_no_node_has_too_many() -> None:
    for people, nodes in ((1000, 3), (50, 40), (7, 1), (10, 20)):
        counts = spread(people, nodes, draw())
        assert counts.sum() == people
        assert counts.max() <= np.ceil(1.5 * people / nodes)


def test_the_fewest_are_found_within_two_percent() -> None:
    for answer in (1, 2, 17, 1000, 54_321):
        assert answer <= fewest(lambda count, answer=answer: count >= answer, 1) <= 1.02 * answer + 1  # type: ignore[misc]
    assert fewest(lambda _: False, 0, 9) == 9


def test_the_nodes_that_are_found_keep_the_bound_and_much_fewer_do_not() -> None:
    load = Load(by_key([TRACE]), np.array([0.02, 0.04]), reading=3.0, bound_ms=300.0, cores=2, seconds=20.0)
    nodes = load.nodes_for(200, draw())
    assert 2 * nodes > 200 * load.busy
    assert load.p99_ms(200, nodes, draw()) <= 330.0
    assert load.p99_ms(200, int(0.45 * 200 * load.busy), draw()) > 300.0
    assert 0.5 * 2 / load.busy < load.people_a_node(draw()) < 2 / load.busy


def test_the_fullest_node_answers_later_than_the_others() -> None:
    load = Load(by_key([TRACE]), np.array([0.1]), reading=3.0, bound_ms=300.0)
    assert load.p99_ms(240, 40, draw(), fullest=True) > 1.2 * load.p99_ms(240, 40, draw())


def test_a_bound_below_the_time_of_single_texts_is_refused() -> None:
    with pytest.raises(ValueError, match="below the time"):
        Load(by_key([TRACE]), np.array([0.05]), reading=3.0, bound_ms=30.0).nodes_for(10, draw())
