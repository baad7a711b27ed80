"""Makes one score of the evidence that both arms have of a candidate.

A score is a sum of parts that are measured between bounds known beforehand, each better the larger it is:

- **meaning**: the similarity of the vectors, between what a text without meaning reaches in this index (0) and what a
  passage reaches by its own words (1); see :mod:`typeahead.search.calibration`;
- **words**: the share of what the text asks for that the passage holds. Each term counts by its inverse document
  frequency, of which a passage gets the part that BM25 gives it, title and text as one field. A word that the index
  lacks counts in full, against everybody;
- **rare words**: the share that the passage holds, however often, as far as the rarest of these words is rare. A word
  of few documents names what is looked for, in a long passage, too;
- **title**: the share that the title holds;
- **name**: the same, as far as the title holds nothing else;
- **exact**: whether the title is the text;
- **scattered**: the share that a divided document holds somewhere, but not in one passage with the rest. It counts
  against the document: a long one holds most words somewhere.

Scores that are brought to 0 … 1 within each ranking mean something else for each query, and throw away how much better
the best is than the rest. Convex combinations with theoretical bounds do neither, and were better than rank fusion in
the study of Bruch, Gai and Ingber (2022), "An Analysis of Fusion Functions for Hybrid Retrieval". A logistic function
brings the sum to a number from 0 to 1, which changes no order. The weights were chosen on development data
(``python -m benchmarks.relevance``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.search.port import Candidates
from typeahead.search.terms import FIELDS

_TITLE: Final = FIELDS.index("title")
#: A word counts as rare in so steep a way: one of ten among 8,000 documents counts a third, and one of a hundred 1/20.
_RARE: Final = 4
#: A title is the text where both hold nothing else; what comes near to that counts as steeply.
_EXACT: Final = 8


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each part counts, and how words are weighed."""

    words: float = 0.7
    rare: float = 1.2
    title: float = 0.2
    name: float = 1.0
    exact: float = 0.8
    scattered: float = 1.25
    #: BM25's: how fast further occurrences stop to count, and how much long passages pay for their length.
    k1: float = 0.9
    b: float = 0.4


WEIGHTS: Final = Weights()


@dataclass(frozen=True, slots=True)
class Scale:
    """What similarities and scores mean in one index, for one encoder (:mod:`typeahead.search.calibration`)."""

    #: The similarity that counts nothing, and the one that counts in full.
    low: float = 0.0
    high: float = 1.0
    #: The score below which a best hit is weak.
    weak: float = 0.0
    #: Where a sum of parts becomes 0.5 as a score, and how fast scores grow there.
    middle: float = 0.8
    slope: float = 3.0

    def unit(self, total: float) -> float:
        """Bring a sum of parts to a score from 0 to 1."""
        # Inner products may lie so far apart that the exponential would overflow.
        return 1 / (1 + math.exp(min(self.slope * (self.middle - total), 700.0)))


UNCALIBRATED: Final = Scale()


def score(found: Candidates, documents: int, scale: Scale, weights: Weights = WEIGHTS) -> Vectors:
    """Weigh the n candidates of a request among ``documents``: float32 (n,), higher is better, the sum of all parts.

    A candidate without a similarity counts as one whose similarity is ``scale.low``.
    """
    similarities = np.where(np.isnan(found.similarities), np.float32(scale.low), found.similarities)
    meaning = (similarities - scale.low) / (scale.high - scale.low)
    if not found.document_frequencies.size or not len(meaning):
        return meaning.astype(np.float32)
    frequencies = np.minimum(found.document_frequencies, documents)
    rarity = np.log1p((documents - frequencies + 0.5) / (frequencies + 0.5)).astype(np.float32)
    share = rarity / rarity.sum()
    held_weights = np.ascontiguousarray(found.weights)
    heaviest, titled = _largest(held_weights), held_weights[:, _TITLE]
    counts, length = _both(found.frequencies), _both(found.lengths) / max(float(found.average_length), 1.0)
    held = heaviest * counts
    held /= counts + (weights.k1 * (1 - weights.b + weights.b * length))[:, None]
    words = np.vecdot(held, share)
    rareness = (rarity / math.log1p(documents + 0.5))[:, None]
    rarest = np.multiply(heaviest.T, rareness, order="C").max(axis=0) ** _RARE
    share_held = np.vecdot(heaviest, share)
    title = np.vecdot(titled, share)
    filled = np.minimum(1, np.vecdot(titled, np.ones_like(share)) / np.maximum(found.lengths[:, _TITLE], 1))
    total: Vectors = (
        meaning
        + weights.words * words
        + weights.rare * rarest * share_held
        + title * (weights.title + weights.name * filled)
        + weights.exact * (title * filled) ** _EXACT
    )
    if found.together is not None:
        total -= weights.scattered * (share_held - np.vecdot(np.ascontiguousarray(found.together), share))
    return total


# NumPy reduces a last axis of few elements ten times as slowly as it adds two arrays. The sum over terms is a product
# of two vectors for each row: a product of matrices adds up in an order that depends on the number of rows, so equal
# candidates would differ.


def _both(fields: Vectors) -> Vectors:
    """The sum over fields."""
    total: Vectors = sum((fields[:, field] for field in range(1, len(FIELDS))), fields[:, 0])
    return np.ascontiguousarray(total)


def _largest(fields: Vectors) -> Vectors:
    """The largest of the fields."""
    largest = fields[:, 0]
    for field in range(1, len(FIELDS)):
        largest = np.maximum(largest, fields[:, field], order="C")
    return largest
