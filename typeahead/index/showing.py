"""What the passages of a document hold of a query: which terms stand together, and the passage that a hit shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.index.contents import Contents
from typeahead.index.lexical.lookup import LookedUp
from typeahead.index.parts import WordEvidence
from typeahead.search.terms import FIELDS

_TEXT = FIELDS.index("text")
#: How steeply a passage counts that holds nearly all of what is asked for: four fifths count 0.4, and half counts 0.06.
_WHOLE = 4


def best_passage(contents: Contents, row: int, query: Vectors | None, terms: Sequence[LookedUp]) -> int:
    """Return the number of the passage of a document that answers a query best.

    It is the one that is nearest in meaning and holds most of what is asked for, rare words before common ones. One
    that holds all of it comes before others, however near they are.
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
        share = held @ shares(contents, terms)
        scores += share + share**_WHOLE
    return int(np.argmax(scores))


def held_together(
    contents: Contents, rows: NDArray[np.int64], terms: Sequence[LookedUp], whole: WordEvidence
) -> Vectors | None:
    """Weigh the terms that each of n documents holds in its title and its best passage: float32 (n, terms).

    The best passage holds most of the terms, rare ones before common ones. ``whole`` is the evidence of the documents.
    None where no document is divided.
    """
    if not contents.divided or not whole.weights.size:
        return None
    return contents.together(rows, terms, shares(contents, terms), whole)


def shares(contents: Contents, terms: Sequence[LookedUp]) -> NDArray[np.float64]:
    """Return how much each term counts, 1 in all: the rarer, the more."""
    frequencies = contents.document_frequencies(terms)
    rarity: NDArray[np.float64] = np.log1p((contents.count - frequencies + 0.5) / (frequencies + 0.5))
    share: NDArray[np.float64] = rarity / rarity.sum()
    return share
