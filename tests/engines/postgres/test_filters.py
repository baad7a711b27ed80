"""Filters as SQL, over columns of every kind and over JSON: the Python evaluator decides what is right."""

from __future__ import annotations

import json
import random
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.engines.drawn import TEXTS, drawn_filter
from tests.engines.postgres.conftest import Run
from typeahead.engines.postgres.columns import Column
from typeahead.engines.postgres.filters import compile_filter
from typeahead.search.filters import Equal, Or, matches
from typeahead.text.document import Document

COLUMNS = {
    "small": Column("small", "int2"),
    "whole": Column("whole", "int8"),
    "real": Column("real", "float8"),
    "exact 100%": Column("exact 100%", "numeric"),
    "words": Column("words", "text"),
    "tags": Column("tags", "text", array=True),
    "years": Column("years", "int4", array=True),
    "flag": Column("flag", "bool"),
    "day": Column("day", "date"),
}
DRAWN: dict[str, list[Any]] = {
    "small": [-1, 0, 1, 2],
    "whole": [-1, 0, 1, 1 << 62],
    "real": [0.1, 1.0, 2.5, 1e300],
    "exact 100%": [0.1, 1, 2.5, 10**20],
    "words": [one for one in TEXTS if "\0" not in one],
    "tags": [[], ["a"], ["B", "ä"], ["%s", "a"]],
    "years": [[], [1], [2, 0]],
    "flag": [True, False],
    "day": ["2024-02-29", "1999-12-31"],
}


def drawn_documents(draw: random.Random) -> list[Document]:
    return [
        Document(str(row), fields={name: draw.choice(some) for name, some in DRAWN.items() if draw.random() < 0.8})
        for row in range(40)
    ]


@pytest.mark.parametrize("json_type", [None, "jsonb", "json"])
def test_drawn_filters_admit_what_the_python_evaluator_admits(run: Run, json_type: str | None) -> None:
    draw = random.Random(3)
    held = drawn_documents(draw)
    types = 'small int2, whole int8, "real" float8, "exact 100%" numeric, words text, tags text[], years int[],'
    run(f"CREATE TABLE t (id text, {types} flag bool, day date, objects {json_type or 'json'})".replace("%", "%"))
    names = [*DRAWN, "nothing", 'odd "name"']
    for document in held:
        values = [document.fields.get(name) for name in DRAWN]
        run(f"INSERT INTO t VALUES ({', '.join(['%s'] * 11)})", [document.id, *values, json.dumps(document.fields)])
    columns = [] if json_type else list(COLUMNS.values())
    objects = Column("objects", json_type) if json_type else None
    admitted = 0
    for _ in range(400):
        tree = drawn_filter(draw, names)
        condition = compile_filter(tree, columns, objects)
        query = sql.SQL("SELECT id FROM t WHERE {}").format(condition.quoted)
        found = {str(one) for (one,) in run(query, {**condition.values, "none": 0})}
        assert found == {one.id for one in held if matches(tree, one)}, tree
        admitted += len(found)
    assert admitted > 1000


def test_values_are_never_part_of_a_statement() -> None:
    tree = Or(tuple(Equal(name, "x'; DROP TABLE t; --") for name in ("words", "tags", "other")))
    condition = compile_filter(tree, list(COLUMNS.values()), Column("objects", "jsonb"))
    assert "DROP" not in condition.quoted.as_string(None)
    assert isinstance(condition.quoted, psycopg.sql.Composable)
