"""Passages by id and by row from a file of millions: MS MARCO's TSV, or JSON lines of BEIR and Tevatron.

Memory holds where each line begins and a hash of its id, 32 bytes a passage.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from training.data.beir import parse_json_passage
from training.data.indexed import IndexedLines
from training.data.records import Passage
from typeahead.errors import SourceError
from typeahead.text import beir
from typeahead.text.msmarco import parse_msmarco


def parse_tsv_passage(line: str) -> Passage:
    """Read ``pid<TAB>passage`` or ``pid<TAB>title<TAB>passage``; ``ValueError`` says what is wrong with it."""
    return Passage.of(parse_msmarco(line, titles=True))


class Collection:
    """The passages of a TSV file, a ``.jsonl`` file or a BEIR folder.

    ``digest`` is a hash of its content. Two passages with one id are an error that names both: a judgement could mean
    either.
    """

    def __init__(self, path: Path) -> None:
        path = path / beir.CORPUS if path.is_dir() else path
        parse = parse_json_passage if path.suffix in (".jsonl", ".json", ".ndjson") else parse_tsv_passage
        self.path = path
        hashes = array("q")
        self._lines = IndexedLines(
            path, lambda line, _: parse(line), lambda passage, _: hashes.append(hash(passage.id))
        )
        self._order = np.argsort(np.frombuffer(hashes, np.int64), kind="stable")
        self._hashes = np.frombuffer(hashes, np.int64)[self._order]
        self.digest = self._lines.digest
        self._refuse_repeated()

    def _refuse_repeated(self) -> None:
        seen: dict[str, int] = {}
        same = np.flatnonzero(self._hashes[1:] == self._hashes[:-1])
        # Rows with one hash follow each other in the order of the file.
        for row in self._order[np.union1d(same, same + 1)].tolist():
            key = self[row].id
            if key in seen:
                raise SourceError(
                    f"the id {key!r} of passage {row + 1} is that of passage {seen[key] + 1}", path=self.path
                )
            seen[key] = row

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, row: int) -> Passage:
        """The passage of a row, from 0."""
        return self._lines[row]

    def __iter__(self) -> Iterator[Passage]:
        return iter(self._lines)

    def row(self, key: str) -> int | None:
        """The row of the passage with the id ``key``; ``None`` if there is none."""
        place = int(np.searchsorted(self._hashes, hash(key)))
        while place < len(self._hashes) and self._hashes[place] == hash(key):
            row = int(self._order[place])
            if self[row].id == key:
                return row
            place += 1
        return None

    def __contains__(self, key: str) -> bool:
        return self.row(key) is not None

    def get(self, key: str) -> Passage:
        """The passage with the id ``key``; ``KeyError`` if there is none."""
        row = self.row(key)
        if row is None:
            raise KeyError(key)
        return self[row]
