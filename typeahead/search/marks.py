"""Finds a query's words in the text that is sent of a hit, as spans of code points, so that a page only has to draw.

Words are compared without case and accents. A word of the query marks all words that begin with it, since the last one
is still being typed and the others may be inflected. Scripts that put no spaces between words are marked wherever they
match. :mod:`typeahead.search.snippets` chooses the part of a passage in which words are marked here.

It runs for each hit of each keystroke. So it looks for plain strings instead of compiling a pattern for a query that
lives for a few milliseconds: 4 to 8 µs a hit. Texts beyond ASCII are folded character by character, which takes some
25 µs, and remembered, as the same documents come again with the next key (``python -m benchmarks.marks``). Each scope
(:mod:`typeahead.core.prefixes`) remembers for itself, because time would tell which documents others were shown.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final

#: How many words of a query are looked for, and how many spans are sent of one text.
_MAX_WORDS = 12
_MAX_SPANS = 40
#: How many characters' folds are remembered: more than documents of any few languages hold.
_MAX_FOLDS = 1 << 15

_WORD = re.compile(r"[^\W_]+")

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
    "a an and are as at be by can do does for from how i if in into is it my of on or the this to was what when where "
    "which who why with".split()
)

Spans = list[tuple[int, int]]


class _Folds(dict[str, str]):
    """Characters without case and accents, remembered. Hangul falls into its letters, so half a syllable matches."""

    def __missing__(self, character: str) -> str:
        parts = unicodedata.normalize("NFD", character)
        folded = "".join(part for part in parts if unicodedata.category(part)[0] != "M").casefold()
        if len(self) >= _MAX_FOLDS:
            self.clear()
        self[character] = folded
        return folded


_folds = _Folds()


class Marker:
    """The words of one query, ready to be found in many texts. Only its ``scope`` shares what it remembers of them."""

    __slots__ = ("_scope", "_words")

    def __init__(self, query: str, scope: int = 0) -> None:
        self._words = _words(query)
        self._scope = scope

    def spans(self, text: str) -> Spans:
        """Return where the words stand in ``text``: ``(start, end)`` in code points, in order, never touching."""
        if not self._words or not text:
            return []
        if text.isascii():
            return _join(self._find(text.lower()))
        folded, origins = _fold(text, self._scope)
        found = _join(self._find(folded))
        return found if origins is None else _join([_back(span, text, origins) for span in found])

    def _find(self, folded: str) -> Spans:
        """Return where the words stand in a folded text, in any order."""
        found: Spans = []
        find = folded.find
        for word, anywhere, whole in self._words:
            length = len(word)
            at = find(word)
            while at >= 0 and len(found) < _MAX_SPANS:
                end = at + length
                if anywhere or (
                    (at == 0 or not folded[at - 1].isalnum())
                    and not (whole and end < len(folded) and folded[end].isalnum())
                ):
                    found.append((at, end))
                # Pairs of Han overlap. Any other word cannot begin inside a match of itself.
                at = find(word, at + 1 if anywhere else end)
        return found


def _words(query: str) -> list[tuple[str, bool, bool]]:
    """Return the folded words to look for, whether each may stand anywhere, and whether it matches whole words only.

    Common words are looked for only in a query that has no others. Very short words match whole words only, or nearly
    every word would be marked. The word that is still being typed may be shorter, and a word alone may be one letter.
    """
    if query.isascii():
        runs = _WORD.findall(query.lower())
    else:
        # Folded first, as an accent that is a character of its own must not end a word.
        folded = "".join(map(_folds.__getitem__, query))
        runs = [run for word in _WORD.findall(folded) for run in _RUN.findall(word)]
    found = dict.fromkeys(part for run in runs for part in _parts(run))
    telling = [word for word in found if word not in _COMMON and not (_IS_HIRAGANA.match(word) and len(word) < 3)]
    chosen = telling or list(found)
    is_open = not query[-1:].isspace()
    words = []
    for row, word in enumerate(chosen):
        least = 1 if len(chosen) == 1 else 2 if is_open and row == len(chosen) - 1 else 3
        anywhere = not word.isascii() and _UNSPACED.match(word) is not None
        words.append((word, anywhere, not anywhere and len(word) < least))
    # The end of a long text is where somebody is typing.
    return words[-_MAX_WORDS:]


def _parts(run: str) -> list[str]:
    """Return the pairs of characters of a run of Han, since it may be many words, and any other run as it is."""
    if len(run) > 2 and _IS_HAN.match(run):
        return [first + second for first, second in pairwise(run)]
    return [run]


@lru_cache(maxsize=2048)
def _fold(text: str, scope: int) -> tuple[str, Sequence[int] | None]:
    """Return the folded text, and the origin of each of its characters; None where all have kept their places."""
    del scope  # it tells one scope's entries of the cache from another's
    parts = [_folds[character] for character in text]
    folded = "".join(parts)
    if len(folded) == len(text) and all(parts):
        return folded, None
    return folded, [place for place, part in enumerate(parts) for _ in part]


def _back(span: tuple[int, int], text: str, origins: Sequence[int]) -> tuple[int, int]:
    """Turn a span of a folded text into one of the text, with the accents that follow its last letter."""
    start, end = origins[span[0]], origins[span[1] - 1] + 1
    while end < len(text) and not _folds[text[end]]:
        end += 1
    return start, end


def _join(spans: Spans) -> Spans:
    """Put spans in order, and make one of those that touch or overlap."""
    if len(spans) < 2:
        return spans
    spans.sort()
    joined = [spans[0]]
    for start, end in spans[1:]:
        if start > joined[-1][1]:
            joined.append((start, end))
        elif end > joined[-1][1]:
            joined[-1] = (joined[-1][0], end)
    return joined
