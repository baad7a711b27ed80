"""Measures whether a hybrid of vectors and words beats vectors alone, and with which fusion and weight.

Every judged query is asked whole and unfinished, over the same passages. The dense arm searches the passages' vectors
with a query encoder. The sibling :mod:`~typeahead.evaluate.measures.lexical` searches words, and
:mod:`~typeahead.evaluate.measures.fusion` fuses both. For a query of n code points that is typed to a share f, the
first ⌈f·n⌉ code points are asked. Choose weights on a split of which no figure is reported: the report's ``best`` is
for a development split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from typeahead.evaluate.measures.fusion import METHODS, Fusion, Method
from typeahead.evaluate.measures.lexical import indexed_words
from typeahead.evaluate.measures.metrics import mean, per_query
from typeahead.evaluate.measures.prefixes import keystroke_at
from typeahead.evaluate.measures.runs import Run
from typeahead.evaluate.vectors.search import NO_ROW, search
from typeahead.index.vectors import Ranking
from typeahead.search.port import DENSE, LEXICAL

if TYPE_CHECKING:
    from typeahead.evaluate.data.datasets import Dataset
    from typeahead.evaluate.peers import Peer
    from typeahead.evaluate.vectors.passages import PassageVectors
    from typeahead.progress import OnProgress

#: The measure for comparing fusions.
MEASURE = "nDCG@10"
#: Hits of a fused ranking that are scored.
_DEPTH = 100


@dataclass(frozen=True)
class Point:
    """The figure of one system for queries typed to ``percent``."""

    percent: int
    #: "dense", "lexical" or a fusion's method.
    system: str
    #: Weight of the lexical arm; None for an arm alone.
    weight: float | None
    value: float


@dataclass(frozen=True)
class HybridReport:
    """All points of one collection."""

    dataset: str
    encoder: str
    queries: int
    points: Sequence[Point]

    def value(self, percent: int, system: str, weight: float | None = None) -> float:
        """The figure of one point."""
        return next(
            point.value
            for point in self.points
            if (point.percent, point.system, point.weight) == (percent, system, weight)
        )

    def rows(self) -> list[dict[str, Any]]:
        """A row for each share typed and system, with its gain over the dense arm."""
        return [
            {
                "typed %": point.percent,
                "system": point.system,
                "lexical weight": "" if point.weight is None else point.weight,
                MEASURE: round(point.value, 4),
                "over dense %": _gain(point.value, self.value(point.percent, DENSE)),
            }
            for point in self.points
        ]

    def best(self) -> dict[str, dict[str, float]]:
        """For each method, the weight with the highest mean over all shares typed, and that mean."""
        percents = sorted({point.percent for point in self.points})
        found: dict[str, dict[str, float]] = {}
        for method in METHODS:
            weights = sorted(
                {point.weight for point in self.points if point.system == method and point.weight is not None}
            )
            means = {weight: sum(self.value(percent, method, weight) for percent in percents) for weight in weights}
            if means:
                weight = max(means, key=lambda weight: means[weight])
                found[method] = {"weight": weight, MEASURE: round(means[weight] / len(percents), 4)}
        return found

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            "dataset": self.dataset,
            "query_encoder": self.encoder,
            "queries": self.queries,
            "measure": MEASURE,
            "best": self.best(),
            "rows": self.rows(),
        }


def evaluate(
    dataset: Dataset,
    passages: PassageVectors,
    peer: Peer,
    *,
    percents: Sequence[int],
    weights: Sequence[float],
    methods: Sequence[Method] = METHODS,
    folder: Path,
    threads: int | None = None,
    progress: OnProgress | None = None,
) -> HybridReport:
    """Ask every judged query of ``dataset``, typed to each of ``percents``, by each arm and each fusion.

    The words are indexed in a file below ``folder``, which is deleted at the end.
    """
    points: list[Point] = []
    with indexed_words(dataset, folder) as words:
        for percent in percents:
            texts = [text[: keystroke_at(percent, len(text))] for text in dataset.queries.values()]
            dense = _dense(peer, texts, passages, threads, progress)
            lexical = [words.search(text, _DEPTH) for text in texts]
            points.append(Point(percent, DENSE, None, _score(dataset, passages, dense)))
            points.append(Point(percent, LEXICAL, None, _score(dataset, passages, lexical)))
            for method in methods:
                for weight in weights:
                    fusion = Fusion(method, weight, _DEPTH)
                    fused = [
                        [(hit.key, hit.score) for hit in fusion.fuse(one, other, _DEPTH)]
                        for one, other in zip(dense, lexical, strict=True)
                    ]
                    points.append(Point(percent, method, weight, _score(dataset, passages, fused)))
    return HybridReport(dataset.name, peer.label, len(dataset.queries), points)


def _dense(
    peer: Peer, texts: Sequence[str], passages: PassageVectors, threads: int | None, progress: OnProgress | None
) -> list[Ranking]:
    vectors = np.asarray(peer.encode(texts), np.float32)
    vectors[[not text.strip() for text in texts]] = 0
    rows, scores = search(vectors, passages, _DEPTH, threads=threads, progress=progress)
    return [
        [(row, score) for row, score in zip(found.tolist(), values.tolist(), strict=True) if row != NO_ROW]
        for found, values in zip(rows, scores, strict=True)
    ]


def _score(dataset: Dataset, passages: PassageVectors, rankings: Sequence[Ranking]) -> float:
    hits = (
        (query, zip(passages.ids_of([row for row, _ in ranking]), (score for _, score in ranking), strict=True))
        for query, ranking in zip(dataset.queries, rankings, strict=True)
    )
    run = Run.from_hits("hybrid", hits)
    return mean(per_query(run, dataset.qrels, dataset.relevant_from))[MEASURE]


def _gain(value: float, dense: float) -> float | str:
    return round(100 * (value / dense - 1), 2) if dense else ""
