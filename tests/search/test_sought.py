from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.texts import texts
from typeahead.search import sought as module
from typeahead.search.sought import MAX_WORDS, Folded, fold, is_plain, sought


def words(query: str, also: tuple[str, ...] = ()) -> list[str]:
    return [word.text for word in sought(query, also)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("How do I Boil an EGGS boil", ["boil", "eggs"]),
        ("what is the weather", ["weather"]),
        ("what is it", ["what", "is", "it"]),
        ("天気", ["天気"]),
        ("İstanbul", ["istanbul"]),
        ("os.path.join", ["os", "path", "join", "ospathjoin"]),
        ("ls -la v2 IP", ["ls", "la", "v2", "ip"]),
        ("AB-1234", ["ab", "1234", "ab1234"]),
        ("  ?! ", []),
        ("a b c", ["b", "c"]),
    ],
)
def test_the_words_looked_for_are_short_ones_too_and_common_ones_only_alone(query: str, expected: list[str]) -> None:
    assert words(query) == expected


def test_a_query_of_many_words_costs_no_more_than_one_of_a_few() -> None:
    assert len(sought(" ".join(f"word{n}" for n in range(500)))) == MAX_WORDS


def test_further_words_come_once_and_with_the_weights_of_their_folded_forms() -> None:
    assert words("read pyhton", ("Python", "read")) == ["read", "pyhton", "python"]
    weights = [word.weight for word in sought("read Pyhton", ("Python",), {"python": 3.0, "read": 0.5})]
    assert weights == [0.5, 1.0, 3.0]


@pytest.mark.parametrize("text", ["Straße", "한국어", "हिन्दी", "CAFE\u0301"])
def test_folded_characters_know_where_they_come_from(text: str) -> None:
    folded, origins = fold(text)
    assert origins is not None
    assert len(origins) == len(folded)
    assert [fold(text[origin]).text.count(character) > 0 for origin, character in zip(origins, folded, strict=True)]
    assert list(origins) == sorted(origins)


@given(st.text(alphabet=st.one_of(st.characters(max_codepoint=127), st.sampled_from("…–—‘’“”•")), max_size=20))
def test_typographical_punctuation_is_folded_by_lower_case_alone(text: str) -> None:
    assert is_plain(text)
    assert fold(text) == Folded(text.lower())


@given(texts)
def test_a_plain_text_is_one_that_lower_case_folds(text: str) -> None:
    assert not is_plain(text) or fold(text) == Folded(text.lower())


def test_characters_that_were_seen_are_remembered_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_FOLDS", 100)
    assert fold("".join(map(chr, range(0x4E00, 0x5000)))).origins is None
    assert len(module.folds) <= 100
