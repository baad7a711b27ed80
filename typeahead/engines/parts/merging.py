"""Puts together what the parts of an index have found: candidates carry evidence and no scores, so they add up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from typeahead.search.port import DENSE, LEXICAL, Candidates, Key, Request
from typeahead.search.terms import FIELDS

T = TypeVar("T")

_NOTHING: Final = np.zeros(0, np.float32)


class PartKey(Key):
    """A passage that knows its part, so that its document is fetched from there."""

    #: The place of the part.
    part: int


def part_key(key: Key, part: int) -> PartKey:
    """Return a key that equals ``key`` and knows its part."""
    made = PartKey(*key)
    made.part = part
    return made


def share_of(request: Request, parts: int) -> int:
    """How many candidates of each arm one of several parts is asked for, if documents are spread by chance.

    Of the ``k`` best, a part has k / parts then, and hardly ever three standard deviations more.
    """
    most = request.k + request.offset
    expected = most / parts
    return min(most, math.ceil(expected + 3 * math.sqrt(expected)) + 2)


def short(request: Request, share: int, found: Mapping[int, Candidates]) -> list[int]:
    """The parts that have more candidates than their ``share`` among those that the request asks for."""
    most = request.k + request.offset
    if share >= most:
        return []
    dense = {part: one.similarities[one.arms[DENSE]] for part, one in found.items() if DENSE in one.arms}
    every = np.sort(np.concatenate(list(dense.values()))) if dense else _NOTHING
    last = every[-most] if len(every) >= most else -np.inf
    words = {part: np.count_nonzero(one.arms[LEXICAL]) for part, one in found.items() if LEXICAL in one.arms}
    few = sum(words.values()) < most
    return [
        part
        for part in found
        if (part in dense and len(dense[part]) >= share and dense[part].min() >= last)
        or (few and words.get(part, 0) >= share)
    ]


def merge(
    request: Request, found: Mapping[int, Candidates], counts: Sequence[int], *, partial: bool = False
) -> Candidates:
    """Put together the candidates of a request, by the place of the part that found them. There is one part at least.

    ``counts`` are the numbers of documents of all parts. Of a document that several parts have, that of the first
    counts. The arm of the vectors keeps its best, as many as were asked for. With facets it keeps what all parts
    found, because their counts cannot be told apart.
    """
    parts = list(found.items())
    keys, rows = _first_keys(parts)
    arms = _arms([one for _, one in parts], rows)
    similarities = np.concatenate([one.similarities for _, one in parts])[rows]
    dense, most = arms.get(DENSE), request.k + request.offset
    if dense is not None and not request.facets and np.count_nonzero(dense) > most:
        places = np.flatnonzero(dense)
        # Stable: of equally near ones, those of the first part stay, for every k.
        dense[places[np.argsort(-similarities[places], kind="stable")[most:]]] = False
        kept = np.flatnonzero(np.any(list(arms.values()), axis=0))
        keys, rows, similarities = [keys[row] for row in kept.tolist()], rows[kept], similarities[kept]
        arms = {name: mask[kept] for name, mask in arms.items()}
    number = 0 if request.words is None else len(request.words.terms)
    weights = [counts[part] for part, _ in parts]
    return Candidates(
        [part_key(key, part) for part, key in keys],
        arms,
        similarities,
        np.concatenate([one.frequencies for _, one in parts])[rows],
        np.concatenate([one.weights for _, one in parts])[rows],
        np.concatenate([one.lengths for _, one in parts])[rows],
        np.sum([one.document_frequencies for _, one in parts], axis=0, dtype=np.float64).reshape(number),
        float(np.average([one.average_length for _, one in parts], weights=weights)) if sum(weights) else 0.0,
        add(one.facets for _, one in parts),
        _together([one for _, one in parts], rows, number),
        partial,
    )


def add(counted: Iterable[Mapping[str, Mapping[T, int]]]) -> dict[str, Mapping[T, int]]:
    """Add counts of values, by field."""
    added: dict[str, dict[T, int]] = {}
    for one in counted:
        for name, counts in one.items():
            sums = added.setdefault(name, {})
            for value, count in counts.items():
                sums[value] = sums.get(value, 0) + count
    return {**added}


def _first_keys(parts: Sequence[tuple[int, Candidates]]) -> tuple[list[tuple[int, Key]], NDArray[np.int64]]:
    """The keys of all parts, without documents of earlier parts, each with its part; and their rows."""
    seen: set[str] = set()
    keys: list[tuple[int, Key]] = []
    rows: list[int] = []
    first = 0
    for part, one in parts:
        for row, key in enumerate(one.keys, first):
            if key.document not in seen:
                keys.append((part, key))
                rows.append(row)
        first += len(one.keys)
        seen.update(key.document for key in one.keys)
    return keys, np.array(rows, np.int64)


def _arms(found: Sequence[Candidates], rows: NDArray[np.int64]) -> dict[str, NDArray[np.bool_]]:
    names = dict.fromkeys(name for one in found for name in one.arms)
    return {
        name: np.concatenate([one.arms.get(name, np.zeros(len(one.keys), np.bool_)) for one in found])[rows]
        for name in names
    }


def _together(found: Sequence[Candidates], rows: NDArray[np.int64], number: int) -> NDArray[np.float32] | None:
    if all(one.together is None for one in found):
        return None
    # A document of one passage holds all of its words there.
    each = [
        one.weights.reshape(-1, len(FIELDS), number).max(axis=1) if one.together is None else one.together
        for one in found
    ]
    joined: NDArray[np.float32] = np.concatenate(each)[rows]
    return joined
