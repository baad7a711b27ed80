"""BEIR folders: passages in ``corpus.jsonl``, queries in ``queries.jsonl``, judgements in ``qrels/SPLIT.tsv``.

A line of the first two is ``{"_id": …, "title": …, "text": …}``, where the title may be missing or null. Each file may
be compressed, its name then ends in ``.gz`` or ``.zst``. :mod:`typeahead.text.judgements` reads the judgements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from typeahead.text.document import Document
from typeahead.text.records import clean, identifier, parse_object

CORPUS = "corpus.jsonl"
QUERIES = "queries.jsonl"


def qrels(split: str) -> str:
    """Name of the file of judgements, relative to the folder."""
    return f"qrels/{split}.tsv"


def existing(folder: Path, name: str) -> Path | None:
    """``folder/name``, or the same compressed, whichever is there; ``None`` if neither is."""
    return next((path for end in ("", ".gz", ".zst") if (path := folder / f"{name}{end}").is_file()), None)


def parse_beir(line: str, id_fields: Sequence[str] = ("_id",)) -> Document:
    """Read a line of ``corpus.jsonl`` or ``queries.jsonl``; ``ValueError`` says what is wrong with it.

    The id stands in the first of ``id_fields`` that the record has. Title and text are as they stand there; both may be
    empty.
    """
    record = parse_object(line)
    for field in id_fields:
        if field in record:
            break
    else:
        raise _missing(" or ".join(map(repr, id_fields)), record)
    if "text" not in record:
        raise _missing("'text'", record)
    title = record.get("title")
    return Document(
        identifier(record[field], field, one_word=True),
        "" if title is None else clean(title, "title"),
        clean(record["text"], "text"),
    )


def _missing(field: str, record: Mapping[str, object]) -> ValueError:
    there = ", ".join(map(repr, list(record)[:10])) or "none"
    return ValueError(f"no field {field}; the fields are {there}")
