"""The forms of all words of an index, sorted, each with the number of documents that hold it.

As they are sorted, all forms with the same beginning are one range. :mod:`~typeahead.search.slips` finds forms that are
spelled almost alike. One class serves every back end: :meth:`Vocabulary.of` makes one of plain counts.
"""

from __future__ import annotations

import heapq
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice, pairwise
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from typeahead.search.slips import Slips

#: Characters of a form that count; more are cut off, as Tantivy has a limit, and nobody types them.
LONGEST_FORM: Final = 200
#: Forms up to which a dictionary finds one, in 0.1 µs and about 110 bytes each, and a list of them the range of a
#: prefix, in 1 µs; beyond, binary searches among bytes take 8 µs and 20 µs.
_MOST_IN_MEMORY: Final = 1 << 18
#: The commonest forms of a range with more forms than this are found once: selecting from as many takes 10 µs.
_LARGE: Final = 512
#: How many of them are kept.
_KEPT: Final = 256
#: Frequencies are uint32, and a range is selected from numbers of 64 bits.
_MOST_DOCUMENTS: Final = (1 << 30) - 1
#: Forms that are sorted in one go: some 5 ms.
_RUN: Final = 1 << 14
_LAST: Final = "\U0010ffff"
_SURROGATES = re.compile("[\ud800-\udfff]")


class Vocabulary(Mapping[str, int]):
    """V forms, each with its document frequency. The number of a form is its place in their order.

    May be used from several threads.

    Args:
        blob: uint8, all forms in UTF-8, sorted, one after the other.
        starts: int64 (V + 1,), where each begins in ``blob``.
        frequencies: uint32 (V,), in how many documents each occurs.

    Raises ``ValueError`` with the reason for arrays that do not fit together.
    """

    def __init__(self, blob: NDArray[np.uint8], starts: NDArray[np.int64], frequencies: NDArray[np.uint32]) -> None:
        _check(blob, starts, frequencies)
        #: uint32 (V,), in how many documents each form occurs.
        self.frequencies = frequencies
        self._bytes = blob.data
        self._blob, self._starts_array = blob, starts
        self._starts = starts.data
        self._size = len(frequencies)
        self._all = range(self._size)
        #: Before each form, the sum of frequencies: int64 (V + 1,).
        self._sums = np.concatenate(([0], np.cumsum(frequencies, dtype=np.int64)))
        #: Unique numbers that fall with the frequency and, among equals, rise with the place.
        self._ranks = (np.arange(self._size) << 1) - (frequencies.astype(np.int64) << 33)
        self._forms: list[str] | None = None
        self._numbers: dict[str, int] | None = None
        if self._size <= _MOST_IN_MEMORY:
            self._forms = list(self)
            # A comprehension lets other threads run meanwhile, unlike dict(zip(…)).
            self._numbers = {form: number for number, form in enumerate(self._forms)}
        #: The commonest forms of each large range, commonest first.
        self._commonest: dict[tuple[int, int], NDArray[np.int64]] = {}
        self._prepare(0, self._size, 0)

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> Self:
        """Make a vocabulary of document frequencies by form. One that is a vocabulary already is returned as it is."""
        if isinstance(counts, cls):
            return counts
        # The order of code points is that of their UTF-8. A lone surrogate has none, and nobody types it.
        forms = _sorted(form for form in counts if form and not _SURROGATES.search(form))
        encoded = [form.encode() for form in forms]
        starts = np.zeros(len(forms) + 1, np.int64)
        np.cumsum([len(form) for form in encoded], out=starts[1:])
        frequencies = np.array([min(counts[form], _MOST_DOCUMENTS) for form in forms], np.uint32)
        return cls(np.frombuffer(b"".join(encoded), np.uint8), starts, frequencies)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, form: str) -> int:
        if (number := self.find(form)) < 0:
            raise KeyError(form)
        return int(self.frequencies[number])

    def __iter__(self) -> Iterator[str]:
        text, at = str(self._bytes, "utf-8"), self._starts_array
        if not text.isascii():
            # Where forms begin in code points: every byte but those that continue a code point begins one.
            at = np.concatenate(([0], np.cumsum((self._blob & 0xC0) != 0x80)))[at]
        places = at.tolist()
        return (text[begin:end] for begin, end in pairwise(places))

    def __contains__(self, form: object) -> bool:
        return isinstance(form, str) and self.find(form) >= 0

    def form(self, number: int) -> str:
        """Return the form with a number."""
        if self._forms is not None:
            return self._forms[number]
        return str(self._bytes[self._starts[number] : self._starts[number + 1]], "utf-8")

    def find(self, form: str) -> int:
        """Return the number of a form, -1 if there is no such form."""
        if self._numbers is not None:
            return self._numbers.get(form[:LONGEST_FORM], -1)
        wanted = form[:LONGEST_FORM].encode("utf-8", "replace")
        number = bisect_left(self._all, wanted, key=self._encoded)
        return number if number < self._size and self._encoded(number) == wanted else -1

    def document_frequency(self, form: str) -> int:
        """Return how many documents hold a form."""
        number = self.find(form)
        return 0 if number < 0 else self.frequency(number)

    def frequency(self, number: int) -> int:
        """Return how many documents hold the form with a number."""
        return int(self.frequencies[number])

    def range(self, prefix: str) -> tuple[int, int]:
        """Return the numbers of the forms that begin with ``prefix``, as the first one and the one after the last."""
        wanted = prefix[:LONGEST_FORM].encode("utf-8", "replace")
        if (forms := self._forms) is not None:
            # Code points are in the order of their UTF-8.
            return beginning_with(wanted.decode(), forms)
        first = bisect_left(self._all, wanted, key=self._encoded)
        last = bisect_right(self._all, wanted, lo=first, key=lambda number: self._encoded(number)[: len(wanted)])
        return first, last

    def total(self, first: int, last: int) -> int:
        """Return the sum of the document frequencies of a range of forms."""
        return int(self._sums[last] - self._sums[first])

    def beginning(self, prefix: str, most: int) -> tuple[list[tuple[str, int]], int]:
        """Return the ``most`` commonest forms with a prefix, each with its document frequency, and the sum of all.

        Ties are in the order of the forms. The sum is over all forms with the prefix, so it is an upper bound of the
        number of documents that hold any of them.
        """
        first, last = self.range(prefix)
        numbers = self.commonest(first, last, most).tolist()
        return [(self.form(number), int(self.frequencies[number])) for number in numbers], self.total(first, last)

    def commonest(self, first: int, last: int, most: int) -> NDArray[np.int64]:
        """Return the numbers of the ``most`` commonest forms of a range, commonest first."""
        if most <= _KEPT and (known := self._commonest.get((first, last))) is not None:
            return known[:most]
        return self._select(first, last, most)

    def similar(self, word: str, most: int) -> list[str]:
        """See :meth:`typeahead.search.slips.Slips.similar`."""
        return self._slips.similar(word, most)

    def similar_beginning(self, prefix: str, most: int) -> list[str]:
        """See :meth:`typeahead.search.slips.Slips.similar_beginning`."""
        return self._slips.similar_beginning(prefix, most)

    def counts(self, most: int) -> dict[str, int]:
        """Return the ``most`` commonest forms, each with its document frequency."""
        numbers = self._select(0, self._size, most).tolist()
        return {self.form(number): int(self.frequencies[number]) for number in numbers}

    @cached_property
    def _slips(self) -> Slips:
        return Slips(self, self._blob, self._starts_array)

    def _select(self, first: int, last: int, most: int) -> NDArray[np.int64]:
        ranks = self._ranks[first:last]
        if len(ranks) > most:
            chosen = np.argpartition(ranks, most)[:most]
            chosen = chosen[np.argsort(ranks[chosen])]
        else:
            chosen = np.argsort(ranks)
        return chosen + first

    def _prepare(self, first: int, last: int, length: int) -> None:
        """Select the commonest forms of each large range whose prefix has ``length`` characters, or more."""
        if last - first <= _LARGE:
            return
        self._commonest[first, last] = self._select(first, last, _KEPT)
        while first < last:
            prefix = self.form(first)[: length + 1]
            after = last
            if len(prefix) > length:
                _, after = self.range(prefix)
                self._prepare(first, after, length + 1)
            else:
                after = first + 1
            first = after

    def _encoded(self, number: int) -> bytes:
        return bytes(self._bytes[self._starts[number] : self._starts[number + 1]])


def beginning_with(prefix: str, forms: Sequence[str]) -> tuple[int, int]:
    """Return which of some sorted forms begin with ``prefix``: the first place, and the one after the last."""
    first = bisect_left(forms, prefix)
    last = bisect_left(forms, prefix + _LAST, lo=first)
    while last < len(forms) and forms[last].startswith(prefix):
        last += 1  # forms with the last code point of all
    return first, last


def _sorted(forms: Iterable[str]) -> list[str]:
    """Sort in runs and merge these, as no other thread runs during one call of ``sort``, for a second in a million."""
    some = iter(forms)
    runs = []
    while run := sorted(islice(some, _RUN)):
        runs.append(run)
    return runs[0] if len(runs) == 1 else list(heapq.merge(*runs))


def _check(blob: NDArray[Any], starts: NDArray[Any], frequencies: NDArray[Any]) -> None:
    if blob.dtype != np.uint8 or starts.dtype != np.int64 or frequencies.dtype != np.uint32:
        raise ValueError("forms, starts and frequencies are not uint8, int64 and uint32")
    if not blob.ndim == starts.ndim == frequencies.ndim == 1 or len(starts) != len(frequencies) + 1:
        raise ValueError("the sizes of forms, starts and frequencies do not match")
    if starts[0] != 0 or starts[-1] != len(blob) or (np.diff(starts) <= 0).any():
        raise ValueError("the forms are out of order")
    try:
        str(blob.data, "utf-8")
    except UnicodeDecodeError:
        raise ValueError("the forms are not UTF-8") from None
    if ((blob[starts[:-1]] & 0xC0) == 0x80).any():
        raise ValueError("a form begins inside a character")
