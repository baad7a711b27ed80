"""Compares an encoder with the teacher query by query: what it retains, whether that is chance, where it falls short.

:mod:`~typeahead.evaluate.measures.metrics` gives the values. Pure NumPy; every random choice has a seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.errors import SourceError
from typeahead.evaluate.measures.metrics import Qrels
from typeahead.evaluate.measures.runs import Run

Values = NDArray[np.float64]

#: As many as Smucker et al. take; a p-value of 0.05 then has a standard error of 0.0007.
ROUNDS = 100_000
#: Rounds of the permutation tests, each of which shuffles all queries.
PERMUTATIONS = 10_000
#: The measures whose drop is correlated with length.
_CORRELATED = ("nDCG@10", "RR@10")
#: Random numbers that are drawn at once.
_DRAWN = 1 << 22
#: Differences below are rounding: sums of the same numbers in another order.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class MeasureComparison:
    """One measure: means, their ratio, the mean difference, and the numbers of better and worse queries."""

    measure: str
    teacher: float
    encoder: float
    #: Encoder's mean over teacher's; None where the teacher's is 0.
    retained: float | None
    #: Mean of encoder's value minus teacher's.
    delta: float
    wins: int
    ties: int
    losses: int
    #: Of the paired randomisation test.
    p_value: float


@dataclass(frozen=True)
class RecallCurve:
    """R@k for k = 1, 2, …: the teacher's, the encoder's, and their ratio, None where the teacher's is 0."""

    k: list[int]
    teacher: list[float]
    encoder: list[float]
    retained: list[float | None]


@dataclass(frozen=True)
class Correlation:
    """Correlation of a measure's drop, teacher's value minus encoder's, with the length of queries.

    Coefficients are None where the drop or the length is the same for all queries. P-values are two-sided, by
    permutation.
    """

    measure: str
    #: What length is counted in: "words" or "word pieces".
    unit: str
    pearson: float | None
    pearson_p: float | None
    spearman: float | None
    spearman_p: float | None


@dataclass(frozen=True)
class QueryDelta:
    """One query's values of one measure."""

    query: str
    text: str
    teacher: float
    encoder: float
    delta: float


@dataclass(frozen=True)
class Comparison:
    """The whole comparison of one encoder with the teacher."""

    teacher: str
    encoder: str
    queries: int
    #: Rounds of the randomisation tests and of the correlations' permutation tests; both have the same seed.
    rounds: int
    permutations: int
    seed: int
    measures: list[MeasureComparison]
    recall: RecallCurve
    correlations: list[Correlation]
    #: The measure that orders ``worst``.
    worst_by: str
    worst: list[QueryDelta]

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, strings, numbers and None."""
        return asdict(self)


def compare(
    run: Run,
    teacher: Run,
    values: Mapping[str, Mapping[str, float]],
    teacher_values: Mapping[str, Mapping[str, float]],
    *,
    qrels: Qrels,
    relevant_from: int,
    texts: Mapping[str, str],
    word_pieces: Mapping[str, int] | None = None,
    rounds: int = ROUNDS,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    worst: int = 10,
    worst_by: str = "nDCG@10",
    depth: int = 100,
) -> Comparison:
    """Compare a run with the teacher's, over the same queries.

    ``values`` and ``teacher_values`` are what :func:`.metrics.per_query` gives for the two runs; ``texts`` has each
    query's text and ``word_pieces`` its number of tokens, without special ones. Lists the ``worst`` queries that lost
    most, and recall up to ``depth``.

    Raises :class:`~typeahead.errors.SourceError` if the two do not have values for the same measures and queries.
    """
    if {measure: set(found) for measure, found in values.items()} != {
        measure: set(found) for measure, found in teacher_values.items()
    }:
        raise SourceError(f"{run.name!r} and {teacher.name!r} were not scored by the same measures on the same queries")
    queries = list(next(iter(values.values()), {}))
    ours = {measure: _column(found, queries) for measure, found in values.items()}
    theirs = {measure: _column(found, queries) for measure, found in teacher_values.items()}
    deltas = {measure: ours[measure] - theirs[measure] for measure in ours}
    p_values = randomisation_test(np.column_stack(list(deltas.values())), rounds=rounds, seed=seed)
    lengths = {"words": [len(texts[query].split()) for query in queries]}
    if word_pieces is not None:
        lengths["word pieces"] = [word_pieces[query] for query in queries]
    return Comparison(
        teacher=teacher.name,
        encoder=run.name,
        queries=len(queries),
        rounds=rounds,
        permutations=permutations,
        seed=seed,
        measures=[
            _measure(measure, ours[measure], theirs[measure], float(p))
            for measure, p in zip(deltas, p_values, strict=True)
        ],
        recall=recall_curve(run, teacher, qrels, relevant_from, depth=depth),
        correlations=[
            correlate(measure, unit, -deltas[measure], np.array(counts, float), rounds=permutations, seed=seed)
            for measure in _CORRELATED
            if measure in deltas
            for unit, counts in lengths.items()
        ],
        worst_by=worst_by,
        worst=[
            QueryDelta(
                queries[at],
                texts[queries[at]],
                float(theirs[worst_by][at]),
                float(ours[worst_by][at]),
                float(deltas[worst_by][at]),
            )
            for at in np.argsort(deltas[worst_by], kind="stable")[:worst].tolist()
            if deltas[worst_by][at] < 0
        ],
    )


def _column(found: Mapping[str, float], queries: Sequence[str]) -> Values:
    return np.array([found[query] for query in queries], np.float64)


def _measure(measure: str, ours: Values, theirs: Values, p_value: float) -> MeasureComparison:
    delta = ours - theirs
    mean, base = float(ours.mean()), float(theirs.mean())
    wins, losses = int((delta > _ROUNDING).sum()), int((delta < -_ROUNDING).sum())
    return MeasureComparison(
        measure=measure,
        teacher=base,
        encoder=mean,
        retained=mean / base if base else None,
        delta=float(delta.mean()),
        wins=wins,
        ties=len(delta) - wins - losses,
        losses=losses,
        p_value=p_value,
    )


def randomisation_test(deltas: Values, *, rounds: int = ROUNDS, seed: int = 0) -> Values:
    """Two-sided p-values of the paired randomisation test for columns of differences: (queries, m) gives (m,).

    Fisher's test as Smucker, Allan and Carterette describe it in section 2.1 of *A Comparison of Statistical
    Significance Tests for Information Retrieval Evaluation* (CIKM 2007). If the two systems were one, the two values of
    a query could be swapped, which changes the sign of their difference. The p-value is the share of random swaps with
    a mean difference at least as far from 0 as the observed one. The observed one counts as a round, so no p-value is 0
    (Phipson and Smyth, 2010, section 4).
    """
    # Queries without any difference do not change a sum, whatever their sign.
    deltas = deltas[np.abs(deltas).max(axis=1, initial=0) > _ROUNDING]
    count = len(deltas)
    seen = np.abs(deltas.sum(axis=0))
    limit = seen - _ROUNDING * np.abs(deltas).sum(axis=0)
    rng = np.random.default_rng(seed)
    beyond = np.zeros(deltas.shape[1], np.int64)
    at_once = max(_DRAWN // max(count, 1), 1)
    for start in range(0, rounds, at_once):
        now = min(at_once, rounds - start)
        bits = np.unpackbits(np.frombuffer(rng.bytes(now * -(-count // 8)), np.uint8).reshape(now, -1), axis=1)
        # A sum of signed differences is twice that of the positive ones minus that of all.
        sums = 2 * (bits[:, :count].astype(np.float64) @ deltas) - deltas.sum(axis=0)
        beyond += (np.abs(sums) >= limit).sum(axis=0)
    p_values: Values = (beyond + 1) / (rounds + 1)
    return p_values


def recalls(run: Run, qrels: Qrels, relevant_from: int, *, depth: int = 100) -> Values:
    """Mean R@k over all judged queries for k = 1 to ``depth``: float64 (depth,).

    As in :func:`.metrics.per_query`, a query without hits or without a relevant document counts as 0.
    """
    total = np.zeros(depth)
    for query, grades in qrels.items():
        relevant = {document for document, grade in grades.items() if grade >= relevant_from}
        hits = run.hits.get(query)
        if hits and relevant:
            found = np.zeros(depth)
            for at, document in enumerate(hits.ids[:depth]):
                found[at] = document in relevant
            total += np.cumsum(found) / len(relevant)
    return total / max(len(qrels), 1)


def recall_curve(run: Run, teacher: Run, qrels: Qrels, relevant_from: int, *, depth: int = 100) -> RecallCurve:
    """R@k of both runs for k = 1 to ``depth``, and the share that the first retains of the teacher's."""
    ours = recalls(run, qrels, relevant_from, depth=depth).tolist()
    theirs = recalls(teacher, qrels, relevant_from, depth=depth).tolist()
    retained = [mine / base if base else None for mine, base in zip(ours, theirs, strict=True)]
    return RecallCurve(list(range(1, depth + 1)), theirs, ours, retained)


def correlate(
    measure: str, unit: str, drops: Values, lengths: Values, *, rounds: int = PERMUTATIONS, seed: int = 0
) -> Correlation:
    """Pearson's and Spearman's correlation of drops (n,) with lengths (n,).

    A p-value is the share of random permutations of the lengths that correlate at least as much, in either direction;
    the observed order counts as one of them.
    """
    pearson, pearson_p = _correlation(drops, lengths, rounds, seed)
    spearman, spearman_p = _correlation(average_ranks(drops), average_ranks(lengths), rounds, seed)
    return Correlation(measure, unit, pearson, pearson_p, spearman, spearman_p)


def _correlation(first: Values, second: Values, rounds: int, seed: int) -> tuple[float | None, float | None]:
    if len(first) < 2 or np.ptp(first) <= _ROUNDING or np.ptp(second) <= _ROUNDING:
        return None, None
    first, second = _standard(first), _standard(second)
    seen = float(first @ second)
    rng = np.random.default_rng(seed)
    beyond = 0
    at_once = max(_DRAWN // len(first), 1)
    for start in range(0, rounds, at_once):
        now = min(at_once, rounds - start)
        shuffled = rng.permuted(np.broadcast_to(second, (now, len(second))), axis=1)
        beyond += int((np.abs(shuffled @ first) >= abs(seen) - _ROUNDING).sum())
    return seen, (beyond + 1) / (rounds + 1)


def _standard(values: Values) -> Values:
    """Scaled to mean 0 and length 1, so the product of two such is Pearson's r."""
    centred = values - values.mean()
    unit: Values = centred / np.linalg.norm(centred)
    return unit


def average_ranks(values: Values) -> Values:
    """Ranks from 1; equal values share the mean of theirs, as Spearman's coefficient asks for."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Values = (last - (counts - 1) / 2)[group]
    return ranks
