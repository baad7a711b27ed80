"""Whatever people do at the same time over a small cache, each is answered with what their own text finds.

Hypothesis draws who types, edits, presses Enter and disconnects, and when the event loop gets on, for every encoder,
with words and without, and with half-typed words finished or not. Each reply's embedding, and each hit of a key and of
Enter, is compared with that of the text from nothing, asked as the HTTP API asks. The engine alone is in
``tests/core/test_stateful.py``; ``pytest --hypothesis-profile deep`` draws 2,000 sequences here, too.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.conftest import examples
from tests.core.test_stateful import BEGUN, MAX_TOKENS, WORDS, of_few_tokens, typed
from tests.server.fakes import TITLES, BruteForceIndex, GuessingEncoder, MeanEncoder
from typeahead.core import engine as engine_module
from typeahead.core.encoder import Vectors
from typeahead.core.engine import Engine
from typeahead.encoders.fold import FoldEncoder
from typeahead.search.asking import Asker
from typeahead.search.port import Request
from typeahead.search.ranking import Found, find
from typeahead.search.vocabulary import Vocabulary
from typeahead.server.observe.metrics import ServerMetrics
from typeahead.server.typing.dialogue import Dialogue
from typeahead.server.typing.pipeline import Pipeline
from typeahead.server.typing.room import Room
from typeahead.server.typing.settings import TypingSettings
from typeahead.server.typing.source import BackendSource
from typeahead.wire.conversation import Conversation
from typeahead.wire.protocol import Limits
from typeahead.wire.replies import read_embedding

K = 3
VOCABULARY = Vocabulary.of(WORDS)
#: The score of each title that a text finds, by how it is read.
Scores = dict[tuple[str, bool, int], dict[str, float]]
people = st.integers(0, 1 << 16)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "MAX_BATCH", 3)
    monkeypatch.setattr(engine_module, "MAX_BATCH_TOKENS", 16)


class Titles(BruteForceIndex):
    """The titles, as an encoder of what is typed has them."""

    def __init__(self, encoder: Any) -> None:
        super().__init__(vectors=encoder.encode(TITLES))

    def find(self, requests: Sequence[Request]) -> Found:
        """What one request finds, without the thread and the event loop, in which this is called."""
        with pytest.raises(StopIteration) as end:
            find(self._engine, requests, math.inf).send(None)
        (found,) = end.value.value
        return found  # type: ignore[no-any-return]


class Person:
    """One client, and the texts of what it sent by ``seq``."""

    def __init__(self, pipeline: Pipeline, room: Room, wake: asyncio.Event) -> None:
        self.dialogue = Dialogue(
            Conversation(Limits()),
            pipeline.engine.session(),
            pipeline,
            ServerMetrics("any"),
            room=room,
            greet=lambda _: b"{}",
            wake=wake.set,
            clock=lambda: 0,
            max_pending=64,
        )
        self.text = ""
        self.texts: dict[int, str] = {}
        self.entered: set[int] = set()
        self.answered: set[int] = set()
        self._seq = 0
        self.dialogue.receive(json.dumps({"hello": {"k": K, "embedding": "float32"}}))
        assert self.dialogue.take() is not None

    def say(self, text: str | None) -> None:
        """Send the whole text, or press Enter."""
        self._seq += 1
        if text is None:
            self.entered.add(self._seq)
            self.dialogue.receive(json.dumps({"seq": self._seq, "submit": True}))
        else:
            self.text = text
            self.dialogue.receive(json.dumps({"seq": self._seq, "text": text}))
        self.texts[self._seq] = self.text

    @property
    def waits(self) -> bool:
        """Whether an answer is still to come: to each Enter, and to the last of all."""
        return bool(({self._seq, *self.entered} - {0}) - self.answered)


class Typing(RuleBasedStateMachine):
    """Several people before one pipeline."""

    def __init__(self, encoder: Any, index: Titles, known: dict[str, Vectors], found: Scores) -> None:
        super().__init__()
        self.encoder = encoder
        self.index = index
        self.known = known
        self.found = found
        self.loop = asyncio.new_event_loop()
        self.wake = asyncio.Event()
        self.people: list[Person] = []

    @initialize(
        texts_held=st.integers(1, 2), count=st.integers(2, 5), words=st.booleans(), complete=st.sampled_from((0, 4))
    )
    def start(self, texts_held: int, count: int, words: bool, complete: int) -> None:
        node_bytes = Engine(self.encoder).tree.node_bytes
        engine = Engine(self.encoder, cache_bytes=texts_held * MAX_TOKENS * node_bytes)
        self.pipeline = Pipeline(
            engine,
            TypingSettings(snippet_chars=20, max_search_batch=2, anytime=1.0, words=words, complete=complete),
        )
        self.room = Room(self.pipeline, BackendSource(self.index))
        self.room.asker.learn(VOCABULARY)
        self.reading = words, complete
        self.run(self._started())
        for number in range(count):
            self.connect()
            # From the beginning there is more than the cache holds.
            self.type(number, BEGUN[number], onto=False)
        self.settle()

    async def _started(self) -> None:
        self.pipeline.start()
        self.room.start()

    def run(self, work: Any) -> None:
        self.loop.run_until_complete(asyncio.wait_for(work, 20))

    def person(self, number: int) -> Person:
        return self.people[number % len(self.people)]

    def expected(self, text: str) -> Vectors:
        if text not in self.known:
            self.known[text] = self.encoder.encode([text])[0]
        return self.known[text]

    def scores(self, text: str) -> dict[str, float]:
        """The score of each title that a text finds, asked alone and from nothing."""
        words, complete = self.reading
        if (text, words, complete) not in self.found:
            asker = Asker(Engine(self.encoder), words=words, continuations=complete)
            asker.learn(VOCABULARY)
            found = self.index.find(asker.ask([text], len(TITLES)))
            self.found[text, words, complete] = {hit.title: hit.score for hit in found.hits}
        return self.found[text, words, complete]

    @rule()
    def connect(self) -> None:
        if len(self.people) < 6:
            self.people.append(Person(self.pipeline, self.room, self.wake))

    @precondition(lambda self: self.people)
    @rule(number=people)
    def disconnect(self, number: int) -> None:
        self.people.pop(number % len(self.people)).dialogue.abandon()

    @precondition(lambda self: self.people)
    @rule(number=people, text=typed, onto=st.booleans())
    def type(self, number: int, text: str, onto: bool) -> None:
        person = self.person(number)
        self.run(self._say(person, (person.text + text if onto else text)[-100:]))

    @precondition(lambda self: self.people)
    @rule(number=people)
    def capitalize(self, number: int) -> None:
        person = self.person(number)
        self.run(self._say(person, person.text.upper()))

    @precondition(lambda self: self.people)
    @rule(number=people)
    def enter(self, number: int) -> None:
        self.run(self._say(self.person(number), None))

    async def _say(self, person: Person, text: str | None) -> None:
        person.say(text)
        self.take()

    @rule(turns=st.integers(1, 3))
    def get_on(self, turns: int) -> None:
        self.run(self._turn(turns))

    async def _turn(self, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        self.take()

    @rule()
    def settle(self) -> None:
        self.run(self._settle())

    async def _settle(self) -> None:
        self.take()
        while any(person.waits for person in self.people):
            await self.wake.wait()
            self.wake.clear()
            self.take()

    def take(self) -> None:
        for person in self.people:
            while (reply := person.dialogue.take()) is not None:
                written, binary = reply
                assert binary is not None, written
                self.check(person, json.loads(written), b"".join(binary))

    def check(self, person: Person, reply: dict[str, Any], frame: bytes) -> None:
        seq = reply["seq"]
        assert seq > max(person.answered, default=0)
        person.answered.add(seq)
        embedding = self.expected(person.texts[seq])
        number, found = read_embedding(frame)
        assert number == seq
        np.testing.assert_allclose(np.zeros_like(embedding) if found is None else found, embedding, atol=2e-3)
        scores = self.scores(person.texts[seq])
        best = sorted(scores.values(), reverse=True)[:K]
        np.testing.assert_allclose([hit["score"] for hit in reply["hits"]], best, atol=5e-3)
        for hit in reply["hits"]:
            assert abs(scores[hit["title"]] - hit["score"]) < 5e-3

    def teardown(self) -> None:
        if hasattr(self, "pipeline"):
            self.settle()
            for person in self.people:
                person.dialogue.abandon()
            self.pipeline.stop(timeout=5)
        self.loop.close()


def run(encoder: Any) -> None:
    # Whatever makes a machine will do, though Hypothesis's types know classes alone.
    machine: Any = partial(Typing, encoder, Titles(encoder), {}, {})
    run_state_machine_as_test(machine, settings=examples(100))


def test_any_encoder(fold: FoldEncoder) -> None:
    run(of_few_tokens(fold))


def test_an_encoder_whose_states_are_objects_and_that_guesses() -> None:
    encoder = of_few_tokens(GuessingEncoder())
    encoder.encode = of_few_tokens(MeanEncoder()).encode
    run(encoder)
