"""BEIR folders: ``corpus.jsonl``, ``queries.jsonl`` and ``qrels/SPLIT.tsv`` with a header line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from training.data.collection import parse_json_passage
from training.data.lines import accounted, clean, identifier, parse_object, read_lines
from training.data.records import Judgement, Passage, Query
from typeahead.errors import SourceError

_HEADER = ["query-id", "corpus-id", "score"]


def read_beir_corpus(path: Path) -> Iterator[Passage]:
    """Stream the passages of a folder, or of a ``.jsonl`` file of that form."""
    path = path / "corpus.jsonl" if path.is_dir() else path
    with accounted(path) as bad:
        for number, line in read_lines(path, bad):
            try:
                yield parse_json_passage(line)
            except ValueError as error:
                bad.add(number, str(error))


def read_beir_queries(path: Path) -> Iterator[Query]:
    """Stream all queries of a folder, or of a ``.jsonl`` file of that form, those of other splits, too."""
    path = path / "queries.jsonl" if path.is_dir() else path
    with accounted(path) as bad:
        for number, line in read_lines(path, bad):
            try:
                record = parse_object(line)
                query = Query(identifier(record.get("_id"), "_id"), clean(record.get("text"), "text"))
                if not query.text:
                    raise ValueError("the query is empty")
            except ValueError as error:
                bad.add(number, str(error))
                continue
            yield query


def read_beir_qrels(path: Path) -> Iterator[tuple[int, Judgement]]:
    """Stream the judgements of ``qrels/SPLIT.tsv`` with the numbers of their lines."""
    with accounted(path) as bad:
        for number, line in read_lines(path, bad):
            fields = line.split("\t")
            if number == 1:
                if fields != _HEADER:
                    raise SourceError(f"the header is {line!r}, not {'<TAB>'.join(_HEADER)}", path=path, line=1)
                continue
            if len(fields) != 3:
                bad.add(number, f"{len(fields)} columns, not 3: {', '.join(_HEADER)}")
                continue
            try:
                yield number, Judgement(fields[0], fields[1], int(fields[2]))
            except ValueError:
                bad.add(number, f"the score {fields[2]!r} is no integer")
