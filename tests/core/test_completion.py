"""Where unfinished text is going by the words of documents: what a loop over all words says, and no other session's."""

from __future__ import annotations

import random
import sqlite3

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.server.fakes import MeanEncoder
from tests.texts import texts
from typeahead.core.completion import Completions, Vocabulary
from typeahead.core.encoder import Vectors
from typeahead.core.engine import Engine
from typeahead.core.folding import fold
from typeahead.encoders.recurrent import RecurrentEncoder

COUNTS = {"boil": 9, "boiler": 4, "boiled": 4, "boiling": 1, "bo": 1, "egg": 25, "서울의": 3, "서울": 1, "creme": 2}


def test_the_commonest_words_come_first_and_of_equals_the_first_by_name() -> None:
    vocabulary = Vocabulary(COUNTS)
    assert len(vocabulary) == len(COUNTS)
    assert vocabulary.complete("boi", 3) == [("boil", 9), ("boiled", 4), ("boiler", 4)]
    assert vocabulary.complete("boi", 9) == [("boil", 9), ("boiled", 4), ("boiler", 4), ("boiling", 1)]
    assert vocabulary.complete("egg", 3) == [("egg", 25)]


def test_what_is_typed_stays_a_way_to_finish_it_if_it_is_a_word() -> None:
    assert Vocabulary(COUNTS).complete("bo", 2) == [("boil", 9), ("bo", 1)]


@pytest.mark.parametrize("beginning", ["b", "", "xy", "boilerr", "b" * 65])
def test_there_is_nothing_for_a_single_letter_or_for_what_no_word_begins_with(beginning: str) -> None:
    assert Vocabulary(COUNTS).complete(beginning, 8) == []


def test_a_single_sign_of_other_scripts_is_a_beginning() -> None:
    assert Vocabulary(COUNTS).complete("서", 8) == [("서울의", 3), ("서울", 1)]
    assert Vocabulary({"東京": 2}).complete("東", 8) == [("東京", 2)]


WORDS = st.text(alphabet="abé\U0010fffd", min_size=1, max_size=4)


@given(counts=st.dictionaries(WORDS, st.integers(1, 5), max_size=30), beginning=WORDS, count=st.integers(1, 5))
def test_of_any_words_it_finds_those_that_a_loop_finds(counts: dict[str, int], beginning: str, count: int) -> None:
    found = Vocabulary(counts).complete(beginning, count)
    if len(beginning) < 2 and beginning.isascii():
        assert found == []
        return
    order = sorted((word for word in counts if word.startswith(beginning)), key=lambda word: (-counts[word], word))
    expected = order[:count]
    if beginning in counts and beginning not in expected:
        expected[-1] = beginning
    assert found == [(word, counts[word]) for word in expected]


@pytest.mark.parametrize(
    "word", ["Boil", "CAFÉ", "crème", "Ångström", "İstanbul", "straße", "서울의", "МОСКВА", "東京", "ñandú"]
)
def test_a_word_is_folded_as_sqlite_folds_it(word: str) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE t USING fts5(x, tokenize='unicode61 remove_diacritics 2')")
    connection.execute("CREATE VIRTUAL TABLE v USING fts5vocab('t', 'row')")
    connection.execute("INSERT INTO t VALUES(?)", (word,))
    assert connection.execute("SELECT term FROM v").fetchall() == [(fold(word),)]


def guess(encoder: RecurrentEncoder, weighted: dict[str, float]) -> Vectors:
    vectors = encoder.encode(list(weighted))
    mean = np.array(list(weighted.values())) @ vectors
    found: Vectors = (mean / np.linalg.norm(mean)).astype(np.float32)
    return found


def test_a_guess_is_the_mean_of_the_ways_to_finish_the_last_word(student: RecurrentEncoder) -> None:
    engine = Engine(student)
    completions = Completions(engine, Vocabulary(COUNTS), count=3)
    sessions = [engine.session() for _ in range(6)]
    for session, text in zip(sessions, ["How to BOI", "crè", "an egg ", "b", "", "water, egg"], strict=True):
        session.update(text)
    found = completions.ahead(sessions)
    expected = {"How to boil": 3.0, "How to boiled": 2.0, "How to boiler": 2.0}
    np.testing.assert_allclose(found[0], guess(student, expected), atol=1e-6)
    np.testing.assert_allclose(found[1], student.encode(["creme"])[0], atol=1e-6)
    # Nothing to be finished, nothing to finish it with, no text, and a word that is one already.
    np.testing.assert_array_equal(found[2:4], student.encode(["an egg ", "b"]))
    np.testing.assert_allclose(found[5], student.encode(["water, egg"])[0], atol=1e-6)
    assert not found[4].any()
    assert [session.text for session in sessions[:2]] == ["How to BOI", "crè"]
    np.testing.assert_array_equal(sessions[0].embedding, student.encode(["How to BOI"])[0])


def test_a_word_without_a_token_is_no_way_to_finish_one(student: RecurrentEncoder) -> None:
    class Nothing(Vocabulary):
        def complete(self, _beginning: str, _count: int) -> list[tuple[str, int]]:
            return [("\x00", 1)]

    engine = Engine(student)
    session = engine.session()
    session.update("ab")
    (found,) = Completions(engine, Nothing({})).ahead([session])
    np.testing.assert_array_equal(found, session.embedding)


def test_of_dot_products_the_mean_keeps_its_length() -> None:
    encoder = MeanEncoder(similarity="dot")
    engine = Engine(encoder)
    session = engine.session()
    session.update("an eg")
    (found,) = Completions(engine, Vocabulary({"egg": 4, "eggs": 1})).ahead([session])
    one, other = encoder.encode(["an egg", "an eggs"])
    np.testing.assert_allclose(found, (2 * one + other) / 3, atol=1e-6)


def test_a_guess_does_not_depend_on_other_sessions_or_on_what_the_cache_dropped(student: RecurrentEncoder) -> None:
    vocabulary = Vocabulary(
        {f"{stem}{end}": 1 + len(end) for stem in COUNTS for end in ("", "a", "ly", "ness", "less")}
    )
    probe = Engine(student)
    # Room for one text of the greatest length.
    engine = Engine(student, cache_bytes=probe.tree.node_bytes * student.max_tokens)
    rng = random.Random(2)
    typed = [" ".join(rng.choices(list(COUNTS), k=rng.randrange(1, 12)))[: rng.randrange(2, 60)] for _ in range(60)]
    sessions = [engine.session() for _ in typed]
    for session, text in zip(sessions, typed, strict=True):
        session.set_text(text)
    engine.advance(sessions)
    together = Completions(engine, vocabulary).ahead(sessions)
    for text, found in zip(typed, together, strict=True):
        alone = probe.session()
        alone.update(text)
        np.testing.assert_array_equal(Completions(probe, vocabulary).ahead([alone])[0], found)


@given(text=texts)
def test_whatever_is_typed_has_a_guess(student: RecurrentEncoder, text: str) -> None:
    engine = Engine(student)
    session = engine.session(max_chars=4096)
    session.update(text)
    (found,) = Completions(engine, Vocabulary({**COUNTS, text.split()[-1] if text.split() else "x": 2})).ahead(
        [session]
    )
    assert np.isfinite(found).all()
    assert found.any() == (session.embedding is not None)


def test_only_latin_letters_lose_their_diacritics_as_in_the_words_of_an_index() -> None:
    words = {"Élan": "elan", "ЙОД": "йод", "άλφα": "άλφα", "e\u0301lan": "elan", "한국": "한국"}
    assert [fold(word) for word in words] == list(words.values())
