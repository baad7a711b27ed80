"""Fusions by their formulas, and what each does with what one arm alone has found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typeahead.evaluate.measures.fusion import Fusion

DENSE = [(3, 0.9), (1, 0.7), (2, 0.5)]
LEXICAL = [(2, 12.0), (7, 6.0), (3, 4.0)]


def test_linear_interpolation_adds_shares_of_each_arms_own_range() -> None:
    fused = Fusion("linear", 0.25).fuse(DENSE, LEXICAL, 10)
    assert {hit.key: hit.score for hit in fused} == pytest.approx(
        {3: 0.75 * 1 + 0.25 * 0, 1: 0.75 * 0.5, 2: 0.75 * 0 + 0.25 * 1, 7: 0.25 * 0.25}
    )
    assert {hit.key: hit.arms for hit in fused} == {
        3: ("dense", "lexical"),
        1: ("dense",),
        2: ("dense", "lexical"),
        7: ("lexical",),
    }
    assert [hit.key for hit in fused] == [3, 1, 2, 7]


def test_reciprocal_rank_fusion_looks_at_ranks_alone() -> None:
    fused = Fusion("rrf", 0.5).fuse(DENSE, [(row, score * 1000) for row, score in LEXICAL], 10)
    scores = {hit.key: hit.score for hit in fused}
    assert scores[3] == pytest.approx(0.5 / 61 + 0.5 / 63)
    assert scores[2] == pytest.approx(0.5 / 63 + 0.5 / 61)
    assert scores[7] == pytest.approx(0.5 / 62)
    assert [hit.key for hit in fused] == [3, 2, 1, 7]  # ties by the place in the dense ranking


def test_only_the_best_of_each_arm_count() -> None:
    fused = Fusion("rrf", 0.5, depth=1).fuse(DENSE, LEXICAL, 10)
    assert [(hit.key, hit.arms) for hit in fused] == [(3, ("dense",)), (2, ("lexical",))]


@pytest.mark.parametrize("method", ["linear", "rrf"])
def test_an_arm_that_found_nothing_leaves_the_others_order(method: str) -> None:
    fusion = Fusion(method, 0.3)  # type: ignore[arg-type]
    assert [hit.key for hit in fusion.fuse(DENSE, [], 10)] == [3, 1, 2]
    assert [hit.key for hit in fusion.fuse([], LEXICAL, 10)] == [2, 7, 3]
    assert fusion.fuse([], [], 10) == []
    assert [hit.key for hit in fusion.fuse([(5, 0.4)], [(5, 2.0)], 10)] == [5]


rankings = st.lists(st.tuples(st.integers(0, 30), st.floats(-100, 100)), max_size=20, unique_by=lambda hit: hit[0]).map(
    lambda hits: sorted(hits, key=lambda hit: -hit[1])
)


@given(rankings, rankings, st.sampled_from(["linear", "rrf"]), st.floats(0, 1), st.integers(1, 25))
def test_every_row_comes_once_best_first_with_the_arms_that_found_it(
    dense: list[tuple[int, float]], lexical: list[tuple[int, float]], method: str, weight: float, k: int
) -> None:
    fused = Fusion(method, weight).fuse(dense, lexical, k)  # type: ignore[arg-type]
    rows = [hit.key for hit in fused]
    assert len(rows) == len(set(rows)) == min(k, len({row for row, _ in [*dense, *lexical]}))
    places = list(dict.fromkeys(row for row, _ in [*dense, *lexical]))
    assert fused == sorted(fused, key=lambda hit: (-hit.score, places.index(hit.key)))
    for hit in fused:
        for arm, ranking in (("dense", dense), ("lexical", lexical)):
            assert (arm in hit.arms) is (hit.key in [row for row, _ in ranking])


@pytest.mark.parametrize(
    ("method", "weight", "depth"), [("sum", 0.5, 1), ("rrf", -0.1, 1), ("rrf", 1.1, 1), ("rrf", 0, 0)]
)
def test_what_makes_no_sense_is_refused(method: str, weight: float, depth: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        Fusion(method, weight, depth)  # type: ignore[arg-type]
