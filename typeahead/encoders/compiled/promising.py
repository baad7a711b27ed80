"""Picks the rows of an exact search, as compiled loops; :mod:`typeahead.index.exact` says what scores and bounds are.

In NumPy, the same takes ten calls over all rows, and each gives the interpreter away and has to get it back.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from typeahead.encoders.compiled.caching import compiled


@compiled(nogil=True, error_model="numpy")
def cheap_scores(products: Any, scales: Any, cheap: Any, found: Any) -> None:
    """Write ``products`` · ``scales``, all float32 (n,), to ``cheap``, and some k rows with the largest to ``found``.

    ``found`` is int64 (k,), k at most n.
    """
    most = found.shape[0]
    for row in range(products.shape[0]):
        score = products[row] * scales[row]
        cheap[row] = score
        # The found rows are a heap, the least of them first.
        if row < most:
            place = row
            while place > 0 and score < cheap[found[(place - 1) >> 1]]:
                found[place] = found[(place - 1) >> 1]
                place = (place - 1) >> 1
            found[place] = row
        elif score > cheap[found[0]]:
            place = 0
            while True:
                below = 2 * place + 1
                if below + 1 < most and cheap[found[below + 1]] < cheap[found[below]]:
                    below += 1
                if below >= most or score <= cheap[found[below]]:
                    break
                found[place] = found[below]
                place = below
            found[place] = row


@compiled(nogil=True, error_model="numpy")
def reaching(cheap: Any, scales: Any, bound: Any, least: Any) -> Any:
    """Return the rows, int64 (m,), whose score may reach ``least``: ``cheap`` + ``bound`` · ``scales``, float32."""
    number = 0
    for row in range(cheap.shape[0]):
        number += cheap[row] + bound * scales[row] >= least
    rows = np.empty(number, np.int64)
    place = 0
    for row in range(cheap.shape[0]):
        if cheap[row] + bound * scales[row] >= least:
            rows[place] = row
            place += 1
    return rows
