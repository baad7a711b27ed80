"""Datasets in files: lines of BEIR's JSONL and of MS MARCO's TSV, and judgements in both layouts, plain or gzipped.

Reads what is there and says path and line where it cannot; what judgements, queries and passages must be to each
other is for ``datasets``. Lines end with a line feed, with or without a carriage return, and nothing else ends one;
empty ones are skipped.

Layouts::

    BEIR       corpus.jsonl     {"_id": …, "title": …, "text": …}    title may be missing
               queries.jsonl    {"_id": …, "text": …}
               qrels/SPLIT.tsv  query, passage, grade                a first line that names the columns
    MS MARCO   collection.tsv   passage, text
               queries.SPLIT.tsv query, text
               qrels.SPLIT.tsv  query, iteration, passage, grade     as trec_eval's, separated by tabs or blanks
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from typeahead.errors import SourceError
from typeahead.text.reading import MAX_LINE, decode

_T = TypeVar("_T")
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
#: Rows between two places where reading can begin.
_CHECKPOINT = 8192
#: trec_eval keeps a grade in a long, which has 32 bits on some systems.
_GRADE = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)


class TextFile:
    """Lines of a file, with their numbers, through ``parse``, which raises ``ValueError`` for what it cannot use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        #: Whether the last line that was read has no line break, as in a file that was cut short.
        self.unfinished = False

    def error(self, message: str, line: int | None = None) -> SourceError:
        """Make an error that names the file and the line."""
        return SourceError(message, path=self.path, line=line)

    def parsed(self, parse: Callable[[bytes], _T], *, line: int = 1, offset: int = 0) -> Iterator[tuple[int, int, _T]]:
        """Line, offset in bytes and content of each line that is not empty, from that line at that offset.

        Raises :class:`~typeahead.errors.SourceError` for a file that cannot be read or ends within its compression, a
        line of more than 16 MiB, and what ``parse`` refuses.
        """
        for number, at, raw in self._lines(line, offset):
            if not raw.strip(b"\r\n"):
                continue
            try:
                content = parse(raw)
            except (ValueError, RecursionError) as error:
                raise self.error(str(error), number) from None
            yield number, at, content

    def _lines(self, number: int, offset: int) -> Iterator[tuple[int, int, bytes]]:
        number -= 1
        try:
            with self._open() as file:
                if offset:
                    file.seek(offset)
                else:
                    mark = file.read(3)
                    if mark[:2] in _UTF16_BOMS:
                        raise self.error("is UTF-16: convert it to UTF-8")
                    offset = 3 if mark == _UTF8_BOM else 0
                    file.seek(offset)
                while raw := file.readline(MAX_LINE + 1):
                    number += 1
                    if len(raw) > MAX_LINE:
                        raise self.error(f"the line is longer than {MAX_LINE} bytes", number)
                    self.unfinished = not raw.endswith(b"\n")
                    yield number, offset, raw
                    offset += len(raw)
        except (OSError, EOFError, zlib.error) as error:
            # gzip says EOFError of a file that was cut short, and zlib.error or OSError of one that is damaged.
            raise self.error(f"cannot be read: {getattr(error, 'strerror', None) or error}", number + 1) from error

    def _open(self) -> BinaryIO:
        return cast("BinaryIO", gzip.open(self.path)) if self.path.suffix == ".gz" else self.path.open("rb")


class FileTexts(TextFile):
    """Ids and texts, of passages or queries: ``parse`` is :func:`beir_text` or :func:`tsv_text`."""

    def __init__(self, path: Path, parse: Callable[[bytes], tuple[str, str]]) -> None:
        super().__init__(path)
        self._parse = parse
        self._checkpoints: list[tuple[int, int]] = []

    def read(self, start: int = 0) -> Iterator[tuple[int, str, str]]:
        """Line, id and text of each from row ``start``; what a full reading passed is jumped over in the next."""
        nearest = min(start // _CHECKPOINT, len(self._checkpoints) - 1)
        row, (line, offset) = (nearest * _CHECKPOINT, self._checkpoints[nearest]) if nearest > 0 else (0, (1, 0))
        for number, at, (key, text) in self.parsed(self._parse, line=line, offset=offset):
            if row == len(self._checkpoints) * _CHECKPOINT:
                self._checkpoints.append((number, at))
            if row >= start:
                yield number, key, text
            row += 1


class FileJudgements(TextFile):
    """Judgements: each line query, passage, grade as BEIR's, or query, iteration, passage, grade as trec_eval's."""

    def read(self) -> Iterator[tuple[int, str, str, int]]:
        """Line, query, passage and grade of each; the first line may name BEIR's columns."""
        columns = 0

        def parse(raw: bytes) -> tuple[str, str, int] | None:
            nonlocal columns
            text = decode(raw).strip(" \r\n")
            # Some of TREC's files have tabs, some blanks, some both.
            parts = [part.strip() for part in text.split("\t")] if text.count("\t") in (2, 3) else text.split()
            if not columns and len(parts) == 3 and parts[2].lower() == "score":
                return None
            if len(parts) != (columns or len(parts)) or len(parts) not in (3, 4):
                raise ValueError(
                    f"{len(parts)} columns: expected query, passage, grade or query, iteration, passage, grade, "
                    "the same on each line"
                )
            columns = len(parts)
            if not _GRADE.fullmatch(parts[-1]):
                raise ValueError(f"the grade {parts[-1][:40]!r} is no whole number of up to nine digits")
            return identifier(parts[0]), identifier(parts[-2]), int(parts[-1])

        for line, _, judgement in self.parsed(parse):
            if judgement is not None:
                yield line, *judgement


def beir_text(raw: bytes) -> tuple[str, str]:
    """Id and text of a line of ``corpus.jsonl`` or ``queries.jsonl``, the title first where there is one."""
    try:
        record = json.loads(decode(raw))
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} (column {error.colno})") from None
    if not isinstance(record, dict):
        raise ValueError(f"a JSON {type(record).__name__}, not an object")
    for name in ("_id", "text"):
        if name not in record:
            raise ValueError(f"no field {name!r}")
    title = record.get("title")
    return identifier(record["_id"]), joined("" if title is None else title, record["text"])


def tsv_text(raw: bytes) -> tuple[str, str]:
    """Id and text of a line of ``collection.tsv`` or ``queries.*.tsv``."""
    parts = decode(raw).rstrip("\r\n").split("\t")
    if len(parts) != 2:
        raise ValueError(f"{len(parts)} columns, not id and text with one tab between them")
    return identifier(parts[0]), parts[1].strip()


def joined(title: Any, text: Any) -> str:
    """What an encoder reads: title, blank, text, stripped. ``ValueError`` if either is no text that has UTF-8."""
    for name, value in (("title", title), ("text", text)):
        if not isinstance(value, str):
            raise ValueError(f"the {name} is {type(value).__name__} {str(value)[:40]!r}, not text")
    whole = f"{title} {text}".strip()
    try:
        whole.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"a lone surrogate at position {error.start} of title and text") from None
    return whole


def identifier(key: Any) -> str:
    """An id that runs and judgements can name; ``ValueError`` says what is wrong with it."""
    if isinstance(key, int) and not isinstance(key, bool):
        key = str(key)
    if not isinstance(key, str):
        raise ValueError(f"the id {str(key)[:40]!r} is neither text nor an integer")
    if not key or key.split() != [key] or "\0" in key:
        # Columns of TREC's runs and judgements are separated by white space.
        raise ValueError(f"the id {key[:40]!r} is empty or has white space in it, which no run file can hold")
    try:
        key.encode()
    except UnicodeEncodeError:
        raise ValueError(f"the id {key[:40]!r} has a lone surrogate") from None
    return key


def existing(folder: Path, name: str) -> Path | None:
    """``folder/name``, or the same gzipped, whichever is there."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
