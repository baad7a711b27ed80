"""Writes which forms each document, or each passage, holds; :mod:`~typeahead.index.lexical.forward` reads them.

Forms get numbers as they come, so all numbers change once the vocabulary is sorted. Until then, blocks of entries lie
in files, and memory holds little more than the number of forms of each field.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from typeahead.search.terms import FIELDS

#: Entries in memory before they are written to a file. The file takes 9 bytes for each.
BLOCK: Final = 1 << 15
_LARGEST_COUNT: Final = 255


class ForwardWriter:
    """Collects the forms of rows, field after field. Its files in ``folder`` begin with ``name``."""

    def __init__(self, folder: Path, name: str, *, block: int = BLOCK) -> None:
        self._folder, self._name, self._block = folder, name, block
        #: The forms since the last block, field after field, and how many each field has.
        self._forms = array("I")
        self._sizes = array("I")
        #: For all rows: the distinct forms of each field, and all its forms.
        self._distinct: list[NDArray[np.int64]] = []
        self._lengths = array("I")
        self._blocks = 0

    def add(self, forms: Sequence[int]) -> None:
        """Add the forms of the next field, by the numbers that they have so far."""
        self._forms.extend(forms)
        self._sizes.append(len(forms))
        self._lengths.append(len(forms))
        if len(self._forms) >= self._block and len(self._lengths) % len(FIELDS) == 0:
            self.flush()

    def skip(self, rows: int) -> None:
        """Add rows without any forms."""
        nothing = array("I", bytes(rows * len(FIELDS) * array("I").itemsize))
        self._sizes.extend(nothing)
        self._lengths.extend(nothing)

    def flush(self) -> None:
        """Write the forms since the last block as pairs of field and form, each once, and their counts."""
        sizes = np.array(self._sizes, np.int64)
        pairs = np.repeat(np.arange(len(sizes)) << 32, sizes) | np.array(self._forms, np.int64)
        pairs, counts = np.unique(pairs, return_counts=True)
        self._distinct.append(np.bincount(pairs >> 32, minlength=len(sizes)))
        np.save(self._file("pairs", self._blocks), pairs)
        np.save(self._file("counts", self._blocks), np.minimum(counts, _LARGEST_COUNT).astype(np.uint8))
        self._blocks += 1
        self._forms, self._sizes = array("I"), array("I")

    def _file(self, what: str, block: int) -> Path:
        return self._folder / f"{self._name}-{what}{block}.npy"

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where the distinct forms of each field begin: int64 (rows · fields + 1,). Call :meth:`flush` before."""
        return np.concatenate([[0], np.cumsum(np.concatenate(self._distinct))]).astype(np.int64)

    @property
    def lengths(self) -> NDArray[np.uint32]:
        """The number of forms of each field: uint32 (rows, fields)."""
        return np.array(self._lengths, np.uint32).reshape(-1, len(FIELDS))

    def shapes(self) -> dict[str, tuple[Any, tuple[int, ...]]]:
        """Return the types and shapes of all arrays."""
        starts, lengths = self.starts, self.lengths
        return {
            "starts": (np.int64, starts.shape),
            "ids": (np.uint32, (int(starts[-1]),)),
            "lengths": (np.uint32, lengths.shape),
            "counts": (np.uint8, (int(starts[-1]),)),
        }

    def ids(
        self, places: NDArray[np.int64], frequencies: NDArray[np.uint32] | None = None
    ) -> Iterator[NDArray[np.uint32]]:
        """Yield the forms of all fields by their final numbers, ``places`` by number so far.

        Adds to ``frequencies`` in how many rows each occurs. Call :meth:`counts` afterwards.
        """
        for block in range(self._blocks):
            pairs = np.load(self._file("pairs", block))
            if not len(pairs):
                continue
            fields = pairs >> 32
            pairs = (fields << 32) | places[pairs & 0xFFFF_FFFF]
            order = np.argsort(pairs, kind="stable")
            pairs = pairs[order]
            counts_path = self._file("counts", block)
            np.save(counts_path, np.load(counts_path)[order])
            ids = pairs & 0xFFFF_FFFF
            if frequencies is not None:
                rows = (pairs >> 32) // len(FIELDS)
                once = np.unique((rows << 32) | ids)
                frequencies += np.bincount(once & 0xFFFF_FFFF, minlength=len(frequencies)).astype(np.uint32)
            yield ids.astype(np.uint32)

    def counts(self) -> Iterator[NDArray[np.uint8]]:
        """Yield how often each form occurs in its field."""
        return (np.load(self._file("counts", block)) for block in range(self._blocks))
