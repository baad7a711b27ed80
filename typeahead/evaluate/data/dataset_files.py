"""Passages, queries and judgements of a dataset in files: every line must be usable, and reading can begin at any row.

:mod:`typeahead.text` knows the layouts. Here an unusable line is an error with path and line; whether judgements,
queries and passages fit together is checked in ``datasets``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from typeahead.errors import SourceError
from typeahead.text.document import Document
from typeahead.text.judgements import JudgementParser
from typeahead.text.reading import parsed, utf8_lines

#: Rows between two places where reading can begin.
_CHECKPOINT = 8192


class _DatasetFile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def error(self, message: str, line: int | None = None) -> SourceError:
        """Make an error that names the file and the line."""
        return SourceError(message, path=self.path, line=line)


class FileTexts(_DatasetFile):
    """Ids and texts of passages or queries.

    ``parse`` is :func:`~typeahead.text.beir.parse_beir` or :func:`~typeahead.text.msmarco.parse_msmarco`.
    """

    def __init__(self, path: Path, parse: Callable[[str], Document]) -> None:
        super().__init__(path)
        #: Whether the last line that was read has no line break, as in a file that was cut short.
        self.unfinished = False
        self._parse = parse
        self._checkpoints: list[tuple[int, int]] = []

    def read(self, start: int = 0) -> Iterator[tuple[int, str, str]]:
        """Yield line, id and text of each row from ``start`` on; the text is title, blank, text.

        What an earlier reading passed is skipped without being parsed again. Raises
        :class:`~typeahead.errors.SourceError` for the first line that cannot be used, and for a file that cannot be
        read.
        """
        nearest = min(start // _CHECKPOINT, len(self._checkpoints) - 1)
        row, (line, offset) = (nearest * _CHECKPOINT, self._checkpoints[nearest]) if nearest > 0 else (0, (1, 0))
        for found, document in parsed(utf8_lines(self.path, line=line, offset=offset), self._parse, self.path):
            self.unfinished = not found.text.endswith("\n")
            if row == len(self._checkpoints) * _CHECKPOINT:
                self._checkpoints.append((found.number, found.offset))
            if row >= start:
                yield found.number, document.id, document.passage
            row += 1


class FileJudgements(_DatasetFile):
    """Judgements in BEIR's layout or in trec_eval's."""

    def read(self) -> Iterator[tuple[int, str, str, int]]:
        """Yield line, query, passage and grade of each judgement; raises as :meth:`FileTexts.read`."""
        for line, judgement in parsed(utf8_lines(self.path), JudgementParser(), self.path):
            if judgement is not None:
                yield line.number, judgement.query_id, judgement.passage_id, judgement.grade
