"""Columns admit what ``matches`` says of each document, and count exactly, from memory and from a file alike.

How fast, on 1,000,000 documents: ``python -m tests.index.test_columns``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from typeahead.errors import FieldTypeError, IndexCorrupt
from typeahead.index.columns import FIELDS, StoredColumns
from typeahead.search.filters import And, AnyOf, Equal, Exists, Filter, Not, Or, Range, matches
from typeahead.storage.tensors import TensorWriter, map_tensors
from typeahead.text.document import Document, Value

TEXTS = st.sampled_from(["", "a", "A", "b", "ab", "é", "\U0001f600", "\uffff", "France", "1", "true"]) | st.text(
    max_size=3
)
NUMBERS = (
    st.sampled_from([0, -0.0, 1, 1.0, 2, 0.5, -3, 2**53, 2**53 + 1, 10**30, 1e300, 2019])
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
)
#: Each field has one kind of value; some documents have several values, none, or no such field.
FIELDS_OF = st.fixed_dictionaries(
    {},
    optional={
        "country": TEXTS.filter(lambda text: text.isprintable()),
        "tags": st.lists(TEXTS.filter(lambda text: text.isprintable()), max_size=4),
        "year": NUMBERS,
        "sizes": st.lists(NUMBERS, max_size=4),
        "draft": st.booleans(),
    },
)
NAMES = st.sampled_from(["country", "tags", "year", "sizes", "draft", "unknown"])
VALUES = TEXTS | NUMBERS | st.booleans() | st.just("\ud800")


def ranges(bound: st.SearchStrategy[Value]) -> st.SearchStrategy[Range]:
    return st.builds(Range, NAMES, *(st.none() | bound for _ in range(4)))


FILTERS: st.SearchStrategy[Filter] = st.recursive(
    st.builds(Equal, NAMES, VALUES)
    | st.builds(AnyOf, NAMES, st.lists(VALUES, max_size=3).map(tuple))
    | ranges(TEXTS)
    | ranges(NUMBERS)
    | ranges(VALUES)
    | st.builds(Exists, NAMES),
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(And, st.lists(inner, max_size=3).map(tuple))
        | st.builds(Or, st.lists(inner, max_size=3).map(tuple))
    ),
    max_leaves=6,
)


def made(fields: list[dict[str, Any]]) -> list[Document]:
    return [Document(str(row), fields=one) for row, one in enumerate(fields)]


def both(documents: list[Document], folder: Path) -> list[StoredColumns]:
    """Columns in memory, and the same from a file."""
    columns = StoredColumns.of(documents)
    columns.write(folder / FIELDS)
    return [columns, StoredColumns.open(folder / FIELDS, len(documents))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("columns")


@given(st.lists(FIELDS_OF, max_size=12), st.lists(FILTERS, min_size=1, max_size=6))
def test_what_is_admitted_is_what_matches(folder: Path, fields: list[dict[str, Any]], trees: list[Filter]) -> None:
    documents = made(fields)
    for columns in both(documents, folder):
        for tree in trees:
            admitted = columns.admitted(tree)
            assert admitted.dtype == np.bool_
            assert [matches(tree, document) for document in documents] == admitted.tolist()


def values(document: Document, name: str) -> list[Value]:
    found = document.fields.get(name, ())
    return list(dict.fromkeys(found)) if isinstance(found, list) else [found]  # type: ignore[list-item]


@given(st.lists(FIELDS_OF, max_size=12), st.data())
def test_counts_are_exact_over_all_over_some_and_over_a_mask(
    folder: Path, fields: list[dict[str, Any]], data: st.DataObject
) -> None:
    documents = made(fields)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(documents), max_size=len(documents))), np.bool_)
    some = [document for document, wanted in zip(documents, mask, strict=True) if wanted]
    for columns in both(documents, folder):
        for name in ("country", "tags", "year", "sizes", "draft", "unknown"):
            held = [document for document in documents if name in document.fields]
            assert Counter(value for document in held for value in values(document, name)) == columns.counts(name, None)
            expected = Counter(value for document in some if document in held for value in values(document, name))
            assert expected == columns.counts(name, mask)
            assert expected == columns.counts(name, np.flatnonzero(mask)[::-1])


def test_each_field_says_its_kind(folder: Path) -> None:
    documents = made([{"a": "x"}, {"b": [1, 2.5], "c": True}, {"d": []}])
    for columns in both(documents, folder):
        assert columns.kinds == {"a": "text", "b": "number", "c": "truth"}


def test_counted_values_are_of_the_kind_that_they_were(folder: Path) -> None:
    documents = made([{"year": 2019, "open": True, "price": 9.5}, {"year": 2020, "open": False, "price": 10.0}])
    for columns in both(documents, folder):
        assert json.dumps([columns.counts(name, None) for name in ("year", "open", "price")], default=dict) == (
            '[{"2019": 1, "2020": 1}, {"false": 1, "true": 1}, {"9.5": 1, "10": 1}]'
        )
        assert [type(value) for value in columns.counts("open", None)] == [bool, bool]


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"year": "2019"}, r"'1'.*'year'.*'text'.*'number'"),
        ({"year": True}, r"'1'.*'year'.*'truth'.*'number'"),
        ({"tags": ["a", 1]}, r"'1'.*'tags'.*'number'.*'text'"),
        ({"year": None}, "must be text, a finite number"),
        ({"year": float("nan")}, "must be text, a finite number"),
        ({"year": {"deep": 1}}, "must be text, a finite number"),
        ({"": 1}, "no name"),
        ({"x" * 300: 1}, "no name"),
        ({f"field {number}": 1 for number in range(1000)}, "more than 1000"),
    ],
)
def test_values_that_a_field_cannot_have_are_refused_by_document_and_field(second: dict[str, Any], said: str) -> None:
    with pytest.raises(FieldTypeError, match=said):
        StoredColumns.of(made([{"year": 2019}, second]))


def test_as_many_fields_as_are_allowed_can_be_stored(tmp_path: Path) -> None:
    documents = made([{"é" * 250 + str(number): number for number in range(1000)}])
    columns = both(documents, tmp_path)[1]
    assert len(columns.kinds) == 1000
    assert columns.counts("é" * 250 + "999", None) == {999: 1}


def test_columns_of_other_documents_are_refused(tmp_path: Path) -> None:
    both(made([{"a": 1}]), tmp_path)
    with pytest.raises(IndexCorrupt, match="it is for 1 documents, but the index has 2"):
        StoredColumns.open(tmp_path / FIELDS, 2)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("0.documents", [0, 7]),
        ("0.postings", [7, 0]),
        ("0.numbers", [0, 2]),
        ("0.starts", [0, 2, 1]),
        ("0.starts", [1, 1, 2]),
        ("0.starts", [0, 2]),
    ],
)
def test_damage_is_noticed_when_a_column_is_used(tmp_path: Path, name: str, values: list[int]) -> None:
    both(made([{"a": 1}, {"a": 2}]), tmp_path)
    tensors, said = map_tensors(tmp_path / FIELDS)
    arrays = {key: np.array(values, array.dtype) if key == name else array for key, array in tensors.items()}
    path = tmp_path / "damaged.safetensors"
    with TensorWriter(path, {key: (array.dtype, array.shape) for key, array in arrays.items()}, said) as writer:
        for key, array in arrays.items():
            writer.write(key, [array])
    columns = StoredColumns.open(path, 2)
    with pytest.raises(IndexCorrupt, match=r"damaged\.safetensors cannot be read"):
        columns.admitted(Equal("a", 1))


def median_ms(call: Callable[[], object]) -> float:
    """Return how long a call takes, in milliseconds: the median of 20, after a first one."""
    call()
    times = []
    for _ in range(20):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return 1e3 * float(np.median(times))


def main() -> None:
    """Print how long filters and facets take."""
    count, rng = 1_000_000, np.random.default_rng(20)
    countries, years, tags = (rng.integers(0, most, count).tolist() for most in (200, 40, 1000))
    documents = (
        Document(
            "x", fields={"country": f"country {a}", "year": 1980 + b, "price": row * 0.5, "tags": [f"t{c}", f"u{b}"]}
        )
        for row, (a, b, c) in enumerate(zip(countries, years, tags, strict=True))
    )
    trees: dict[str, Filter] = {
        "equal, 0.5%": Equal("country", "country 7"),
        "equal, 2.5%": Equal("tags", "u7"),
        "any of 20, 10%": AnyOf("country", tuple(f"country {number}" for number in range(20))),
        "range, 50%": Range("year", gte=2000),
        "range of prices, 0.1%": Range("price", gte=1000, lt=1500),
        "range of prices, 90%": Range("price", lt=450_000),
        "exists, all": Exists("tags"),
        "and, not": And((Range("year", gte=2000), Not(Equal("tags", "u30")))),
    }
    with TemporaryDirectory() as folder:
        StoredColumns.of(documents).write(Path(folder, FIELDS))
        start = perf_counter()
        columns = StoredColumns.open(Path(folder, FIELDS), count)
        print(f"open: {1e3 * (perf_counter() - start):.1f} ms")
        few = rng.choice(count, 200, replace=False)
        for name, tree in trees.items():
            print(f"{name}: {median_ms(lambda: columns.admitted(tree)):.2f} ms, {columns.admitted(tree).mean():.1%}")  # noqa: B023
        for name, rows in (("200 documents", few), ("a tenth", rng.random(count) < 0.1), ("all", None)):
            both_fields = median_ms(lambda: [columns.counts(field, rows) for field in ("country", "tags")])  # noqa: B023
            print(f"counts of two fields among {name}: {both_fields:.2f} ms")


if __name__ == "__main__":
    main()
