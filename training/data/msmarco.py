"""MS MARCO's tab separated files, as the table in the README of microsoft/MSMARCO-Passage-Ranking specifies them.

=====================  ==========================================================================================
collection             ``pid<TAB>passage``; RocketQA's, which coCondenser is trained on, ``pid<TAB>title<TAB>passage``
queries                ``qid<TAB>query``
qrels                  TREC's: query id, an unused column, passage id, grade, with tabs or blanks between them
triples                ``query<TAB>positive passage<TAB>negative passage``
triples by id          ``qid<TAB>positive pid<TAB>negative pid``
=====================  ==========================================================================================

There are no quotes, so no field holds a tab. Everything streams: the triples are 270 GB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from training.data.collection import Collection, parse_tsv_passage
from training.data.lines import BadLines, accounted, clean, identifier, read_lines
from training.data.records import Group, Judgement, Passage, Query


def _fields(path: Path, bad: BadLines, count: int, names: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in read_lines(path, bad):
        fields = line.split("\t")
        if len(fields) == count:
            yield number, fields
        else:
            bad.add(number, f"{len(fields)} columns, not {count}: {names}")


def read_collection(path: Path) -> Iterator[Passage]:
    """Stream a collection."""
    with accounted(path) as bad:
        for number, line in read_lines(path, bad):
            try:
                yield parse_tsv_passage(line)
            except ValueError as error:
                bad.add(number, str(error))


def read_queries(path: Path) -> Iterator[Query]:
    """Stream queries."""
    with accounted(path) as bad:
        for number, (key, text) in _fields(path, bad, 2, "qid, query"):
            try:
                query = Query(identifier(key, "the qid"), clean(text, "the query"))
            except ValueError as error:
                bad.add(number, str(error))
                continue
            if query.text:
                yield query
            else:
                bad.add(number, "the query is empty")


def read_qrels(path: Path) -> Iterator[tuple[int, Judgement]]:
    """Stream judgements with the numbers of their lines."""
    with accounted(path) as bad:
        for number, line in read_lines(path, bad):
            fields = line.split()
            if len(fields) != 4:
                bad.add(number, f"{len(fields)} columns, not 4: query id, unused, passage id, grade")
                continue
            try:
                yield number, Judgement(fields[0], fields[2], int(fields[3]))
            except ValueError:
                bad.add(number, f"the grade {fields[3]!r} is no integer")


def read_triples(path: Path) -> Iterator[Group]:
    """Stream triples of texts as groups of one positive and one negative; a query's id is the number of its line."""
    with accounted(path) as bad:
        for number, fields in _fields(path, bad, 3, "query, positive passage, negative passage"):
            query, positive, negative = (field.strip() for field in fields)
            if query and positive and negative:
                yield Group(str(number), query, (Passage("", "", positive),), (Passage("", "", negative),))
            else:
                bad.add(number, "a column is empty")


def read_id_triples(path: Path, queries: Mapping[str, str], collection: Collection) -> Iterator[Group]:
    """Stream triples of ids as groups of one positive and one negative; one with an unknown id is a bad line."""
    with accounted(path) as bad:
        for number, (query_id, *passages) in _fields(path, bad, 3, "qid, positive pid, negative pid"):
            if query_id not in queries:
                bad.add(number, f"there is no query {query_id!r}")
                continue
            unknown = [passage for passage in passages if passage not in collection]
            if unknown:
                bad.add(number, f"passage {unknown[0]!r} is not in {collection.path}")
                continue
            positive, negative = (collection.get(passage) for passage in passages)
            yield Group(query_id, queries[query_id], (positive,), (negative,))
