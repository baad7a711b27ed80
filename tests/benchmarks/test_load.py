"""What the load command makes of a run: normal windows, saturation, and its arguments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks import keystroke, load, peers, scale, soak, tree
from benchmarks.load import normal_windows, saturated
from benchmarks.loadgen import Fate, Outcome


def outcome_of(due: np.ndarray, latency_ms: np.ndarray, fate: Fate = Fate.ANSWERED) -> Outcome:
    """Keys that were due at these seconds."""
    return Outcome(
        due_ns=(due * 1e9).astype(np.int64),
        late_us=np.zeros(len(due), np.int32),
        latency_us=(latency_ms * 1000).astype(np.float32),
        connection=np.zeros(len(due), np.int32),
        fate=np.full(len(due), fate, np.uint8),
        seconds=10.0,
        client_busy=0.0,
        bytes_in=0,
        bytes_out=0,
        closed=0,
        first_error="",
    )


def test_a_window_is_normal_by_its_tail() -> None:
    due = np.arange(0, 10, 0.001)
    slow_until = np.where((due < 1.1) | ((due >= 2.0) & (due < 2.3)), 50.0, 1.0)
    fine = normal_windows(outcome_of(due, slow_until), 0.0, 10.0, 3.0)
    assert len(fine) == 40
    assert np.flatnonzero(~fine).tolist() == [0, 1, 2, 3, 4, 8, 9]
    assert normal_windows(outcome_of(due, slow_until), 5.0, 5.0, 3.0).all()


def test_keys_without_an_answer_are_not_normal() -> None:
    due = np.arange(0, 10, 0.001)
    assert not normal_windows(outcome_of(due, np.zeros(len(due)), Fate.UNANSWERED), 0.0, 10.0, 3.0).any()
    assert normal_windows(outcome_of(due, np.ones(len(due)), Fate.SUPERSEDED), 0.0, 10.0, 3.0).all()


def test_a_side_without_a_rest_is_named() -> None:
    assert saturated(0.99, 0.4) == "server"
    assert saturated(0.5, 0.97) == "client"
    assert saturated(0.99, 0.97) == "server and client"
    assert saturated(0.5, 0.5) == "neither"


@pytest.mark.parametrize(
    ("main", "arguments", "said"),
    [
        (load.main, ["upside-down"], "unknown scenario upside-down"),
        (load.main, ["--rate", "0"], "0 is not above 0"),
        (load.main, ["--rate", "nan"], "nan is not above 0"),
        (load.main, ["--connections", "0"], "0 is not at least 1"),
        (load.main, ["--server-cores", "a"], "not a list of cores"),
        (soak.main, ["--minutes", "-1"], "-1 is not above 0"),
        (scale.main, ["passages"], "unknown table passages"),
        (tree.main, ["--count", "many"], "invalid whole value"),
        (keystroke.main, ["--sessions", "0"], "0 is not at least 1"),
        (peers.main, [], "--teacher"),
        (peers.main, ["--teacher", "/nowhere/at/all"], "is not a folder"),
        (peers.main, ["--teacher", ".", "--repetitions", "20"], "more than 20"),
    ],
)
def test_bad_usage_ends_with_status_2(
    main: object, arguments: Sequence[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(main)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
