"""What a text asks for in words, and how the words of a document answer that: one rule for all back ends.

Words are the forms of :func:`typeahead.text.analysis.analyse`. A back end with an index of its own counts them there;
one that has nothing but the texts calls :func:`weigh`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.text.analysis import analyse
from typeahead.text.document import Document

#: The fields whose words are counted, in the order of all arrays that have one row for each.
FIELDS: Final = ("title", "text")


class Term(NamedTuple):
    """One thing that a text asks for: the words that count for it, each with its weight from 0 to 1.

    Words are the forms of :func:`typeahead.text.analysis.analyse`.
    """

    words: Mapping[str, float]
    #: Every form that begins like this counts, too, with ``beginning_weight``; "" for none.
    beginning: str = ""
    beginning_weight: float = 1.0


class Words(NamedTuple):
    """What a request says about words. :mod:`typeahead.search.reading` makes it of a text."""

    terms: Sequence[Term]
    #: Forms that must follow each other in a field of every candidate, among the :func:`parts` of the field.
    phrases: Sequence[Sequence[str]] = ()
    #: Forms that no candidate may hold.
    without: Sequence[str] = ()
    #: The text itself, for an arm that cuts it in a way of its own.
    text: str = ""


class Weighed(NamedTuple):
    """How the words of n documents answer some terms; the arrays of :class:`~typeahead.search.port.Candidates`."""

    frequencies: Vectors
    weights: Vectors
    lengths: Vectors


def forms(text: str) -> list[str]:
    """All forms of all words of a text, in order."""
    return [form for word in analyse(text).words for form in word.forms]


def parts(text: str) -> list[str]:
    """The parts of all words of a text, in order; a plain word is its own part. Phrases are sequences of these."""
    return [part for word in analyse(text).words for part in word.forms[1:] or word.forms]


def admits(document: Document, words: Words) -> bool:
    """Tell whether a document holds each phrase in one of its fields, and no word that is to be left out."""
    fields = (document.title, document.text)
    if words.without and not set(words.without).isdisjoint(form for text in fields for form in forms(text)):
        return False
    return not words.phrases or all(
        any(follows(phrase, held) for held in map(parts, fields)) for phrase in words.phrases
    )


def follows(phrase: Sequence[str], held: Sequence[str]) -> bool:
    """Whether the forms of a phrase follow each other among the parts of a text."""
    wanted = list(phrase)
    return any(held[start : start + len(wanted)] == wanted for start in range(len(held) - len(wanted) + 1))


def weigh(documents: Sequence[Document], terms: Sequence[Term]) -> Weighed:
    """Count the words of ``terms`` in documents, by reading all of them."""
    shape = (len(documents), len(FIELDS), len(terms))
    weighed = Weighed(np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape[:2], np.float32))
    for row, document in enumerate(documents):
        for place, text in enumerate((document.title, document.text)):
            counts = Counter(forms(text))
            weighed.lengths[row, place] = counts.total()
            for column, term in enumerate(terms):
                for form, count in counts.items():
                    if weight := weight_of(form, term):
                        weighed.frequencies[row, place, column] += count
                        weighed.weights[row, place, column] = max(weighed.weights[row, place, column], weight)
    return weighed


def weight_of(form: str, term: Term) -> float:
    """How much a form counts for a term; 0 if it does not."""
    begins = term.beginning_weight if term.beginning and form.startswith(term.beginning) else 0.0
    return max(term.words.get(form, 0.0), begins)


def document_frequencies(counts: Mapping[str, int], documents: int, terms: Sequence[Term]) -> NDArray[np.float64]:
    """Return in how many of ``documents`` each term occurs: float64 (terms,).

    ``counts`` says how many documents hold each form. A term has the count of its commonest word. A beginning whose
    words occur nowhere has the sum over its continuations, at most ``documents``. This sum counts a document once for
    each continuation, so it is an upper bound.
    """
    found = np.zeros(len(terms))
    for place, term in enumerate(terms):
        found[place] = max((counts.get(word, 0) for word in term.words), default=0)
        if not found[place] and term.beginning:
            continued = sum(count for form, count in counts.items() if form.startswith(term.beginning))
            found[place] = min(documents, continued)
    return found
