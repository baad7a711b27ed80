"""Filters as JSON, and what they mean."""

from __future__ import annotations

from typing import Any

import pytest

from typeahead.errors import FilterError
from typeahead.search.filters import (
    MOST_LEVELS,
    MOST_NODES,
    MOST_VALUES,
    And,
    AnyOf,
    Equal,
    Exists,
    Not,
    Or,
    Range,
    fields,
    kinds,
    matches,
    read_filter,
)
from typeahead.text.document import Document

TRIP = Document("d", fields={"country": "France", "year": 2019, "tags": ["sea", "sun"], "price": 9.5, "draft": False})


def test_json_is_read_as_documented() -> None:
    data = {
        "country": "France",
        "year": {"gte": 2019},
        "tags": ["sea", "snow"],
        "not": {"draft": True},
        "any": [{"price": {"lt": 10}}, {"isbn": {"exists": True}}],
    }
    assert read_filter(data) == And(
        (
            Equal("country", "France"),
            Range("year", gte=2019),
            AnyOf("tags", ("sea", "snow")),
            Not(Equal("draft", True)),
            Or((Range("price", lt=10), Exists("isbn"))),
        )
    )
    assert matches(read_filter(data), TRIP)
    assert kinds(read_filter(data)) == {"and", "equal", "range", "any_of", "not", "or", "exists"}


@pytest.mark.parametrize(
    ("data", "passes"),
    [
        ({}, True),
        ({"country": "Spain"}, False),
        ({"tags": "sun"}, True),
        ({"tags": []}, False),
        ({"any": []}, False),
        ({"year": "2019"}, False),
        ({"year": 2019.0}, True),
        ({"draft": 0}, False),
        ({"draft": False}, True),
        ({"year": {"gt": 2018, "lt": 2019}}, False),
        ({"year": {"gt": "a"}}, False),
        ({"country": {"gte": "F", "lt": "G"}}, True),
        ({"isbn": {"exists": False}}, True),
        ({"isbn": {"lt": 3}}, False),
        ({"not": {"isbn": 1}}, True),
    ],
)
def test_a_filter_passes_a_document_or_not(data: dict[str, Any], passes: bool) -> None:
    assert matches(read_filter(data), TRIP) is passes


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        ([], "the filter is"),
        ("country", "the filter is"),
        ({"not": []}, "not is"),
        ({"any": {}}, "any is"),
        ({"year": {}}, "year is"),
        ({"year": {"from": 3}}, "year is"),
        ({"year": {"exists": 1}}, "year is"),
        ({"year": {"gte": None}}, r"year\.gte is None"),
        ({"year": None}, "year is None"),
        ({"year": float("nan")}, "year is nan"),
        ({"tags": [["sea"]]}, "tags is"),
    ],
)
def test_what_is_no_filter_is_refused_by_the_name_of_its_key(data: Any, wrong: str) -> None:
    with pytest.raises(FilterError, match=wrong):
        read_filter(data)


def test_filters_are_bounded() -> None:
    deep: Any = {"a": 1}
    for _ in range(MOST_LEVELS):
        deep = {"not": deep}
    with pytest.raises(FilterError, match="levels"):
        read_filter(deep)
    with pytest.raises(FilterError, match="conditions"):
        read_filter({f"field {number}": 1 for number in range(MOST_NODES)})
    with pytest.raises(FilterError, match="values"):
        read_filter({"a": list(range(MOST_VALUES)), "b": [1]})
    assert read_filter({"a": list(range(MOST_VALUES))})


def test_an_error_repeats_little_of_a_filter() -> None:
    long = "x" * 10**6
    for data in ({long: None}, {"a": {long: 1}}, {"a": {"gt": [long] * 100}}, {"not": long}, {"any": [[long]]}):
        with pytest.raises(FilterError) as error:
            read_filter(data)
        assert len(str(error.value)) < 200


def test_the_fields_of_a_filter_are_those_that_its_conditions_look_at() -> None:
    data = {"a": 1, "not": {"b": [1], "any": [{"c": {"exists": True}}, {"a": {"lt": 3}}]}}
    assert fields(read_filter(data)) == ("a", "b", "c")
    assert fields(read_filter({})) == ()
