"""Finds the forms of a vocabulary that a word may be a slip of: those at a small edit distance.

The distance is that of optimal string alignment: inserted, left out, replaced and swapped neighbouring letters. A slip
seldom hits the first letter, so forms with another one count only if there are none with the same.

Comparing a word with each form would take 6 ms for 64,000 forms, so a filter comes first. Each form has a set of its
bytes, as bits of a number: an edit changes at most two bits of it. ``rapidfuzz`` compares what is left, 1 form of 50.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import OSA

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Forms(Protocol):
        """What is needed of a vocabulary (:class:`typeahead.index.lexical.vocabulary.Vocabulary`)."""

        frequencies: NDArray[np.uint32]

        def form(self, number: int) -> str:
            """Return the form with a number."""

        def range(self, prefix: str) -> tuple[int, int]:
            """Return the range of forms with a prefix."""


#: Letters of the shortest word that is taken for a slip, of one whose first letter may be wrong, of one with digits,
#: and of one with two slips.
SHORTEST: Final = 4
FIRST_MAY_DIFFER: Final = 5
SHORTEST_CODE: Final = 6
TWO_SLIPS: Final = 8
#: Forms, the commonest, whose beginnings are compared: thousands of rare ones would take 9 ms.
MOST_COMPARED: Final = 1024
#: A longer word is not compared.
LONGEST: Final = 64


class Slips:
    """The forms of ``vocabulary``, given as bytes and where each of them begins; see there."""

    def __init__(self, vocabulary: Forms, blob: NDArray[np.uint8], starts: NDArray[np.int64]) -> None:
        self._vocabulary = vocabulary
        self._blob, self._starts = blob, starts

    def similar(self, word: str, most: int) -> list[str]:
        """Return up to ``most`` other forms that ``word`` may be a slip of: nearer ones first, then commoner ones.

        A word of 4 to 7 letters may have one slip, a longer one two. One with digits may be a code, so it must have 6
        letters or more, and has one slip.
        """
        allowed = _allowed(word)
        if not allowed:
            return []
        return self._either(word, lambda first, last: self._near(word, allowed, first, last))[:most]

    def similar_beginning(self, prefix: str, most: int) -> list[str]:
        """Return up to ``most`` forms whose beginning ``prefix`` may be a slip of, commoner ones first.

        The beginning of a form is at distance 1, and has as many letters as ``prefix``, one less, or one more. Forms
        that begin with ``prefix`` itself are left out.
        """
        if not _allowed(prefix):
            return []
        return self._either(prefix, lambda first, last: self._beginning(prefix, most, first, last))

    def _either(self, word: str, find: Callable[[int, int], list[str]]) -> list[str]:
        """What is found among the forms with the same first letter, or else among all."""
        found = find(*self._vocabulary.range(word[0]))
        if not found and len(word) >= FIRST_MAY_DIFFER:
            found = find(0, len(self._vocabulary.frequencies))
        return found

    def _near(self, word: str, allowed: int, first: int, last: int) -> list[str]:
        encoded = word.encode("utf-8", "replace")
        # An edit replaces a character, so as many bytes as the widest may change. So a word of ASCII letters is not
        # compared with forms that have others.
        width = max(len(letter.encode("utf-8", "replace")) for letter in word)
        lengths = self._lengths[first:last]
        near = np.abs(lengths - np.int64(len(encoded))) <= allowed * width
        near &= np.bitwise_count(self._sets[first:last] ^ _set(encoded)) <= 2 * allowed * width
        found = []
        for number in (np.flatnonzero(near) + first).tolist():
            form = self._vocabulary.form(number)
            distance = OSA.distance(word, form, score_cutoff=allowed)
            if 0 < distance <= allowed:
                found.append((distance, -int(self._vocabulary.frequencies[number]), form))
        return [form for _, _, form in sorted(found)]

    def _beginning(self, prefix: str, most: int, first: int, last: int) -> list[str]:
        encoded = prefix.encode("utf-8", "replace")
        width = max(len(letter.encode("utf-8", "replace")) for letter in prefix)
        wanted = _set(encoded)
        # What a whole form lacks its head lacks, too, and few heads are left to look at.
        numbers = np.flatnonzero(np.bitwise_count(wanted & ~self._sets[first:last]) <= width) + first
        numbers = numbers[np.bitwise_count(wanted & ~self._heads(numbers, len(encoded) + width)) <= width]
        frequencies = self._vocabulary.frequencies[numbers].astype(np.int64)
        size, found = len(prefix), []
        known: dict[str, bool] = {}
        # The commonest first, so that most need not be looked at.
        for number in numbers[np.argsort(-frequencies, kind="stable")[:MOST_COMPARED]].tolist():
            head = self._vocabulary.form(number)[: size + 1]
            is_near = known.get(head)
            if is_near is None:
                is_near = known[head] = not head.startswith(prefix) and any(
                    OSA.distance(prefix, head[:length], score_cutoff=1) == 1 for length in (size, size + 1, size - 1)
                )
            if is_near:
                found.append(self._vocabulary.form(number))
                if len(found) == most:
                    break
        return found

    def _heads(self, numbers: NDArray[np.int64], length: int) -> NDArray[np.uint32]:
        """The sets of the first ``length`` bytes of some forms."""
        places = self._starts[numbers, None] + np.arange(length)
        np.minimum(places, self._starts[numbers + 1, None] - 1, out=places)
        sets: NDArray[np.uint32] = np.bitwise_or.reduce(_BITS[self._blob[places]], axis=1)
        return sets

    @cached_property
    def _sets(self) -> NDArray[np.uint32]:
        if not len(self._blob):
            return np.zeros(0, np.uint32)
        sets: NDArray[np.uint32] = np.bitwise_or.reduceat(_BITS[self._blob], self._starts[:-1])
        return sets

    @cached_property
    def _lengths(self) -> NDArray[np.int64]:
        return np.diff(self._starts)


#: The bit of each byte. Letters and digits of ASCII share none but "0" to "9" and "p" to "y".
_BITS: Final = np.left_shift(np.uint32(1), np.arange(256, dtype=np.uint32) & 31)


def _set(encoded: bytes) -> np.uint32:
    return np.bitwise_or.reduce(_BITS[np.frombuffer(encoded, np.uint8)])  # type: ignore[no-any-return]


def _allowed(word: str) -> int:
    """How many slips a word may have."""
    if not SHORTEST <= len(word) <= LONGEST:
        return 0
    if any(letter.isdigit() for letter in word):
        return 1 if len(word) >= SHORTEST_CODE else 0
    return 2 if len(word) >= TWO_SLIPS else 1
