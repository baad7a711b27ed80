"""Turns the screens of one box into figures. The package's docstring defines them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from typeahead.evaluate.measures.metrics import mean, per_query
from typeahead.evaluate.measures.runs import Run
from typeahead.evaluate.typed import drawing
from typeahead.evaluate.typed.asking import Answer
from typeahead.evaluate.typed.boxes import Screen
from typeahead.evaluate.typed.drawing import Query
from typeahead.evaluate.typed.slips import FAMILIES

if TYPE_CHECKING:
    from typeahead.evaluate.data.datasets import Dataset

#: Hits that a reader sees at once, and hits whose place the eye remembers.
AMONG, FIRST_HITS = 8, 3
#: The measures of judged queries, and the name of the last point of their curves.
JUDGED_MEASURES = ("nDCG@10", "RR@10")
AT_ENTER = "Enter"

_Pair = tuple[Query, Answer]
Figures = dict[str, Any]


def score(queries: Sequence[Query], answers: Sequence[Answer], dataset: Dataset | None = None) -> Figures:
    """All figures of a box: shares from 0 to 1 with the number ``n`` of queries, or None where nothing was typed.

    ``dataset`` has the judgements of the judged queries.
    """
    pairs = list(zip(queries, answers, strict=True))
    by_measure: dict[str, list[_Pair]] = {}
    for pair in pairs:
        by_measure.setdefault(pair[0].measure, []).append(pair)
    return {
        "names": _names(by_measure.get(drawing.NAMES, [])),
        "slips": _slips(by_measure.get(drawing.SLIPS, [])),
        "rare_words": _found(by_measure.get(drawing.RARE, [])),
        "continuity": _continuity(by_measure.get(drawing.CONTINUITY, [])),
        "nonsense": _nonsense(by_measure.get(drawing.NONSENSE, [])),
        "judged": _judged(by_measure.get(drawing.JUDGED, []), dataset) if dataset else None,
        "times_ms": {
            "key": _times(answer.key for answer in answers),
            "enter": _times(answer.enter for answer in answers if answer.enter),
        },
    }


def _share(pairs: Sequence[_Pair], holds: Callable[[Query, Answer], bool]) -> float | None:
    return sum(holds(query, answer) for query, answer in pairs) / len(pairs) if pairs else None


def _among(screen: Screen | None, wanted: str | None, depth: int) -> bool:
    return screen is not None and wanted in screen.ids[:depth]


def _found(pairs: Sequence[_Pair]) -> Figures:
    """Whether the wanted document is first, and among the first eight."""
    return {
        "n": len(pairs),
        "first_at_key": _share(pairs, lambda query, answer: _among(answer.key, query.wanted, 1)),
        "first_at_enter": _share(pairs, lambda query, answer: _among(answer.enter, query.wanted, 1)),
        "among_8_at_key": _share(pairs, lambda query, answer: _among(answer.key, query.wanted, AMONG)),
        "among_8_at_enter": _share(pairs, lambda query, answer: _among(answer.enter, query.wanted, AMONG)),
    }


def _of_kind(pairs: Sequence[_Pair], kind: str) -> list[_Pair]:
    return [pair for pair in pairs if pair[0].kind == kind]


def _names(pairs: Sequence[_Pair]) -> Figures:
    whole = _found(_of_kind(pairs, drawing.WHOLE))
    shares = {share: _found(_of_kind(pairs, share))["among_8_at_key"] for share in drawing.SHARES}
    return whole | {"among_8_by_share": shares | {drawing.WHOLE: whole["among_8_at_key"]}}


def _slips(pairs: Sequence[_Pair]) -> Figures:
    return {family: _found(_of_kind(pairs, family)) for family in FAMILIES}


def _continuity(pairs: Sequence[_Pair]) -> Figures:
    """How often nothing of the first three hits is left: nowhere on the screen, and not among the first three."""
    filled = [(query, answer) for query, answer in pairs if answer.key.ids]

    def lost(answer: Answer, depth: int | None) -> bool:
        after = answer.enter.ids[:depth] if answer.enter else ()
        return not set(answer.key.ids[:FIRST_HITS]) & set(after)

    return {
        "n": len(filled),
        "lost": _share(filled, lambda _, answer: lost(answer, None)),
        "lost_among_first_three": _share(filled, lambda _, answer: lost(answer, FIRST_HITS)),
    }


def _nonsense(pairs: Sequence[_Pair]) -> Figures:
    return {
        "n": len(pairs),
        "shown_at_key": _share(pairs, lambda _, answer: answer.key.shown),
        "shown_at_enter": _share(pairs, lambda _, answer: answer.enter is not None and answer.enter.shown),
    }


def _judged(pairs: Sequence[_Pair], dataset: Dataset) -> Figures:
    curves: dict[str, dict[str, float]] = {measure: {} for measure in JUDGED_MEASURES}

    def add(point: str, screens: Mapping[str, Screen]) -> None:
        hits = ((query, _ranked(screen)) for query, screen in screens.items())
        values = mean(per_query(Run.from_hits(point, hits), dataset.qrels, dataset.relevant_from))
        for measure, curve in curves.items():
            curve[point] = values[measure]

    for share in (*drawing.SHARES, drawing.WHOLE):
        add(share, {query.subject: answer.key for query, answer in _of_kind(pairs, share)})
    whole = _of_kind(pairs, drawing.WHOLE)
    after = {query.subject: answer.enter for query, answer in whole if answer.enter}
    add(AT_ENTER, after)
    good = [screen for query, screen in after.items() if _relevant(screen, dataset.qrels[query], dataset.relevant_from)]
    return {
        "n": len(dataset.qrels),
        **curves,
        "found": len(good),
        "found_but_weak": sum(screen.weak for screen in good) / len(good) if good else None,
    }


def _ranked(screen: Screen) -> list[tuple[str, float]]:
    """Scores as far apart as the ranks: hits of equal score keep the order that people see."""
    return [(key, float(-rank)) for rank, key in enumerate(screen.ids)]


def _relevant(screen: Screen, grades: Mapping[str, int], least: int) -> bool:
    return any(grades.get(key, 0) >= least for key in screen.ids)


def _times(screens: Iterable[Screen]) -> Figures | None:
    """Median and 99th percentile in milliseconds; None for a box without times."""
    taken = [screen.milliseconds for screen in screens if screen.milliseconds is not None]
    if not taken:
        return None
    p50, p99 = np.percentile(taken, [50, 99]).tolist()
    return {"n": len(taken), "p50": round(p50, 3), "p99": round(p99, 3)}


def per_query_record(queries: Sequence[Query], answers: Mapping[str, Sequence[Answer]]) -> list[Figures]:
    """Each query with the screens of every box, for paired tests: ids, and the weak flags of key and Enter."""
    return [
        {
            "measure": query.measure,
            "kind": query.kind,
            "text": query.text,
            "subject": query.subject,
            "wanted": query.wanted,
            "boxes": {
                name: {"key": _plain(found[at].key), "enter": _plain(found[at].enter)}
                for name, found in answers.items()
            },
        }
        for at, query in enumerate(queries)
    ]


def _plain(screen: Screen | None) -> Figures | None:
    return None if screen is None else {"ids": list(screen.ids), "weak": screen.weak}
