"""Which queries find the documents that hold terms: few enough to answer each key, and nearly all of the best.

The score of a candidate is only good enough to find it; the exact one is made of
:mod:`~typeahead.index.lexical.forward`. ``python -m benchmarks.words`` prints how many of the best by an exact score
are found, and how long that takes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from tantivy import Query

from typeahead.index.lexical.inverted import SHORT, Inverted
from typeahead.index.lexical.lookup import Known
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


class Clause(NamedTuple):
    """One word, or one beginning of :data:`SHORT` characters at most, and how much it counts."""

    form: str
    boost: float
    is_beginning: bool = False


class Queries:
    """Makes queries of terms, for an index of ``count`` documents."""

    def __init__(self, vocabulary: Vocabulary, inverted: Inverted, count: int) -> None:
        self._vocabulary, self._inverted, self._count = vocabulary, inverted, count

    def any_term(self, terms: Sequence[Known], *, every: bool) -> list[Clause]:
        """Return clauses any of which must match; :meth:`made` makes queries of them.

        Unless ``every`` term is asked for, those that tell little are left out, if others tell more: words of more than
        half of all documents, and the beginning of one letter.
        """
        frequencies = [term.frequency for term in terms]
        telling = [0 < frequency <= COMMON * self._count for frequency in frequencies]
        number = sum(telling)
        clauses: list[Clause] = []
        for term, frequency, tells in zip(terms, frequencies, telling, strict=True):
            others = number > tells
            if every or not others or (tells and len(term.beginning) != 1):
                most = CONTINUATIONS_OF_FEW if every else CONTINUATIONS_BESIDE if others else CONTINUATIONS
                clauses += self._clauses(term, frequency, most)
        return clauses

    def made(self, clauses: Iterable[Clause], *, titled: bool = False) -> list[Query]:
        """Make a query of each clause, for titles alone if ``titled``."""
        term, beginning = self._inverted.term, self._inverted.beginning
        return [(beginning if begins else term)(form, boost, titled=titled) for form, boost, begins in clauses]

    def no_term(self, terms: Iterable[Known]) -> list[Query]:
        """Return queries none of which may match."""
        forms: dict[str, None] = {}
        for term in terms:
            forms |= dict.fromkeys(form.form for form in term.forms)
            forms |= dict.fromkeys(map(self._vocabulary.form, range(term.first, term.last)))
        return [self._inverted.any_of(list(forms))] if forms else []

    def _clauses(self, term: Known, frequency: int, most: int) -> list[Clause]:
        """The clauses of one term, whose scores are those of one word that occurs in ``frequency`` documents.

        ``most`` continuations of a beginning are looked for.
        """
        vocabulary = self._vocabulary
        weights = {form: (weight, held) for form, _, weight, held in term.forms if weight > 0}
        clauses: list[Clause] = []
        if term.beginning and term.beginning_weight > 0:
            if len(term.beginning) <= SHORT:
                clauses.append(Clause(term.beginning, term.beginning_weight, True))
                # These count already.
                weights = {
                    form: (weight - term.beginning_weight * form.startswith(term.beginning), held)
                    for form, (weight, held) in weights.items()
                }
            elif term.first < term.last:
                for number in vocabulary.commonest(term.first, term.last, most).tolist():
                    form = vocabulary.form(number)
                    weight = max(term.beginning_weight, weights[form][0] if form in weights else 0)
                    weights[form] = weight, vocabulary.frequency(number)
        telling = self._telling(frequency)
        for form, (weight, held) in weights.items():
            if weight > 0:
                clauses.append(Clause(form, max(weight * telling / self._telling(held), _LEAST)))
        return clauses

    def _telling(self, frequency: int) -> float:
        """Tantivy's inverse document frequency."""
        frequency = min(frequency, self._count)
        return math.log(1 + (self._count - frequency + 0.5) / (frequency + 0.5))
