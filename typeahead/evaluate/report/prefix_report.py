"""The prefix benchmark's figures: means over queries, shares retained of the teacher, and intervals.

:mod:`~typeahead.evaluate.measures.prefixes` defines every figure and scores single queries. Here the scores of several
systems become one plain dictionary for JSON, and rows for a table. Intervals are 95% percentile bootstrap intervals
over queries (Efron, Tibshirani 1993, section 13.3). All systems have the same resamples, so a ratio of two systems is
resampled in pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.evaluate.measures.prefixes import Ids, Judged, QueryScores, Typist, keystroke_at, score
from typeahead.progress import OnProgress

#: Percent of a query's code points.
FRACTIONS = tuple(range(5, 101, 5))
#: Code points that are still to be typed.
CHARACTERS_LEFT = tuple(range(21))
_ROUNDS = 1000

Floats = NDArray[np.float64]


def evaluate(
    dataset: Judged,
    typists: Sequence[Typist],
    passages: Ids,
    *,
    teacher: str,
    seed: int = 0,
    progress: OnProgress | None = None,
) -> PrefixReport:
    """Let every system type every query of ``dataset``.

    ``teacher`` names the typist that the others are compared with: the passages' own encoder, fed each prefix.
    ``seed`` is for the bootstrap. Raises what :func:`~typeahead.evaluate.measures.prefixes.score` raises.
    """
    if teacher not in [typist.name for typist in typists]:
        raise ValueError(f"no system is called {teacher!r}, the teacher that the others are compared with")
    scores = score(typists, dataset, passages, progress=progress)
    facts = {typist.name: typist.facts for typist in typists}
    return PrefixReport(dataset.name, scores, teacher=teacher, facts=facts, seed=seed)


@dataclass(frozen=True)
class PrefixReport:
    """Scores of several systems on one collection."""

    dataset: str
    #: By system, then by query id; every system has typed the same queries.
    scores: Mapping[str, Mapping[str, QueryScores]]
    teacher: str
    #: The facts of each system.
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seed: int = 0

    @property
    def characters(self) -> NDArray[np.int64]:
        """Each query's length in code points."""
        return np.array([query.characters for query in self.scores[self.teacher].values()], np.int64)

    def by_fraction(self, system: str) -> Floats:
        """NDCG@10 of each query at each of :data:`FRACTIONS`: float64 (queries, 20)."""
        return np.array(
            [
                [query.quality[keystroke_at(percent, query.characters) - 1] for percent in FRACTIONS]
                for query in self.scores[system].values()
            ]
        )

    def by_characters_left(self, system: str) -> Floats:
        """NDCG@10 of each query at each of :data:`CHARACTERS_LEFT`, NaN where it is shorter: float64 (queries, 21)."""
        found = np.full((len(self.scores[system]), len(CHARACTERS_LEFT)), np.nan)
        for row, query in enumerate(self.scores[system].values()):
            known = min(len(CHARACTERS_LEFT), query.characters)
            found[row, :known] = query.quality[::-1][:known]
        return found

    def to_dict(self, *, per_query: bool = True) -> dict[str, Any]:
        """All figures, for JSON; ``None`` for a missing one. ``per_query`` adds figures of each query."""
        characters = self.characters
        return {
            "dataset": self.dataset,
            "teacher": self.teacher,
            "queries": len(characters),
            "code_points": {"all": int(characters.sum()), "median": float(np.median(characters))},
            "fractions": [percent / 100 for percent in FRACTIONS],
            "characters_left": list(CHARACTERS_LEFT),
            "queries_by_characters_left": [int((characters > left).sum()) for left in CHARACTERS_LEFT],
            "bootstrap": {"rounds": _ROUNDS, "seed": self.seed, "interval": 0.95},
            "systems": [self._system(name, per_query=per_query) for name in self.scores],
        }

    def _system(self, name: str, *, per_query: bool) -> dict[str, Any]:
        queries = self.scores[name]
        fraction, left = self.by_fraction(name), self.by_characters_left(name)
        teacher_fraction, teacher_left = self.by_fraction(self.teacher), self.by_characters_left(self.teacher)
        weights = self._resamples()
        means, teacher_means = weights @ fraction, weights @ teacher_fraction
        # The whole query's quality on those queries that are long enough.
        whole_left = np.where(np.isnan(left), np.nan, teacher_left[:, :1])
        found: dict[str, Any] = {
            "typist": name,
            "draws": len(next(iter(queries.values())).first),
            "facts": dict(self.facts.get(name, {})),
            "nDCG@10": {
                "by_fraction": _plain(fraction.mean(0)),
                "interval_by_fraction": _interval(means),
                "by_characters_left": _plain(_mean(left)),
                "over_all_keystrokes": float(np.mean([query.quality.mean() for query in queries.values()])),
            },
            "retained_of_whole": {
                "by_fraction": _plain(_ratio(fraction.mean(0), teacher_fraction.mean(0)[-1:])),
                "interval_by_fraction": _interval(_ratio(means, teacher_means[:, -1:])),
                "by_characters_left": _plain(_ratio(_mean(left), _mean(whole_left))),
            },
            "retained_of_same_prefix": {
                "by_fraction": _plain(_ratio(fraction.mean(0), teacher_fraction.mean(0))),
                "interval_by_fraction": _interval(_ratio(means, teacher_means)),
                "by_characters_left": _plain(_ratio(_mean(left), _mean(teacher_left))),
            },
            "first_relevant": _keystrokes([query.first for query in queries.values()]),
            "relevant_stays": _keystrokes([query.stays for query in queries.values()]),
            "typing_saved": float(np.mean([query.saved for query in queries.values()])),
            "churn": {
                "mean": _mean_of_means([query.churn for query in queries.values()]),
                "last_half": _mean_of_means([query.last_half for query in queries.values()]),
            },
        }
        if per_query:
            found["per_query"] = {
                key: {
                    "code_points": query.characters,
                    "nDCG@10_by_fraction": [round(float(value), 4) for value in row],
                    "first_relevant": _plain([float(np.median(query.first))])[0],
                    "typing_saved": round(query.saved, 4),
                    "churn": round(float(query.churn.mean()), 4) if len(query.churn) else None,
                }
                for (key, query), row in zip(queries.items(), fraction, strict=True)
            }
        return found

    def _resamples(self) -> Floats:
        """How often each query is drawn in each round, over the number of queries: float64 (rounds, queries)."""
        count = len(self.scores[self.teacher])
        drawn = np.random.default_rng(self.seed).multinomial(count, np.full(count, 1 / count), size=_ROUNDS)
        return drawn / count

    def rows(self) -> list[dict[str, Any]]:
        """A row for each system, for a table; shares in percent."""
        return [row(system) for system in self.to_dict(per_query=False)["systems"]]


def row(system: Mapping[str, Any]) -> dict[str, Any]:
    """A table's row from one of the "systems" of :meth:`PrefixReport.to_dict`."""
    quality, kept, same = (
        system[name]["by_fraction"] for name in ("nDCG@10", "retained_of_whole", "retained_of_same_prefix")
    )
    first, stays, churn = system["first_relevant"], system["relevant_stays"], system["churn"]
    at = [FRACTIONS.index(percent) for percent in (50, 70, 85, 100)]
    return {
        "system": system["typist"],
        **{f"nDCG@10 at {FRACTIONS[place]}%": round(quality[place], 4) for place in at},
        "over all keys": round(system["nDCG@10"]["over_all_keystrokes"], 4),
        "of whole at 85% (%)": _percent(kept[FRACTIONS.index(85)]),
        "of same prefix at 85% (%)": _percent(same[FRACTIONS.index(85)]),
        "keys to relevant (median)": "never" if first["median"] is None else first["median"],
        "until it stays (median)": "never" if stays["median"] is None else stays["median"],
        "never (%)": _percent(first["never"]),
        "typing saved (%)": _percent(system["typing_saved"]),
        "churn (%)": _percent(churn["mean"]),
        "churn, last half (%)": _percent(churn["last_half"]),
    }


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


def _plain(values: Floats | Sequence[float]) -> list[float | None]:
    """Numbers for JSON, ``None`` for those that are not finite."""
    return [float(value) if np.isfinite(value) else None for value in values]


def _mean(values: Floats) -> Floats:
    """Mean of each column over the rows that have a value; NaN without one."""
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0.0).sum(0), known.sum(0).astype(float))


def _ratio(above: Floats, below: Floats) -> Floats:
    """The ratio, NaN where it has none."""
    below = np.broadcast_to(below, above.shape)
    found: Floats = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return found


def _interval(rounds: Floats) -> list[list[float | None]]:
    """Low and high end of each column's interval over the rounds (rounds, n); ``None`` if a round has no value."""
    return [_plain(ends) for ends in np.percentile(rounds, [2.5, 97.5], axis=0).T]


def _keystrokes(counts: Sequence[Floats]) -> dict[str, float | None]:
    """Median, mean and share of never over all queries and draws."""
    pooled = np.concatenate(counts)
    reached = pooled[np.isfinite(pooled)]
    # For an even number of counts, the mean of a count and "never" is "never".
    median = float(np.median(pooled))
    return {
        "median": median if np.isfinite(median) else None,
        "mean": float(reached.mean()) if len(reached) else None,
        "never": float(np.isinf(pooled).mean()),
    }


def _mean_of_means(values: Sequence[Floats]) -> float | None:
    """Mean over queries of their means; queries without a value are left out."""
    means = [float(value.mean()) for value in values if len(value)]
    return float(np.mean(means)) if means else None
