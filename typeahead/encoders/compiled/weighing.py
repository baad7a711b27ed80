"""Weighs documents by their postings, as a compiled loop; :mod:`typeahead.index.changes.postings` has the arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from typeahead.encoders.compiled.caching import compiled

# Numba treats globals as compile-time constants, and a Python float would turn everything into float64.
_ZERO = np.float32(0)


@compiled(nogil=True, error_model="numpy")
def weigh_postings(
    spans: Any,
    weights: Any,
    rarities: Any,
    starts: Any,
    places: Any,
    times: Any,
    norms: Any,
    title_weight: Any,
    by_all: Any,
    by_title: Any,
) -> None:
    """Add BM25 of all fields, and of titles alone, to ``by_all`` and ``by_title``, float32 (count,).

    ``spans`` int64 (s, 3) are ranges of forms, each with the number of its term, rising; ``weights`` float32 (s,) says
    how much they count, and ``rarities`` float32 (terms,) how much each term does. ``norms`` is float32 (2, count).
    """
    count = by_all.shape[0]
    titled, written = np.zeros(count, np.float32), np.zeros(count, np.float32)
    touched = np.empty(count, np.int64)
    span = 0
    while span < spans.shape[0]:
        term, number = spans[span, 2], 0
        while span < spans.shape[0] and spans[span, 2] == term:
            for entry in range(starts[spans[span, 0]], starts[spans[span, 1]]):
                place = places[entry]
                row = place % count
                if titled[row] == _ZERO and written[row] == _ZERO:
                    touched[number] = row
                    number += 1
                if place < count:
                    titled[row] += times[entry] * weights[span]
                else:
                    written[row] += times[entry] * weights[span]
            span += 1
        for held in range(number):
            row = touched[held]
            every = written[row] + title_weight * titled[row]
            by_all[row] += rarities[term] * every / (every + norms[0, row])
            by_title[row] += rarities[term] * titled[row] / (titled[row] + norms[1, row])
            titled[row] = written[row] = _ZERO
