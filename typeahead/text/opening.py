"""Opens one source of records, whatever its format; ``sources`` decides which sources there are."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from typeahead.errors import SourceError
from typeahead.text.bad_lines import BadLines, Notice
from typeahead.text.delimited import header, read_table
from typeahead.text.formats import Record
from typeahead.text.formats.arrow import read_arrow
from typeahead.text.formats.json_values import read_json
from typeahead.text.mapping import Mapper
from typeahead.text.reading import Line, parsed, recognised_lines
from typeahead.text.records import parse_object

#: Rows of a table, and characters in them, from which the kinds of its fields are inferred.
_SAMPLE, _SAMPLE_LENGTH = 1000, 16 << 20


@dataclass(frozen=True, slots=True)
class Opening:
    """How to read sources: see :func:`typeahead.text.sources.read_source`."""

    bad: BadLines | None
    notice: Notice
    columns: Sequence[str] | None
    delimiter: str | None
    encoding: str | None


def read_records(path: Path, kind: str, opening: Opening, mapper: Mapper) -> Iterator[Record]:
    """Stream the records of one file or pipe of a ``kind`` other than notes and folders.

    ``mapper`` says which columns matter, and learns from the first rows of a table.
    """
    if kind == "json":
        return read_json(path, opening.bad, opening.encoding, opening.notice)
    if kind in ("parquet", "arrow"):
        return _arrow(path, kind, opening, mapper)
    read = recognised_lines(path, opening.encoding, opening.notice)
    if kind == "jsonl":
        return _closing(_json_lines(read, path, opening.bad), read)
    table = read_table(
        read,
        path,
        quoted=kind == "csv",
        delimiter=opening.delimiter,
        columns=None if opening.columns is None else header(opening.columns, "the columns name"),
        is_header=mapper.names.are_in,
        bad=opening.bad,
        notice=opening.notice,
    )
    return _closing(_sampled(table, mapper), read)


def _arrow(path: Path, kind: str, opening: Opening, mapper: Mapper) -> Iterator[Record]:
    left_out: list[str] = []
    yield from read_arrow(path, kind, mapper.wanted(), left_out)
    if left_out:
        opening.notice(f"{path}: columns of vectors are not read: {', '.join(left_out)}")


def _json_lines(read: Iterator[Line], path: Path, bad: BadLines | None) -> Iterator[Record]:
    for line, record in parsed((line for line in read if line.problem or line.text.strip()), parse_object, path, bad):
        yield line.number, record


def _sampled(table: Iterator[Record], mapper: Mapper) -> Iterator[Record]:
    """Let ``mapper`` learn from the first rows before it makes documents of them."""
    sample: list[Record] = []
    length = 0
    problem = None
    try:
        for record in table:
            sample.append(record)
            length += sum(map(len, record[1].values()))
            if len(sample) == _SAMPLE or length > _SAMPLE_LENGTH:
                break
    except SourceError as error:
        # The rows before it come first.
        problem = error
    mapper.infer([record for _, record in sample])
    yield from sample
    if problem is not None:
        raise problem
    yield from table


def _closing(records: Iterator[Record], read: Iterator[Line]) -> Iterator[Record]:
    """Close the file when the records end, also by an error whose traceback somebody keeps."""
    try:
        yield from records
    finally:
        if isinstance(read, Generator):
            read.close()
