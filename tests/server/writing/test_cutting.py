from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typeahead.server.writing.cutting import Cutter, Piece

LIMIT = 200

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='a"\\[]{},:\n é🙂'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='a"[]{}\\'), inner, max_size=3),
    max_leaves=6,
)


def cut(body: bytes, *, at: int = 1 << 20, limit: int = LIMIT) -> list[Piece]:
    """The pieces of a body that comes ``at`` bytes at a time."""
    cutter = Cutter(limit)
    pieces = [piece for place in range(0, len(body), at) for piece in cutter.feed(body[place : place + at])]
    return [*pieces, *cutter.end()]


def codes(pieces: list[Piece]) -> list[tuple[int, str | None]]:
    return [(piece.number, piece.problem and piece.problem[0]) for piece in pieces]


@given(st.lists(JSON, max_size=4), st.integers(1, 9), st.booleans(), st.sampled_from([None, 1]))
def test_every_element_of_an_array_comes_out_whole_however_the_body_comes(
    values: list[Any], at: int, ascii_only: bool, indent: int | None
) -> None:
    body = json.dumps(values, ensure_ascii=ascii_only, indent=indent).encode()
    pieces = cut(b" \n" + body + b"\n ", at=at, limit=1 << 20)
    assert [json.loads(piece.data) for piece in pieces] == values
    assert [piece.number for piece in pieces] == list(range(1, len(values) + 1))


@given(
    st.lists(st.dictionaries(st.text(), JSON, max_size=2), max_size=4),
    st.integers(1, 9),
    st.sampled_from(["\n", "\r\n"]),
)
def test_every_line_comes_out_whole_however_the_body_comes(values: list[Any], at: int, end: str) -> None:
    for body in (end.join(map(json.dumps, values)), "".join(json.dumps(value) + end for value in values)):
        pieces = cut(body.encode(), at=at, limit=1 << 20)
        assert [json.loads(piece.data) for piece in pieces] == values


@pytest.mark.parametrize("at", [1, 2, 3, 1000])
def test_lines_are_numbered_as_an_editor_numbers_them(at: int) -> None:
    assert codes(cut(b"\n \n{}\n\n{}", at=at)) == [(3, None), (5, None)]
    assert codes(cut(b"\xef\xbb\xbf{}\n{}", at=at)) == [(1, None), (2, None)]
    assert codes(cut(b"", at=at)) == codes(cut(b" \n ", at=at)) == codes(cut(b"[]", at=at)) == []


@pytest.mark.parametrize("at", [1, 7, 1000])
@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"a": "' + b"x" * LIMIT + b'"}\n{}', [(1, "document_too_long"), (2, None)]),
        (b'[{"a": "' + b"]" * LIMIT + b'"},{}]', [(1, "document_too_long"), (2, None)]),
        (b"[{}", [(1, "bad_json")]),
        (b"[{},", [(1, None), (2, "bad_json")]),
        (b'[{},{"a', [(1, None), (2, "bad_json")]),
        (b"[", [(1, "bad_json")]),
        (b"[{}] x", [(1, None), (2, "bad_json")]),
        (b"[{}]]]]", [(1, None), (2, "bad_json")]),
    ],
)
def test_what_is_wrong_with_a_body_comes_out_once(at: int, body: bytes, found: list[Any]) -> None:
    assert codes(cut(body, at=at)) == found


def test_a_body_of_white_space_is_not_held() -> None:
    cutter = Cutter(LIMIT)
    for _ in range(100):
        assert list(cutter.feed(b" " * LIMIT)) == []
    assert [piece.problem and piece.problem[0] for piece in cutter.end()] == ["document_too_long"]
