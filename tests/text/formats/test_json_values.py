"""JSON arrays and objects that are not one a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typeahead.errors import SourceError
from typeahead.text import reading
from typeahead.text.bad_lines import BadLines
from typeahead.text.formats import json_values
from typeahead.text.formats.json_values import is_array, read_json

_TEXTS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(['"', "\\", '\\"', "[{", "}]", "\n,"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)


def read(path: Path, content: bytes, bad: BadLines | None = None) -> list[tuple[int, Any]]:
    path.write_bytes(content)
    return list(read_json(path, bad, "utf-8", pytest.fail))


@given(st.lists(st.dictionaries(_TEXTS, _VALUES, max_size=3), max_size=5), st.booleans(), st.sampled_from([None, 1]))
@settings(max_examples=100, deadline=None)
def test_what_json_writes_is_read_back_whatever_the_pieces(
    tmp_path_factory: pytest.TempPathFactory, objects: list[dict[str, Any]], ascii_only: bool, indent: int | None
) -> None:
    path = tmp_path_factory.getbasetemp() / "x.json"
    array = json.dumps(objects, ensure_ascii=ascii_only, indent=indent).encode()
    one_by_one = " ".join(json.dumps(one, ensure_ascii=ascii_only, indent=indent) for one in objects).encode()
    with pytest.MonkeyPatch.context() as patch:
        for chunk in (1, 7, 1 << 16):
            patch.setattr(json_values, "_CHUNK", chunk)
            for content in (array, one_by_one):
                assert [record for _, record in read(path, content)] == objects


def test_the_line_of_an_object_is_that_in_which_it_begins(tmp_path: Path) -> None:
    assert read(tmp_path / "x", b'[\n{"a":\n1}, {"b": 2},\n\n{"c": 3}]\n') == [
        (2, {"a": 1}),
        (3, {"b": 2}),
        (5, {"c": 3}),
    ]


@pytest.mark.parametrize(
    ("content", "good", "line", "message"),
    [
        (b'[{"a": 1},\n 5,\n{"b": 2}]', 2, 2, "a JSON int, not an object"),
        (b'[{"a": 1},\n "x", {"b": 2}]', 2, 2, "a JSON str, not an object"),
        (b'[{"a": 1},\n {"b" 2}, {"c": 3}]', 2, 2, "not JSON: Expecting ':' delimiter at character 6"),
        (b'{"a": 1}\nnonsense {"b": 2}', 2, 2, "not JSON"),
        (b'{"a": 1}\n{"b": "\xff"} {"c": 3}', 2, 2, "not utf-8: if the file has another encoding"),
        (b'[{"a": 1},\n{"b": ', 1, 2, "the file ends within this object: was it cut short"),
        (b'[{"a": 1},\n{"b": "x', 1, 2, "the file ends within this object: was it cut short"),
        (b'[{"a": 1},\n', 1, 2, "the file ends within a JSON array: was it cut short"),
        (b'{"a": 1}\n]', 1, 2, "not JSON"),
        (b'{"a": 1}\n' + b"[" * 100_000, 1, 2, "cut short"),
        (b'{"a": 1}\n' + b"[" * 100_000 + b"]" * 100_000, 1, 2, "JSON|recursion"),
    ],
)
def test_what_cannot_be_read_is_named_and_hides_nothing_else(
    tmp_path: Path, content: bytes, good: int, line: int, message: str
) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        read(tmp_path / "x", content)
    assert caught.value.line == line
    bad = BadLines()
    assert len(read(tmp_path / "x", content, bad)) == good
    assert bad.first[0].line == line


@pytest.mark.parametrize("chunk", [7, 100, 1 << 16])
@pytest.mark.parametrize(
    "long",
    [b'{"a": "' + b'x\\"' * 5000 + b'"}', b'{"a": [' + b'{"q": 1},' * 5000 + b"1]}", b'{"a": "' + b"x" * 1100 + b'"}'],
)
def test_an_object_without_end_is_not_read_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long: bytes, chunk: int
) -> None:
    monkeypatch.setattr(reading, "MAX_LINE", 1000)
    monkeypatch.setattr(json_values, "_CHUNK", chunk)
    bad = BadLines()
    assert read(tmp_path / "x", b"[" + long + b',{"b": 1}]', bad) == [(1, {"b": 1})]
    assert [str(problem).partition(": ")[2] for problem in bad.first] == ["the object is longer than 1000 bytes"]


@pytest.mark.parametrize(
    ("content", "array"), [(b" \n[1]", True), (b"\xef\xbb\xbf[]", True), (b"{}", False), (b"", False)]
)
def test_an_array_is_told_by_its_first_character(tmp_path: Path, content: bytes, array: bool) -> None:
    (tmp_path / "x").write_bytes(content)
    assert is_array(tmp_path / "x") is array
