from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from typeahead.errors import ProtocolError
from typeahead.wire.fields import BadField, ObjectReader


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    at: int


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    word: Literal["fast", "best"] = "fast"
    numbers: list[int] = []
    inner: Inner | None = None
    anything: Any = None


READER = ObjectReader(
    Outer,
    {
        "text": "a string",
        "word": '"fast" or "best"',
        "numbers": "a list of integers",
        "inner": "an object",
        "inner.at": "an integer",
    },
)


@pytest.mark.parametrize(
    ("data", "message", "field"),
    [
        ("{}", 'the field "text" is missing', "text"),
        ('{"text": 1}', '"text" has to be a string', "text"),
        ('{"text": "", "word": "slow"}', '"word" has to be "fast" or "best"', "word"),
        ('{"text": "", "word": "\\ud800"}', '"word" has to be "fast" or "best"', "word"),
        ('{"text": "\\ud800", "word": "fast\\ud800"}', '"word" has to be "fast" or "best"', "word"),
        ('{"text": "", "numbers": [1, 2.5]}', '"numbers" has to be a list of integers', "numbers"),
        ('{"text": "", "inner": {"at": "1"}}', '"inner.at" has to be an integer', "inner.at"),
        ('{"text": "", "inner": {}}', 'the field "at" is missing in "inner"', "inner"),
        ('{"text": "", "inner": {"at": 1, "x": 1}}', "unknown field 'x' in \"inner\"", "inner"),
        ('{"text": "", "inner": {"\\ud800": 1}}', "unknown field '?' in \"inner\"", "inner"),
        ('{"text": "", "x` - at `$.text": 1}', "unknown field 'x` - at `$.text': known are", None),
        ('{"text": "", "\\ud800": 1}', "unknown field '\\ud800': known are", None),
    ],
)
def test_an_object_that_is_refused_is_told_by_its_field(data: str, message: str, field: str | None) -> None:
    with pytest.raises(BadField) as caught:
        READER.read(data)
    assert str(caught.value).startswith(message)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"", "bad_json"), (b'{"text": 1', "bad_json"), (b'{"text": "\xff"}', "bad_json"), (b"[1]", "bad_message")],
)
def test_what_is_no_json_object_is_refused_with_a_code(data: bytes, code: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        READER.read(data)
    assert caught.value.code == code


def test_a_lone_surrogate_in_a_text_comes_through() -> None:
    assert READER.read(b'{"text": "a\\ud800", "anything": ["\\udc00"]}') == Outer("a\ud800", anything=["\udc00"])


def test_an_object_of_any_depth_is_read_or_refused() -> None:
    for depth in (10, 900, 1020, 5000):
        for word in ("fast", "\\ud800"):
            nested = "[" * depth + "]" * depth
            data = f'{{"text": "\\ud800", "word": "{word}", "anything": {nested}}}'
            if word == "fast" and depth == 10:
                assert READER.read(data).word == "fast"
            else:
                with suppress(BadField, ProtocolError):
                    READER.read(data)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["at", "x"]), inner, max_size=2),
    max_leaves=6,
)
fields = st.dictionaries(st.sampled_from(["text", "word", "numbers", "inner", "anything", "x\ud800"]), values)


@given(fields.map(json.dumps) | st.text(max_size=20) | st.binary(max_size=20))
def test_any_data_is_read_or_refused(data: str | bytes) -> None:
    with suppress(BadField, ProtocolError):
        assert isinstance(READER.read(data), Outer)
