from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from typeahead.index.drafts import draft_of
from typeahead.search.space import Space
from typeahead.server.writing.drafts import BadDocument, check_kinds, read_draft
from typeahead.text.document import Document

SPACE = Space("teacher", None, 2, "cosine")


def read(given: Any, space: Space = SPACE) -> Any:
    return read_draft(given if isinstance(given, bytes) else json.dumps(given).encode(), space)


def test_a_document_is_read_with_everything_that_it_has() -> None:
    draft = read(
        {
            "id": 7,
            "title": "T",
            "text": "x",
            "url": "u",
            "fields": {"n": 1, "tags": ["a", "b"], "no": None, "yes": True},
            "vectors": [[0.6, 0.8]],
        }
    )
    assert draft.document == Document("7", "T", "x", "u", {"n": 1, "tags": ("a", "b"), "yes": True})
    assert draft.vectors.dtype == np.float32
    assert read({"id": " a ", "text": "x", "title": None, "fields": None, "vectors": None}).document == Document(
        "a", "", "x"
    )


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b'{"id": NaN}', "bad_json"),
        (b'{"id": "a", "text": "x", "fields": {"n": NaN}}', "bad_json"),
        (b'{"id": "a", "text": "x", "fields": {"n": Infinity}}', "bad_json"),
        (b"[" * 5000, "bad_json"),
        (b"\xff\xfe{", "bad_json"),
        (b'"text"', "bad_document"),
        (b"[]", "bad_document"),
        (b"null", "bad_document"),
        ({"text": "x"}, "missing_id"),
        ({"id": None, "text": "x"}, "missing_id"),
        ({"id": "", "text": "x"}, "bad_id"),
        ({"id": 1.5, "text": "x"}, "bad_id"),
        ({"id": True, "text": "x"}, "bad_id"),
        ({"id": ["a"], "text": "x"}, "bad_id"),
        ({"id": "a\0b", "text": "x"}, "bad_id"),
        ({"id": "\ud800", "text": "x"}, "bad_id"),
        ({"id": "é" * 513, "text": "x"}, "bad_id"),
        ({"id": "a"}, "no_text"),
        ({"id": "a", "title": " ", "text": "\n"}, "no_text"),
        ({"id": "a", "text": 7}, "bad_text"),
        ({"id": "a", "text": "x\ud800"}, "bad_text"),
        ({"id": "a", "text": "x", "url": ["u"]}, "bad_text"),
        ({"id": "a", "text": "x", "Fields": {}}, "unknown_field"),
        ({"id": "a", "text": "x", "fields": []}, "bad_fields"),
        ({"id": "a", "text": "x", "fields": {"n": {"m": 1}}}, "bad_fields"),
        ({"id": "a", "text": "x", "fields": {"n": [[1]]}}, "bad_fields"),
        ({"id": "a", "text": "x", "fields": {"n": [None]}}, "bad_fields"),
        ({"id": "a", "text": "x", "fields": {"": 1}}, "bad_fields"),
        ({"id": "a", "text": "x", "fields": {"n" * 257: 1}}, "bad_fields"),
        ({"id": "a", "text": "x", "fields": {"\udfff": 1}}, "bad_fields"),
        ({"id": "a", "text": "x", "fields": {"n": "\ud800"}}, "bad_fields"),
        ({"id": "a", "text": "x", "fields": {"n": [1] * 1001}}, "bad_fields"),
        ({"id": "a", "text": "x", "fields": {"n": [1, "1"]}}, "field_kind"),
        ({"id": "a", "text": "x", "fields": {"n": [1, True]}}, "field_kind"),
        ({"id": "a", "text": "x", "vectors": []}, "bad_vectors"),
        ({"id": "a", "text": "x", "vectors": [1, 0]}, "bad_vectors"),
        ({"id": "a", "text": "x", "vectors": [["1", 0]]}, "bad_vectors"),
        ({"id": "a", "text": "x", "vectors": [[True, 0]]}, "bad_vectors"),
        ({"id": "a", "text": "x", "vectors": [[1, 0, 0]]}, "vector_dimension"),
        ({"id": "a", "text": "x", "vectors": [[1, 0], [1]]}, "vector_dimension"),
        ({"id": "a", "text": "x", "vectors": [[1e300, 0]]}, "vector_not_finite"),
        (b'{"id": "a", "text": "x", "vectors": [[1e999, 0]]}', "bad_json"),
        ({"id": "a", "text": "x", "vectors": [[0, 0]]}, "vector_length"),
        ({"id": "a", "text": "x", "vectors": [[0.6, 0.6]]}, "vector_length"),
    ],
)
def test_each_mistake_has_a_code_and_a_short_message(given: Any, code: str) -> None:
    with pytest.raises(BadDocument) as error:
        read(given)
    assert error.value.code == code
    assert 10 < len(str(error.value)) < 300


@pytest.mark.parametrize("value", [10**400, 1e300, -1e18, math.nan])
def test_a_number_that_searches_could_not_bear_is_refused(value: float) -> None:
    with pytest.raises(BadDocument) as error:
        draft_of({"id": "a", "text": "x", "vectors": [[value, 0]]}, Space("t", None, 2, "dot"))
    assert error.value.code == "vector_not_finite"


def test_by_dot_product_vectors_have_any_length() -> None:
    assert read({"id": "a", "text": "x", "vectors": [[3, 4]]}, Space("t", None, 2, "dot")).vectors.tolist() == [[3, 4]]


def test_a_field_keeps_the_kind_that_it_had_first() -> None:
    kinds = {"year": "number"}
    check_kinds(Document("a", fields={"year": 2019, "tags": ("a",), "none": ()}), kinds)
    assert kinds == {"year": "number", "tags": "text"}
    for fields in ({"year": "2019"}, {"tags": True}, {"new": 1, "tags": (1,)}):
        with pytest.raises(BadDocument, match="one kind of value"):
            check_kinds(Document("b", fields=fields), kinds)  # type: ignore[arg-type]
    assert "new" not in kinds
