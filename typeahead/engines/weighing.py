"""Makes candidates of what an engine found, with the evidence of the words in memory.

A document that the copy lacks, or has in an earlier version, was read from the engine meanwhile, and is weighed by
its text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from typeahead.engines.documents import Read, values_of
from typeahead.engines.planning import Plan
from typeahead.index.contents import Contents
from typeahead.search.filters import Filter, matches
from typeahead.search.port import DENSE, LEXICAL, Candidates, Key
from typeahead.search.terms import FIELDS, Term, admits, weigh
from typeahead.text.document import Value


class Compared(NamedTuple):
    """A document whose vectors were compared."""

    id: str
    #: Its nearest passage, and how similar that is.
    passage: int
    similarity: float
    #: Its version, as :attr:`.documents.Read.stamp` has it.
    stamp: str


class Outcome(NamedTuple):
    """What the engine found for a plan, each document once."""

    #: The nearest, the nearest first; equally near ones by their ids.
    near: Sequence[Compared]
    #: What else was compared, by id.
    others: Mapping[str, Compared]


def outcome_of(rows: Sequence[Sequence[Any]]) -> Outcome:
    """Take the best passage of each document.

    A row is (whether it is one of the nearest, id, passage, version, similarity).
    """
    near: dict[str, Compared] = {}
    others: dict[str, Compared] = {}
    for found, key, passage, stamp, similarity in rows:
        one = Compared(key, passage, similarity, stamp)
        # A vector of zeros is similar to nothing.
        if one.similarity == one.similarity:
            group = near if found else others
            before = group.get(one.id)
            if before is None or (-one.similarity, one.passage) < (-before.similarity, before.passage):
                group[one.id] = one
    ranked = sorted(near.values(), key=lambda one: (-one.similarity, one.id))
    # Of a document that was found, another passage may be nearer.
    ranked = [max(one, others.get(one.id, one), key=lambda both: both.similarity) for one in ranked]
    return Outcome(ranked, others)


def stamps(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """The versions of compared documents, by their ids."""
    found: dict[str, str] = {}
    for outcome in outcomes:
        for one in outcome.near:
            found[one.id] = one.stamp
        for one in outcome.others.values():
            found[one.id] = one.stamp
    return found


def stale(contents: Contents, told: Mapping[str, str], settled: Callable[[str], bool] | None = None) -> list[str]:
    """The ids of the documents of :func:`stamps` that ``contents`` lack, or have in another version.

    ``settled`` tells by its stamp that a version was there when ``contents`` were read, which saves looking.
    """
    rows = contents.find(list(told))
    missing = [key for key in told if key not in rows]
    if settled is not None:
        older = {stamp for stamp in set(told.values()) if settled(stamp)}
        rows = {key: row for key, row in rows.items() if told[key] not in older}
    held = zip(rows, contents.documents(list(rows.values())), strict=True)
    return missing + [key for key, document in held if document.url != told[key]]


def unknown(contents: Contents, outcomes: Sequence[Outcome]) -> list[str]:
    """The ids of compared documents that ``contents`` lack."""
    ids = {one.id for found in outcomes for one in (*found.near, *found.others.values())}
    known = contents.find(list(ids))
    return [key for key in ids if key not in known]


def candidates(
    contents: Contents, plan: Plan, found: Outcome, fresh: Mapping[str, Read], scope: Filter | None
) -> Candidates:
    """Weigh what both arms found for a request. ``fresh`` are documents that were read, by id."""
    request = plan.request
    words = request.words

    def passes(key: str) -> bool:
        """Whether a document that was read still is what was asked for."""
        if (read := fresh.get(key)) is None:
            return True
        if scope is not None and not matches(scope, read.document):
            return False
        return (request.filter is None or matches(request.filter, read.document)) and (
            words is None or admits(read.document, words)
        )

    near = [one for one in found.near if passes(one.id)] if fresh else found.near
    if words is not None and words.without:
        near = without(contents, near, words.without, fresh)
    near = near[: plan.wanted]
    matched = [] if plan.matched is None else [key for key in plan.matched if not fresh or passes(key)]
    if plan.vector is not None:
        # What was not compared is not there any more.
        compared = {one.id for one in near} | found.others.keys()
        matched = [key for key in matched if key in compared]
    every = dict.fromkeys((*(one.id for one in near), *matched))
    by_id = {**found.others, **{one.id: one for one in near}}
    ids = list(every)
    arms = {}
    if request.vector is not None:
        arms[DENSE] = np.arange(len(ids)) < len(near)
    if plan.matched is not None:
        there = set(matched)
        arms[LEXICAL] = np.array([key in there for key in ids], np.bool_)
    number = 0 if words is None else len(words.terms)
    shape = (len(ids), len(FIELDS), number)
    frequencies, weights = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    lengths = np.zeros(shape[:2], np.float32)
    known = contents.find([key for key in ids if key not in fresh])
    places = {key: place for place, key in enumerate(ids)}
    at = np.array([places[key] for key in known], np.int64)
    rows = np.array(list(known.values()), np.int64)
    if len(rows):
        evidence = contents.evidence(rows, plan.terms)
        lengths[at] = evidence.lengths
        if number:
            frequencies[at], weights[at] = evidence.frequencies, evidence.weights
    if reading := [key for key in ids if key in fresh]:
        some = [places[key] for key in reading]
        weighed = weigh([fresh[key].document for key in reading], () if words is None else words.terms)
        frequencies[some], weights[some], lengths[some] = weighed
    facets = {name: _counted(contents, name, rows, [fresh[key] for key in reading]) for name in request.facets}
    known_frequencies = contents.document_frequencies(plan.terms) if plan.terms else np.zeros(number)
    return Candidates(
        [Key(key, by_id[key].passage if key in by_id else 0) for key in ids],
        arms,
        np.array([by_id[key].similarity if key in by_id else np.nan for key in ids], np.float32),
        frequencies,
        weights,
        lengths,
        known_frequencies,
        contents.average_length if contents.count else float(lengths.sum(axis=1).mean()) if len(ids) else 0.0,
        facets,
    )


def without(
    contents: Contents, near: Sequence[Compared], forms: Sequence[str], fresh: Mapping[str, Read]
) -> list[Compared]:
    """Leave out documents that hold any of some forms; those that were read were looked at before."""
    rows = contents.find([one.id for one in near if one.id not in fresh])
    looked_up = contents.look_up([Term({form: 1.0}) for form in forms])
    counts = contents.evidence(np.array(list(rows.values()), np.int64), looked_up).frequencies
    gone = {key for key, count in zip(rows, counts.sum(axis=(1, 2)).tolist(), strict=True) if count}
    return [one for one in near if one.id not in gone]


def _counted(contents: Contents, name: str, rows: NDArray[np.int64], read: Sequence[Read]) -> dict[Value, int]:
    counts = contents.counts_among(name, rows)
    for one in read:
        for value in values_of(one.document, name):
            counts[value] = counts.get(value, 0) + 1
    return counts
