"""When keys are due, and what a debounce leaves of them."""

from __future__ import annotations

import numpy as np

from benchmarks import schedule
from benchmarks.peers import debounced, without_empty
from typeahead.evaluate.data.traces import Keystroke


def trace_of(*keys: tuple[float, str]) -> list[Keystroke]:
    """A trace of (ms, text)."""
    return [Keystroke(at, text) for at, text in keys]


def test_a_constant_rate_is_evenly_spaced_and_everybody_has_their_turn() -> None:
    due, people = schedule.constant(100.0, 2.0, 50)
    assert len(due) == 200
    assert set(np.diff(due)) == {10_000_000}
    assert np.bincount(people).tolist() == [4] * 50
    # In turn: two keys of one person are as far apart as can be.
    assert np.array_equal(people[:50], people[50:100])


def test_rates_follow_one_another() -> None:
    due, people = schedule.stages(((10, 1.0), (100, 1.0), (10, 1.0)), 5)
    assert len(due) == len(people) == 120
    assert np.histogram(due, [0, 1e9, 2e9, 3e9])[0].tolist() == [10, 100, 10]
    assert np.all(np.diff(due) >= 0)


def test_people_type_with_the_gaps_of_their_traces() -> None:
    traces = [trace_of((5, "a"), (105, "ab"), (405, "abc")), trace_of((0, "x"), (50, "xy"))]
    (due, people), texts = schedule.human(traces, 3, 60.0, pause=1.0)
    assert np.all(np.diff(due) >= 0)
    assert due.min() >= 0
    assert due.max() < 60e9
    # Person 2 types the first trace again, from another place.
    for person, cycle, gaps in (
        (0, ["a", "ab", "abc", ""], [100, 300, 1000, 1000]),
        (1, ["x", "xy", ""], [50, 1000, 1000]),
    ):
        first = cycle.index(texts[person][0])
        assert texts[person] == cycle[first:] + cycle[:first]
        expected = np.resize(gaps[first:] + gaps[:first], np.count_nonzero(people == person) - 1)
        assert np.allclose(np.diff(due[people == person]) / 1e6, expected, atol=0.01)
    assert sorted(texts[2]) == sorted(texts[0])


def test_press_times_that_run_backwards_do_no_harm() -> None:
    (due, people), _ = schedule.human([trace_of((0, "a"), (100, "ab"), (90, "abc"))], 2, 10.0)
    assert np.all(np.diff(due) >= 0)
    assert all(np.all(np.diff(due[people == person]) >= 0) for person in range(2))


def test_a_debounce_asks_after_a_pause_and_only_then() -> None:
    ms = 1_000_000
    due = np.array([0, 100, 249, 250, 400, 1000], np.int64) * ms
    people = np.array([0, 0, 1, 0, 0, 0], np.int32)
    (asked, who), texts = debounced((due, people), [["a", "ab", "abc", "abcd", "abcde"], ["x"]])
    # 100 is followed after 150 ms, which is a pause; 250 after 150 too; 0 after 100, which is none.
    assert (asked // ms).tolist() == [250, 399, 400, 550, 1150]
    assert who.tolist() == [0, 1, 0, 0, 0]
    assert texts == [["ab", "abc", "abcd", "abcde"], ["x"]]


def test_nobody_is_asked_for_an_empty_box() -> None:
    due = np.arange(5, dtype=np.int64)
    plan, texts = without_empty((due, np.zeros(5, np.int32)), [["a", "ab", ""]])
    assert plan[0].tolist() == [0, 1, 3, 4]
    assert texts == [["a", "ab"]]
