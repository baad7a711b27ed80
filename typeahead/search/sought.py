"""The words of a query as they are looked for in a text that is shown, and where they stand in it.

:mod:`typeahead.search.snippets` picks a part of a passage by these places, and :mod:`typeahead.search.marks` marks them
in that part. Both follow one rule:

- Case and accents do not matter.
- A word of the query matches words that begin with it, because the last word may be unfinished and the others may be
  inflected. Words of one or two letters match whole words only. The last word needs just two letters to match as a
  beginning, and a query of a single word needs one.
- An identifier matches whole and in parts: ``json`` and ``dumps`` both match in ``json.dumps``, ``effect`` matches in
  ``useEffect``, ``1234`` in ``AB1234``, and ``AB1234`` matches ``AB-1234``.
- Scripts without spaces match anywhere.
- Common words count only in a query that has no others.

This runs for each hit of each keystroke, so it looks for plain strings: compiling a pattern for a query that lives for
a few milliseconds would take longer than the search.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

#: How many words of a query are looked for.
MAX_WORDS: Final = 12
#: How many spans are sent of one text.
MAX_SPANS: Final = 40
#: How many characters' folds are remembered: more than documents of any few languages hold.
_MAX_FOLDS = 1 << 15

_WORD = re.compile(r"[^\W_]+")
#: No ASCII, and no typographical punctuation, which keeps its place and folds to itself.
_SPECIAL = re.compile("[^\x00-\x7f…–—‘’“”•]")
#: What may stand inside an identifier, up to two at a time.
_JOINERS: Final = "-._/:'’\\"
_LONGEST_JOINT: Final = 2
#: How many places are looked at for one word: "ip" stands inside of other words ten thousand times in a megabyte.
_MOST_TRIES: Final = 1000
#: From this length on, a word without a digit may end inside an identifier: ``settimeo`` in ``set_timeout``. A shorter
#: one would mark the ``us-e`` of ``us-east`` for ``use``.
_LONG: Final = 6

#: Scripts whose words follow each other without spaces: those whose letters carry meaning two by two, and the others.
_HAN = "\u2e80-\u2fdf\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_KATAKANA = "\u30a0-\u30ff\u31f0-\u31ff"
_HIRAGANA = "\u3040-\u309f"
_SOUTH_EAST = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_ANY = _HAN + _KATAKANA + _HIRAGANA + _SOUTH_EAST
_RUN = re.compile(f"[{_HAN}]+|[{_KATAKANA}]+|[{_HIRAGANA}]+|[{_SOUTH_EAST}]+|[^{_ANY}]+")
_UNSPACED = re.compile(f"[{_ANY}]")
_IS_HAN = re.compile(f"[{_HAN}]")
_IS_HIRAGANA = re.compile(f"[{_HIRAGANA}]")

#: Words that do not tell why a document was found.
_COMMON: Final = frozenset(
    "a an and are as at be by can do does for from how i if in into is it my of on or that the this to was what when "
    "where which who why with you your".split()
)

#: ``(start, end)`` in characters of a text.
Spans = list[tuple[int, int]]


class Word(NamedTuple):
    """A word to look for."""

    #: Folded.
    text: str
    #: Whether it matches in the middle of a word too.
    anywhere: bool = False
    #: Whether it matches whole words only.
    whole: bool = False
    #: Whether a match across the joints of an identifier may end before the identifier does.
    loose: bool = False
    weight: float = 1.0


class Folded(NamedTuple):
    """A text in lower case and without accents."""

    text: str
    #: The place in the original of each character; None where all have kept their places.
    origins: Sequence[int] | None = None


class _Folds(dict[str, str]):
    """Characters without case and accents, remembered. Hangul falls into its letters, so half a syllable matches."""

    def __missing__(self, character: str) -> str:
        parts = unicodedata.normalize("NFD", character)
        folded = "".join(part for part in parts if unicodedata.category(part)[0] != "M").casefold()
        if len(self) >= _MAX_FOLDS:
            self.clear()
        self[character] = folded
        return folded


folds = _Folds()


def sought(query: str, also: Iterable[str] = (), weights: Mapping[str, float] | None = None) -> list[Word]:
    """Return the words to look for, :data:`MAX_WORDS` at most.

    ``also`` are further words, such as the corrected form of one that was misspelt. ``weights`` are by folded word, 1
    for words that it does not name.
    """
    found: dict[str, bool] = {}
    _read(query, found)
    chosen = [word for word in found if _tells(word)] or list(found)
    parts = [word for word in chosen if not found[word]]
    open_word = parts[-1] if parts and not query[-1:].isspace() else None
    alone = len(chosen) == 1
    more: dict[str, bool] = {}
    for text in also:
        _read(text, more)
    words = []
    for word in (*chosen, *(word for word in more if word not in found)):
        least = 1 if alone and word == chosen[0] else 2 if word == open_word else 3
        anywhere = not word.isascii() and _UNSPACED.match(word) is not None
        loose = found.get(word, False) or len(word) >= _LONG or not word.isalpha()
        weight = 1.0 if weights is None else weights.get(word, 1.0)
        words.append(Word(word, anywhere, not anywhere and len(word) < least, loose, weight))
    # The end of a long text is where somebody is typing.
    return words[-MAX_WORDS:]


def _read(text: str, found: dict[str, bool]) -> None:
    """Add a text's folded words, in order: False for a word, True for an identifier whose parts come before it."""
    if text.isascii():
        folded, unspaced = text.lower(), False
    else:
        # Folded first, as an accent that is a character of its own must not end a word.
        folded = "".join(map(folds.__getitem__, text))
        unspaced = _UNSPACED.search(folded) is not None
    for chunk in folded.split():
        runs = _WORD.findall(chunk)
        for run in runs:
            for piece in _RUN.findall(run) if unspaced else (run,):
                for part in _pairs(piece):
                    found[part] = False
        if len(runs) > 1 and not unspaced:
            found.setdefault("".join(runs), True)


def _pairs(run: str) -> list[str]:
    """Return the pairs of characters of a run of Han, since it may be many words, and any other run as it is."""
    if len(run) > 2 and _IS_HAN.match(run):
        return [first + second for first, second in pairwise(run)]
    return [run]


def _tells(word: str) -> bool:
    return word not in _COMMON and not (_IS_HIRAGANA.match(word) and len(word) < 3)


def is_plain(text: str) -> bool:
    """Whether a text has only characters that ``lower`` folds: ASCII, and what prose and snippets put beside it."""
    return text.isascii() or _SPECIAL.search(text) is None


def fold(text: str) -> Folded:
    """Fold a text of any script, character by character: some 0.1 µs a character."""
    parts = list(map(folds.__getitem__, text))
    folded = "".join(parts)
    if len(folded) == len(text) and all(parts):
        return Folded(folded)
    places = [place for place, part in enumerate(parts) for _ in part]
    # A list of numbers would take ten times the memory, and these are remembered.
    return Folded(folded, array("I", places))


@lru_cache(maxsize=1024)
def remembered(text: str, scope: int) -> Folded:
    """Do as :func:`fold`, and remember it for this ``scope`` alone: time would tell what others were shown."""
    del scope  # it tells one scope's entries of the cache from another's
    return fold(text)


def squeezed(folded: str) -> str:
    """Leave out what may stand inside an identifier."""
    for joiner in _JOINERS:
        folded = folded.replace(joiner, "")
    return folded


def places(word: Word, folded: str, bare: str, text: str | None, most: int) -> Spans:
    """Return where a word stands, the first ``most`` places in order.

    ``bare`` is the :func:`squeezed` text, ``text`` the original if all characters have kept their places there: it
    tells where the parts of ``useEffect`` begin.
    """
    sign, anywhere, whole = word.text, word.anywhere, word.whole
    if sign not in bare:
        return []
    found: Spans = []
    find, first = folded.find, sign[0]
    length, size = len(sign), len(folded)
    at, tries = find(sign), 0
    while at >= 0 and len(found) < most and tries < _MOST_TRIES:
        tries += 1
        end = at + length
        # Most short words stand inside of others, in small letters, where no part of an identifier begins.
        if (
            anywhere
            or at == 0
            or not (before := folded[at - 1]).isalnum()
            or (text is not None and (text[at] != first or before.isdigit() or first.isdigit()) and _is_seam(text, at))
        ) and not (whole and end < size and folded[end].isalnum() and not (text is not None and _is_seam(text, end))):
            found.append((at, end))
        # Pairs of Han overlap. Any other word cannot begin inside a match of itself.
        at = find(sign, at + 1 if anywhere else end)
    if (
        bare is not folded
        and not anywhere
        and length > 1
        and len(found) < most
        and bare.count(sign) > folded.count(sign)
    ):
        found = sorted(found + _across(word, folded, bare))[:most]
    return found


def _is_seam(text: str, at: int) -> bool:
    """Tell whether a part of an identifier begins here, as the second ones of useEffect, HTTPServer, AB1234 and 20px.

    A single letter stays with its digits: v2 has no parts.
    """
    before, here, after = text[at - 1], text[at], text[at + 1 : at + 2]
    if here.isdigit():
        return at > 1 and before.isalpha() and text[at - 2].isalpha()
    if before.isdigit():
        return here.isalpha() and after.isalpha()
    return here.isupper() and (before.islower() or after.islower())


def _across(word: Word, folded: str, bare: str) -> Spans:
    """Return where a word stands across the joints of an identifier."""
    kept = [place for place, character in enumerate(folded) if character not in _JOINERS]
    found: Spans = []
    length = len(word.text)
    at = bare.find(word.text)
    while at >= 0:
        inside = kept[at : at + length]
        start, end = inside[0], inside[-1] + 1
        if (
            end - start > length
            and all(second - first <= _LONGEST_JOINT + 1 for first, second in pairwise(inside))
            and (start == 0 or not folded[start - 1].isalnum())
            and ((word.loose and not word.whole) or end == len(folded) or not folded[end].isalnum())
        ):
            found.append((start, end))
        at = bare.find(word.text, at + 1)
    return found
