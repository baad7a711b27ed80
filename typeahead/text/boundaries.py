"""Where a text may be cut, and how much a cut there hurts a reader.

:mod:`~typeahead.text.dividing` chooses among these places. Scripts without spaces end their sentences and clauses with
marks of their own, so no language is assumed. Everything here takes time linear in the text: the patterns never give
back what they matched.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from enum import IntEnum


class Strength(IntEnum):
    """What ends at a place, from the place where a cut hurts most to the place where it hurts least."""

    CHARACTER = 0
    WORD = 1
    CLAUSE = 2
    SENTENCE = 3
    LINE = 4
    PARAGRAPH = 5
    HEADING = 6


#: Line breaks with the white space behind them, and ends of sentences with closing quotes and white space. Sentences of
#: Chinese, Japanese and Devanagari need no space behind their mark.
_SENTENCE = re.compile(
    r"(?P<line>\n\s*+)|[.!?…؟]++[\"'’”»)\]]*+(?P<space>\s++)|[。！？｡।॥።]++[」』”’）]*+\s*+",
)
_CLAUSE = re.compile(r"(?P<clause>[,;:—،؛]\s++|[、，；：]\s*+)|\s++")

_JOINER = "\u200d"


def sentences(text: str, start: int, end: int) -> Iterator[tuple[int, Strength]]:
    """Yield the end of each sentence, line and paragraph from ``start`` to ``end``, in order, and ``end`` itself."""
    for match in _SENTENCE.finditer(text, start, end):
        place = match.end()
        if place == end:
            break
        if match["line"] is not None:
            yield place, Strength.PARAGRAPH if match["line"].count("\n") > 1 else Strength.LINE
        elif match["space"] and "\n" in match["space"]:
            yield place, Strength.PARAGRAPH if match["space"].count("\n") > 1 else Strength.LINE
        # "e.g. this" goes on.
        elif match["space"] is None or not text[place].islower():
            yield place, Strength.SENTENCE
    if start < end:
        yield end, Strength.LINE


def words(text: str, start: int, end: int, longest: int) -> Iterator[tuple[int, Strength]]:
    """Yield the end of each clause and word from ``start`` to ``end``, in order, and ``end`` itself.

    What is longer than ``longest`` code points is cut between characters as well.
    """
    left = start
    for match in _CLAUSE.finditer(text, start, end):
        place = match.end()
        if place - left > longest:
            for inner in characters(text, left, place, longest):
                yield inner, Strength.CHARACTER
        yield place, Strength.CLAUSE if match["clause"] else Strength.WORD
        left = place
    if left < end:
        for inner in characters(text, left, end, longest):
            yield inner, Strength.CHARACTER
        yield end, Strength.WORD


def characters(text: str, start: int, end: int, longest: int) -> Iterator[int]:
    """Yield places between ``start`` and ``end`` that are at most ``longest`` code points apart.

    No place lies inside a character that a reader sees as one, unless that is longer than ``longest`` by itself.
    """
    place = start
    while end - place > longest:
        ahead = place + longest
        found = ahead
        while found > place and not _is_between(text, found):
            found -= 1
        place = found if found > place else ahead
        yield place


def _is_between(text: str, place: int) -> bool:
    """Whether what a reader sees as one character ends at ``place``: a short form of Unicode's UAX #29, section 3.

    Any Indic, Thai or Korean syllable is kept together more readily than the standard asks.
    """
    before, after = text[place - 1], text[place]
    if after.isascii():
        return not (before == "\r" and after == "\n")
    if after == _JOINER or before == _JOINER or unicodedata.category(after) in ("Mn", "Mc", "Me"):
        return False
    code = ord(after)
    # Skin tones, tags (flags of regions), the non-joiner, Thai and Lao AM, and half-width marks of sounds.
    if 0x1F3FB <= code <= 0x1F3FF or 0xE0020 <= code <= 0xE007F or after in "\u200c\u0e33\u0eb3\uff9e\uff9f":
        return False
    if _is_indicator(after) and _is_indicator(before):
        first = place - 1
        while first > 0 and place - first < 64 and _is_indicator(text[first - 1]):
            first -= 1
        return (place - first) % 2 == 0
    if 0x1160 <= code <= 0x11FF or 0xD7B0 <= code <= 0xD7FB:
        # Vowels and final consonants of Korean, spelled out.
        return not ("\u1100" <= before <= "\u11ff" or "\uac00" <= before <= "\ud7fb")
    if 0x1100 <= code <= 0x115F or 0xA960 <= code <= 0xA97C or "\uac00" <= after <= "\ud7a3":
        return not ("\u1100" <= before <= "\u115f" or "\ua960" <= before <= "\ua97c")
    # A virama joins consonants, and a few signs stand before the letter that they belong to.
    return unicodedata.combining(before) != 9 and not _is_prepended(before)


def _is_indicator(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _is_prepended(character: str) -> bool:
    return character in _PREPENDED


#: Grapheme_Cluster_Break=Prepend in Unicode 16, without the signs of scripts that are no longer written.
_PREPENDED = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e\U000110bd\U000110cd")
