"""The words of a part some of whose documents are gone: what is counted is what remains.

The part still has all its documents, and its searches are told which count. But how many documents hold a word, how
long documents are and which words there are must not depend on what is gone. So the words of those documents are
counted, too, and subtracted.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.index.changes.forms import Forms, HeldForms, Names, held, used
from typeahead.index.changes.postings import Postings
from typeahead.index.lexical.lookup import Form, Known, LookedUp
from typeahead.index.parts import WordEvidence
from typeahead.index.parts import Words as PartWords
from typeahead.search.terms import Term
from typeahead.search.vocabulary import Vocabulary

#: Documents that are gone beyond the last ones that were put together.
_MOST_NEW: Final = 512


class Words(PartWords, Protocol):
    """Words that can be taken out."""

    @property
    def total_lengths(self) -> NDArray[np.float64]:
        """Number of forms of each field, in all documents: float64 (fields,)."""


class _Gone:
    """The words of n documents that are gone, numbered as in their part."""

    def __init__(self, documents: HeldForms, size: int, rows: NDArray[np.int64]) -> None:
        self.rows = rows
        forms = held(documents, rows)
        self.lengths = forms.lengths.sum(axis=0, dtype=np.float64)
        #: The numbers of the forms that occur, rising.
        self.numbers, renumbered = used(size, Forms(Names(()), forms, None, None))
        self.postings = Postings(renumbered.documents, len(rows), len(self.numbers))

    def frequency(self, first: int, last: int) -> int:
        """In how many of these documents a range of forms occurs."""
        begin, end = np.searchsorted(self.numbers, (first, last)).tolist()
        if end - begin == 1:
            return int(self.postings.frequencies[begin])
        return int(np.count_nonzero(self.postings.holding(begin, end))) if begin < end else 0


class Leaving:
    """Makes the words that remain, one set of documents after the other. May be used from several threads.

    More and more documents go, so those that are counted already are not counted again.
    """

    def __init__(self, words: Words, documents: HeldForms) -> None:
        self._words, self._documents = words, documents
        self._lock = threading.Lock()
        self._counted: _Gone | None = None

    def of(self, rows: NDArray[np.int64]) -> RemainingWords:
        """Return the words without the documents of some rows, rising."""
        with self._lock:
            counted = self._counted
            if counted is None or not np.isin(counted.rows, rows, assume_unique=True).all():
                counted, new = None, rows
            else:
                new = np.setdiff1d(rows, counted.rows, assume_unique=True)
            if len(new) > _MOST_NEW:
                counted, new = None, rows
            gone = [] if counted is None else [counted]
            if len(new):
                gone.append(_Gone(self._documents, len(self._words.vocabulary), new))
            if counted is None and len(rows) > _MOST_NEW:
                self._counted = gone[-1]
        return RemainingWords(self, self._words, gone)


class RemainingWords:
    """The words of a part without those of some documents: :class:`typeahead.index.parts.Words`.

    Searches must be told, too, which documents count.
    """

    def __init__(self, leaving: Leaving, words: Words, gone: Sequence[_Gone]) -> None:
        self._leaving, self._words, self._gone = leaving, words, gone
        self.total_lengths = words.total_lengths - sum(one.lengths for one in gone)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The forms that remain, each with the number of documents that hold it."""
        whole = self._words.vocabulary
        left = whole.frequencies.astype(np.int64)
        for one in self._gone:
            left[one.numbers] -= one.postings.frequencies
        return Vocabulary.of({whole.form(number): int(left[number]) for number in np.flatnonzero(left > 0).tolist()})

    def without(self, dead: NDArray[np.int64]) -> RemainingWords:
        """Return the same words, which count as if some more documents were not there."""
        rows = np.unique(np.concatenate([dead, *(one.rows for one in self._gone)]))
        return self._leaving.of(rows)

    def look_up(self, terms: Sequence[Term] | LookedUp) -> LookedUp:
        """Look terms up, for several of the following methods; looked-up ones are returned as they are."""
        if isinstance(terms, LookedUp):
            return terms
        return LookedUp([self._left(known) for known in self._words.look_up(terms).known])

    def _left(self, known: Known) -> Known:
        forms = []
        for form in known.forms:
            left = form.frequency - self._frequency(form.number, form.number + 1)
            if left > 0:
                forms.append(Form(form.form, form.number, form.weight, left))
        begun = known.begun and max(0, known.begun - self._frequency(known.first, known.last))
        # A beginning that nothing is left of counts for nothing.
        first, last = (known.first, known.last) if begun else (0, 0)
        return known._replace(forms=forms, first=first, last=last, begun=begun)

    def _frequency(self, first: int, last: int) -> int:
        return sum(one.frequency(first, last) for one in self._gone)

    def candidates(
        self,
        terms: Sequence[Term] | LookedUp,
        depth: int,
        phrases: Sequence[Sequence[str]] = (),
        without: Sequence[Term] = (),
        admitted: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Find documents, of those ``admitted``, that hold any of the terms."""
        return self._words.candidates(self.look_up(terms), depth, phrases, without, admitted)

    def evidence(self, rows: Sequence[int] | NDArray[np.integer], terms: Sequence[Term] | LookedUp) -> WordEvidence:
        """Count terms in n documents."""
        return self._words.evidence(rows, self.look_up(terms))

    def passage_evidence(self, passages: NDArray[np.int64], terms: Sequence[Term] | LookedUp) -> WordEvidence:
        """Count terms in n passages of divided documents."""
        return self._words.passage_evidence(passages, self.look_up(terms))

    def together(
        self,
        begins: NDArray[np.int64],
        ends: NDArray[np.int64],
        terms: LookedUp,
        shares: NDArray[np.float64],
        whole: WordEvidence,
    ) -> Vectors:
        """Weigh the terms that n documents hold together, each in its title and one passage."""
        return self._words.together(begins, ends, terms, shares, whole)

    def document_frequencies(self, terms: Sequence[Term] | LookedUp) -> NDArray[np.float64]:
        """Return in how many documents each term occurs: float64 (terms,)."""
        return self.look_up(terms).document_frequencies
