"""Reads a typed text: which words it asks for, and what it may become.

There is one reading, for every key and for Enter. Whether the last word is finished is a matter of evidence, not of the
key: a word of the index counts at least as much as all words that begin with it together, and letters that are no word
count as the beginning of one. A word that the index lacks may be a slip, so the words nearest to it count, behind exact
ones.

``"quoted words"`` are a phrase: they must follow each other. ``-word`` leaves out documents that hold the word. It
needs three letters, and nothing but letters, so that ``rm -rf`` and ``kill -9`` stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from typeahead.search.terms import Term, Words
from typeahead.text.analysis import Word, analyse, fold, readable

#: Continuations of the last word that are encoded.
CONTINUATIONS: Final = 3
#: As many as anybody may ask for, since each costs steps at every key.
MOST_CONTINUATIONS: Final = 32
#: Words that are looked for. More of them are a long paste, and would cost time at every key.
MOST_WORDS: Final = 32
#: Words of one text that are taken for slips, as each costs a search of the vocabulary; the words that one slip may
#: stand for; and the letters that a word needs to be taken for one.
_MOST_SLIPS: Final = 4
_CORRECTIONS: Final = 3
_SHORTEST_SLIP: Final = 4
#: Letters that a finished word needs to be taken for the beginning of another one.
_SHORTEST_CUT: Final = 3
#: Documents that hold a continuation of a half-typed word, below which it may be a slip, too.
_FEW: Final = 5
#: Longer words, in code points, are not continued.
_LONGEST: Final = 64
#: Continuations that are less likely than this, together, are not worth their steps.
_UNLIKELY: Final = 0.05
#: Nor is one that is less likely than that, or than this fraction of an even share. A fifth of all steps were for
#: these. Over the keys of development queries, the vector to search for keeps a mean cosine of 0.9998 without them, and
#: at least one of 0.988.
_FRACTION: Final = 0.25

#: A phrase whose end is still to be typed goes on to the end of the text.
_PHRASE = re.compile(r'"([^"]*)("|\Z)|[“„]([^“”]*)([“”]|\Z)|«([^»]*)(»|\Z)')
_QUOTES = re.compile(r'["“”„«»]')
_TAIL = re.compile(r"[^\W_]+\Z")
_WITHOUT = re.compile(r"(?<!\S)[-−]([^\W\d_]{3,})(?=\s)")


class Vocabulary(Protocol):
    """The forms of an index's words (:mod:`typeahead.text.analysis`), as far as a reading needs them."""

    def document_frequency(self, form: str) -> int:
        """How many documents hold the form; 0 for one that none holds."""

    def beginning(self, prefix: str, most: int) -> tuple[Sequence[tuple[str, int]], int]:
        """The ``most`` commonest forms with this prefix, each with its frequency, and the sum of all frequencies."""

    def similar(self, form: str, most: int) -> Sequence[str]:
        """The forms that this one may be a slip of, likeliest first."""

    def similar_beginning(self, prefix: str, most: int) -> Sequence[str]:
        """The forms whose beginning this may be a slip of, likeliest first."""


class Ending(NamedTuple):
    """What a text may become, and how likely that is."""

    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text asks for."""

    words: Words
    #: What to encode: the text as it stands, and what it may become. Weights add up to 1. Empty where only the text
    #: itself is to be encoded.
    endings: Sequence[Ending] = ()
    #: Words that may stand behind slips.
    corrections: Sequence[str] = ()
    #: What the finished words of the text ask for, for the next reading of the same session, and whose vocabulary says
    #: so.
    known: _Known = field(default_factory=dict, compare=False, repr=False)
    vocabulary: Vocabulary | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class WordWeights:
    """How much a word counts that was not typed as it stands, beside 1 for one that was."""

    #: A continuation of a last word that is a word of the index, too.
    continued: float = 0.6
    #: A continuation of a finished word that the index lacks.
    cut: float = 0.7
    #: The likeliest word that the typed one may be a slip of, and by what each further one counts less.
    slip: float = 0.7
    further_slip: float = 0.8
    #: How much the text as it stands counts for the embedding, where a word of it may be a slip.
    unrepaired: float = 0.2


_WEIGHTS: Final = WordWeights()


class _Read(NamedTuple):
    """What one word of a text asks for."""

    term: Term
    corrections: Sequence[str] = ()
    #: The word, and what it may become, with the likelihood of all of that together.
    form: str = ""
    continuations: Sequence[tuple[str, int]] = ()
    continued: float = 0.0


#: By a finished word, and whether it may be a slip.
_Known = dict[tuple[str, bool], _Read]


class Reader:
    """Reads texts, by the ``vocabulary`` of an index where there is one. Keeps nothing of what it has read.

    ``continuations`` of the last word are encoded; 0 for none.
    """

    def __init__(
        self, vocabulary: Vocabulary | None, *, weights: WordWeights = _WEIGHTS, continuations: int = CONTINUATIONS
    ) -> None:
        self._vocabulary = vocabulary
        self._weights = weights
        self._continuations = continuations

    def read(self, text: str, before: Reading | None = None) -> Reading:
        """Read a text. Of a long one the first :data:`MOST_WORDS` words are looked for.

        ``before`` is an earlier reading of the same session. The words that both texts have are not looked up again,
        which changes nothing but the time that it takes.
        """
        known: _Known = {} if before is None or before.vocabulary is not self._vocabulary else before.known
        now: _Known = {}
        plain, phrases, without = _marked(text)
        found = analyse(plain)
        terms: list[Term] = []
        slips: list[tuple[Word, Sequence[str]]] = []
        corrections: list[str] = []
        read = None
        for row, word in enumerate(found.words[:MOST_WORDS]):
            *first, last = word.forms[1:] or word.forms
            is_open = found.open and row == len(found.words) - 1
            slip = len(slips) < _MOST_SLIPS
            parts = []
            for part in first if is_open else (*first, last):
                key = part, slip
                now[key] = read = known.get(key) or self._finished(part, slip)
                parts.append(read)
            if is_open:
                read = self._open(last, slip)
                parts.append(read)
            assert read is not None, "a word has a form"
            terms += [part.term for part in parts]
            if any(part.corrections for part in parts):
                slips.append((word, read.corrections if len(word.forms) == 1 else ()))
                corrections += [form for part in parts for form in part.corrections]
            if len(word.forms) > 1:
                terms += self._compound(word.forms[0], is_open)
                terms += self._repaired(word.forms[1:], parts)
        endings = self._endings(plain, [(word, forms) for word, forms in slips if forms], read)
        if not endings and plain != text:
            endings = [Ending(plain, 1.0)]
        return Reading(Words(terms, phrases, without, plain), endings, corrections, now, self._vocabulary)

    def _finished(self, form: str, slip: bool = False) -> _Read:
        """Read a word that is finished."""
        vocabulary = self._vocabulary
        if vocabulary is None or vocabulary.document_frequency(form):
            return _Read(Term({form: 1.0}))
        if slip and (corrections := self._corrections(form, unfinished=False)):
            return _Read(self._slip(corrections), corrections)
        if len(form) >= _SHORTEST_CUT and vocabulary.beginning(form, 1)[1]:
            return _Read(Term({}, form, self._weights.cut))
        return _Read(Term({form: 1.0}))

    def _open(self, form: str, slip: bool) -> _Read:
        """Read a word that more letters may be added to."""
        vocabulary = self._vocabulary
        if vocabulary is None:
            return _Read(Term({form: 1.0}, form, self._weights.continued))
        if len(form) > _LONGEST:
            return _Read(Term({form: 1.0}))
        whole = vocabulary.document_frequency(form)
        most = max(self._continuations, 1)
        begun, frequencies = vocabulary.beginning(form, most + 1)
        longer = [pair for pair in begun if pair[0] != form][:most]
        if len(form) < 2 and form.isascii():
            # It may still become any word.
            return _Read(Term({form: 1.0} if whole else {}, form, self._weights.continued))
        if not longer:
            corrections = () if whole or not slip else self._corrections(form, unfinished=True)
            return _Read(self._slip(corrections), corrections) if corrections else _Read(Term({form: 1.0}))
        if not whole:
            # Where next to nothing begins like this, it is likelier a slip.
            corrections = self._corrections(form, unfinished=False) if slip and frequencies < _FEW else ()
            return _Read(self._slip(corrections)._replace(beginning=form), corrections, form, longer, 1.0)
        # It weighs at least as much as all its continuations together.
        continued = min(0.5, 1 - whole / frequencies)
        return _Read(Term({form: 1.0}, form, self._weights.continued), (), form, longer, continued)

    def _compound(self, whole: str, is_open: bool) -> Sequence[Term]:
        """The term of a word that has parts, where the index holds it: parts that stand apart count less."""
        vocabulary = self._vocabulary
        if vocabulary is None or len(whole) > _LONGEST:
            return ()
        known = vocabulary.document_frequency(whole)
        begins = is_open and vocabulary.beginning(whole, 1)[1] > known
        if not known and not begins:
            return ()
        if not begins:
            return (Term({whole: 1.0}),)
        return (Term({whole: 1.0}, whole, self._weights.continued) if known else Term({}, whole),)

    def _repaired(self, forms: Sequence[str], parts: Sequence[_Read]) -> Sequence[Term]:
        """The term of a word with slips in its parts, where the index holds what it is once they are repaired."""
        whole = "".join(
            part.corrections[0] if part.corrections else form for form, part in zip(forms, parts, strict=True)
        )
        if whole == "".join(forms) or self._vocabulary is None or not self._vocabulary.document_frequency(whole):
            return ()
        return (Term({whole: self._weights.slip}),)

    def _corrections(self, form: str, *, unfinished: bool) -> Sequence[str]:
        assert self._vocabulary is not None
        if not _SHORTEST_SLIP <= len(form) <= _LONGEST:
            return ()
        found = self._vocabulary.similar(form, _CORRECTIONS)
        if not found and unfinished:
            found = self._vocabulary.similar_beginning(form, _CORRECTIONS)
        return found

    def _slip(self, corrections: Sequence[str]) -> Term:
        weights = self._weights
        return Term({form: weights.slip * weights.further_slip**row for row, form in enumerate(corrections)})

    def _endings(self, text: str, slips: Sequence[tuple[Word, Sequence[str]]], last: _Read | None) -> list[Ending]:
        """What to encode in place of the text."""
        repaired = text
        for word, corrections in reversed(slips):
            repaired = repaired[: word.start] + corrections[0] + repaired[word.end :]
        endings = [Ending(text, self._weights.unrepaired), Ending(repaired, 1 - self._weights.unrepaired)]
        if not slips:
            endings = [Ending(text, 1.0)]
        likely = last if self._continuations and last is not None and last.continued >= _UNLIKELY else None
        if likely is not None and (begun := _before(repaired, likely.form)) is not None:
            # The square roots of frequencies were chosen on development queries (training/TRIED.md).
            roots = [frequency**0.5 for _, frequency in likely.continuations]
            share = endings.pop().weight
            if likely.continued < 1:
                endings.append(Ending(repaired, share * (1 - likely.continued)))
            continued = share * likely.continued / sum(roots)
            least = min(_UNLIKELY, _FRACTION / self._continuations)
            endings += [
                Ending(begun + readable(form), continued * root)
                for (form, _), root in zip(likely.continuations, roots, strict=True)
                if continued * root >= least
            ]
            total = sum(weight for _, weight in endings)
            endings = [Ending(text, weight / total) for text, weight in endings]
        return [] if len(endings) == 1 and endings[0].text == text else endings


def _marked(text: str) -> tuple[str, Sequence[Sequence[str]], Sequence[str]]:
    """Take phrases and excluded words out of a text: what is left, with the words of the phrases."""
    if '"' not in text and "-" not in text and text.isascii():
        return text, (), ()
    without = [fold(word) for word in _WITHOUT.findall(text)]
    plain = _WITHOUT.sub(" ", text)
    if not plain.strip():
        return text, (), ()
    phrases = []
    for found in _PHRASE.finditer(plain):
        quoted = next(part for part in found.group(1, 3, 5) if part is not None)
        words = analyse(quoted)
        closed = bool(found.group(2) or found.group(4) or found.group(6))
        whole = words.words if closed or not words.open else words.words[:-1]
        # Words that have parts follow each other by these.
        forms = [form for word in whole for form in (word.forms[1:] or word.forms)]
        if len(forms) > 1:
            phrases.append(forms)
    if phrases or without:
        plain = _QUOTES.sub(" ", plain)
    return plain, phrases, without


def _before(text: str, form: str) -> str | None:
    """The text before the folded ``form`` that it ends with; None where that cannot be told."""
    if fold(text[-len(form) :]) == form:
        return text[: -len(form)]
    found = _TAIL.search(text)
    return None if found is None or fold(found[0]) != form else text[: found.start()]
