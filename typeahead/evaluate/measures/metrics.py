"""Measures of a run against judgements, for each query and as a mean, by ``ir_measures``.

They follow trec_eval: nDCG has linear gain, documents without a judgement are not relevant, and equal scores are ranked
by document id, descending. :mod:`~typeahead.evaluate.measures.comparison` compares two runs' values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np

from typeahead.errors import MissingExtra
from typeahead.evaluate.measures.runs import Run

#: The measures, in the order of tables. R@k is also called recall; the mean of RR@10 is MS MARCO's MRR@10.
MEASURES = ("nDCG@10", "RR@10", "R@5", "R@20", "R@50", "R@100", "R@1000")

Qrels = Mapping[str, Mapping[str, int]]
#: Queries that are scored at once: ir_measures holds their hits as Python objects.
_BATCH = 256


def per_query(run: Run, qrels: Qrels, relevant_from: int) -> dict[str, dict[str, float]]:
    """Each measure's value for each query: ``values[measure][query]``.

    All judged queries count, in the order of ``qrels``. A query without hits or without a relevant document is 0.
    (trec_eval without ``-c`` leaves out queries that are not in the run; ir_measures does not.) Queries of the run
    without judgements are left out. A document counts as relevant for RR and R from the grade
    ``relevant_from`` on; nDCG's gain is the grade itself, and negative grades gain nothing.

    Raises :class:`~typeahead.errors.MissingExtra` without ir_measures.
    """
    try:
        import ir_measures
    except ImportError as error:
        raise MissingExtra("ir_measures", "evaluate") from error
    if relevant_from < 1:
        raise ValueError(f"relevant_from is {relevant_from}: documents of grade 0 and below are never relevant")
    measures = {ir_measures.parse_measure(_of_grade(name, relevant_from)): name for name in MEASURES}
    values = {name: dict.fromkeys(qrels, 0.0) for name in MEASURES}
    for part in _batches(qrels):
        for metric in ir_measures.iter_calc(list(measures), part, _ranks(run, part)):
            values[measures[metric.measure]][metric.query_id] = float(metric.value)
    return values


def _of_grade(name: str, relevant_from: int) -> str:
    """The measure's name in ir_measures, such as ``R(rel=2)@50``."""
    base, cutoff = name.split("@")
    return name if base == "nDCG" else f"{base}(rel={relevant_from})@{cutoff}"


def _batches(qrels: Qrels) -> Iterator[dict[str, dict[str, int]]]:
    queries = iter(qrels)
    while part := list(islice(queries, _BATCH)):
        yield {query: dict(qrels[query]) for query in part}


def _ranks(run: Run, queries: Qrels) -> dict[str, dict[str, float]]:
    """The run with ranks as scores: RR@10 of ir_measures is MS MARCO's and breaks ties differently from trec_eval."""
    return {
        query: {document: float(-rank) for rank, document in enumerate(hits.ids)}
        for query in queries
        if (hits := run.hits.get(query))
    }


def mean(values: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The mean of each measure over its queries, as a fraction; 0 if there are none."""
    return {measure: float(np.mean(list(found.values()))) if found else 0.0 for measure, found in values.items()}
