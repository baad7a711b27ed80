from __future__ import annotations

import numpy as np
import pytest

from tests.server.fakes import MeanEncoder
from typeahead.core.engine import Engine
from typeahead.search.asking import UNREAD, Asker, request
from typeahead.search.reading import Reading
from typeahead.search.terms import Term, Words
from typeahead.search.vocabulary import Vocabulary

VOCABULARY = Vocabulary.of({"bread": 4, "break": 1, "bake": 2})


def asker(*, words: bool = True, continuations: int = 8) -> Asker:
    made = Asker(Engine(MeanEncoder()), words=words, continuations=continuations)
    made.learn(VOCABULARY)
    return made


def test_a_request_has_the_words_and_the_mean_of_what_a_text_may_become() -> None:
    (asked,) = asker().ask(["bake bre"], 3)
    assert asked.words is not None
    assert asked.words.terms == [Term({"bake": 1.0}), Term({}, "bre")]
    expected = MeanEncoder().encode(["bake bread", "bake break"]).T @ np.array([2.0, 1.0])
    np.testing.assert_allclose(np.array(asked.vector), expected / np.linalg.norm(expected), atol=1e-6)


@pytest.mark.parametrize("words", [True, False])
@pytest.mark.parametrize("continuations", [0, 8])
def test_words_and_completions_can_be_left_out(words: bool, continuations: int) -> None:
    (asked,) = asker(words=words, continuations=continuations).ask(["bake bre"], 3)
    assert (asked.words is not None) is words
    plain = bool(np.array_equal(np.array(asked.vector), MeanEncoder().encode(["bake bre"])[0]))
    assert plain is (continuations == 0)


def test_a_text_of_many_is_asked_for_as_it_is_alone() -> None:
    texts = ["bake bre", "", "bred", "bake", "bread bake "]
    together = asker().ask(texts, 3)
    for text, asked in zip(texts, together, strict=True):
        (alone,) = asker().ask([text], 3)
        assert asked.words == alone.words
        np.testing.assert_array_equal(np.array(asked.vector), np.array(alone.vector))


def test_without_a_token_or_a_word_nothing_is_asked_for_it() -> None:
    vector = np.ones(4, np.float32)
    assert request(UNREAD, vector, 3).words is None
    assert request(Reading(Words([Term({"egg": 1.0})])), None, 3).words is None
    without = Reading(Words((), (), ["egg"]))
    assert request(without, vector, 3).words == without.words


def test_who_reads_nothing_has_no_use_for_words() -> None:
    assert not asker(words=False, continuations=0).reads
    assert asker(words=False, continuations=0).read("bake bre") is UNREAD
