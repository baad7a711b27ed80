"""The vocabulary finds forms, beginnings and slips as a loop over all forms does."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from tests.texts import words
from typeahead.index.lexical import vocabulary as module
from typeahead.search.vocabulary import Vocabulary


def make(frequencies: dict[str, int]) -> Vocabulary:
    forms = sorted(frequencies)
    encoded = [form.encode() for form in forms]
    starts = np.concatenate([[0], np.cumsum([len(one) for one in encoded])]).astype(np.int64)
    return Vocabulary(
        np.frombuffer(b"".join(encoded), np.uint8),
        starts,
        np.array([frequencies[form] for form in forms], np.uint32),
    )


@given(st.dictionaries(words.filter(bool), st.integers(1, 9), max_size=30), words)
def test_forms_and_beginnings_are_those_of_a_loop(frequencies: dict[str, int], prefix: str) -> None:
    vocabulary = make(frequencies)
    assert list(vocabulary) == sorted(frequencies)
    assert all(form in vocabulary and vocabulary.document_frequency(form) == frequencies[form] for form in frequencies)
    assert (prefix in vocabulary) == (prefix in frequencies)
    for beginning in (prefix, *(form[:2] for form in frequencies)):
        having = sorted(form for form in frequencies if form.startswith(beginning))
        ranked = sorted(having, key=lambda form: (-frequencies[form], form))
        found, total = vocabulary.beginning(beginning, 3)
        assert found == [(form, frequencies[form]) for form in ranked[:3]]
        assert total == sum(frequencies[form] for form in having)
    assert list(vocabulary.counts(2).values()) == sorted(frequencies.values(), reverse=True)[:2]


def test_many_forms_are_found_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(3)
    frequencies = {"".join(rng.choices("abc東", k=rng.randint(1, 7))): rng.randint(1, 50) for _ in range(3000)}
    plain = make(frequencies)
    monkeypatch.setattr(module, "_MOST_IN_MEMORY", 0)
    monkeypatch.setattr(module, "_LARGE", 4)
    large = make(frequencies)
    assert large._commonest
    assert large._numbers is None
    for prefix in ("", "a", "ab", "東", "東a", "cabab", "x"):
        assert large.beginning(prefix, 9) == plain.beginning(prefix, 9)
        assert large.beginning(prefix, 300) == plain.beginning(prefix, 300)
        assert large.document_frequency(prefix) == plain.document_frequency(prefix)
    assert all(form in large for form in frequencies)


SLIPS = {"receive": 9, "receiver": 5, "relieve": 7, "retrieval": 4, "retrieve": 3, "egg": 9, "eggs": 2, "python": 8}
SLIPS |= {"ab1234": 3, "привет": 2, "приветы": 1, "東京都庁": 1}


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("recieve", ["receive", "relieve"]),
        ("retreival", ["retrieval"]),
        ("retrievla", ["retrieval", "retrieve"]),
        ("pyhton", ["python"]),
        ("jython", ["python"]),  # another first letter, as nothing else is there
        ("gegs", []),  # too short for that
        ("egs", []),  # too short for a slip
        ("ab1235", ["ab1234"]),
        ("ab123", []),  # a code that is too short
        ("привед", ["привет"]),
        ("東京都広", ["東京都庁"]),
        ("receive", ["receiver"]),
        ("", []),
    ],
)
def test_slips_are_undone(word: str, found: list[str]) -> None:
    similar = make(SLIPS).similar(word, 3)
    assert similar == found


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("recie", ["receive", "relieve", "receiver"]),
        ("pyht", ["python"]),
        ("jyth", []),
        ("jytho", ["python"]),
        ("pri", []),
        ("прив", []),  # the beginning of forms itself
        ("прев", ["привет", "приветы"]),
    ],
)
def test_slips_at_the_beginning_are_undone(prefix: str, found: list[str]) -> None:
    assert make(SLIPS).similar_beginning(prefix, 3) == found


@pytest.mark.parametrize("alphabet", ["abcde", "абвгд"])
def test_similar_forms_are_those_of_a_loop(alphabet: str) -> None:
    rng = random.Random(5)
    frequencies = {"".join(rng.choices(alphabet, k=rng.randint(3, 10))): rng.randint(1, 50) for _ in range(2000)}
    vocabulary = make(frequencies)
    for _ in range(200):
        word = "".join(rng.choices(alphabet, k=rng.randint(4, 10)))
        allowed = 2 if len(word) >= 8 else 1
        near = {form: OSA.distance(word, form) for form in frequencies if form[0] == word[0]}
        expected = sorted(
            (form for form, distance in near.items() if 0 < distance <= allowed),
            key=lambda form: (near[form], -frequencies[form], form),
        )
        if expected:
            assert vocabulary.similar(word, 5) == expected[:5]
        beginning = sorted(
            (
                form
                for form in frequencies
                if form[0] == word[0]
                and not form.startswith(word)
                and any(OSA.distance(word, form[: len(word) + more]) == 1 for more in (-1, 0, 1))
            ),
            key=lambda form: (-frequencies[form], form),
        )
        if beginning:
            assert vocabulary.similar_beginning(word, 5) == beginning[:5]


def test_an_empty_vocabulary_finds_nothing() -> None:
    vocabulary = make({})
    assert len(vocabulary) == 0
    assert vocabulary.beginning("a", 3) == ([], 0)
    assert vocabulary.similar("word", 3) == vocabulary.similar_beginning("word", 3) == []
