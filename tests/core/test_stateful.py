"""Whatever sessions do with a cache of a few nodes, nobody reads what belongs to another text.

Hypothesis draws sequences of edits, advances, searches and disconnects, for every encoder, with batches beyond every
limit and a cache that turns over all the time. Each embedding is compared with that of the text from nothing; the
pipeline's hits are in ``tests/server/typing/test_stateful.py``. ``pytest --hypothesis-profile deep`` draws 2,000
sequences for each encoder.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import typeahead
from tests.conftest import examples
from tests.server.fakes import GuessingEncoder, MeanEncoder
from typeahead.core import engine as engine_module
from typeahead.core.encoder import Vectors
from typeahead.core.engine import Engine
from typeahead.core.prefixes import Scope
from typeahead.core.session import Session
from typeahead.encoders.fold import FoldEncoder
from typeahead.search.asking import Asker
from typeahead.search.reading import Ending, Reading
from typeahead.search.vocabulary import Vocabulary

#: Tokens of the longest text, and so the least that a cache may hold.
MAX_TOKENS = 6
WORDS = {"boil": 9, "boiled": 4, "bake": 3, "egg": 8, "eggs": 2, "rain": 1, "naïve": 1, "한국어": 1, "東京": 1}
BEGUN = [
    "boil an egg",
    "bake bread",
    "rain in tokyo",
    "how to",
    "wait for it",
    "eggs",
    "a naïve",
    "東京",
    "한국어 검색",
]
#: A third of what is typed changes no token.
typed = st.one_of(
    st.sampled_from([*WORDS, "bo", "b", "e", "r", "한"]),
    st.sampled_from([" ", "  ", "\u200b", "\u0301", ""]),
    st.sampled_from(["wait and boil the eggs in rain " * 3, "tokyo drift", "[SEP]", "👩‍👧", "x" * 40]),
)
places = st.integers(0, 1 << 16)
at_once = st.sampled_from([True, True, False])


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three sessions fill a batch, and so do two texts."""
    monkeypatch.setattr(engine_module, "MAX_BATCH", 3)
    monkeypatch.setattr(engine_module, "MAX_BATCH_TOKENS", 16)


class Typing(RuleBasedStateMachine):
    """Several people type on one engine, whose cache holds one or two texts."""

    def __init__(self, encoder: Any, known: dict[str, tuple[Vectors, Vectors]]) -> None:
        super().__init__()
        self.encoder = encoder
        #: Embeddings of texts from nothing, and where they are going.
        self.known = known
        self.sessions: list[Session] = []
        #: The text of each session when it was last advanced.
        self.texts: list[str] = []

    @initialize(texts_held=st.integers(1, 3), people=st.integers(2, 9))
    def start(self, texts_held: int, people: int) -> None:
        node_bytes = Engine(self.encoder).tree.node_bytes
        self.engine = Engine(self.encoder, cache_bytes=texts_held * MAX_TOKENS * node_bytes)
        self.asker = Asker(self.engine, words=False, continuations=4)
        self.asker.learn(Vocabulary.of(WORDS))
        self.scopes: list[Scope | None] = [None, self.engine.scope()]
        for number in range(people):
            self.connect(shared=False)
            # From the beginning there is more than the cache holds.
            self.paste(number, BEGUN[number], at_once=True)

    def expected(self, text: str) -> tuple[Vectors, Vectors]:
        if text not in self.known:
            whole, ahead = self.encoder.encode([text])[0], self.ahead([text])[0]
            self.known[text] = whole, ahead
        return self.known[text]

    def ahead(self, texts: Sequence[str]) -> Vectors:
        read: Vectors = getattr(self.encoder, "encode_ahead", self.encoder.encode)(texts)
        return read

    def sought(self, text: str, reading: Reading) -> Vectors:
        """What to search for by a reading of a text; zeros for nothing."""
        mean = np.zeros_like(self.expected(text)[0])
        # A text without a token has zeros for its embedding.
        for ending, weight in reading.endings or [Ending(text, 1.0)]:
            mean += weight * self.expected(ending)[0]
        return mean

    def at(self, place: int) -> int:
        return place % len(self.sessions)

    @rule(shared=st.booleans())
    def connect(self, shared: bool) -> None:
        if len(self.sessions) < 9:
            self.sessions.append(self.engine.session(scope=self.scopes[shared]))
            self.texts.append("")

    @precondition(lambda self: self.sessions)
    @rule(place=places)
    def disconnect(self, place: int) -> None:
        del self.texts[self.at(place)], self.sessions[self.at(place)]

    @precondition(lambda self: self.sessions)
    @rule(place=places, text=typed, at_once=at_once)
    def paste(self, place: int, text: str, at_once: bool) -> None:
        self.sessions[self.at(place)].set_text(text)
        self.get_on(place, at_once)

    @precondition(lambda self: self.sessions)
    @rule(place=places, text=typed, start=places, at_once=at_once)
    def insert(self, place: int, text: str, start: int, at_once: bool) -> None:
        session = self.sessions[self.at(place)]
        if len(session.text) + len(text) <= session.max_chars:
            session.edit(start % (len(session.text) + 1), 0, text)
        self.get_on(place, at_once)

    @precondition(lambda self: self.sessions)
    @rule(place=places, count=st.integers(1, 3), at_once=at_once)
    def delete(self, place: int, count: int, at_once: bool) -> None:
        session = self.sessions[self.at(place)]
        session.edit(max(0, len(session.text) - count), min(count, len(session.text)), "")
        self.get_on(place, at_once)

    @precondition(lambda self: self.sessions)
    @rule(place=places, at_once=at_once)
    def capitalize(self, place: int, at_once: bool) -> None:
        session = self.sessions[self.at(place)]
        session.set_text(session.text.upper())
        self.get_on(place, at_once)

    def get_on(self, place: int, at_once: bool) -> None:
        """Most keys are advanced by themselves; Hypothesis leaves out whole rules in many of its sequences."""
        if at_once:
            self.advance([place])

    @precondition(lambda self: self.sessions)
    @rule(some=st.lists(places, min_size=1, max_size=9))
    def advance(self, some: list[int]) -> None:
        chosen = sorted({self.at(place) for place in some})
        self.engine.advance([self.sessions[at] for at in chosen])
        for at in chosen:
            self.texts[at] = self.sessions[at].text

    @rule()
    def advance_all(self) -> None:
        self.engine.advance(self.sessions)
        self.texts = [session.text for session in self.sessions]

    @precondition(lambda self: self.sessions)
    @rule(some=st.lists(places, min_size=1, max_size=4))
    def ask(self, some: list[int]) -> None:
        chosen = sorted({self.at(place) for place in some})
        sessions = [self.sessions[at] for at in chosen]
        readings = [self.asker.read(session.text) for session in sessions]
        vectors = self.asker.advance(sessions, readings)
        for at, session, reading, found in zip(chosen, sessions, readings, vectors, strict=True):
            self.texts[at] = session.text
            expected = self.sought(session.text, reading)
            assert_same(nothing_for_none(found, expected), expected)

    @precondition(lambda self: self.sessions)
    @rule(place=places)
    def read(self, place: int) -> None:
        session, text = self.sessions[self.at(place)], self.texts[self.at(place)]
        embedding, ahead = self.expected(text)
        assert_same(nothing_for_none(session.embedding, embedding), embedding)
        assert_same(nothing_for_none(session.ahead, ahead), ahead)

    @invariant()
    def nobody_has_the_embedding_of_another_text(self) -> None:
        vectors = self.engine.embeddings(self.sessions) if self.sessions else ()
        for vector, text in zip(vectors, self.texts, strict=True):
            assert_same(vector, self.expected(text)[0])

    @invariant()
    def the_cache_keeps_its_bound(self) -> None:
        assert self.engine.stats.bytes <= self.engine.stats.capacity


def nothing_for_none(vector: Vectors | None, like: Vectors) -> Vectors:
    return np.zeros_like(like) if vector is None else vector


def assert_same(found: Vectors, expected: Vectors) -> None:
    """Equal but for the rounding that a batch brings."""
    lengths = float(np.linalg.norm(found)), float(np.linalg.norm(expected))
    if not min(lengths):
        assert not max(lengths)
    else:
        assert found @ expected / (lengths[0] * lengths[1]) >= 0.99999


def of_few_tokens(encoder: Any) -> Any:
    """The same encoder for texts of :data:`MAX_TOKENS`."""
    few = copy.copy(encoder)
    few.max_tokens = MAX_TOKENS
    return few


def run(encoder: Any, few: int = 100) -> None:
    known: dict[str, tuple[Vectors, Vectors]] = {}
    # Whatever makes a machine will do, though Hypothesis's types know classes alone.
    machine: Any = partial(Typing, encoder, known)
    run_state_machine_as_test(machine, settings=examples(few))


def test_any_encoder(fold: FoldEncoder) -> None:
    run(of_few_tokens(fold))


@pytest.mark.parametrize("name", ["minilm-causal", "minilm-static"])
def test_the_other_models_that_are_shipped(name: str) -> None:
    run(of_few_tokens(typeahead.load(name)), few=8)


def test_an_encoder_whose_states_are_objects_and_that_guesses() -> None:
    encoder, mean = of_few_tokens(GuessingEncoder()), of_few_tokens(MeanEncoder())
    encoder.encode = mean.encode
    encoder.encode_ahead = lambda texts: mean.encode(["bake bread" if text.split() else "" for text in texts])
    run(encoder)
