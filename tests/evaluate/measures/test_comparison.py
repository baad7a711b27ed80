"""Comparison with the teacher: the tests' p-values against all sign patterns and permutations, counted one by one."""

from __future__ import annotations

import itertools
import json
import math
import statistics

import numpy as np
import pytest

from typeahead.errors import SourceError
from typeahead.evaluate.measures.comparison import (
    Comparison,
    average_ranks,
    compare,
    correlate,
    randomisation_test,
    recall_curve,
    recalls,
)
from typeahead.evaluate.measures.metrics import per_query
from typeahead.evaluate.measures.runs import Run

ROUNDS = 20_000


def share_of_sign_patterns(deltas: list[float]) -> float:
    """The oracle: all 2^n ways to swap the two systems' values."""
    seen = abs(math.fsum(deltas))
    patterns = list(itertools.product((-1, 1), repeat=len(deltas)))
    beyond = sum(
        abs(math.fsum(sign * delta for sign, delta in zip(signs, deltas, strict=True))) >= seen - 1e-9
        for signs in patterns
    )
    return beyond / len(patterns)


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.3])
def test_the_randomisation_test_gives_the_share_of_all_sign_patterns(shift: float) -> None:
    rng = np.random.default_rng(int(10 * shift))
    deltas = np.round(rng.normal(shift, 0.3, 11), 1)
    expected = share_of_sign_patterns(deltas.tolist())
    (found,) = randomisation_test(deltas[:, None], rounds=ROUNDS, seed=1)
    assert found == pytest.approx(expected, abs=5 * math.sqrt(expected * (1 - expected) / ROUNDS) + 2 / ROUNDS)


def test_the_randomisation_test_has_two_sides() -> None:
    deltas = np.array([[0.1], [0.2], [0.3], [-0.05]])
    assert randomisation_test(deltas, seed=3) == randomisation_test(-deltas, seed=3)


def test_each_column_of_differences_has_its_own_p_value() -> None:
    rng = np.random.default_rng(4)
    deltas = np.column_stack([rng.normal(size=10), np.full(10, 0.1), np.zeros(10)])
    found = randomisation_test(deltas, rounds=ROUNDS)
    expected = [share_of_sign_patterns(column.tolist()) for column in deltas.T]
    np.testing.assert_allclose(found, expected, atol=0.02)
    # Queries that do not differ decide nothing.
    assert found[2] == 1


def test_a_p_value_is_never_zero_and_the_same_seed_gives_the_same() -> None:
    deltas = np.full((200, 1), 0.5)
    assert randomisation_test(deltas, rounds=999).tolist() == [1 / 1000]
    noise = np.random.default_rng(0).normal(size=(50, 2))
    assert randomisation_test(noise, seed=7).tolist() == randomisation_test(noise, seed=7).tolist()
    assert randomisation_test(noise, seed=7).tolist() != randomisation_test(noise, seed=8).tolist()


def test_correlations_are_those_of_the_formulas_and_of_all_permutations() -> None:
    drops = [0.1, 0.4, 0.2, 0.9, 0.3, 0.8]
    lengths = [2.0, 3.0, 3.0, 9.0, 1.0, 4.0]
    found = correlate("nDCG@10", "words", np.array(drops), np.array(lengths), rounds=ROUNDS)
    ranks = average_ranks(np.array(drops)).tolist(), average_ranks(np.array(lengths)).tolist()
    for (first, second), r, p in [
        ((drops, lengths), found.pearson, found.pearson_p),
        (ranks, found.spearman, found.spearman_p),
    ]:
        expected = statistics.correlation(first, second)
        assert r == pytest.approx(expected)
        all_of_them = [statistics.correlation(first, list(order)) for order in itertools.permutations(second)]
        share = sum(abs(other) >= abs(expected) - 1e-9 for other in all_of_them) / len(all_of_them)
        assert p == pytest.approx(share, abs=0.02)


def test_ranks_of_equal_values_are_their_mean() -> None:
    assert average_ranks(np.array([3.0, 1.0, 3.0, 2.0, 3.0])).tolist() == [4, 1, 4, 2, 4]


@pytest.mark.parametrize(
    ("drops", "lengths"), [([0.0, 0.0, 0.0], [1.0, 2.0, 3.0]), ([0.1, 0.2], [4.0, 4.0]), ([0.5], [1.0]), ([], [])]
)
def test_a_correlation_with_what_never_changes_is_none(drops: list[float], lengths: list[float]) -> None:
    found = correlate("RR@10", "words", np.array(drops), np.array(lengths))
    assert (found.pearson, found.pearson_p, found.spearman, found.spearman_p) == (None, None, None, None)


def random_runs(rng: np.random.Generator) -> tuple[Run, Run, dict[str, dict[str, int]]]:
    runs = [
        Run(name, {f"q{q}": [(f"d{d}", float(s)) for d, s in enumerate(rng.random(300))] for q in range(20)})
        for name in ("student", "teacher")
    ]
    qrels = {f"q{q}": {f"d{d}": int(rng.integers(0, 3)) for d in rng.permutation(300)[:20]} for q in range(22)}
    return runs[0], runs[1], qrels


def test_recall_at_each_depth_is_that_of_ir_measures() -> None:
    ir_measures = pytest.importorskip("ir_measures")
    run, _, qrels = random_runs(np.random.default_rng(0))
    measures = [ir_measures.R(rel=2) @ depth for depth in range(1, 101)]
    scores = {query: dict(hits) for query, hits in run.hits.items()}
    expected = ir_measures.calc_aggregate(measures, qrels, scores)
    np.testing.assert_allclose(recalls(run, qrels, 2), [expected[measure] for measure in measures], atol=1e-9)


def test_retained_recall_is_a_ratio_and_none_where_the_teacher_finds_nothing() -> None:
    teacher = Run("t", {"q": [("x", 3), ("a", 2), ("b", 1)]})
    run = Run("s", {"q": [("a", 3)]})
    curve = recall_curve(run, teacher, {"q": {"a": 1, "b": 1}}, 1, depth=3)
    assert curve.k == [1, 2, 3]
    assert curve.encoder == [0.5, 0.5, 0.5]
    assert curve.teacher == [0, 0.5, 1]
    assert curve.retained == [None, 1, 0.5]


def compared(*, worst: int = 10, seed: int = 0) -> Comparison:
    run, teacher, qrels = random_runs(np.random.default_rng(1))
    texts = {query: " ".join("word" for _ in range(at % 5 + 1)) for at, query in enumerate(qrels)}
    return compare(
        run,
        teacher,
        per_query(run, qrels, 1),
        per_query(teacher, qrels, 1),
        qrels=qrels,
        relevant_from=1,
        texts=texts,
        word_pieces={query: 2 * len(text) for query, text in texts.items()},
        rounds=500,
        permutations=200,
        worst=worst,
        seed=seed,
    )


def test_a_comparison_agrees_with_the_values_that_it_compares() -> None:
    run, teacher, qrels = random_runs(np.random.default_rng(1))
    ours, theirs = per_query(run, qrels, 1), per_query(teacher, qrels, 1)
    found = compared()
    assert (found.queries, found.encoder, found.teacher) == (22, "student", "teacher")
    for line in found.measures:
        deltas = [ours[line.measure][query] - theirs[line.measure][query] for query in qrels]
        assert line.delta == pytest.approx(statistics.mean(deltas))
        assert line.encoder == pytest.approx(statistics.mean(ours[line.measure].values()))
        assert line.teacher == pytest.approx(statistics.mean(theirs[line.measure].values()))
        assert line.retained == pytest.approx(line.encoder / line.teacher)
        assert line.wins == sum(delta > 1e-9 for delta in deltas)
        assert line.losses == sum(delta < -1e-9 for delta in deltas)
        assert line.wins + line.ties + line.losses == 22
        assert 0 < line.p_value <= 1
    assert [(line.measure, line.unit) for line in found.correlations] == [
        (measure, unit) for measure in ("nDCG@10", "RR@10") for unit in ("words", "word pieces")
    ]


def test_the_worst_queries_are_those_that_lost_most_and_no_others() -> None:
    run, teacher, qrels = random_runs(np.random.default_rng(1))
    ours, theirs = per_query(run, qrels, 1)["nDCG@10"], per_query(teacher, qrels, 1)["nDCG@10"]
    losers = sorted((query for query in qrels if ours[query] < theirs[query]), key=lambda q: ours[q] - theirs[q])
    assert [line.query for line in compared(worst=3).worst] == losers[:3]
    assert [line.query for line in compared(worst=99).worst] == losers


def test_a_comparison_is_plain_json_and_the_same_for_the_same_seed() -> None:
    found = compared(seed=5)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False)) == compared(seed=5).to_json()
    assert len(found.recall.k) == 100


def test_an_encoder_that_equals_the_teacher_retains_all_and_differs_by_chance() -> None:
    run, _, qrels = random_runs(np.random.default_rng(1))
    values = per_query(run, qrels, 1)
    found = compare(run, run, values, values, qrels=qrels, relevant_from=1, texts=dict.fromkeys(qrels, "a"), rounds=99)
    assert all((line.retained, line.p_value, line.ties) == (1, 1, 22) for line in found.measures)
    assert found.worst == []


def test_values_of_other_queries_are_refused() -> None:
    run, teacher, qrels = random_runs(np.random.default_rng(1))
    fewer = per_query(teacher, {query: qrels[query] for query in list(qrels)[1:]}, 1)
    with pytest.raises(SourceError, match="'student' and 'teacher' were not scored"):
        compare(run, teacher, per_query(run, qrels, 1), fewer, qrels=qrels, relevant_from=1, texts={})
