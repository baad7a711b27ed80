"""MS MARCO's tab-separated files, as the README of microsoft/MSMARCO-Passage-Ranking specifies them.

=====================  ==========================================================================================
collection             ``pid<TAB>passage``; RocketQA's, for coCondenser, has ``pid<TAB>title<TAB>passage``
queries                ``qid<TAB>query``
triples                ``query<TAB>positive passage<TAB>negative passage``
triples by id          ``qid<TAB>positive pid<TAB>negative pid``
=====================  ==========================================================================================

There are no quotes, so no field contains a tab. Everything streams: the triples are 270 GB. The module ``judged`` reads
judgements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from training.data.collection import Collection, parse_tsv_passage
from training.data.records import Group, Passage, Query
from typeahead.text.bad_lines import accounted
from typeahead.text.msmarco import parse_msmarco
from typeahead.text.reading import parsed, utf8_lines


def read_collection(path: Path) -> Iterator[Passage]:
    """Stream a collection."""
    with accounted(path) as bad:
        for _, passage in parsed(utf8_lines(path), parse_tsv_passage, path, bad):
            yield passage


def read_queries(path: Path) -> Iterator[Query]:
    """Stream queries."""
    with accounted(path) as bad:
        for _, query in parsed(utf8_lines(path), lambda line: Query.of(parse_msmarco(line)), path, bad):
            yield query


def read_triples(path: Path) -> Iterator[Group]:
    """Stream triples of texts as groups with one positive and one negative; a query's id is its line's number."""

    def parse(line: str) -> list[str]:
        fields = [field.strip() for field in _fields(line, "query, positive passage, negative passage")]
        if not all(fields):
            raise ValueError("a column is empty")
        return fields

    with accounted(path) as bad:
        for line, (query, positive, negative) in parsed(utf8_lines(path), parse, path, bad):
            yield Group(str(line.number), query, (Passage("", "", positive),), (Passage("", "", negative),))


def read_id_triples(path: Path, queries: Mapping[str, str], collection: Collection) -> Iterator[Group]:
    """Stream triples of ids as groups with one positive and one negative; a triple with an unknown id is a bad line."""

    def parse(line: str) -> Group:
        query_id, *passages = _fields(line, "qid, positive pid, negative pid")
        if query_id not in queries:
            raise ValueError(f"there is no query {query_id!r}")
        unknown = [passage for passage in passages if passage not in collection]
        if unknown:
            raise ValueError(f"passage {unknown[0]!r} is not in {collection.path}")
        positive, negative = (collection.get(passage) for passage in passages)
        return Group(query_id, queries[query_id], (positive,), (negative,))

    with accounted(path) as bad:
        for _, group in parsed(utf8_lines(path), parse, path, bad):
            yield group


def _fields(line: str, names: str) -> list[str]:
    fields = line.split("\t")
    if len(fields) != 3:
        raise ValueError(f"{len(fields)} columns, not 3: {names}")
    return fields
