"""Finds documents by words among few: by weighing each of them, rather than by searching all.

Where a filter admits few documents, most of what a search finds is not admitted, and a search that goes deep enough
takes longer than looking at the few. The score is as rough as that of a search: it only serves to find candidates.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.index.lexical.forward import Forward
from typeahead.index.lexical.lookup import LookedUp
from typeahead.search.terms import FIELDS

_TITLE: Final = FIELDS.index("title")
#: How fast further occurrences stop to count: BM25's k1, with no regard to length.
_K1: Final = 1.2


def best_among(
    forward: Forward,
    count: int,
    rows: NDArray[np.int64],
    terms: LookedUp,
    without: LookedUp | None,
    depth: int,
    titled: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Find the ``depth`` best of some rows by ``terms``, and the ``titled`` best by their titles, best first.

    ``count`` is the number of all documents. Documents that hold anything of ``without`` are left out.
    """
    if without is not None and len(rows):
        held, _ = forward.weigh(rows, without.spans, len(without.known))
        rows = rows[~held.any(axis=(1, 2))]
    frequencies, weights = forward.weigh(rows, terms.spans, len(terms.known))
    rarity = np.array([_rarity(frequency, count) for frequency in terms.document_frequencies.tolist()], np.float32)
    held_by = (weights * frequencies / (frequencies + np.float32(_K1))) @ rarity
    both = held_by.sum(axis=1)
    places = _best(both, depth)
    by_title = [place for place in _best(held_by[:, _TITLE], titled).tolist() if place not in set(places.tolist())]
    places = np.concatenate([places, np.array(by_title, np.int64)])
    scores = np.minimum.accumulate(both[places]) if len(places) else both[places]
    return rows[places].astype(np.int32), scores.astype(np.float32)


def _best(scores: Vectors, most: int) -> NDArray[np.int64]:
    held = np.flatnonzero(scores > 0)
    return held[np.argsort(-scores[held], kind="stable")[:most]]


def _rarity(frequency: float, count: int) -> float:
    frequency = min(frequency, count)
    return math.log(1 + (count - frequency + 0.5) / (frequency + 0.5))


def deep_enough(depth: int, admitted: int, count: int) -> int:
    """Return how deep a search of all must go to find ``depth`` admitted documents, if these are like the others."""
    return min(count, math.ceil(1.25 * depth * count / max(admitted, 1)) + 16)


def kept(
    found: tuple[NDArray[np.int32], NDArray[np.float32]], admitted: NDArray[np.bool_], depth: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Keep the ``depth`` best documents that are admitted."""
    inside = np.flatnonzero(admitted[found[0]])[:depth]
    return found[0][inside], found[1][inside]
