"""The words of documents in memory: finds them by words that may be unfinished, and weighs each of them exactly.

It answers as :class:`~typeahead.index.lexical.lexical.Lexical` does, but its inverted index is made of arrays: for each
form, in the order of the vocabulary, the documents that hold it. So all words with one beginning are one slice. It is
made anew whenever documents change, which reads no text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.encoders.compiled.importing import import_compiled
from typeahead.index.changes.forms import Forms, taken
from typeahead.index.changes.postings import Postings
from typeahead.index.changes.remaining import Leaving, RemainingWords
from typeahead.index.lexical.forward import Forward
from typeahead.index.lexical.lookup import Form, Known, LookedUp
from typeahead.index.lexical.together import Together
from typeahead.index.parts import WordEvidence
from typeahead.search.terms import FIELDS, Term, follows, parts
from typeahead.search.vocabulary import LONGEST_FORM, Vocabulary
from typeahead.text.document import Document

_FIELDS: Final = len(FIELDS)
_TITLE: Final = FIELDS.index("title")
#: How often a word of a title counts, beside one of the text, and how many more documents are found by their titles
#: alone: as among those in files.
TITLE_WEIGHT: Final = 2
TITLED: Final = 32
#: A word in more than this share of all documents is left out beside rarer ones, unless too few have those.
COMMON: Final = 0.5
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
        #: Number of forms of each field, in all documents: float64 (fields,).
        self.total_lengths = forms.documents.lengths.sum(axis=0, dtype=np.float64)
        self._postings = Postings(forms.documents, self.count, len(forms.names))
        self._leaving = Leaving(self, forms.documents)
        self._forward = Forward(self.count, *forms.documents)
        compiled: Any = import_compiled("weighing", "weighing words")
        self._weigh = None if compiled is None else compiled.weigh_postings
        self._passages = None
        if forms.passages is not None:
            self._passages = Forward(len(forms.passages.lengths), *forms.passages)
        self._together = Together(self._passages)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """All forms, with the number of documents that hold each."""
        # Made when it is asked for: searches do without.
        return _vocabulary(self.forms.names, self._postings.frequencies)

    def look_up(self, terms: Sequence[Term] | LookedUp) -> LookedUp:
        """Look terms up, for several of the following methods; looked-up ones are returned as they are."""
        return terms if isinstance(terms, LookedUp) else LookedUp([self._known(term) for term in terms])

    def _known(self, term: Term) -> Known:
        forms = []
        for form, weight in term.words.items():
            number = self._number(form)
            if number >= 0:
                forms.append(Form(form, number, weight, int(self._postings.frequencies[number])))
        first = last = begun = 0
        if term.beginning:
            first, last = self.forms.names.range(_shortened(term.beginning))
            begun = int(np.count_nonzero(self._postings.holding(first, last)))
        return Known(forms, term.beginning, term.beginning_weight, first, last, begun)

    def _number(self, form: str) -> int:
        return self.forms.names.numbers.get(form[:LONGEST_FORM], -1)

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
        asked = [phrase for phrase in phrases if phrase]
        found = np.ones(self.count, np.bool_) if admitted is None else admitted.copy()
        if without:
            found &= ~self._holding(self.look_up(without))
        for phrase in asked:
            found &= self._follow(phrase, found)
        every = range(len(looked_up.known))
        telling = self._telling(looked_up)
        by_all, by_title = self._scores(looked_up, telling or every)
        # A phrase admits documents without any other term.
        if not asked:
            if telling and len(telling) < len(every) and np.count_nonzero(found & (by_all > 0)) < depth:
                by_all, by_title = self._scores(looked_up, every)
            found &= by_all > 0
        best = _best(np.flatnonzero(found), by_all, depth)
        titled = _best(np.flatnonzero(found & (by_title > 0)), by_title, TITLED)
        found[:] = True
        found[best] = False
        rows = np.concatenate([best, titled[found[titled]]])
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

    def together(
        self,
        begins: NDArray[np.int64],
        ends: NDArray[np.int64],
        terms: LookedUp,
        shares: NDArray[np.float64],
        whole: WordEvidence,
    ) -> Vectors:
        """See :meth:`typeahead.index.parts.Words.together`."""
        return self._together.weigh(begins, ends, terms, shares, whole)

    def _weighed(self, forward: Forward, rows: NDArray[np.int64], terms: Sequence[Term] | LookedUp) -> WordEvidence:
        looked_up = self.look_up(terms)
        frequencies, weights = forward.weigh(rows, looked_up.spans, len(looked_up.known))
        return WordEvidence(frequencies, weights, forward.lengths[rows].astype(np.float32))

    def document_frequencies(self, terms: Sequence[Term] | LookedUp) -> NDArray[np.float64]:
        """Return in how many documents each term occurs: float64 (terms,). Those of beginnings are exact, too."""
        return self.look_up(terms).document_frequencies

    def taken(self, rows: NDArray[np.int64], passages: NDArray[np.int64]) -> Forms:
        """Return the forms of some documents, and of their passages."""
        forms = self.forms
        name = forms.names.__getitem__
        return taken(name, len(forms.names), forms.documents, forms.passages, forms.sequences, rows, passages)

    def without(self, rows: NDArray[np.int64]) -> RemainingWords:
        """Return the same words, which no longer count some documents."""
        return self._leaving.of(rows)

    def _telling(self, terms: LookedUp) -> list[int]:
        """Which terms tell more than others: no words of most documents, and no beginnings of one letter."""
        return [
            place
            for place, known in enumerate(terms.known)
            if 0 < known.frequency <= COMMON * self.count and len(known.beginning) != 1
        ]

    def _scores(self, terms: LookedUp, some: Iterable[int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """BM25 of all documents by some terms: by all their words, and by their titles; 0 where there are none.

        Both are float32 (count,).
        """
        by_all, by_title = np.zeros(self.count, np.float32), np.zeros(self.count, np.float32)
        spans, wanted = terms.spans, set(some)
        rarities = np.zeros(len(terms.known), np.float32)
        for place in wanted:
            frequency = min(terms.known[place].frequency, self.count)
            rarities[place] = math.log(1 + (self.count - frequency + 0.5) / (frequency + 0.5))
        counted = spans.weights > 0
        if len(wanted) < len(terms.known):
            counted &= rarities[spans.terms] > 0
        columns = [column[counted] for column in (spans.first, spans.last, spans.terms)]
        if self._weigh is not None:
            postings = self._postings
            self._weigh(
                np.stack(columns, axis=1), spans.weights[counted], rarities, postings.starts, postings.places,
                postings.entry_times, self._norms, np.float32(TITLE_WEIGHT), by_all, by_title,
            )  # fmt: skip
            return by_all, by_title
        for place in sorted(wanted):
            mine = counted & (spans.terms == place)
            runs = list(zip(spans.first[mine].tolist(), spans.last[mine].tolist(), spans.weights[mine], strict=True))
            if not runs:
                continue
            rarity = rarities[place]
            rows, times = self._postings.times(runs)
            whole, title = self._norms[:, rows]
            every = times.sum(axis=0) + (TITLE_WEIGHT - 1) * times[_TITLE]
            by_all[rows] += rarity * every / (every + whole)
            by_title[rows] += rarity * times[_TITLE] / (times[_TITLE] + title)
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
        wanted = list(map(self._number, phrase))
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
            most[rows] += times.sum(axis=0)
        rows = _best(np.flatnonzero(held), most, MOST_ANALYSED)
        # The vocabulary knows them by so many characters.
        names = [self.forms.names[number] for number in wanted]
        for row, document in zip(rows.tolist(), self._read(rows.tolist()), strict=True):
            found[row] = any(follows(names, parts(text)) for text in (document.title, document.text))
        return found


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


def _shortened(beginning: str) -> str:
    """A beginning as the vocabulary knows it."""
    return beginning[:LONGEST_FORM].encode("utf-8", "replace").decode()


def _vocabulary(names: Sequence[str], frequencies: NDArray[np.uint32]) -> Vocabulary:
    blob = np.frombuffer("".join(names).encode(), np.uint8)
    starts = np.zeros(len(names) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, names), np.int64, len(names)), out=starts[1:])
    if starts[-1] != len(blob):
        # Of each character all bytes but the first continue it.
        firsts = np.flatnonzero((blob & 0xC0) != 0x80)
        starts = np.append(firsts, len(blob))[starts]
    return Vocabulary(blob, starts, frequencies)
