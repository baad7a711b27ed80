"""Finds the forms of a vocabulary that a word may be a slip of: those at a small edit distance.

The distance is that of optimal string alignment: inserted, left out, replaced and swapped neighbouring letters. A slip
seldom hits the first letter, so only forms with the same one count. A letter that takes more bytes than all letters of
the word, such as one of another script, may be missed.

Comparing a word with each form would take 6 ms for 64,000 forms, so a filter comes first. Each form has a set of its
bytes, as bits of a number: an edit changes at most two bits of it. ``rapidfuzz`` compares what is left, 1 form of 50.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import OSA

if TYPE_CHECKING:
    from typing import Protocol

    class Forms(Protocol):
        """What is needed of a vocabulary (:class:`typeahead.search.vocabulary.Vocabulary`)."""

        frequencies: NDArray[np.uint32]

        def form(self, number: int) -> str:
            """Return the form with a number."""

        def commonest(self, first: int, last: int, most: int) -> NDArray[np.int64]:
            """Return the numbers of the commonest forms of a range, commonest first."""

        def range(self, prefix: str) -> tuple[int, int]:
            """Return the range of forms with a prefix."""


#: Letters of the shortest word that is taken for a slip, of one with digits, and of one with two slips.
SHORTEST: Final = 4
SHORTEST_CODE: Final = 6
TWO_SLIPS: Final = 8
#: A longer word is not compared.
LONGEST: Final = 64
#: Forms of one first letter whose beginnings are compared, the commonest ones, and bytes of a beginning that are kept.
_COMMON: Final = 1 << 13
_HEAD: Final = 12


class Slips:
    """The forms of ``vocabulary``, given as bytes and where each of them begins; see there."""

    def __init__(self, vocabulary: Forms, blob: NDArray[np.uint8], starts: NDArray[np.int64]) -> None:
        self._vocabulary = vocabulary
        self._blob, self._starts = blob, starts
        #: By first letter, what :meth:`_heads` found; no letters but those of forms have an entry.
        self._kept: dict[str, tuple[NDArray[np.int64], NDArray[np.uint32]]] = {}

    def similar(self, word: str, most: int) -> list[str]:
        """Return up to ``most`` other forms that ``word`` may be a slip of: nearer ones first, then commoner ones.

        A word of 4 to 7 letters may have one slip, a longer one two. One with digits may be a code, so it must have 6
        letters or more, and has one slip.
        """
        allowed = _allowed(word)
        if not allowed:
            return []
        return self._best(self._near(word, allowed, *self._vocabulary.range(word[0])), most)

    def similar_beginning(self, prefix: str, most: int) -> list[str]:
        """Return up to ``most`` forms whose beginning ``prefix`` may be a slip of, commoner ones first.

        The beginning of a form is at distance 1, and has as many letters as ``prefix``, one less, or one more. Forms
        that begin with ``prefix`` itself are left out.
        """
        if not _allowed(prefix):
            return []
        return list(islice(self._beginning(prefix), most))

    def _best(self, found: Iterable[tuple[int, str, int]], most: int) -> list[str]:
        frequencies = self._vocabulary.frequencies
        ranked = sorted((distance, -int(frequencies[number]), form) for distance, form, number in found)
        return [form for _, _, form in ranked[:most]]

    def _near(self, word: str, allowed: int, first: int, last: int) -> Iterable[tuple[int, str, int]]:
        encoded = word.encode("utf-8", "replace")
        # An edit replaces a character, so as many bytes as the widest may change.
        width = max(len(letter.encode("utf-8", "replace")) for letter in word)
        lengths = self._lengths[first:last]
        near = np.abs(lengths - np.int64(len(encoded))) <= allowed * width
        near &= np.bitwise_count(self._sets[first:last] ^ _set(encoded)) <= 2 * allowed * width
        for number in (np.flatnonzero(near) + first).tolist():
            form = self._vocabulary.form(number)
            distance = OSA.distance(word, form, score_cutoff=allowed)
            if 0 < distance <= allowed:
                yield distance, form, number

    def _beginning(self, prefix: str) -> Iterator[str]:
        encoded = prefix.encode("utf-8", "replace")
        width = max(len(letter.encode("utf-8", "replace")) for letter in prefix)
        numbers, heads = self._heads(prefix[0])
        own, size, known = _set(encoded), len(prefix), dict[str, bool]()
        # An edit brings in one character that the prefix has not, and takes one out.
        near = np.bitwise_count(heads[min(size - 1, _HEAD) - 1] & ~own) <= width
        if len(encoded) + width <= _HEAD:
            near &= np.bitwise_count(own & ~heads[len(encoded) + width - 1]) <= width
        for number in numbers[near].tolist():
            form = self._vocabulary.form(number)
            head = form[: size + 1]
            is_near = known.get(head)
            if is_near is None:
                is_near = known[head] = not form.startswith(prefix) and any(
                    OSA.distance(prefix, head[:length], score_cutoff=1) == 1 for length in (size - 1, size, size + 1)
                )
            if is_near:
                yield form

    def _heads(self, letter: str) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """The commonest forms that begin with a letter, commonest first, and the sets of their beginnings.

        uint32 (:data:`_HEAD`, n): row i has the sets of the first i + 1 bytes.
        """
        found = self._kept.get(letter)
        if found is None:
            first, last = self._vocabulary.range(letter)
            if first == last:
                return np.zeros(0, np.int64), np.zeros((_HEAD, 0), np.uint32)
            numbers = self._vocabulary.commonest(first, last, _COMMON)
            starts = self._starts[numbers]
            within = self._starts[numbers + 1] - starts
            heads = np.zeros((_HEAD, len(numbers)), np.uint32)
            for place in range(_HEAD):
                longer = within > place
                heads[place, longer] = _BITS[self._blob[starts[longer] + place]]
            found = self._kept[letter] = numbers, np.bitwise_or.accumulate(heads)
        return found

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
