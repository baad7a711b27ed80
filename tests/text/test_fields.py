"""Which members of a record become fields, and of which kind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from typeahead.errors import SourceError
from typeahead.index import BadLines, FieldChoice, FieldMap, read_source
from typeahead.text.document import Values
from typeahead.text.fields import MOST_FIELDS, FieldReader


def fields_of(
    tmp_path: Path, *rows: Mapping[str, Any], choice: FieldChoice | None = None, told: list[str] | None = None
) -> list[Mapping[str, Values]]:
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps({"id": at, "text": "x", **row}) + "\n" for at, row in enumerate(rows)))
    notice = pytest.fail if told is None else told.append
    return [document.fields for document in read_source(path, choice=choice, notice=notice)]


SHOP = {"price": 9.5, "tags": ["new", "red"], "brand": "Acme", "sold": True, "stock": 3}


def test_all_short_members_are_fields(tmp_path: Path) -> None:
    told: list[str] = []
    row = {**SHOP, "title": "T", "url": "u", "none": None, "empty": [], "object": {"a": 1}, "long": "x" * 1001}
    assert fields_of(tmp_path, row, row, told=told) == [SHOP, SHOP]
    assert told == [
        "not indexed as fields: object (objects: name one of its members with --field), in 2 documents; "
        "long (longer than 1,000 characters), in 2 documents"
    ]


def test_the_object_fields_goes_before_all_others(tmp_path: Path) -> None:
    assert fields_of(tmp_path, {"fields": {"year": 2019, "title": "kept"}, "price": 5}) == [
        {"year": 2019, "title": "kept"}
    ]
    both = fields_of(tmp_path, {"fields": {"year": 2019}, "year": 1, "price": 5}, choice=FieldChoice("all"))
    assert both == [{"year": 2019, "price": 5}]


def test_fields_can_be_chosen_and_named(tmp_path: Path) -> None:
    row = {**SHOP, "address": {"country": "France"}, "a.b": 1}
    assert fields_of(tmp_path, row, choice=FieldChoice("none")) == [{}]
    assert fields_of(tmp_path, row, choice=FieldChoice(("price", "a.b"))) == [{"price": 9.5, "a.b": 1}]
    chosen = FieldChoice("none", {"country": "address.country", "cost": "price"})
    assert fields_of(tmp_path, row, choice=chosen) == [{"country": "France", "cost": 9.5}]


def test_all_members_of_an_object_become_fields_under_their_own_names(tmp_path: Path) -> None:
    row = {"metadata": {"title": "T", "year": 2019, "tags": ["a", "b"], "inner": {"a": 1}}, "price": 5}
    told: list[str] = []
    chosen = FieldChoice(("metadata.*", "price"))
    assert fields_of(tmp_path, row, choice=chosen, told=told) == [
        {"price": 5, "title": "T", "year": 2019, "tags": ["a", "b"]}
    ]
    assert told == ["not indexed as fields: inner (objects: name one of its members with --field), in 1 document"]
    nested = FieldChoice(("metadata.inner.*",), {"made": "metadata.year"})
    assert fields_of(tmp_path, row, {"metadata": None}, choice=nested) == [{"made": 2019, "a": 1}, {}]


def test_an_object_that_is_nowhere_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    assert fields_of(tmp_path, SHOP, {"metadata": 3}, choice=FieldChoice(("metadata.*",)), told=told) == [{}, {}]
    assert told == ["the field 'metadata.*' is in no document"]


@pytest.mark.parametrize(("holder", "choice"), [("metadata", FieldChoice(("metadata.*",))), ("fields", FieldChoice())])
def test_a_member_of_an_object_that_is_the_title_is_no_field(tmp_path: Path, holder: str, choice: FieldChoice) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"id": 1, "text": "x", holder: {"title": "T", "url": "u", "year": 2019}}) + "\n")
    names = FieldMap(title=f"{holder}.title", url=f"{holder}.url")
    (document,) = read_source(path, names, choice=choice)
    assert (document.title, document.url, document.fields) == ("T", "u", {"year": 2019})


def test_a_field_that_is_nowhere_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    assert fields_of(tmp_path, SHOP, choice=FieldChoice(("prise",)), told=told) == [{}]
    assert told == ["the field 'prise' is in no document"]


def test_a_member_that_is_the_title_is_no_field_unless_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"id": 1, "name": "N", "text": "x"}\n')
    names = FieldMap(title="name")
    assert [document.fields for document in read_source(path, names)] == [{}]
    assert [document.fields for document in read_source(path, names, choice=FieldChoice(("name",)))] == [{"name": "N"}]


@pytest.mark.parametrize(
    ("first", "later", "message"),
    [
        (1999, "unknown", r"'year' holds text \('unknown'\), but its kind is number since line 1: .*--field-type"),
        ("1999", 1999, "holds number"),
        (True, 1, r"holds number \('1'\), but its kind is truth"),
        ([1, 2], ["a"], "holds text"),
        (1, [2, "a"], "holds text"),
        (1, float("nan"), "holds nan, which is no number"),
        (1, float("inf"), "holds inf"),
        (1, 10**30, "too large for an exact number: --field-type year=text"),
        ("a", "b\0", "NUL character"),
        ("a", "\ud800", "lone surrogate"),
    ],
)
def test_a_field_of_another_kind_is_a_bad_line(tmp_path: Path, first: object, later: object, message: str) -> None:
    path = tmp_path / "x.jsonl"
    rows = [{"id": at, "text": "x", "year": year} for at, year in enumerate([first, later, first])]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(SourceError, match=message) as caught:
        list(read_source(path))
    assert caught.value.line == 2
    bad = BadLines()
    assert [document.id for document in read_source(path, bad=bad)] == ["0", "2"]
    assert bad.count == 1


def test_nothing_of_a_bad_line_decides_the_kind_of_a_field(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"id": 1, "text": "x", "a": 1, "b": [1, "x"]}\n{"id": 2, "text": "x", "a": "text"}\n')
    assert [document.fields for document in read_source(path, bad=BadLines())] == [{"a": "text"}]


def test_types_that_are_given_convert_values(tmp_path: Path) -> None:
    choice = FieldChoice(kinds={"year": "text", "n": "number", "sold": "truth"})
    found = fields_of(
        tmp_path,
        {"year": 1999, "n": "5", "sold": "yes"},
        {"year": "unknown", "n": 1.5, "sold": 0},
        {"year": True, "n": ["1", 2], "sold": False},
        {"year": 10**30, "n": "", "sold": ""},
        choice=choice,
    )
    assert found == [
        {"year": "1999", "n": 5, "sold": True},
        {"year": "unknown", "n": 1.5, "sold": False},
        {"year": "true", "n": [1, 2], "sold": False},
        {"year": str(10**30)},
    ]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (lambda: FieldChoice("some"), "neither 'auto'"),
        (lambda: FieldChoice(kinds={"a": "date"}), "'date': choose text, number, truth"),
        (lambda: FieldChoice([f"f{at}" for at in range(65)]), "65 fields are more than the 64"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(choice: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choice()


def test_what_was_asked_for_and_is_no_field_is_an_error() -> None:
    reader = FieldReader(FieldChoice(("text",)))
    with pytest.raises(ValueError, match="'text' longer than 1,000 characters"):
        reader.read({"text": "x" * 1001}, "line 1")


def test_fields_beyond_the_most_are_left_out_and_counted() -> None:
    reader = FieldReader(FieldChoice())
    record = {f"f{at}": at for at in range(MOST_FIELDS + 10)}
    assert len(reader.read(record, "line 1")) == MOST_FIELDS
    assert len(reader.read(record, "line 2")) == MOST_FIELDS
    assert reader.left_out == {"members beyond the first 64: choose with --fields": 2}


def test_a_table_of_ten_thousand_columns_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    names = ["id", "text", *(f"c{at}" for at in range(9_998))]
    path.write_text(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    with pytest.raises(SourceError, match=r"10,000 members are too many to be fields: .*--fields none") as caught:
        list(read_source(path))
    assert caught.value.line == 2
    (document,) = read_source(path, choice=FieldChoice(("c7",)))
    assert document.fields == {"c7": 1}


def test_columns_of_a_table_are_numbers_or_truth_if_all_their_values_are(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(
        "id,text,price,sold,zip,code,note,empty,mixed,day\n"
        "1,2,1.50,true,01067,1234567890123456,a,,5,2024-01-31\n"
        "2,3,-2,FALSE,80331,1,,,x,2024-02-01\n"
        "3,4,,,10115,2,,,,\n"
    )
    first, second, third = (document.fields for document in read_source(path))
    assert first == {
        "price": 1.5, "sold": True, "zip": "01067", "code": "1234567890123456", "note": "a", "empty": "",
        "mixed": "5", "day": "2024-01-31",
    }  # fmt: skip
    assert (second["price"], second["sold"], second["mixed"]) == (-2, False, "x")
    assert "price" not in third
    assert "sold" not in third


def test_a_column_that_changes_its_kind_later_is_named_with_line_and_remedy(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = [f"{at},x,{1900 + at % 100}" for at in range(1500)]
    path.write_text("\n".join(["id,text,year", *rows, "last,x,unknown"]) + "\n")
    message = (
        r"'year' holds text \('unknown'\), but its kind is number in the first 1,000 rows: .*--field-type year=text"
    )
    with pytest.raises(SourceError, match=message) as caught:
        list(read_source(path))
    assert caught.value.line == 1502
    found = list(read_source(path, choice=FieldChoice(kinds={"year": "text"})))
    assert (found[0].fields["year"], found[-1].fields["year"]) == ("1900", "unknown")


def test_rows_before_a_bad_one_are_read_though_the_kinds_are_inferred_first(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id,text,n\n1,a,1\n2,b,2,3\n")
    documents = read_source(path)
    assert next(documents).fields == {"n": 1}
    with pytest.raises(SourceError, match="4 columns, not 3"):
        next(documents)
