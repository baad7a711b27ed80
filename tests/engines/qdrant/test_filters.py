"""Filters of Qdrant, over payloads of every kind: the Python evaluator decides what is right."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from qdrant_client import QdrantClient, models

from tests.engines.drawn import drawn_filter
from typeahead.engines.documents import Read
from typeahead.engines.living import LivingDocuments
from typeahead.engines.qdrant.filters import MOST_TEXTS, Inexpressible, compile_filter
from typeahead.engines.qdrant.layout import Layout
from typeahead.index.contents import Contents
from typeahead.search.filters import And, Equal, Exists, Filter, Not, Or, Range, matches
from typeahead.text.document import Document, Passage, Values

DRAWN: dict[str, list[Values]] = {
    "whole": [-1, 0, 1, 1 << 62, (1 << 53) + 1],
    "real": [0.1, 1.0, 2.5, 1e300, 2],
    "words": ["", "a", "B", "ä", "b", "Z", "%s", "\U0001f600", "2024-02-29"],
    "tags": [[], ["a"], ["B", "ä"], ["%s", "a"]],
    "years": [[], [1], [2, 0]],
    "flag": [True, False],
    "a dotted.name": ["a", "b"],
}
LAYOUT = Layout(
    vector="", dim=1, distance="Dot", id=None, title=None, text=("text",), url=None, objects="fields", top=frozenset()
)
INDEXED = replace(LAYOUT, indexes={"fields.year": "integer"})


def held_by(contents_of: list[Document]) -> Contents:
    living = LivingDocuments()
    living.add(Read(one, (Passage(one.text),), "") for one in contents_of)
    living.begin(1)
    return living.contents


def drawn_documents(draw: random.Random) -> list[Document]:
    return [
        Document(str(row), fields={name: draw.choice(some) for name, some in DRAWN.items() if draw.random() < 0.8})
        for row in range(40)
    ]


def client_of(held: list[Document]) -> QdrantClient:
    client = QdrantClient(":memory:")
    client.create_collection("t", models.VectorParams(size=1, distance=models.Distance.DOT))
    points = [models.PointStruct(id=int(one.id), payload={"fields": dict(one.fields)}, vector=[1.0]) for one in held]
    client.upsert("t", points)
    return client


def test_drawn_filters_admit_what_the_python_evaluator_admits() -> None:
    draw = random.Random(3)
    held = drawn_documents(draw)
    contents, client = held_by(held), client_of(held)
    names = [*DRAWN, "nothing", 'odd "name"']
    admitted = inexpressible = 0
    for _ in range(600):
        tree = drawn_filter(draw, names)
        try:
            compiled = compile_filter(tree, LAYOUT, contents)
        except Inexpressible:
            inexpressible += 1
            continue
        points, _ = client.scroll("t", scroll_filter=compiled, limit=100)
        assert {str(point.id) for point in points} == {one.id for one in held if matches(tree, one)}, tree
        admitted += len(points)
    assert admitted > 1000
    # Numbers beyond those that float64 tells apart.
    assert 0 < inexpressible < 200


@pytest.mark.parametrize(
    "tree",
    [
        Equal("whole", 1 << 53),
        Range("real", lt=1e300),
        Not(Equal('a "quote"', "x")),
    ],
    ids=str,
)
def test_what_qdrant_would_answer_differently_is_not_asked(tree: Filter) -> None:
    contents = held_by([Document("1", fields={"whole": 1, "real": 0.5, 'a "quote"': "x"})])
    with pytest.raises(Inexpressible):
        compile_filter(tree, LAYOUT, contents)


def test_a_range_of_many_texts_is_not_asked() -> None:
    contents = held_by([Document(str(row), fields={"words": f"text {row:05}"}) for row in range(MOST_TEXTS + 1)])
    compile_filter(Range("words", gte="text 00001"), LAYOUT, contents)
    with pytest.raises(Inexpressible):
        compile_filter(Range("words", gte="text"), LAYOUT, contents)


def test_a_strict_server_is_asked_only_for_keys_that_have_an_index() -> None:
    contents = held_by([Document("1", fields={"year": 1, "odd": True})])
    strict = replace(INDEXED, strict=True)
    compile_filter(Equal("year", 1), strict, contents)
    with pytest.raises(Inexpressible):
        compile_filter(And((Equal("year", 1), Exists("odd"))), strict, contents)


@pytest.mark.parametrize(
    ("tree", "sent"),
    [
        (Range("year", gt=2.5, gte=3), {"gte": 3.0}),
        (Range("year", gte=4, gt=4.5), {"gte": 5.0}),
        (Range("year", lt=2.5, gt=0), {"lte": 2.0, "gt": 0.0}),
        (Equal("year", 2.5), {"gte": 3.0, "lte": 2.0}),
    ],
    ids=str,
)
def test_bounds_of_an_index_of_integers_are_whole(tree: Filter, sent: dict[str, float]) -> None:
    contents = held_by([Document("1", fields={"year": 1})])
    compiled = compile_filter(tree, INDEXED, contents).model_dump_json(exclude_none=True)
    bounds = models.Range(**sent).model_dump_json(exclude_none=True)
    assert f'"range":{bounds}' in compiled


def test_no_alternatives_admit_nothing_and_no_conditions_everything() -> None:
    held = [Document("1", fields={"year": 1})]
    client, contents = client_of(held), held_by(held)
    for tree, count in (
        (Or(()), 0),
        (And(()), 1),
        (Not(Or(())), 1),
        (Equal("unknown", 1), 0),
        (Equal("year", True), 0),
    ):
        assert client.count("t", compile_filter(tree, LAYOUT, contents)).count == count
