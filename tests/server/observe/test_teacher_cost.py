from __future__ import annotations

from tests.server.fakes import MeanEncoder, WholeEncoder
from typeahead.server.observe.teacher_cost import TEXTS, measure, whole_text_encoder


def test_the_median_of_several_runs_is_given_for_each_length() -> None:
    spent_us = iter([9, 1, 2, 3, 90] + [20] * 5 + [30, 31, 32, 33, 34])
    now_ns = 0
    begun = False

    def clock() -> int:
        nonlocal now_ns, begun
        begun = not begun
        if not begun:
            now_ns += next(spent_us) * 1000
        return now_ns

    cost = measure(WholeEncoder("teacher"), clock=clock)
    assert cost.snapshot() == {
        "encoder": "teacher",
        "runs": 5,
        "points": tuple(zip(map(len, TEXTS), (3, 20, 32), strict=True)),
    }


def test_costs_are_those_of_a_real_encoder_and_grow_with_the_text() -> None:
    encoder = WholeEncoder()
    cost = measure(encoder)
    assert encoder.texts == [text for text in TEXTS for _ in range(cost.runs)]
    assert all(microseconds > 0 for _, microseconds in cost.points)


def test_an_incremental_encoder_is_no_teacher() -> None:
    whole = WholeEncoder()
    assert whole_text_encoder((None, MeanEncoder(), whole)) is whole
    assert whole_text_encoder((None, MeanEncoder())) is None
