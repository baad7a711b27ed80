"""Chooses the part of a passage that is sent with a hit: its beginning, or the text around a first match beyond that.

It runs for each hit of each keystroke, so it looks for plain strings in a bounded part of the passage, which takes 10
to 20 µs. :mod:`typeahead.search.marks` then marks the words in that part.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

#: Code points that a snippet needs at least, for an ellipsis on either side and a word between them.
MIN_SNIPPET = 16

#: How many code points of a passage are searched, how many words of a query are looked for, and how many code points
#: are given up to end with a whole word.
_SEARCHED = 2000
_MAX_WORDS = 8
_LONGEST_CUT = 24

_WORD = re.compile(r"\w+")

#: Words that do not tell why a passage was found. Shorter ones are left out by their length.
_COMMON: Final = frozenset(("does", "from", "into", "that", "this", "what", "when", "where", "which", "with", "your"))


def telling_words(query: str) -> list[str]:
    """Return the words worth finding, in lower case. The last one may be unfinished, as it is still being typed."""
    words = dict.fromkeys(_WORD.findall(_fold(query)))
    # Beyond ASCII a word of two letters, such as 天気, may tell a lot.
    return [word for word in words if len(word) > (3 if word.isascii() else 1) and word not in _COMMON][:_MAX_WORDS]


def snippet(text: str, words: Sequence[str], length: int) -> str:
    """Cut a passage to ``length`` code points, with an ellipsis where something is left out.

    ``words`` are those of :func:`telling_words`; ``length`` is at least :data:`MIN_SNIPPET`.
    """
    if len(text) <= length:
        return text
    start = _start(text, words, length)
    before = "… " if start else ""
    end = start + length - len(before)
    if end < len(text):
        end -= 1
        space = text.rfind(" ", max(start, end - _LONGEST_CUT), end + 1)
        return before + text[start : space if space > start else end] + "…"
    return before + text[start:]


def _start(text: str, words: Sequence[str], length: int) -> int:
    """Return where the snippet begins: some way before the first match, or at 0 if the match is shown anyway."""
    folded = _fold(text[:_SEARCHED])
    first = min((at for word in words if (at := _find(folded, word)) >= 0), default=0)
    if first <= length // 2:
        return 0
    space = text.find(" ", first - length // 4, first)
    return first if space < 0 else space + 1


def _fold(text: str) -> str:
    # This one letter becomes two in lower case, which would move the positions of all that follow.
    return text.replace("İ", "i").lower()


def _find(folded: str, word: str) -> int:
    """Return where a word begins with ``word``, or -1. Words beyond ASCII match anywhere: they may have no spaces."""
    at = folded.find(word)
    while at > 0 and word.isascii() and folded[at - 1].isalnum():
        at = folded.find(word, at + len(word))
    return at
