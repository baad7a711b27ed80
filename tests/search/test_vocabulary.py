"""The words of an index: what a loop over all of them says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from typeahead.search import vocabulary as module
from typeahead.search.vocabulary import Vocabulary

COUNTS = {"boil": 9, "boiler": 4, "boiled": 4, "boiling": 1, "bo": 1, "egg": 25, "서울의": 3, "서울": 1, "creme": 2}
FORMS = st.one_of(*(st.text(alphabet=letters, min_size=1, max_size=9) for letters in ("ab1", "бво", "가나")))
MANY = st.dictionaries(FORMS, st.integers(1, 5), max_size=30)


def test_it_is_a_mapping_of_forms_to_document_frequencies() -> None:
    vocabulary = Vocabulary.of(COUNTS)
    assert dict(vocabulary) == COUNTS
    assert list(vocabulary) == sorted(COUNTS)
    assert (vocabulary["egg"], vocabulary.document_frequency("egg"), vocabulary.document_frequency("eg")) == (25, 25, 0)
    with pytest.raises(KeyError):
        vocabulary["eg"]
    assert "eg" not in vocabulary
    assert Vocabulary.of(vocabulary) is vocabulary


def test_what_nobody_can_type_is_left_out() -> None:
    assert dict(Vocabulary.of({"": 1, "\ud800": 2, "egg": 1 << 40})) == {"egg": (1 << 30) - 1}
    assert len(Vocabulary.of({})) == 0


def test_the_commonest_forms_come_first_and_of_equals_the_first_by_name() -> None:
    vocabulary = Vocabulary.of(COUNTS)
    assert vocabulary.beginning("boi", 3) == ([("boil", 9), ("boiled", 4), ("boiler", 4)], 18)
    assert vocabulary.beginning("서", 9) == ([("서울의", 3), ("서울", 1)], 4)
    assert vocabulary.beginning("xy", 9) == ([], 0)


@given(counts=MANY, prefix=FORMS, most=st.integers(1, 5))
def test_the_forms_with_a_prefix_are_those_that_a_loop_finds(counts: dict[str, int], prefix: str, most: int) -> None:
    found, total = Vocabulary.of(counts).beginning(prefix, most)
    begun = sorted((form for form in counts if form.startswith(prefix)), key=lambda form: (-counts[form], form))
    assert found == [(form, counts[form]) for form in begun[:most]]
    assert total == sum(counts[form] for form in begun)


@given(
    counts=st.dictionaries(st.text(alphabet="a\uffff\U0010ffffé", min_size=1, max_size=5), st.integers(1, 5)),
    prefix=st.text(alphabet="a\uffff\U0010ffffé\ud800", max_size=4),
)
def test_a_vocabulary_in_memory_and_one_too_large_for_that_find_the_same(counts: dict[str, int], prefix: str) -> None:
    small = Vocabulary.of(counts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_MOST_IN_MEMORY", 0)
        patch.setattr(module, "_LARGE", 2)
        large = Vocabulary.of(counts)
        assert [large.form(number) for number in range(len(large))] == [small.form(row) for row in range(len(small))]
        assert large.range(prefix) == small.range(prefix)
        assert large.beginning(prefix, 3) == small.beginning(prefix, 3)
        assert large.find(prefix) == small.find(prefix)


def slips(word: str) -> int:
    if len(word) < 4:
        return 0
    if any(letter.isdigit() for letter in word):
        return int(len(word) >= 6)
    return 2 if len(word) >= 8 else 1


@given(counts=MANY, word=FORMS, most=st.integers(1, 3))
def test_the_forms_that_a_word_may_be_a_slip_of_are_those_that_a_loop_finds(
    counts: dict[str, int], word: str, most: int
) -> None:
    near = {form: OSA.distance(word, form) for form in counts if form[0] == word[0]}
    expected = sorted(
        (form for form, distance in near.items() if 0 < distance <= slips(word)),
        key=lambda form: (near[form], -counts[form], form),
    )
    assert Vocabulary.of(counts).similar(word, most) == expected[:most]


@given(counts=MANY, prefix=FORMS, most=st.integers(1, 3))
def test_the_forms_whose_beginning_may_be_a_slip_are_those_that_a_loop_finds(
    counts: dict[str, int], prefix: str, most: int
) -> None:
    sizes = (len(prefix) - 1, len(prefix), len(prefix) + 1)
    expected = sorted(
        (
            form
            for form in counts
            if slips(prefix) and form[0] == prefix[0] and not form.startswith(prefix)
            if any(OSA.distance(prefix, form[:size]) == 1 for size in sizes)
        ),
        key=lambda form: (-counts[form], form),
    )
    assert Vocabulary.of(counts).similar_beginning(prefix, most) == expected[:most]
