"""Slips: exactly one mistake of the family, inside a long enough word, and never at its first letter."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typeahead.evaluate.typed.slips import FAMILIES, NEIGHBOURS, slip

TEXTS = st.text(st.sampled_from("abceXYz é7_-."), max_size=30)


def test_each_family_lists_every_text_with_one_such_mistake() -> None:
    assert FAMILIES["swapped"]("an echo") == ["an ehco", "an ecoh"]
    assert FAMILIES["left out"]("an echo") == ["an eho", "an eco", "an ech"]
    assert FAMILIES["doubled"]("an echo") == ["an eccho", "an echho", "an echoo"]
    near = FAMILIES["neighbour"]("Echo")
    assert {"Exho", "Ecgo", "Echp"} <= set(near)
    assert all(text[0] == "E" and sum(a != b for a, b in zip(text, "Echo", strict=True)) == 1 for text in near)


def test_letters_that_are_the_same_are_not_swapped() -> None:
    assert FAMILIES["swapped"]("eggG") == []


def test_a_replaced_capital_stays_a_capital() -> None:
    assert all(text[1:].isupper() for text in FAMILIES["neighbour"]("GIMP"))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("text", ["", "git ls", "a-b-c 2024", "x86_64"])
def test_short_words_numbers_and_signs_are_left_alone(family: str, text: str) -> None:
    assert slip(family, text, random.Random(0)) is None


def test_keys_that_touch_are_neighbours_of_each_other() -> None:
    assert set(NEIGHBOURS["g"]) == set("ftyhbv")
    assert set(NEIGHBOURS["q"]) == set("wa")
    assert all(key in NEIGHBOURS[other] for key, others in NEIGHBOURS.items() for other in others)


@pytest.mark.parametrize("family", FAMILIES)
@given(text=TEXTS, seed=st.integers(0, 9))
def test_a_slip_changes_the_text_and_keeps_the_first_letters_of_its_words(family: str, text: str, seed: int) -> None:
    found = slip(family, text, random.Random(seed))
    if found is None:
        return
    assert found != text
    assert abs(len(found) - len(text)) == (family in ("left out", "doubled"))
    assert len(found.split()) == len(text.split())
    assert [word[0] for word in found.split()] == [word[0] for word in text.split()]
    assert found == slip(family, text, random.Random(seed))
