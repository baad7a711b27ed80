"""Judged queries from any format, and a file of groups that training reads in any order."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from training.data.beir import read_beir_queries
from training.data.collection import Collection
from training.data.indexed import IndexedLines
from training.data.msmarco import read_id_triples, read_queries, read_triples
from training.data.records import Group
from training.data.tevatron import format_group, parse_group, read_tevatron
from typeahead.errors import SourceError
from typeahead.text import beir
from typeahead.text.bad_lines import accounted
from typeahead.text.judgements import Judgement, JudgementParser
from typeahead.text.reading import parsed, utf8_lines

#: What :func:`read_groups` reads, as ``kind:path``; without a kind it is Tevatron's.
KINDS = ("tevatron", "triples", "id-triples")


@dataclass(frozen=True)
class Judged:
    """A collection, its judged queries, and for each query the ids of one or more relevant passages."""

    collection: Collection
    queries: dict[str, str]
    relevant: dict[str, tuple[str, ...]]
    #: Passages with a grade above 0 but below ``relevant_from``: neither answers nor negatives.
    doubtful: dict[str, frozenset[str]]

    @classmethod
    def open(
        cls,
        collection: Path,
        queries: Path | None = None,
        qrels: Path | None = None,
        *,
        split: str = "train",
        relevant_from: int = 1,
    ) -> Judged:
        """Read a BEIR folder, or MS MARCO's three files.

        A judgement of an unknown query or passage is logged as a bad line. Raises
        :class:`~typeahead.errors.SourceError` for a missing file, and if no query is left.
        """
        if collection.is_dir():
            name = beir.qrels(split)
            qrels = qrels or beir.existing(collection, name) or collection / name
            texts = {query.id: query.text for query in read_beir_queries(queries or collection)}
        elif queries is None or qrels is None:
            raise SourceError("is no BEIR folder: name its queries and its qrels as well", path=collection)
        else:
            texts = {query.id: query.text for query in read_queries(queries)}
        passages = Collection(collection)
        relevant: dict[str, dict[str, None]] = {}
        doubtful: dict[str, set[str]] = {}
        for judgement in read_judgements(qrels, texts, passages):
            if judgement.grade >= relevant_from:
                relevant.setdefault(judgement.query_id, {})[judgement.passage_id] = None
            elif judgement.grade > 0:
                doubtful.setdefault(judgement.query_id, set()).add(judgement.passage_id)
        if not relevant:
            raise SourceError(f"no query has a passage of grade {relevant_from} or more", path=qrels)
        kept = {key: text for key, text in texts.items() if key in relevant}
        sides = {key: tuple(relevant[key]) for key in kept}
        return cls(passages, kept, sides, {key: frozenset(doubtful.get(key, ())) for key in kept})

    def groups(self) -> Iterator[Group]:
        """Yield each query with its relevant passages, without negatives, in the order of the queries' file."""
        for key, text in self.queries.items():
            yield Group(key, text, tuple(self.collection.get(passage) for passage in self.relevant[key]))


def read_judgements(
    path: Path, queries: Container[str] | None = None, collection: Collection | None = None
) -> Iterator[Judgement]:
    """Stream the judgements of a file in BEIR's layout or in trec_eval's.

    A judgement of a query that is not in ``queries`` or a passage that is not in ``collection`` is a bad line.
    """
    parse = JudgementParser()

    def known(line: str) -> Judgement | None:
        judgement = parse(line)
        if judgement is not None and queries is not None and judgement.query_id not in queries:
            raise ValueError(f"there is no query {judgement.query_id!r}")
        if judgement is not None and collection is not None and judgement.passage_id not in collection:
            raise ValueError(f"passage {judgement.passage_id!r} is not in {collection.path}")
        return judgement

    with accounted(path) as bad:
        for _, judgement in parsed(utf8_lines(path), known, path, bad):
            if judgement is not None:
                yield judgement


def read_groups(source: str, judged: Judged | None = None) -> Iterator[Group]:
    """Stream the groups of ``kind:path`` or of a path; triples by id find their texts in ``judged``."""
    kind, path = split_kind(source, KINDS, "tevatron")
    if kind == "triples":
        return read_triples(path)
    if kind == "id-triples":
        if judged is None:
            raise SourceError("triples by id need a collection and queries", path=path)
        return read_id_triples(path, judged.queries, judged.collection)
    return read_tevatron(path)


def split_kind(source: str | Path, kinds: Iterable[str], default: str) -> tuple[str, Path]:
    """Divide ``kind:path``; a path without a kind has the kind ``default``."""
    kind, colon, path = str(source).partition(":")
    return (kind, Path(path)) if colon and kind in kinds else (default, Path(source))


class GroupFile(IndexedLines[Group]):
    """Groups of a file in either of Tevatron's forms, by row; ``note`` gets each once, with its line's number."""

    def __init__(self, path: Path, note: Callable[[Group, int], None] | None = None) -> None:
        super().__init__(path, parse_group, note)


def write_groups(path: Path, groups: Iterable[Group]) -> int:
    """Write groups in Tevatron's form and return their number. The file appears only when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    count = 0
    with partial.open("w", encoding="utf-8") as file:
        for group in groups:
            file.write(format_group(group) + "\n")
            count += 1
    partial.replace(path)
    return count
