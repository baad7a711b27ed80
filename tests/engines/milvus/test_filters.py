"""Expressions of Milvus, over fields of every kind: the Python evaluator decides what is right."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pymilvus import DataType, FieldSchema

from tests.engines.drawn import drawn_filter
from tests.engines.milvus.collections import STRANGE, make, silent
from tests.engines.milvus.servers import Milvus
from typeahead.engines.milvus.backend import MilvusBackend
from typeahead.engines.milvus.filters import Inexpressible, compile_filter, literal
from typeahead.engines.milvus.layout import Column, Layout
from typeahead.index.kinds import NUMBER, TEXT, TRUTH, FieldKinds
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.filters import And, Equal, Exists, Filter, Not, Or, Range, matches
from typeahead.text.document import Document

WORDS = ["", "a", "B", "ä", "b", "Z", "%s", "100%", "'; --", 'q"uote', "back\\slash", "new\nline", "\U0001f600", "2024"]
#: By field: how it is in the schema, and what documents have.
COLUMNS: dict[str, tuple[FieldSchema, list[Any]]] = {
    "small": (FieldSchema("small", DataType.INT8), [-128, -1, 0, 1, 127]),
    "whole": (FieldSchema("whole", DataType.INT64), [-1, 0, 1, 1 << 62, (1 << 53) + 1]),
    "single": (FieldSchema("single", DataType.FLOAT), [float(np.float32(one)) for one in (0.1, 1, 2.5, 3e38)]),
    "real": (FieldSchema("real", DataType.DOUBLE), [0.1, 1.0, 2.5, 1e300, -2.5e-7]),
    "words": (FieldSchema("words", DataType.VARCHAR, max_length=100), WORDS),
    "flag": (FieldSchema("flag", DataType.BOOL), [True, False]),
    "tags": (
        FieldSchema("tags", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=4, max_length=50),
        [[], ["a"], ["B", "ä"], ["%s", "a"]],
    ),
    "years": (
        FieldSchema("years", DataType.ARRAY, element_type=DataType.INT32, max_capacity=4),
        [[], [1], [2, 0]],
    ),
}
#: Keys that the schema does not have; one in three documents lacks each.
DYNAMIC: dict[str, list[Any]] = {
    "d_number": [-1, 0, 1, 2.5, 0.1, 2],
    "d_words": WORDS,
    "d_flag": [True, False],
    "d_tags": [["a"], ["B", "ä"], "a"],
    "a dotted.name": ["a", "b"],
    "in": ["a", "b"],
}


def drawn_documents(draw: random.Random) -> list[Document]:
    found = []
    for row in range(60):
        fields = {name: draw.choice(some) for name, (_, some) in COLUMNS.items()}
        fields |= {name: draw.choice(some) for name, some in DYNAMIC.items() if draw.random() < 0.66}
        found.append(Document(str(row), text=f"text {row}", fields=fields))
    return found


async def opened(milvus: Milvus, held: Sequence[Document]) -> MilvusBackend:
    name = milvus.name()
    rows = [{"id": int(one.id), "text": one.text, **one.fields} for one in held]
    fields = [
        FieldSchema("id", DataType.INT64, is_primary=True),
        FieldSchema("text", DataType.VARCHAR, max_length=100),
        *(one for one, _ in COLUMNS.values()),
    ]
    make(milvus, name, fields, rows, np.ones((len(held), 2), np.float32), dynamic=True)
    backend = await open_backend(milvus.address(name, STRANGE), OpenOptions(warn=silent))
    assert isinstance(backend, MilvusBackend)
    return backend


async def test_drawn_filters_admit_what_the_python_evaluator_admits(milvus: Milvus) -> None:
    draw = random.Random(3)
    held = drawn_documents(draw)
    backend = await opened(milvus, held)
    layout, kinds = backend._layout, FieldKinds()
    for one in held:
        kinds.add(one)
    names = [*COLUMNS, *DYNAMIC, "nothing", 'odd "name"']
    admitted = inexpressible = 0
    for _ in range(400):
        tree = drawn_filter(draw, names)
        try:
            compiled = compile_filter(tree, layout, kinds.kinds)
        except Inexpressible:
            inexpressible += 1
            continue
        found = milvus.client.query(backend._server.collection, filter=compiled, output_fields=["id"], limit=100)
        assert {str(one["id"]) for one in found} == {one.id for one in held if matches(tree, one)}, (tree, compiled)
        admitted += len(found)
    await backend.close()
    assert admitted > 1000
    # Lists in JSON, keys that must not have a value, and the like: the words in memory know these.
    assert 0 < inexpressible < 250


LAYOUT = Layout(
    id=None, title=None, text=("text",), url=None, key="id", numbered=True, vector="v", dim=2, dynamic=True,
    columns={
        "small": Column(NUMBER, 8), "single": Column(NUMBER, -32), "real": Column(NUMBER, -64),
        "words": Column(TEXT, nullable=True), "years": Column(NUMBER, 32, array=True), "meta": Column(""),
    },
)  # fmt: skip


@pytest.mark.parametrize(
    ("tree", "expression"),
    [
        (Range("small", gt=2.5), "(small >= 3)"),
        (Range("small", gt=3, lt=400), "(small >= 4)"),
        (Range("small", lt=-128), "id in []"),
        (Equal("small", 2.5), "id in []"),
        (Equal("single", 0.1), "id in []"),
        (Equal("single", 0.5), "(single == 0.5)"),
        (Range("real", lt=10**20), "(real < 1e20)"),
        (Range("real", lt=(1 << 53) + 1), "(real <= 9007199254740992.0)"),
        (Equal("words", 'a "b" \\ c\n'), '(words == "a \\"b\\" \\\\ c\\n")'),
        (Not(Equal("words", "a")), '(words is null or not (words == "a"))'),
        (Not(Exists("words")), "(words is null)"),
        (Not(And((Equal("small", 1), Exists("words")))), "((not (small == 1)) or (words is null))"),
        (Equal("words", 1), "id in []"),
        (Equal("free", "x"), '(free == "x")'),
        (Equal("not", "x"), '($meta["not"] == "x")'),
        (Equal("meta", "x"), "id in []"),
        (Or(()), "id in []"),
        (And(()), "not (id in [])"),
    ],
    ids=str,
)
def test_expressions_compare_as_the_fields_of_the_schema_can(tree: Filter, expression: str) -> None:
    assert compile_filter(tree, LAYOUT, None) == expression


@pytest.mark.parametrize(
    "tree",
    [
        Equal("free", 1 << 53),
        Exists("free"),
        Not(Equal("free", "x")),
        Range("years", gt=1),
        Equal("words", "bell\a"),
        Equal('a "quote"', "x"),
    ],
    ids=str,
)
def test_what_versions_answer_differently_is_not_asked(tree: Filter) -> None:
    with pytest.raises(Inexpressible):
        compile_filter(tree, LAYOUT, None)


def test_an_object_within_the_dynamic_field_is_not_asked() -> None:
    layout = replace(LAYOUT, objects="metadata", top=frozenset())
    with pytest.raises(Inexpressible):
        compile_filter(Equal("free", 1), layout, None)


def test_what_is_no_field_has_no_value() -> None:
    layout = replace(LAYOUT, left_out=frozenset({"words"}))
    assert compile_filter(Equal("words", "a"), layout, None) == "id in []"
    assert compile_filter(Equal("words", "a"), LAYOUT, {"free": TEXT}) == "id in []"


def test_values_of_another_kind_than_a_key_has_are_not_asked_for() -> None:
    assert compile_filter(Equal("free", 1), LAYOUT, {"free": TRUTH}) == "id in []"
    assert compile_filter(Equal("free", True), LAYOUT, {"free": TRUTH}) == "(free == true)"


def test_control_characters_cannot_be_written() -> None:
    assert literal("a\0") is None
    assert literal("a\t") == '"a\\t"'
