"""Chooses the part of a passage that is sent with a hit: the window with the most of the query's words.

The window with the most different words wins, rarer words counting for more where weights are given; then the one where
they stand closest together; then the first. :mod:`typeahead.search.sought` says what a word matches, and
:mod:`typeahead.search.marks` marks the words in the window.

This runs for each hit of each keystroke, so its work is bounded. The first 24 places of each word count, and of the
places that hold its letters the first 1,000 are looked at. A text longer than :data:`_SCANNED` divided by one more than
the number of words is searched up to there: the first 524,288 code points for one word, the first 104,857 for nine.
Beyond ASCII, accents are folded in texts of up to 4,096 code points; in longer ones, words beyond ASCII are looked for
in a sixteenth of those code points. ``python -m benchmarks.marks`` measures it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from typeahead.search.sought import MAX_SPANS, Folded, Spans, Word, is_plain, places, remembered, squeezed

#: Code points that a snippet needs at least, for an ellipsis on either side and a word between them.
MIN_SNIPPET = 16

#: How many characters are looked at in all, each of them once for each word, and once to fold it.
_SCANNED: Final = 1 << 20
#: How many times slower ``lower`` is beyond ASCII.
_SLOWER: Final = 16
#: Longer texts are not folded character by character, nor searched across the joints of identifiers.
_SHORT: Final = 4096
#: How many places of one word count.
_MOST_PLACES: Final = 24
#: What a word counts for, in thousandths of its weight, where it is the beginning of another, and what more where it
#: stands for itself: "port" is better evidence in "the port" than in "portable", unless fewer words are there.
_BEGINNING, _ITSELF = 800, 200
#: How many code points are given up to end with a whole word.
_LONGEST_CUT: Final = 24
#: In texts up to this length every place is looked at (:mod:`typeahead.search.sought`), so a snippet has no others.
_SEEN_WHOLE: Final = 1000
#: Where a sentence ends.
_ENDS: Final = (". ", "! ", "? ", "\n", "。")


class _Evidence(NamedTuple):
    #: The first and last place of the best evidence.
    first: int = 0
    last: int = 0
    #: All places of all words, in code points of the text; None where these cannot be told for sure.
    stands: Spans | None = None


def snippet(text: str, words: Sequence[Word], length: int, scope: int = 0) -> str:
    """Do as :func:`snippet_and_places`, and return the passage alone."""
    return snippet_and_places(text, words, length, scope)[0]


def snippet_and_places(text: str, words: Sequence[Word], length: int, scope: int = 0) -> tuple[str, Spans | None]:
    """Cut a passage to ``length`` code points, with an ellipsis where something is left out.

    ``words`` are those of :func:`typeahead.search.sought.sought`; ``length`` is at least :data:`MIN_SNIPPET`.
    Passages beyond ASCII are remembered for this ``scope`` alone. Without a match the beginning is sent.

    Returns the cut passage, and where the words stand in it, in any order: the same places that would be found in the
    passage itself. None where they have to be looked for there.
    """
    if len(text) <= length:
        return text, None
    first, last, stands = _evidence(text, words, length - 3, scope)
    start = _start(text, first, last, length)
    before = "… " if start else ""
    end = start + length - len(before)
    after = ""
    if end < len(text):
        end -= 1
        space = text.rfind(" ", max(start, end - _LONGEST_CUT), end + 1)
        end = space if space > start and space >= last else end
        after = "…"
    else:
        end = len(text)
    passage = before + text[start:end] + after
    # Whether a word matches depends on the characters beside it, so the cuts must be at spaces, as the ellipses are.
    if stands is None or (start and not text[start - 1].isspace()) or (after and not text[end].isspace()):
        return passage, None
    moved = start - len(before)
    return passage, [(one - moved, other - moved) for one, other in stands if start <= one and other <= end]


def _evidence(text: str, words: Sequence[Word], width: int, scope: int) -> _Evidence:
    """Find the best evidence that ``width`` code points can show."""
    if not words:
        return _Evidence()
    folded, origins = _searchable(text, words, scope)
    bare = squeezed(folded) if len(folded) <= _SHORT else folded
    found = []
    original = text if origins is None else None
    sure = origins is None and len(text) <= _SEEN_WHOLE and is_plain(text)
    for number, word in enumerate(words):
        stands = places(word, folded, bare, original, _MOST_PLACES)
        if len(stands) == _MOST_PLACES:
            sure = False
            if not word.whole:
                # Words that only begin with it must not leave it out.
                stands = sorted({*stands, *places(word._replace(whole=True), folded, bare, original, _MOST_PLACES)})
        for start, end in stands:
            itself = end == len(folded) or word.anywhere or not folded[end].isalnum()
            found.append((start, end, number, itself))
            # Whether a word is looked for across joints depends on the whole text.
            sure = sure and end - start == len(word.text)
    known = [(start, end) for start, end, _, _ in found] if sure and len(found) < MAX_SPANS else None
    # A letter that somebody has just begun to type is no evidence by itself.
    if not any(len(words[number].text) > 1 or words[number].anywhere for _, _, number, _ in found) and len(words) > 1:
        return _Evidence(stands=known)
    found.sort()
    if origins is not None:
        found = [(origins[start], origins[end - 1] + 1, number, itself) for start, end, number, itself in found]
    span = _densest(found, [round(word.weight * _BEGINNING) for word in words], words, width)
    return _Evidence(*span, known)


def _densest(
    found: Sequence[tuple[int, int, int, bool]], values: Sequence[int], words: Sequence[Word], width: int
) -> tuple[int, int]:
    """Slide a window over the places of all words, and return the span of its best stand."""
    more = [round(word.weight * _ITSELF) for word in words]
    begun, itself = [0] * len(words), [0] * len(words)
    best, span = (-1, 0), (0, 0)
    total = left = 0
    for _, end, number, is_itself in found:
        total += 0 if begun[number] else values[number]
        begun[number] += 1
        if is_itself:
            total += 0 if itself[number] else more[number]
            itself[number] += 1
        while True:
            start, its_end, gone, was_itself = found[left]
            outside = start + width < end and its_end < end
            needed = begun[gone] == 1 or (was_itself and itself[gone] == 1)
            if needed and not outside:
                break
            begun[gone] -= 1
            total -= 0 if begun[gone] else values[gone]
            if was_itself:
                itself[gone] -= 1
                total -= 0 if itself[gone] else more[gone]
            left += 1
        # Of equal windows the first stays.
        if (total, start - end) > best:
            best, span = (total, start - end), (start, end)
    return span


def _searchable(text: str, words: Sequence[Word], scope: int) -> Folded:
    """Return as much of the text as is searched, folded as well as there is time for."""
    reach = _SCANNED // (1 + len(words))
    if is_plain(text):
        return Folded(text[:reach].lower())
    if len(text) <= _SHORT:
        return remembered(text, scope)
    if all(word.text.isascii() for word in words):
        # Letters beyond ASCII become question marks, which keeps all places, and is ten times as fast as "lower".
        return Folded(text[:reach].encode("ascii", "replace").decode().lower())
    # This one letter becomes two in lower case, which would move all that follow.
    return Folded(text[: reach // _SLOWER].replace("İ", "i").lower())


def _start(text: str, first: int, last: int, length: int) -> int:
    """Return where the snippet begins that shows the code points from ``first`` to ``last``.

    That is the beginning of the text if it shows them; otherwise the sentence that they stand in, or a word before
    them.
    """
    if last < length:
        return 0
    # A page may show two lines of it, in which the evidence should be.
    lead = max(0, min(length // 4, (length - 3 - (last - first)) * 2 // 3))
    sentence = max(
        (end + len(sign) for sign in _ENDS if (end := text.rfind(sign, first - lead, first)) >= 0), default=0
    )
    if sentence:
        start = sentence
    else:
        space = text.find(" ", first - min(lead, length // 8), first)
        start = first if space < 0 else space + 1
    # At the end of the text the window shows what comes before it instead of nothing.
    fill = len(text) - (length - 2)
    if start > fill:
        space = text.find(" ", fill - 1, start)
        start = start if space < 0 else space + 1
    return start
