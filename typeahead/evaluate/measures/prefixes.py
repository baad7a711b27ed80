"""The prefix benchmark: how good are the results while a query is still being typed?

:mod:`~typeahead.evaluate.measures.retrieval` scores what is found after Enter; this module scores what is *visible*
after each key before it. :mod:`~typeahead.evaluate.measures.typists` has the systems under test, and
:mod:`~typeahead.evaluate.report.prefix_report` turns scores into the published figures. These are the definitions:

*Query, prefix, keystroke.* A query text of n code points, as the collection holds it, is typed from the first code
point to the last without a mistake: keystroke i (1 ≤ i ≤ n) leaves the *prefix* of the first i code points. A combining
mark, a Hangul syllable and each part of a joined emoji are keystrokes of their own. Enter is no keystroke and follows
the last one. Only judged queries are typed, and every one of them counts in every mean unless said otherwise. An empty
query is typed as one blank.

*Visible results.* The V(i) are the at most 10 passages that stand under the search box in the moment before the next
key, that is, before keystroke i + 1, or, for i = n, before Enter. They are ordered by score, ties by passage id, both
descending, as trec_eval orders them; only the lexical arm breaks its ties by row, as it serves them. Encoding and
searching take no time here, for any system: speed is what :mod:`~typeahead.evaluate.measures.latency` measures. So a
system that answers each key shows, in that moment, the results of prefix i. A prefix of white space alone has no
results, for any system; neither has one without an embedding.

*Debounce.* A debounced system encodes prefix i only when no key came for 150 ms after keystroke i, and shows the
results of the last prefix that it encoded, or none. The gaps are recorded ones: for each query one recorded person is
drawn, and consecutive gaps of theirs from a random place on (from their first again after their last), taken between
two keys that both added a character. Enter comes 72 ms after the last key
(:data:`~typeahead.evaluate.measures.latency.ENTER_AFTER_MS`), so V(n) is what a debounced system shows *at* Enter;
after Enter and a wait it would show the results of the whole query. Each query is drawn 20 times from one seed; its
figures are the means over these draws.

*Quality* after keystroke i is nDCG@10 of V(i) against the judgements of the whole query, by ``ir_measures`` (linear
gain, the ideal ranking of all that is judged). Empty V(i) count 0.

- *By fraction typed* f = 5%, 10% … 100%: the mean over all queries of the quality after keystroke ⌈f·n⌉.
- *By characters left* c = 0 … 20: the mean quality after keystroke n − c over the queries of more than c code points.
- *Over all keystrokes*: the mean over i = 1 … n, then over queries.
- *Retained of the whole query*: a mean over the mean quality of the teacher's V(n) on the same queries.
- *Retained of the same prefix*: a mean over the same mean of the teacher that is fed each prefix.

At 100% typed and 0 characters left, the quality of a system that answers each key is its ordinary nDCG@10, but for an
encoder that guesses where the text is going, which goes on guessing until Enter.

*Keystrokes to the first relevant passage*: the smallest i for which V(i) holds a passage whose grade is at least the
collection's threshold; none if there is no such i. The median counts none as more than any number; the mean is over
the queries that have one; *never* is the share that has none. *Share of typing saved* is 1 − i/n, and 0 for none, mean
over all queries. *Keystrokes until one stays*: the smallest i such that each V(j), i ≤ j ≤ n, holds such a passage,
which need not be the same one; reported likewise.

*Churn* of keystroke i ≥ 2 is 1 − |V(i−1) ∩ V(i)| / max(|V(i−1)|, |V(i)|), sets of passages, and 0 where both are empty.
A query's churn is the mean over its keystrokes i = 2 … n; over the last half, over those with 2i > n. Queries without
such a keystroke are left out of these two means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from typeahead.core.tokens import check_text
from typeahead.errors import MissingExtra, SourceError
from typeahead.progress import OnProgress

#: Results that are visible at once.
DEPTH = 10
#: A place that no result takes.
NOTHING = -1
#: Queries that are typed together: bounds memory, some 100 MB of embeddings at 384 dimensions.
_BLOCK = 1024

Screens = NDArray[np.int64]


class Typist(Protocol):
    """A system under test: it types queries and gives the results that are visible after each key."""

    @property
    def name(self) -> str:
        """What the system is called in tables."""

    @property
    def draws(self) -> int:
        """How often each query is typed: 1 unless chance plays a part."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Facts that a reader needs to repeat the measurement, for JSON."""

    def typed(self, queries: Sequence[str], progress: OnProgress | None = None) -> list[Screens]:
        """Type each query; its visible results as int64 (draws, n, 10) for a query of n code points.

        ``[draw, i - 1]`` is V(i): passages by row number, best first, filled up with :data:`NOTHING`.
        """


class Judged(Protocol):
    """The part of a :class:`~typeahead.evaluate.data.datasets.Dataset` that is needed here."""

    @property
    def name(self) -> str:
        """What the collection is called."""

    @property
    def queries(self) -> Mapping[str, str]:
        """Text by query id."""

    @property
    def qrels(self) -> Mapping[str, Mapping[str, int]]:
        """Grade by passage id by query id."""

    @property
    def relevant_from(self) -> int:
        """Grade from which a passage counts as relevant."""


class Ids(Protocol):
    """The part of :class:`~typeahead.evaluate.vectors.passages.PassageVectors` that is needed here."""

    def ids_of(self, rows: Sequence[int]) -> list[str]:
        """Passage ids of row numbers."""


@dataclass(frozen=True)
class QueryScores:
    """Scores of one system for one query of n code points; see the module's definitions."""

    #: nDCG@10 after each keystroke, the mean over draws: float64 (n,).
    quality: NDArray[np.float64]
    #: Keystrokes to the first relevant passage in each draw, infinite for never: float64 (draws,).
    first: NDArray[np.float64]
    #: Keystrokes until a relevant passage stays, likewise.
    stays: NDArray[np.float64]
    #: Churn of keystrokes 2 … n, the mean over draws: float64 (n - 1,).
    churn: NDArray[np.float64]

    @property
    def characters(self) -> int:
        """The query's length n in code points."""
        return len(self.quality)

    @property
    def saved(self) -> float:
        """Share of typing saved, the mean over draws."""
        return float(np.where(np.isinf(self.first), 0.0, 1 - self.first / self.characters).mean())

    @property
    def last_half(self) -> NDArray[np.float64]:
        """Churn of the keystrokes i with 2i > n."""
        return self.churn[max(self.characters // 2 + 1, 2) - 2 :]


def keystroke_at(fraction_percent: int, characters: int) -> int:
    """The keystroke after which ``fraction_percent`` of a query of ``characters`` code points is typed: ⌈f·n⌉."""
    return -(-fraction_percent * characters // 100)


def to_type(queries: Mapping[str, str]) -> dict[str, str]:
    """The texts to type by query id: one blank for an empty query.

    Raises :class:`~typeahead.errors.TextError` for a lone surrogate, by query id, and
    :class:`~typeahead.errors.SourceError` if there is no query.
    """
    if not queries:
        raise SourceError("there is no query to type")
    return {key: check_text(text, what=f"query {key!r}") or " " for key, text in queries.items()}


def score(
    typists: Sequence[Typist],
    dataset: Judged,
    passages: Ids,
    *,
    progress: OnProgress | None = None,
    block: int = _BLOCK,
) -> dict[str, dict[str, QueryScores]]:
    """Let each system type every query of ``dataset``. Gives scores by system and query id, in the dataset's order.

    ``block`` queries are typed by all systems before the next. Raises what :func:`to_type` raises, ``ValueError`` for
    two systems of one name, and :class:`~typeahead.errors.MissingExtra` without ``ir_measures``.
    """
    texts = to_type(dataset.queries)
    judge = Judge(dataset, passages)
    keys = list(texts)
    scores: dict[str, dict[str, QueryScores]] = {typist.name: {} for typist in typists}
    if len(scores) < len(typists):
        raise ValueError(f"two systems have the same name: {[typist.name for typist in typists]}")
    for first in range(0, len(keys), block):
        part = keys[first : first + block]
        for typist in typists:
            screens = dict(zip(part, typist.typed([texts[key] for key in part], progress), strict=True))
            for key, shown in screens.items():
                if shown.ndim != 3 or shown.shape[1:] != (len(texts[key]), DEPTH):
                    raise ValueError(
                        f"{typist.name}: {shown.shape} screens for {len(texts[key])} keys of query {key!r}"
                    )
            scores[typist.name] |= judge.score(screens)
    return scores


class Judge:
    """Scores screens against a collection's judgements; a repeated screen is judged once."""

    def __init__(self, dataset: Judged, passages: Ids) -> None:
        try:
            import ir_measures
        except ImportError as error:
            raise MissingExtra("ir_measures", "evaluate") from error
        self._dataset = dataset
        self._passages = passages
        qrels = {key: dict(dataset.qrels[key]) for key in dataset.queries}
        self._evaluator = ir_measures.evaluator([ir_measures.nDCG @ DEPTH], qrels)

    def score(self, screens: Mapping[str, Screens]) -> dict[str, QueryScores]:
        """Score the screens of each query, int64 (draws, n, 10) by query id."""
        distinct: dict[str, Screens] = {}
        places: dict[str, NDArray[np.intp]] = {}
        for key, shown in screens.items():
            distinct[key], inverse = np.unique(shown.reshape(-1, DEPTH), axis=0, return_inverse=True)
            places[key] = inverse.reshape(shown.shape[:2])
        quality = {key: np.zeros(len(rows)) for key, rows in distinct.items()}
        relevant = {key: np.zeros(len(rows), bool) for key, rows in distinct.items()}
        for at, run in enumerate(self._runs(distinct)):
            for key, hits in run.items():
                grades = self._dataset.qrels[key]
                threshold = self._dataset.relevant_from
                relevant[key][at] = any(grades.get(hit, threshold - 1) >= threshold for hit in hits)
            for found in self._evaluator.iter_calc(run):
                if found.query_id in run:
                    quality[found.query_id][at] = found.value
        return {
            key: _query_scores(shown, quality[key][places[key]], relevant[key][places[key]])
            for key, shown in screens.items()
        }

    def _runs(self, distinct: Mapping[str, Screens]) -> Iterator[dict[str, dict[str, float]]]:
        """Runs of one screen of each query: the first of all, the second of those that have one, and so on.

        The scores are ranks, so no measure breaks ties a second time.
        """
        for at in range(max(map(len, distinct.values()), default=0)):
            rows = {key: shown[at][shown[at] != NOTHING] for key, shown in distinct.items() if at < len(shown)}
            ids = iter(self._passages.ids_of(np.concatenate(list(rows.values())).tolist()))
            yield {
                key: {next(ids): float(DEPTH - rank) for rank in range(len(found))}
                for key, found in rows.items()
                if len(found)
            }


def _query_scores(shown: Screens, quality: NDArray[np.float64], relevant: NDArray[np.bool_]) -> QueryScores:
    """Scores of one query from its screens (draws, n, 10), their nDCG and whether they hold a relevant passage."""
    return QueryScores(
        quality=quality.mean(0),
        first=_position(relevant),
        # Whether all screens from here to the last hold one.
        stays=_position(np.logical_and.accumulate(relevant[:, ::-1], axis=1)[:, ::-1]),
        churn=_churn(shown).mean(0),
    )


def _position(holds: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The first keystroke, counted from 1, for which ``holds`` (draws, n) is true; infinite where there is none."""
    return np.where(holds.any(1), holds.argmax(1) + 1.0, np.inf)


def _churn(shown: Screens) -> NDArray[np.float64]:
    """Churn of keystrokes 2 … n: float64 (draws, n - 1)."""
    before, after = shown[:, :-1], shown[:, 1:]
    # One place of the present screen at a time: all pairs at once would take ten times the memory.
    shared = sum(
        ((before == after[..., at : at + 1]).any(-1) & (after[..., at] != NOTHING)).astype(int) for at in range(DEPTH)
    )
    larger = np.maximum((before != NOTHING).sum(-1), (after != NOTHING).sum(-1))
    return np.where(larger == 0, 0.0, 1 - shared / np.maximum(larger, 1))
