"""Looks up the words of a request once: finding, weighing and counting them need the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from typeahead.index.lexical.forward import Spans
from typeahead.index.lexical.inverted import SHORT, Inverted
from typeahead.search.terms import Term
from typeahead.search.vocabulary import Vocabulary


class Form(NamedTuple):
    """A form that the index holds, and that counts for a term."""

    form: str
    #: Its place in the vocabulary.
    number: int
    weight: float
    #: How many live documents hold it.
    frequency: int


class Known(NamedTuple):
    """What the index holds of a term."""

    forms: Sequence[Form]
    beginning: str
    beginning_weight: float
    #: The numbers of the forms that begin so: the first one and the one after the last.
    first: int
    last: int
    #: How many live documents hold any of them, or an upper bound.
    begun: int

    @property
    def frequency(self) -> int:
        """How many documents hold the term, or an upper bound."""
        return max(self.begun, *(form.frequency for form in self.forms)) if self.forms else self.begun

    @property
    def exact_frequency(self) -> int:
        """The same, but of its words only the heaviest counts, and the commonest among equals."""
        if not self.forms:
            return self.begun
        return max(self.begun, max((form.weight, form.frequency) for form in self.forms)[1])


@dataclass(frozen=True)
class LookedUp:
    """Some terms, looked up."""

    known: Sequence[Known]

    @cached_property
    def spans(self) -> Spans:
        """What to look for in the forms of a document."""
        found: list[tuple[int, int, int, float, bool]] = []
        for place, term in enumerate(self.known):
            if term.first < term.last:
                found.append((term.first, term.last, place, term.beginning_weight, True))
            for _, number, weight, _ in term.forms:
                found.append((number, number + 1, place, weight, not term.first <= number < term.last))
        columns = list(zip(*found, strict=True)) or [()] * 5
        return Spans(
            np.array(columns[0], np.int64),
            np.array(columns[1], np.int64),
            np.array(columns[2], np.int64),
            np.array(columns[3], np.float32),
            np.array(columns[4], np.bool_),
        )

    @cached_property
    def document_frequencies(self) -> NDArray[np.float64]:
        """In how many live documents each term occurs, or an upper bound: float64 (terms,)."""
        return np.array([term.exact_frequency for term in self.known], np.float64)


def look_up(
    terms: Sequence[Term], vocabulary: Vocabulary, inverted: Inverted, count: int, dead: NDArray[np.int32] | None
) -> LookedUp:
    """Look up ``terms`` in the words of ``count`` live documents.

    ``dead`` int32 (V,) says how many of the documents that hold each form count no longer, None if all do.
    """
    return LookedUp([_known(term, vocabulary, inverted, count, dead) for term in terms])


def _known(term: Term, vocabulary: Vocabulary, inverted: Inverted, count: int, dead: NDArray[np.int32] | None) -> Known:
    forms = []
    for form, weight in term.words.items():
        number = vocabulary.find(form)
        if number >= 0:
            frequency = vocabulary.frequency(number) - (0 if dead is None else int(dead[number]))
            forms.append(Form(form, number, weight, frequency))
    first = last = begun = 0
    if term.beginning:
        first, last = vocabulary.range(term.beginning)
        # Up to 3 characters it is exact while no document is dead: the inverted index counts dead ones, too. Beyond, it
        # is the sum over all these forms, unless fewer documents hold the first 3 characters.
        begun = min(inverted.documents_beginning(term.beginning[:SHORT]), count)
        if len(term.beginning) > SHORT:
            total = vocabulary.total(first, last) - (0 if dead is None else int(dead[first:last].sum()))
            begun = min(begun, total)
    return Known(forms, term.beginning, term.beginning_weight, first, last, begun)
