"""BEIR folders as training reads them: lines that cannot be used are left out and logged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from training.data.records import Passage, Query
from typeahead.text import beir
from typeahead.text.bad_lines import accounted
from typeahead.text.reading import parsed, utf8_lines


def parse_json_passage(line: str) -> Passage:
    """Read a JSON object with an id, a title or none, and a text; ``ValueError`` says what is wrong with it.

    BEIR calls the id ``_id``, Tevatron ``docid``; a title may be missing or null.
    """
    return Passage.of(beir.parse_beir(line, ("_id", "docid", "id")))


def read_beir_corpus(path: Path) -> Iterator[Passage]:
    """Stream the passages of a folder, or of a ``.jsonl`` file of that form."""
    path = _file(path, beir.CORPUS)
    with accounted(path) as bad:
        for _, passage in parsed(utf8_lines(path), parse_json_passage, path, bad):
            yield passage


def read_beir_queries(path: Path) -> Iterator[Query]:
    """Stream all queries of a folder, of every split, or of a ``.jsonl`` file of that form."""
    path = _file(path, beir.QUERIES)
    with accounted(path) as bad:
        for _, query in parsed(utf8_lines(path), lambda line: Query.of(beir.parse_beir(line)), path, bad):
            yield query


def _file(path: Path, name: str) -> Path:
    """The file ``name`` of a folder, plain or gzipped; ``path`` itself if it is no folder."""
    return beir.existing(path, name) or path / name if path.is_dir() else path
