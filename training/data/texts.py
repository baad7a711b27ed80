"""Training texts of stage 1 from any list of texts, as a stream of :class:`Example`, and the development split.

A hash of the text alone decides whether it belongs to the development split, so order, limit and other files do not
matter.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from training.data.beir import read_beir_corpus, read_beir_queries
from training.data.judged import split_kind
from training.data.msmarco import read_collection, read_queries
from typeahead.text.bad_lines import accounted
from typeahead.text.reading import parsed, utf8_lines
from typeahead.text.records import clean, parse_object

#: Some sources are exports of CSV within TSV: ``"""What does """"x"""" mean?"""``.
_QUOTE_RUN = re.compile(r'"{2,}')

#: What :func:`read_examples` reads, as ``kind:path``:
#:
#: ``tsv`` ``source<TAB>text``; ``list`` one text a line; ``jsonl`` JSON objects with ``query`` or ``text`` (Tevatron's,
#: or BEIR's queries); ``queries`` and ``collection`` MS MARCO's; ``beir`` and ``beir-corpus`` the queries and the
#: passages of a folder. Without a kind a folder is ``beir``, a name that ends in ``.txt`` (and ``.gz``) ``list``, in
#: ``.jsonl`` ``jsonl``, any other ``tsv``.
KINDS = ("tsv", "list", "jsonl", "queries", "collection", "beir", "beir-corpus")


@dataclass(frozen=True, slots=True)
class Example:
    """One training text and the name of its collection."""

    source: str
    text: str


def read_examples(source: Path | str, *, limit: int | None = None) -> Iterator[Example]:
    """Stream the first ``limit`` texts of ``kind:path`` or of a path.

    An example's source is the first column of a ``tsv``, otherwise the name of the file or folder. Raises
    :class:`~typeahead.errors.SourceError` if there is no such file.
    """
    kind, path = split_kind(source, KINDS, "")
    kind = kind or _kind(path)
    name = path.name.removesuffix(".gz").rsplit(".", 1)[0]
    if kind == "tsv":
        found = _read_tsv(path)
    elif kind == "list":
        found = _read_list(path, name)
    elif kind == "jsonl":
        found = _read_jsonl(path, name)
    elif kind in ("queries", "beir"):
        queries = read_queries(path) if kind == "queries" else read_beir_queries(path)
        found = (Example(name, query.text) for query in queries)
    else:
        passages = read_collection(path) if kind == "collection" else read_beir_corpus(path)
        found = (Example(name, str(passage.whole())) for passage in passages)
    return found if limit is None else islice(found, limit)


def _kind(path: Path) -> str:
    if path.is_dir():
        return "beir"
    suffixes = {".txt": "list", ".jsonl": "jsonl", ".ndjson": "jsonl"}
    return suffixes.get(Path(path.name.removesuffix(".gz")).suffix, "tsv")


def _read_tsv(path: Path) -> Iterator[Example]:
    def parse(line: str) -> Example:
        source, tab, text = line.partition("\t")
        text = _QUOTE_RUN.sub('"', text).strip()
        if text.startswith('"') and text.endswith('"') and len(text) > 1:
            text = text[1:-1].strip()
        if not (tab and text):
            raise ValueError("no text after the tab" if tab else "no tab: source<TAB>text")
        return Example(source, text)

    return _parsed(path, parse)


def _read_list(path: Path, name: str) -> Iterator[Example]:
    def parse(line: str) -> Example:
        if not line.strip():
            raise ValueError("nothing but white space")
        return Example(name, line.strip())

    return _parsed(path, parse)


def _read_jsonl(path: Path, name: str) -> Iterator[Example]:
    def parse(line: str) -> Example:
        record = parse_object(line)
        field = "query" if "query" in record else "text"
        text = clean(record.get(field), field).strip()
        if not text:
            raise ValueError(f"{field} is empty")
        return Example(name, text)

    return _parsed(path, parse)


def _parsed(path: Path, parse: Callable[[str], Example]) -> Iterator[Example]:
    with accounted(path) as bad:
        for _, example in parsed(utf8_lines(path), parse, path, bad):
            yield example


def is_development(text: str, share: float) -> bool:
    """Whether ``text`` belongs to the development split: by its hash, about ``share`` of all texts."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") < share * 2**64


def split(examples: Iterable[Example], share: float) -> tuple[list[Example], list[Example]]:
    """Divide ``examples`` into (training, development)."""
    training: list[Example] = []
    development: list[Example] = []
    for example in examples:
        (development if is_development(example.text, share) else training).append(example)
    return training, development
