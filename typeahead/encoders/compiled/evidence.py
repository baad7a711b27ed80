"""Counts terms in documents, as compiled loops; :mod:`typeahead.index.lexical.forward` says what the arrays are."""

from __future__ import annotations

from typing import Any

import numpy as np

from typeahead.encoders.compiled.caching import compiled
from typeahead.encoders.compiled.prefetching import prefetch

#: Documents that are fetched ahead.
_AHEAD = 8
_CACHE_LINE = 64
#: Numbers of forms in a cache line, and how many cache lines of a document are fetched.
_IDS, _LINES = 16, 6


@compiled(nogil=True, error_model="numpy")
def count_terms(
    rows: Any,
    fields: int,
    starts: Any,
    ids: Any,
    counts: Any,
    first: Any,
    last: Any,
    terms: Any,
    span_weights: Any,
    counted: Any,
    frequencies: Any,
    weights: Any,
) -> None:
    """Add to ``frequencies`` and raise ``weights``, both float32 (n, fields, terms)."""
    for place in range(len(rows)):
        for field in range(fields):
            at = rows[place] * fields + field
            end = starts[at + 1]
            for span in range(len(first)):
                low, high = starts[at], end
                while low < high:
                    middle = (low + high) >> 1
                    if ids[middle] < first[span]:
                        low = middle + 1
                    else:
                        high = middle
                if low == end or ids[low] >= last[span]:
                    continue
                term = terms[span]
                weights[place, field, term] = max(weights[place, field, term], span_weights[span])
                if counted[span]:
                    while low < end and ids[low] < last[span]:
                        frequencies[place, field, term] += counts[low]
                        low += 1


@compiled(nogil=True, error_model="numpy")
def score_terms(
    rows: Any,
    fields: int,
    starts: Any,
    ids: Any,
    counts: Any,
    first: Any,
    last: Any,
    terms: Any,
    span_weights: Any,
    counted: Any,
    telling: Any,
    field_weights: Any,
    title: int,
    average: Any,
    scores: Any,
) -> None:
    """Write into ``scores`` float32 (n, 2) what documents are worth, and what their titles are."""
    frequencies, weights = np.zeros(telling.shape[0], np.float32), np.zeros(telling.shape[0], np.float32)
    titled = np.zeros(telling.shape[0], np.float32)
    begin = ids.ctypes.data
    for place in range(rows.shape[0]):
        # The places of a document's forms are needed to fetch them, so those are fetched twice as far ahead.
        if place + 2 * _AHEAD < rows.shape[0]:
            prefetch(starts.ctypes.data + 8 * fields * rows[place + 2 * _AHEAD])
        if place + _AHEAD < rows.shape[0]:
            at = starts[rows[place + _AHEAD] * fields]
            for line in range(_LINES):
                prefetch(begin + 4 * at + line * _CACHE_LINE)
            prefetch(counts.ctypes.data + at)
            prefetch(counts.ctypes.data + at + _CACHE_LINE)
        row = rows[place] * fields
        held = False
        for span in range(first.shape[0]):
            for field in range(fields):
                low, high, end = starts[row + field], starts[row + field + 1], starts[row + field + 1]
                while low < high:
                    middle = (low + high) >> 1
                    if ids[middle] < first[span]:
                        low = middle + 1
                    else:
                        high = middle
                if low == end or ids[low] >= last[span]:
                    continue
                if not held:
                    held = True
                    frequencies[:] = 0
                    weights[:] = 0
                    titled[:] = 0
                term = terms[span]
                weights[term] = max(weights[term], span_weights[span])
                if field == title:
                    titled[term] = max(titled[term], span_weights[span])
                if counted[span]:
                    while low < end and ids[low] < last[span]:
                        frequencies[term] += field_weights[field] * np.float32(counts[low])
                        low += 1
        scores[place, 0] = scores[place, 1] = 0
        if not held:
            continue
        length = np.float32(starts[row + fields] - starts[row]) / average
        title_length = np.float32(starts[row + title + 1] - starts[row + title])
        norm = np.float32(0.3) + np.float32(0.9) * length
        for term in range(telling.shape[0]):
            share = frequencies[term] / (frequencies[term] + norm)
            scores[place, 0] += telling[term] * weights[term] * share
            scores[place, 1] += telling[term] * titled[term] / (np.float32(1) + np.float32(0.1) * title_length)


@compiled(nogil=True, error_model="numpy")
def hold_together(
    begins: Any,
    ends: Any,
    fields: int,
    text: int,
    starts: Any,
    ids: Any,
    first: Any,
    last: Any,
    span_weights: Any,
    spans: Any,
    order: Any,
    shares: Any,
    least: Any,
    held: Any,
) -> None:
    """Lower ``held`` float32 (n, terms), what n documents hold, to what the best passage of each holds.

    Document n has the passages from ``begins[n]`` to ``ends[n]``. Terms are looked at in their ``order``, so that a
    passage without those that count most is left early; those of ``order[t]`` are the spans from ``spans[t]`` on.
    """
    terms = order.shape[0]
    best, trial = np.zeros(terms, np.float32), np.zeros(terms, np.float32)
    #: What all terms from one on can add at most.
    left = np.zeros(terms + 1, np.float64)
    for place in range(begins.shape[0]):
        every = 0.0
        for rank in range(terms):
            every += shares[order[rank]] * held[place, order[rank]]
        for rank in range(terms - 1, -1, -1):
            left[rank] = left[rank + 1] + shares[order[rank]] * held[place, order[rank]]
        most = -1.0
        for passage in range(begins[place], ends[place]):
            at = passage * fields + text
            total = 0.0
            for rank in range(terms):
                # Sums of another order differ in their last bits.
                if total + left[rank] < most - 1e-9:
                    break
                term = order[rank]
                weight = least[place, term]
                if weight < held[place, term]:
                    for span in range(spans[rank], spans[rank + 1]):
                        if span_weights[span] <= weight:
                            continue
                        low, high = starts[at], starts[at + 1]
                        while low < high:
                            middle = (low + high) >> 1
                            if ids[middle] < first[span]:
                                low = middle + 1
                            else:
                                high = middle
                        if low < starts[at + 1] and ids[low] < last[span]:
                            weight = span_weights[span]
                trial[term] = weight
                total += shares[term] * weight
            else:
                if total > most:
                    most = total
                    best[:] = trial
            if most == every:
                break
        held[place] = best
