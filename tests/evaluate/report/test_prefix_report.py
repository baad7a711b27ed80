"""Figures of the prefix benchmark from scores that are given: means, ratios, medians and intervals by hand."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from tests.evaluate.typing_fixtures import PASSAGES, Judgements, Scripted, screens
from typeahead.evaluate.measures.prefixes import QueryScores
from typeahead.evaluate.report import prefix_report
from typeahead.evaluate.report.prefix_report import CHARACTERS_LEFT, FRACTIONS, PrefixReport

INF = math.inf


def query(
    quality: list[float],
    *,
    first: tuple[float, ...] = (1,),
    stays: tuple[float, ...] = (1,),
    churn: list[float] | None = None,
) -> QueryScores:
    changes = [0.0] * (len(quality) - 1) if churn is None else churn
    return QueryScores(np.array(quality), np.array(first), np.array(stays), np.array(changes))


def report(**systems: list[QueryScores]) -> PrefixReport:
    scores = {name: {f"q{row}": one for row, one in enumerate(queries)} for name, queries in systems.items()}
    return PrefixReport("tiny", scores, teacher="teacher")


def system(found: PrefixReport, name: str = "student") -> dict[str, Any]:
    figures = found.to_dict()
    json.dumps(figures, allow_nan=False)
    one: dict[str, Any] = next(one for one in figures["systems"] if one["typist"] == name)
    return one


#: Queries of ten and of two code points.
TEACHER = [query([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]), query([0.2, 0.6])]
STUDENT = [query([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]), query([0.0, 0.3])]


def test_quality_by_fraction_is_the_mean_over_all_queries() -> None:
    found = system(report(teacher=TEACHER, student=STUDENT))["nDCG@10"]
    # Every 5%: ten code points are two fractions each, two are ten each.
    expected = [(at // 2 / 10 + (0.0 if at < 10 else 0.3)) / 2 for at in range(20)]
    assert found["by_fraction"] == pytest.approx(expected)
    assert found["over_all_keystrokes"] == pytest.approx((0.45 + 0.15) / 2)


def test_quality_by_characters_left_is_over_the_queries_that_are_long_enough() -> None:
    found = report(teacher=TEACHER, student=STUDENT)
    figures = found.to_dict()
    assert figures["queries_by_characters_left"] == [2, 2, *[1] * 8, *[0] * 11]
    left = system(found)["nDCG@10"]["by_characters_left"]
    assert left[:10] == pytest.approx([0.6, 0.4, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0])
    assert left[10:] == [None] * 11
    assert len(left) == len(CHARACTERS_LEFT)


def test_what_is_retained_is_a_ratio_of_means_over_the_same_queries() -> None:
    found = system(report(teacher=TEACHER, student=STUDENT))
    whole, same = found["retained_of_whole"], found["retained_of_same_prefix"]
    assert whole["by_fraction"][-1] == pytest.approx((0.9 + 0.3) / (1.0 + 0.6))
    assert whole["by_fraction"][9] == pytest.approx(0.4 / (1.0 + 0.6))
    assert same["by_fraction"][9] == pytest.approx(0.4 / (0.5 + 0.2))
    # Two characters left: the long query alone.
    assert whole["by_characters_left"][2] == pytest.approx(0.7 / 1.0)
    assert same["by_characters_left"][2] == pytest.approx(0.7 / 0.8)


def test_the_teacher_retains_all_of_itself() -> None:
    found = system(report(teacher=TEACHER, student=STUDENT), "teacher")
    assert found["retained_of_same_prefix"]["by_fraction"] == pytest.approx([1.0] * 20)
    assert found["retained_of_same_prefix"]["interval_by_fraction"] == [pytest.approx([1.0, 1.0])] * 20
    assert found["retained_of_whole"]["by_fraction"][-1] == pytest.approx(1.0)


def test_a_teacher_that_finds_nothing_leaves_no_ratio() -> None:
    nothing = [query([0.0, 0.0]), query([0.0, 0.0])]
    found = system(report(teacher=nothing, student=[query([0.0, 1.0]), query([0.0, 0.0])]))
    assert found["retained_of_whole"]["by_fraction"] == [None] * 20
    assert found["retained_of_whole"]["interval_by_fraction"] == [[None, None]] * 20
    assert found["nDCG@10"]["by_fraction"][-1] == 0.5


def test_never_counts_as_more_than_any_number_of_keystrokes() -> None:
    def first(*counts: float) -> dict[str, Any]:
        queries = [query([0.0] * 10, first=(count,), stays=(INF,)) for count in counts]
        found = system(report(teacher=queries, student=queries))
        assert found["relevant_stays"] == {"median": None, "mean": None, "never": 1.0}
        one: dict[str, Any] = found["first_relevant"]
        return one

    assert first(2, 4, INF) == {"median": 4, "mean": 3, "never": pytest.approx(1 / 3)}
    assert first(2, 4, 6, INF) == {"median": 5, "mean": 4, "never": 0.25}
    assert first(2, INF) == {"median": None, "mean": 2, "never": 0.5}


def test_typing_saved_is_the_mean_over_all_queries_and_draws() -> None:
    queries = [query([0.0] * 10, first=(2, INF)), query([0.0] * 4, first=(4, 1))]
    found = system(report(teacher=queries, student=queries))
    assert found["typing_saved"] == pytest.approx((0.8 + 0 + 0 + 0.75) / 4)
    assert found["first_relevant"]["never"] == 0.25


def test_churn_is_the_mean_of_the_queries_means() -> None:
    queries = [query([0.0] * 5, churn=[1.0, 0.0, 1.0, 0.0]), query([0.0] * 2, churn=[0.25]), query([0.0])]
    churn = system(report(teacher=queries, student=queries))["churn"]
    assert churn["mean"] == pytest.approx((0.5 + 0.25) / 2)
    assert churn["last_half"] == pytest.approx((1 / 3 + 0.25) / 2)
    single = [query([0.5])]
    assert system(report(teacher=single, student=single))["churn"] == {"mean": None, "last_half": None}


def test_an_interval_is_that_of_the_mean_over_resampled_queries() -> None:
    random = np.random.default_rng(0)
    values = random.uniform(size=400)
    queries = [query([value]) for value in values]
    found = system(report(teacher=queries, student=queries))["nDCG@10"]
    low, high = found["interval_by_fraction"][-1]
    # The normal approximation holds for 400 values.
    half = 1.96 * values.std() / math.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.2 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.2 * half)


def test_a_ratio_is_resampled_in_pairs() -> None:
    random = np.random.default_rng(0)
    values = random.uniform(size=50)
    teacher, student = ([query([share * value]) for value in values] for share in (1.0, 0.9))
    found = system(report(teacher=teacher, student=student))
    assert found["retained_of_whole"]["interval_by_fraction"][-1] == pytest.approx([0.9, 0.9])


def test_each_query_s_figures_are_kept_for_who_wants_to_compare() -> None:
    found = system(report(teacher=TEACHER, student=STUDENT))["per_query"]
    assert list(found) == ["q0", "q1"]
    assert found["q1"]["code_points"] == 2
    assert np.mean([one["nDCG@10_by_fraction"] for one in found.values()], axis=0) == pytest.approx(
        system(report(teacher=TEACHER, student=STUDENT))["nDCG@10"]["by_fraction"]
    )
    assert "per_query" not in report(teacher=TEACHER).to_dict(per_query=False)["systems"][0]


def test_a_collection_is_evaluated_with_all_systems() -> None:
    dataset = Judgements({"q1": "ab", "q2": "c"}, {"q1": {"p00": 1}, "q2": {"p01": 1}})
    teacher = Scripted("teacher", {"ab": screens([[5], [0]]), "c": screens([[1]])})
    other = Scripted("other", {"ab": screens([[], []], [[0], [0]]), "c": screens([[]], [[]])})
    seen: list[tuple[str, int, int | None]] = []
    found = prefix_report.evaluate(
        dataset, [other, teacher], PASSAGES, teacher="teacher", progress=lambda *what: seen.append(what)
    )
    figures = found.to_dict()
    assert [(one["typist"], one["draws"]) for one in figures["systems"]] == [("other", 2), ("teacher", 1)]
    assert figures["systems"][0]["facts"] == {"scripted": True}
    assert figures["code_points"] == {"all": 3, "median": 1.5}
    assert len(figures["fractions"]) == len(FRACTIONS) == 20
    assert {stage for stage, *_ in seen} == {"other", "teacher"}
    rows = found.rows()
    assert [row["system"] for row in rows] == ["other", "teacher"]
    assert rows[1]["nDCG@10 at 100%"] == 1.0
    assert rows[0]["keys to relevant (median)"] == "never"
    assert rows[0]["of whole at 85% (%)"] == 25.0
    with pytest.raises(ValueError, match="no system is called 'x'"):
        prefix_report.evaluate(dataset, [teacher], PASSAGES, teacher="x")
