"""The passages of a dataset: read once in full when it is opened, then streamed as often as wanted.

The first reading finds everything that is wrong with them before hours of encoding. It keeps the id of each passage and
a digest of its content, some 40 bytes. The sibling ``datasets`` adds queries and judgements; ``dataset_files`` and
``catalogue`` are where passages come from; ``passages`` makes vectors of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from typeahead.errors import SourceError
from typeahead.progress import OnProgress
from typeahead.text.ids import PassageIds

_DIGEST = 16
#: Passages between two reports of progress.
_REPORT = 4096


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage to retrieve: its id, and the text for a passage encoder, which is title, blank, text, stripped."""

    id: str
    text: str


class PassageSource(Protocol):
    """Where passages come from."""

    def read(self, start: int = 0) -> Iterator[tuple[int, str, str]]:
        """Yield line (or position), id and text of each passage from row ``start`` on; raises ``SourceError``."""

    def error(self, message: str, line: int | None = None) -> SourceError:
        """Make an error that names the source and the line."""


class Collection:
    """The passages of a source, checked.

    Args:
        name: of the collection; datasets with the same passages share it.
        source: read in full here, and again by :meth:`passages`.
        expected: ids in the judgements; those that are not found are :attr:`missing`.
        progress: called with "reading NAME", the passages read, and ``total``.
        total: number of passages, if it is known.

    Attributes:
        ids: ids by row.
        missing: ids of ``expected`` that the collection lacks.
        empty: ids of the passages without text.

    Raises:
        SourceError: two passages have one id, there is no passage at all, or ``source`` raised it.
    """

    def __init__(
        self,
        name: str,
        source: PassageSource,
        *,
        expected: Iterable[str] = (),
        progress: OnProgress | None = None,
        total: int | None = None,
    ) -> None:
        self.name = name
        self.ids = PassageIds()
        self.empty = PassageIds()
        self._source = source
        self._digests = bytearray()
        missing = set(expected)
        for _, key, text in source.read():
            self.ids.append(key)
            self._digests += _digest(key, text)
            missing.discard(key)
            if not text:
                self.empty.append(key)
            if progress and not len(self.ids) % _REPORT:
                progress(f"reading {name}", len(self.ids), total)
        if progress:
            progress(f"reading {name}", len(self.ids), len(self.ids))
        if not self.ids:
            raise source.error("there is no passage in it")
        if rows := self.ids.repeated():
            raise self._repeated(*rows)
        self.missing = missing

    def __len__(self) -> int:
        return len(self.ids)

    def passages(self, start: int = 0) -> Iterator[Passage]:
        """Stream the passages from row ``start``, always in the same order.

        Raises :class:`~typeahead.errors.SourceError` if a passage has changed since the first reading.
        """
        row = start
        for line, key, text in self._source.read(start):
            if self._digests[row * _DIGEST : (row + 1) * _DIGEST] != _digest(key, text):
                raise self._source.error(f"passage {key!r} has changed since it was first read", line)
            yield Passage(key, text)
            row += 1
        if row < len(self):
            raise self._source.error(f"ends after {row} passages, {len(self)} were read before")

    def digest(self, first: int, last: int) -> str:
        """SHA-256, as hex digits, of the ids and texts of rows ``first`` to before ``last``.

        Hashed are 16-byte BLAKE2b digests, one for each passage: of the id's length, a colon, the id and the text.
        """
        return hashlib.sha256(self._digests[first * _DIGEST : last * _DIGEST]).hexdigest()

    def _repeated(self, first: int, again: int) -> SourceError:
        """Read up to the second of two passages with one id, to find their lines."""
        lines = [0, 0]
        for row, (line, _, _) in enumerate(self._source.read()):
            if row == first:
                lines[0] = line
            if row == again:
                lines[1] = line
                break
        key = self.ids[again]
        return self._source.error(f"the id {key!r} is that of line {lines[0]} already: ids must be unique", lines[1])


class InMemory:
    """A source of passages in memory."""

    def __init__(self, name: str, passages: Iterable[Passage]) -> None:
        self._name = name
        self._passages = list(passages)

    def read(self, start: int = 0) -> Iterator[tuple[int, str, str]]:
        """Position from 1, id and text of each passage."""
        for row in range(start, len(self._passages)):
            yield row + 1, self._passages[row].id, self._passages[row].text

    def error(self, message: str, line: int | None = None) -> SourceError:
        """Make an error that names the source."""
        return SourceError(f"{self._name}: {'' if line is None else f'passage {line}: '}{message}")


def _digest(key: str, text: str) -> bytes:
    return hashlib.blake2b(f"{len(key)}:{key}{text}".encode(), digest_size=_DIGEST).digest()
