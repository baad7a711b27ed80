"""A sealed file is read as it was written or not at all, and JSON no wider than its standard has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typeahead.storage.sealed import SEAL, SealBroken, is_sealed, read_json, seal

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(data=st.dictionaries(st.text(), JSON, max_size=5))
def test_what_is_sealed_is_read_again_and_sealed_alike(
    data: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "sealed.json"
    path.write_text(seal(data), encoding="utf-8", newline="")
    found, text = read_json(path, 1 << 20)
    assert is_sealed(found, text)
    assert {**data, SEAL: None} == {**found, SEAL: None}
    assert seal(found) == text


def test_zeros_elsewhere_are_not_taken_for_the_sum() -> None:
    data = {"first": "0" * 64, "last": ["0" * 64]}
    text = seal(data)
    assert text.count("0" * 64) == 2
    assert is_sealed({SEAL: text.split('"')[-2]}, text)


@pytest.mark.parametrize("stated", ["0" * 64, "", None, 7, [], "{"])
def test_a_sum_that_is_none_breaks_the_seal(stated: Any) -> None:
    with pytest.raises(SealBroken, match=SEAL):
        is_sealed({SEAL: stated}, seal({"a": 1}))


def test_a_file_without_a_sum_is_not_sealed() -> None:
    assert not is_sealed({"a": 1}, '{"a": 1}')


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Expecting value"),
        (b"\xff", "can't decode"),
        (b"\xef\xbb\xbf{}", "Expecting value|BOM"),
        (b"[NaN]", "NaN is not a JSON number"),
        (b"[-Infinity]", "-Infinity is not a JSON number"),
        (b"[1e999]", "1e999 is too large"),
        (b'{"a": {"b": 1, "b": 1}}', "the key 'b' twice"),
        (b'["\\ud83d"]', "lone surrogate"),
        (b"[" * 100_000, "nested too deeply"),
        (b" " * 101, "longer than 100 bytes"),
    ],
)
def test_what_is_no_json_is_told_in_a_few_words(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        read_json(path, 100 if content.isspace() else 1 << 20)


def test_a_pair_of_surrogates_is_one_character(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b'["\\ud83d\\ude00"]')
    assert read_json(path, 100)[0] == ["\N{GRINNING FACE}"]
