"""Which queries find the documents that hold terms: few enough to answer each key, and nearly all of the best.

The score of a candidate is only good enough to find it; the exact one is made of
:mod:`~typeahead.index.lexical.forward`. ``python -m benchmarks.words`` prints how many of the best by an exact score
are found, and how long that takes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from tantivy import Query

from typeahead.index.lexical.inverted import SHORT, Inverted
from typeahead.search.terms import Term
from typeahead.search.vocabulary import Vocabulary

#: Continuations of a beginning that are looked for, and of one that stands beside other words.
CONTINUATIONS: Final = 32
CONTINUATIONS_BESIDE: Final = 16
#: Of one where the commonest are in too few documents.
CONTINUATIONS_OF_FEW: Final = 256
#: A word in more than this share of all documents is left out beside rarer ones.
COMMON: Final = 0.5
#: A factor of scores must be above zero.
_LEAST: Final = 1e-3


class Queries:
    """Makes queries of terms, for an index of ``count`` documents."""

    def __init__(self, vocabulary: Vocabulary, inverted: Inverted, count: int) -> None:
        self._vocabulary, self._inverted, self._count = vocabulary, inverted, count

    def any_term(self, terms: Sequence[Term], *, every: bool, titled: bool = False) -> list[Query]:
        """Return queries any of which must match, in titles alone if ``titled``.

        Unless ``every`` term is asked for, those that tell little are left out, if others tell more: words of more than
        half of all documents, and the beginning of one letter.
        """
        frequencies = [self._frequency(term) for term in terms]
        telling = [0 < frequency <= COMMON * self._count for frequency in frequencies]
        queries: list[Query] = []
        for place, term in enumerate(terms):
            others = any(telling[:place] + telling[place + 1 :])
            if every or not others or (telling[place] and len(term.beginning) != 1):
                most = CONTINUATIONS_OF_FEW if every else CONTINUATIONS_BESIDE if others else CONTINUATIONS
                queries += self._queries(term, frequencies[place], most, titled)
        return queries

    def no_term(self, terms: Iterable[Term]) -> list[Query]:
        """Return queries none of which may match."""
        forms: dict[str, None] = {}
        for term in terms:
            forms |= dict.fromkeys(form for form in term.words if form in self._vocabulary)
            if term.beginning:
                forms |= dict.fromkeys(map(self._vocabulary.form, range(*self._vocabulary.range(term.beginning))))
        return [self._inverted.any_of(list(forms))] if forms else []

    def _frequency(self, term: Term) -> int:
        """How many documents hold the term, or an upper bound."""
        most = max((self._vocabulary.document_frequency(form) for form in term.words), default=0)
        if term.beginning:
            most = max(most, beginning_frequency(term.beginning, self._vocabulary, self._inverted, self._count))
        return most

    def _queries(self, term: Term, frequency: int, most: int, titled: bool) -> list[Query]:
        """The queries of one term, whose scores are those of one word that occurs in ``frequency`` documents.

        ``most`` continuations of a beginning are looked for.
        """
        vocabulary, made = self._vocabulary, self._inverted.term
        weights = {form: weight for form, weight in term.words.items() if form in vocabulary and weight > 0}
        queries: list[Query] = []
        if term.beginning and term.beginning_weight > 0:
            if len(term.beginning) <= SHORT:
                queries.append(self._inverted.beginning(term.beginning, term.beginning_weight, titled=titled))
                # These count already.
                weights = {
                    form: weight - term.beginning_weight * form.startswith(term.beginning)
                    for form, weight in weights.items()
                }
            else:
                first, last = vocabulary.range(term.beginning)
                for number in vocabulary.commonest(first, last, most).tolist():
                    form = vocabulary.form(number)
                    weights[form] = max(term.beginning_weight, weights.get(form, 0))
        telling = self._telling(frequency)
        for form, weight in weights.items():
            if weight > 0:
                factor = telling / self._telling(vocabulary.document_frequency(form))
                queries.append(made(form, max(weight * factor, _LEAST), titled=titled))
        return queries

    def _telling(self, frequency: int) -> float:
        """Tantivy's inverse document frequency."""
        frequency = min(frequency, self._count)
        return math.log(1 + (self._count - frequency + 0.5) / (frequency + 0.5))


def beginning_frequency(prefix: str, vocabulary: Vocabulary, inverted: Inverted, count: int) -> int:
    """How many documents hold a form that begins with ``prefix``: exact up to 3 characters, else an upper bound.

    The bound is the sum over all these forms, unless fewer documents hold the first 3 characters.
    """
    most = inverted.documents_beginning(prefix[:SHORT])
    return most if len(prefix) <= SHORT else min(most, vocabulary.total(*vocabulary.range(prefix)), count)
