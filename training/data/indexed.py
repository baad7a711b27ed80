"""Random access to the records in a file of lines that is too big for memory.

Memory holds only where each line begins, 16 bytes a line. The file itself is mapped into memory, so the operating
system keeps the parts in use.
"""

from __future__ import annotations

import hashlib
import mmap
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from typeahead.errors import SourceError
from typeahead.text.bad_lines import accounted
from typeahead.text.encodings import decode
from typeahead.text.reading import utf8_raw_lines

T = TypeVar("T")


class IndexedLines(Generic[T]):
    """The records of a file by row, from 0. A line that ``parse`` refuses is logged and has no row.

    ``digest`` is a hash of the lines with a row. ``parse`` takes a line and its number, and raises ``ValueError`` for a
    line that cannot be used. ``note`` gets each record once, in order. Raises :class:`~typeahead.errors.SourceError`
    for a file without a usable record, and for a gzipped one.
    """

    def __init__(
        self, path: Path, parse: Callable[[str, int], T], note: Callable[[T, int], None] | None = None
    ) -> None:
        self.path, self._parse = path, parse
        self._starts, self._numbers = array("Q"), array("Q")
        if path.suffix == ".gz":
            raise SourceError("is packed: unpack it, because its lines are read in any order", path=path)
        try:
            with path.open("rb") as file, accounted(path) as bad:
                digest = hashlib.blake2b(digest_size=8)
                for number, start, raw, problem in utf8_raw_lines(file, path):
                    line = raw.rstrip(b"\r\n")
                    if not problem and not line:
                        continue
                    if problem is not None:
                        bad.add(problem)
                        continue
                    try:
                        record = parse(decode(line), number)
                    except ValueError as error:
                        bad.add(SourceError(str(error), path=path, line=number))
                        continue
                    if note is not None:
                        note(record, number)
                    digest.update(line + b"\n")
                    self._starts.append(start)
                    self._numbers.append(number)
                if not self._starts:
                    raise SourceError(f"holds no line that can be used, out of {bad.count}", path=path)
                self.digest = digest.hexdigest()
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror or error}", path=path) from error

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, row: int) -> T:
        """The record of ``row``; ``IndexError`` if there is none."""
        if not 0 <= row < len(self._starts):
            raise IndexError(f"row {row} is none of {len(self._starts)} of {self.path}")
        start = self._starts[row]
        end = self._map.find(b"\n", start)
        raw = self._map[start : end if end >= 0 else len(self._map)]
        return self._parse(decode(raw.rstrip(b"\r")), self._numbers[row])

    def __iter__(self) -> Iterator[T]:
        return (self[row] for row in range(len(self)))
