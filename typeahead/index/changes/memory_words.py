"""The words of documents in memory: finds them by words that may be unfinished, and weighs each of them exactly.

It answers as :class:`~typeahead.index.lexical.lexical.Lexical` does, but its inverted index is made of arrays: for each
form, in the order of the vocabulary, the documents that hold it. So what begins with some letters is one slice. It is
made anew whenever documents change, in some milliseconds for 500 of them, and takes no text to be read
(``python -m benchmarks.memory_parts`` measures it).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import copy
from functools import cached_property
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from typeahead.index.changes.forms import Forms, Held
from typeahead.index.lexical.forward import Forward
from typeahead.index.lexical.lookup import Form, Known, LookedUp
from typeahead.index.parts import WordEvidence
from typeahead.search.terms import FIELDS, Term, parts
from typeahead.search.vocabulary import Vocabulary
from typeahead.text.document import Document

_FIELDS: Final = len(FIELDS)
_TITLE: Final = FIELDS.index("title")
#: How often a word of a title counts, beside one of the text, and how many more documents are found by their titles
#: alone: as among those in files.
TITLE_WEIGHT: Final = 2
TITLED: Final = 32
#: BM25's constants, those of Tantivy. Scores only serve to find candidates.
_K1: Final = 1.2
_B: Final = 0.75
#: Documents whose texts are analysed for one phrase, where the order of their words is not kept.
MOST_ANALYSED: Final = 2000

_Mask = NDArray[np.bool_]


class MemoryWords:
    """The words of ``count`` documents in memory. May be used from several threads.

    ``read`` returns the documents of some rows. It is called for phrases where ``forms`` lack the order of words, and
    then at most :data:`MOST_ANALYSED` documents are looked at, those with most of the words.
    """

    def __init__(self, forms: Forms, read: Callable[[Sequence[int]], Sequence[Document]]) -> None:
        self.forms = forms
        self._read = read
        self.count = len(forms.documents.lengths)
        #: Which documents count: bool (count,); None for all.
        self._alive: _Mask | None = None
        #: Number of forms of each field, in all documents that count: float64 (fields,).
        self.total_lengths = forms.documents.lengths.sum(axis=0, dtype=np.float64)
        self._postings = _Postings(forms.documents, self.count, len(forms.names))
        self.vocabulary = _vocabulary(forms.names, self._postings.frequencies)
        self._forward = Forward(self.count, *forms.documents)
        self._passages = None
        if forms.passages is not None:
            self._passages = Forward(len(forms.passages.lengths), *forms.passages)

    def without(self, dead: NDArray[np.int64]) -> Self:
        """Return the same words, which count as if some documents were not there. The vocabulary stays as it is."""
        words = copy(self)
        words._alive = np.ones(self.count, np.bool_)
        words._alive[dead] = False
        words.total_lengths = self.forms.documents.lengths[words._alive].sum(axis=0, dtype=np.float64)
        return words

    def look_up(self, terms: Sequence[Term] | LookedUp) -> LookedUp:
        """Look terms up, for several of the following methods; looked-up ones are returned as they are."""
        return terms if isinstance(terms, LookedUp) else LookedUp([self._known(term) for term in terms])

    def _known(self, term: Term) -> Known:
        forms = []
        for form, weight in term.words.items():
            number = self.vocabulary.find(form)
            if number >= 0:
                forms.append(Form(form, number, weight, self._frequency(number)))
        first = last = begun = 0
        if term.beginning:
            first, last = self.vocabulary.range(term.beginning)
            held = self._postings.holding(first, last)
            begun = int(np.count_nonzero(held if self._alive is None else held & self._alive))
        return Known(forms, term.beginning, term.beginning_weight, first, last, begun)

    def _frequency(self, number: int) -> int:
        if self._alive is None:
            return self.vocabulary.frequency(number)
        return int(np.count_nonzero(self._postings.holding(number, number + 1) & self._alive))

    def candidates(
        self,
        terms: Sequence[Term] | LookedUp,
        depth: int,
        phrases: Sequence[Sequence[str]] = (),
        without: Sequence[Term] = (),
        admitted: _Mask | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Find documents as :meth:`typeahead.index.lexical.lexical.Lexical.candidates` does: all that hold a term."""
        looked_up = self.look_up(terms)
        by_all, by_title = self._scores(looked_up)
        asked = [phrase for phrase in phrases if phrase]
        # A phrase admits documents without any other term.
        found = np.ones(self.count, np.bool_) if asked else by_all > 0
        if admitted is not None:
            found &= admitted
        if without:
            found &= ~self._holding(self.look_up(without))
        for phrase in asked:
            found &= self._follow(phrase, found)
        best = _best(np.flatnonzero(found), by_all, depth)
        titled = _best(np.flatnonzero(found & (by_title > 0)), by_title, TITLED)
        rows = np.concatenate([best, titled[~np.isin(titled, best)]])
        scores = by_all[rows]
        # The title alone found the last ones.
        np.minimum.accumulate(scores, out=scores)
        return rows.astype(np.int32), scores

    def evidence(self, rows: Sequence[int] | NDArray[np.integer], terms: Sequence[Term] | LookedUp) -> WordEvidence:
        """Count terms in n documents; raises ``IndexError`` for a row that does not exist."""
        return self._weighed(self._forward, np.asarray(rows, np.int64), terms)

    def passage_evidence(self, passages: NDArray[np.int64], terms: Sequence[Term] | LookedUp) -> WordEvidence:
        """Count terms in n passages; the title counts with each. Raises ``IndexError`` for one that does not exist."""
        return self._weighed(self._passages or self._forward, passages, terms)

    def _weighed(self, forward: Forward, rows: NDArray[np.int64], terms: Sequence[Term] | LookedUp) -> WordEvidence:
        looked_up = self.look_up(terms)
        frequencies, weights = forward.weigh(rows, looked_up.spans, len(looked_up.known))
        return WordEvidence(frequencies, weights, forward.lengths[rows].astype(np.float32))

    def document_frequencies(self, terms: Sequence[Term] | LookedUp) -> NDArray[np.float64]:
        """Return in how many documents each term occurs: float64 (terms,). Those of beginnings are exact, too."""
        return self.look_up(terms).document_frequencies

    def _scores(self, terms: LookedUp) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """BM25 of all documents, by all their words and by their titles: float32 (count,), 0 without any term."""
        by_all, by_title = np.zeros(self.count, np.float32), np.zeros(self.count, np.float32)
        spans = terms.spans
        for place, known in enumerate(terms.known):
            mine = (spans.terms == place) & (spans.weights > 0)
            runs = list(zip(spans.first[mine].tolist(), spans.last[mine].tolist(), spans.weights[mine], strict=True))
            if not runs:
                continue
            frequency = min(known.frequency, self.count)
            rarity = np.float32(math.log(1 + (self.count - frequency + 0.5) / (frequency + 0.5)))
            rows, times = self._postings.times(runs)
            whole, title = self._norms[:, rows]
            every = times.sum(axis=1) + (TITLE_WEIGHT - 1) * times[:, _TITLE]
            by_all[rows] += rarity * every / (every + whole)
            by_title[rows] += rarity * times[:, _TITLE] / (times[:, _TITLE] + title)
        return by_all, by_title

    @cached_property
    def _norms(self) -> NDArray[np.float32]:
        """By how much BM25 puts long documents, and long titles, back: float32 (2, count)."""
        lengths = self.forms.documents.lengths.astype(np.float32)
        both = np.stack([lengths.sum(axis=1), lengths[:, _TITLE]])
        means = both.mean(axis=1, keepdims=True) if self.count else np.ones((2, 1))
        norms: NDArray[np.float32] = (_K1 * (1 - _B + _B * both / np.maximum(means, 1))).astype(np.float32)
        return norms

    def _holding(self, terms: LookedUp) -> _Mask:
        """Whether each document holds any form of some terms."""
        held = np.zeros(self.count, np.bool_)
        for first, last in zip(terms.spans.first.tolist(), terms.spans.last.tolist(), strict=True):
            held |= self._postings.holding(first, last)
        return held

    def _follow(self, phrase: Sequence[str], among: _Mask) -> _Mask:
        """Whether the forms of a phrase follow each other in each document, in its title or its text."""
        found = np.zeros(self.count, np.bool_)
        wanted = [self.vocabulary.find(form) for form in phrase]
        if min(wanted) < 0:
            return found
        if (sequences := self.forms.sequences) is None:
            return self._follow_read(wanted, among)
        places = np.flatnonzero(sequences.ids == wanted[0])
        fields = np.searchsorted(sequences.starts, places, "right") - 1
        inside = places + len(wanted) <= sequences.starts[fields + 1]
        places, fields = places[inside], fields[inside]
        for offset, number in enumerate(wanted[1:], 1):
            same = sequences.ids[places + offset] == number
            places, fields = places[same], fields[same]
        found[fields // _FIELDS] = True
        return found

    def _follow_read(self, wanted: Sequence[int], among: _Mask) -> _Mask:
        """Do the same by the texts of the documents that hold all forms."""
        found, held, most = np.zeros(self.count, np.bool_), among.copy(), np.zeros(self.count, np.float32)
        for number in set(wanted):
            held &= self._postings.holding(number, number + 1)
            rows, times = self._postings.times([(number, number + 1, 1.0)])
            most[rows] += times.sum(axis=1)
        rows = _best(np.flatnonzero(held), most, MOST_ANALYSED)
        # The vocabulary knows them by so many characters.
        names = [self.vocabulary.form(number) for number in wanted]
        for row, document in zip(rows.tolist(), self._read(rows.tolist()), strict=True):
            found[row] = any(_has(parts(text), names) for text in (document.title, document.text))
        return found


class _Postings:
    """For each form, the entries of the documents that hold it."""

    def __init__(self, documents: Held, count: int, size: int) -> None:
        self._count = count
        sizes = np.diff(documents.starts)
        # Sorting numbers of 64 bits is much faster than finding the order of others.
        keys = (documents.ids.astype(np.int64) << 32) | np.arange(len(documents.ids))
        keys.sort()
        order = keys & 0xFFFF_FFFF
        #: The field of a document that each entry is of: the row, times the number of fields, and the field.
        self._fields = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)[order]
        self._times = documents.counts[order]
        forms = (keys >> 32).astype(np.int64)
        self._starts = np.concatenate(([0], np.cumsum(np.bincount(forms, minlength=size))))
        rows = self._fields // _FIELDS
        new = np.ones(len(rows), np.bool_)
        # A title and a text that hold the same form follow each other.
        new[1:] = (rows[1:] != rows[:-1]) | (forms[1:] != forms[:-1])
        self.frequencies = np.bincount(forms[new], minlength=size).astype(np.uint32)

    def holding(self, first: int, last: int) -> _Mask:
        """Return which documents hold any of a range of forms: bool (count,)."""
        held = np.zeros(self._count, np.bool_)
        held[self._fields[self._starts[first] : self._starts[last]] // _FIELDS] = True
        return held

    def times(
        self, runs: Sequence[tuple[int, int, np.floating | float]]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Count ranges of forms, each with a weight, in the n documents that hold any.

        Returns their rows, int64 (n,), and how often they occur in each field, float32 (n, fields).
        """
        slices = [slice(self._starts[first], self._starts[last]) for first, last, _ in runs]
        fields = np.concatenate([self._fields[one] for one in slices])
        times = np.concatenate(
            [self._times[one] * np.float32(weight) for one, (_, _, weight) in zip(slices, runs, strict=True)]
        )
        if _FIELDS * self._count <= 16 * len(fields):
            every = np.bincount(fields, times, _FIELDS * self._count).reshape(-1, _FIELDS)
            rows = np.flatnonzero(every.any(axis=1))
            return rows, every[rows].astype(np.float32)
        rows, places = np.unique(fields // _FIELDS, return_inverse=True)
        places = places * _FIELDS + fields % _FIELDS
        counted = np.bincount(places, times, _FIELDS * len(rows)).reshape(-1, _FIELDS)
        return rows.astype(np.int64), counted.astype(np.float32)


def _best(rows: NDArray[np.int64], scores: NDArray[np.float32], most: int) -> NDArray[np.int64]:
    """The rows with the highest scores, best first, ties by row."""
    ranked = scores[rows]
    if len(rows) > most:
        # All that tie with the last one stay, until the order is known.
        kept = ranked >= np.partition(ranked, len(ranked) - most)[len(ranked) - most] if most else ranked < 0
        rows, ranked = rows[kept], ranked[kept]
    order = np.lexsort((rows, -ranked))[:most]
    best: NDArray[np.int64] = rows[order]
    return best


def _has(held: Sequence[str], wanted: Sequence[str]) -> bool:
    return any(held[start : start + len(wanted)] == wanted for start in range(len(held) - len(wanted) + 1))


def _vocabulary(names: Sequence[str], frequencies: NDArray[np.uint32]) -> Vocabulary:
    blob = np.frombuffer("".join(names).encode(), np.uint8)
    starts = np.zeros(len(names) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, names), np.int64, len(names)), out=starts[1:])
    if starts[-1] != len(blob):
        # Of each character all bytes but the first continue it.
        firsts = np.flatnonzero((blob & 0xC0) != 0x80)
        starts = np.append(firsts, len(blob))[starts]
    return Vocabulary(blob, starts, frequencies)
