"""Counts terms in documents, as one compiled loop; :mod:`typeahead.index.lexical.forward` says what the arrays are."""

from __future__ import annotations

from typing import Any

from numba import njit


@njit(nogil=True, error_model="numpy", cache=True)
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
