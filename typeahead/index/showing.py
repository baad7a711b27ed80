"""Chooses the passage by which a hit shows its document."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.index.contents import Contents
from typeahead.index.lexical.lookup import LookedUp
from typeahead.search.terms import FIELDS

_TEXT = FIELDS.index("text")


def best_passage(contents: Contents, row: int, query: Vectors | None, terms: Sequence[LookedUp]) -> int:
    """Return the number of the passage of a document that answers a query best.

    It is the one that is nearest in meaning and holds most of what is asked for, rare words before common ones.
    ``query`` is float32 (dim,), None where only words are asked for; ``terms`` are looked up in each part.
    """
    number, local = contents.place(row)
    part = contents.parts[number]
    starts = part.passages.starts
    if starts is None or starts[local + 1] - starts[local] == 1:
        return 0
    passages = np.arange(starts[local], starts[local + 1])
    scores = np.zeros(len(passages))
    if query is not None and (similarities := part.similarities(query, passages)) is not None:
        scores += similarities
    if terms and terms[number].known:
        held = contents.words[number].passage_evidence(passages, terms[number]).weights[:, _TEXT]
        scores += held @ _shares(contents, terms)
    return int(np.argmax(scores))


def _shares(contents: Contents, terms: Sequence[LookedUp]) -> NDArray[np.float64]:
    """How much each term counts, 1 in all: the rarer, the more."""
    frequencies = contents.document_frequencies(terms)
    rarity: NDArray[np.float64] = np.log1p((contents.count - frequencies + 0.5) / (frequencies + 0.5))
    shares: NDArray[np.float64] = rarity / rarity.sum()
    return shares
