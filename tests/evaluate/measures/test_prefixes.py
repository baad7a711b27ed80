"""The prefix benchmark: its definitions by hand and by brute force, and its last point against ordinary evaluation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluate.typing_fixtures import IDS, PASSAGES, Judgements, Scripted, screens
from typeahead.errors import SourceError, TextError
from typeahead.evaluate.measures.prefixes import DEPTH, NOTHING, QueryScores, keystroke_at, score, to_type

INF = math.inf


def scored(shown: Sequence[Sequence[int]], grades: dict[str, int], relevant_from: int = 1) -> QueryScores:
    """Scores of one query of as many characters as there are screens."""
    text = "x" * len(shown)
    dataset = Judgements({"q": text}, {"q": grades}, relevant_from)
    return score([Scripted("s", {text: screens(shown)})], dataset, PASSAGES)["s"]["q"]


def test_quality_is_the_ndcg_of_what_is_visible_after_each_key() -> None:
    found = scored([[], [3, 0], [0, 3, 1], [1]], {"p00": 2, "p01": 1, "p02": 0})
    ideal = 2 + 1 / math.log2(3)
    expected = [0, 2 / math.log2(3) / ideal, (2 + 1 / math.log2(4)) / ideal, 1 / ideal]
    np.testing.assert_allclose(found.quality, expected)


def test_keystrokes_to_the_first_relevant_passage_and_until_one_stays() -> None:
    found = scored([[5], [0, 5], [5], [5, 1], [0]], {"p00": 1, "p01": 2})
    assert found.first.tolist() == [2]
    assert found.stays.tolist() == [4]
    assert found.saved == pytest.approx(1 - 2 / 5)


def test_the_collection_s_threshold_decides_what_is_relevant() -> None:
    found = scored([[0], [1], [1]], {"p00": 1, "p01": 2}, relevant_from=2)
    assert found.first.tolist() == [2]
    assert found.quality[0] > 0


def test_a_query_whose_relevant_passage_never_shows_saves_nothing() -> None:
    found = scored([[5], [6]], {"p00": 1})
    assert found.first.tolist() == [INF]
    assert found.stays.tolist() == [INF]
    assert found.saved == 0


def test_a_relevant_passage_that_goes_again_does_not_stay() -> None:
    found = scored([[0], [5]], {"p00": 1})
    assert found.first.tolist() == [1]
    assert found.stays.tolist() == [INF]


def test_churn_is_the_share_that_the_larger_screen_does_not_share() -> None:
    ten = list(range(10))
    found = scored([[], [], [0, 1], [1, 0], [1, 2, 3], ten, [*ten[1:], 10], []], {"p00": 1})
    # Both empty; filled; order only; one of three shared; three of ten; nine of ten; emptied.
    np.testing.assert_allclose(found.churn, [0, 1, 0, 2 / 3, 7 / 10, 1 / 10, 1])


def test_the_last_half_are_the_keystrokes_beyond_the_middle() -> None:
    # n = 5: keystrokes 3, 4, 5. n = 4: 3, 4. n = 2: 2. n = 1: none.
    for characters, expected in ((5, 3), (4, 2), (2, 1), (1, 0)):
        assert len(scored([[0]] * characters, {"p00": 1}).last_half) == expected
    found = scored([[0], [1], [1], [2], [2]], {"p00": 1})
    assert found.churn.tolist() == [1, 0, 1, 0]
    assert found.last_half.tolist() == [0, 1, 0]


def test_draws_are_averaged() -> None:
    dataset = Judgements({"q": "ab"}, {"q": {"p00": 1}})
    typist = Scripted("s", {"ab": screens([[0], [0]], [[5], [0]], [[], [6]])})
    found = score([typist], dataset, PASSAGES)["s"]["q"]
    np.testing.assert_allclose(found.quality, [1 / 3, 2 / 3])
    assert found.first.tolist() == [1, 2, INF]
    assert found.saved == pytest.approx((1 / 2 + 0 + 0) / 3)
    np.testing.assert_allclose(found.churn, [(0 + 1 + 1) / 3])


@st.composite
def visible(draw: st.DrawFn) -> list[list[int]]:
    keys = draw(st.integers(1, 6))
    rows = st.lists(st.integers(0, len(IDS) - 1), max_size=DEPTH, unique=True)
    return draw(st.lists(rows, min_size=keys, max_size=keys))


@given(visible(), st.dictionaries(st.sampled_from(IDS), st.integers(0, 3), min_size=1), st.integers(1, 2))
def test_scores_equal_those_by_brute_force(shown: list[list[int]], grades: dict[str, int], relevant_from: int) -> None:
    found = scored(shown, grades, relevant_from)
    gains = sorted(grades.values(), reverse=True)
    ideal = sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains[:10]))
    holds = []
    for key, rows in enumerate(shown):
        here = [grades.get(IDS[row], 0) for row in rows]
        dcg = sum(gain / math.log2(rank + 2) for rank, gain in enumerate(here))
        assert found.quality[key] == pytest.approx(dcg / ideal if ideal else 0)
        holds.append(any(gain >= relevant_from for gain in here))
    assert found.first[0] == next((key + 1 for key in range(len(shown)) if holds[key]), INF)
    assert found.stays[0] == next((key + 1 for key in range(len(shown)) if all(holds[key:])), INF)
    for key in range(1, len(shown)):
        before, after = set(shown[key - 1]), set(shown[key])
        larger = max(len(before), len(after))
        assert found.churn[key - 1] == pytest.approx(1 - len(before & after) / larger if larger else 0)


def test_the_order_of_blocks_and_of_queries_does_not_matter() -> None:
    queries = {f"q{number}": "abc"[: number % 3 + 1] for number in range(7)}
    dataset = Judgements(queries, {key: {"p00": 1, "p03": 2} for key in queries})
    shows = {text: screens([[0, 3], [3], [5, 0]][: len(text)]) for text in queries.values()}
    whole = score([Scripted("s", shows)], dataset, PASSAGES)["s"]
    typist = Scripted("s", shows)
    parts = score([typist], dataset, PASSAGES, block=2)["s"]
    assert [len(asked) for asked in typist.asked] == [2, 2, 2, 1]
    assert list(parts) == list(whole) == list(queries)
    for key in queries:
        np.testing.assert_array_equal(parts[key].quality, whole[key].quality)


def test_the_visible_order_is_judged_as_it_is() -> None:
    """A measure that broke ties again, or read ranks as scores the wrong way, would give another figure."""
    rows = [7, 0, 11, 3]
    found = scored([rows], {"p00": 3, "p03": 1})
    run = {"q": {IDS[row]: 1.0 / (rank + 1) for rank, row in enumerate(rows)}}
    expected = ir_measures.calc_aggregate([ir_measures.nDCG @ 10], {"q": {"p00": 3, "p03": 1}}, run)
    assert found.quality[0] == pytest.approx(expected[ir_measures.nDCG @ 10], abs=1e-12)


@pytest.mark.parametrize(
    ("characters", "expected"),
    [
        (1, [1] * 10),
        (3, [1, 1, 1, 2, 2, 2, 3, 3, 3, 3]),
        (10, list(range(1, 11))),
        (11, [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    ],
)
def test_a_fraction_is_rounded_up_to_a_whole_keystroke(characters: int, expected: list[int]) -> None:
    assert [keystroke_at(percent, characters) for percent in range(10, 101, 10)] == expected


def test_a_lone_surrogate_is_refused_by_query_id() -> None:
    dataset = Judgements({"q1": "fine 👩", "q2": "ab\ud83d"}, {"q1": {"p00": 1}, "q2": {"p00": 1}})
    with pytest.raises(TextError, match=r"query 'q2' has a lone surrogate \(U\+D83D\) at position 2"):
        score([Scripted("s", {})], dataset, PASSAGES)


def test_an_empty_query_is_typed_as_a_blank_and_counts() -> None:
    assert to_type({"q1": "", "q2": "a"}) == {"q1": " ", "q2": "a"}
    dataset = Judgements({"q": ""}, {"q": {"p00": 1}})
    found = score([Scripted("s", {" ": screens([[]])})], dataset, PASSAGES)["s"]["q"]
    assert found.quality.tolist() == [0]
    assert found.saved == 0


def test_a_collection_without_a_query_is_refused() -> None:
    with pytest.raises(SourceError, match="no query"):
        score([], Judgements({}, {}), PASSAGES)


def test_two_systems_of_one_name_are_refused() -> None:
    typist = Scripted("s", {"a": screens([[0]])})
    with pytest.raises(ValueError, match="same name"):
        score([typist, typist], Judgements({"q": "a"}, {"q": {"p00": 1}}), PASSAGES)


def test_screens_of_another_length_than_the_query_are_refused() -> None:
    dataset = Judgements({"q": "abc"}, {"q": {"p00": 1}})
    with pytest.raises(ValueError, match=r"s: \(1, 2, 10\) screens for 3 keys of query 'q'"):
        score([Scripted("s", {"abc": screens([[0], [0]])})], dataset, PASSAGES)


def test_no_result_at_all_is_zero() -> None:
    found = scored([[], []], {"p00": 1})
    assert found.quality.tolist() == [0, 0]
    assert found.churn.tolist() == [0]
    assert NOTHING not in found.first
