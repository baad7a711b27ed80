"""What is searched for while a word is typed: the mean of what the text may become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.texts import texts
from typeahead.core.encoder import Vectors
from typeahead.core.engine import Engine
from typeahead.core.session import Session
from typeahead.encoders.fold import FoldEncoder
from typeahead.search.reading import Ending, Reading
from typeahead.search.seeking import Seeker
from typeahead.search.terms import Words


def read(*endings: tuple[str, float]) -> Reading:
    return Reading(Words(()), [Ending(text, weight) for text, weight in endings])


def typed(engine: Engine, text: str) -> Session:
    session = engine.session()
    session.set_text(text)
    return session


def mean(encoder: FoldEncoder, endings: Sequence[Ending], *, cosine: bool = True) -> Vectors | None:
    """The same by encoding each text from nothing; texts without a token have no embedding, and count nothing."""
    known = [(encoder.encode([text])[0], weight) for text, weight in endings if typed(Engine(encoder), text).tokens]
    if not known:
        return None
    weights = np.array([weight for _, weight in known])
    found: Vectors = ((weights / weights.sum()) @ np.stack([vector for vector, _ in known])).astype(np.float32)
    # A token may have zeros for its embedding.
    return found / max(float(np.linalg.norm(found)), 1e-12) if cosine else found


@settings(max_examples=60)
@given(text=texts, endings=st.lists(st.tuples(texts, st.floats(0.05, 1)), min_size=1, max_size=5))
def test_it_is_the_mean_of_what_each_text_gives_from_nothing(
    fold: FoldEncoder, text: str, endings: list[tuple[str, float]]
) -> None:
    engine = Engine(fold)
    session, reading = typed(engine, text), read(*endings)
    (sought,) = Seeker(engine).advance([session], [reading])
    expected = mean(fold, reading.endings, cosine=fold.config.similarity == "cosine")
    if expected is None:
        assert sought is None
    else:
        assert sought is not None
        assert sought.dtype == np.float32
        np.testing.assert_allclose(sought, expected, atol=2e-5)


def test_many_sessions_at_once_give_what_each_gives_alone(fold: FoldEncoder) -> None:
    readings = {
        "how to bo": read(("how to boil", 0.7), ("how to bone", 0.3)),
        "an egg": Reading(Words(())),
        "": Reading(Words(())),
        "tempoarl": read(("tempoarl", 0.4), ("temporal", 0.6)),
    }
    engine = Engine(fold)
    together = Seeker(engine).advance([typed(engine, text) for text in readings], list(readings.values()))
    for (text, reading), found in zip(readings.items(), together, strict=True):
        other = Engine(fold)
        (alone,) = Seeker(other).advance([typed(other, text)], [reading])
        assert (found is None) == (alone is None)
        if found is not None and alone is not None:
            np.testing.assert_allclose(found, alone, atol=2e-5)


def test_a_reading_without_endings_is_the_text_itself(student: FoldEncoder) -> None:
    engine = Engine(student)
    session = typed(engine, "an egg")
    (sought,) = Seeker(engine).advance([session], [Reading(Words(()))])
    assert sought is not None
    np.testing.assert_array_equal(sought, student.encode(["an egg"])[0])
    assert not session.pending


def test_a_text_that_is_its_own_ending_takes_no_step_twice(student: FoldEncoder) -> None:
    engine = Engine(student)
    session = typed(engine, "an egg")
    (sought,) = Seeker(engine).advance([session], [read(("an egg", 1.0))])
    assert sought is not None
    np.testing.assert_allclose(sought, student.encode(["an egg"])[0], atol=1e-6)
    # And it counts beside others.
    reading = read(("an egg", 0.6), ("an eggplant", 0.4))
    (sought,) = Seeker(engine).advance([session], [reading])
    assert sought is not None
    np.testing.assert_allclose(sought, mean(student, reading.endings), atol=2e-5)  # type: ignore[arg-type]


@pytest.mark.parametrize("reading", [Reading(Words(())), read(("", 1.0)), read((" ", 0.5), ("", 0.5))], ids=str)
def test_nothing_is_sought_for_texts_without_a_token(student: FoldEncoder, reading: Reading) -> None:
    engine = Engine(student)
    assert Seeker(engine).advance([typed(engine, " ")], [reading]) == [None]


def test_the_session_keeps_the_embedding_of_its_own_text(student: FoldEncoder) -> None:
    engine = Engine(student)
    session = typed(engine, "how to bo")
    Seeker(engine).advance([session], [read(("how to boil", 0.7), ("how to bone", 0.3))])
    assert session.text == "how to bo"
    np.testing.assert_array_equal(session.embedding, student.encode(["how to bo"])[0])


@settings(max_examples=60)
@given(
    typings=st.lists(st.tuples(texts, st.booleans(), st.lists(st.tuples(texts, st.floats(0.05, 1)), max_size=3))),
    own=st.booleans(),
)
def test_whether_a_text_is_shown_changes_nothing_that_is_sought(
    fold: FoldEncoder, typings: list[tuple[str, bool, list[tuple[str, float]]]], own: bool
) -> None:
    readings = [read(*endings, *([(text, 0.5)] if own else [])) for text, _, endings in typings]
    shown = [is_shown for _, is_shown, _ in typings]
    engine, other = Engine(fold), Engine(fold)
    sessions = [typed(engine, text) for text, _, _ in typings]
    found = Seeker(engine).advance(sessions, readings, shown=shown)
    expected = Seeker(other).advance([typed(other, text) for text, _, _ in typings], readings)
    for one, two in zip(found, expected, strict=True):
        assert (one is None) == (two is None)
        if one is not None and two is not None:
            np.testing.assert_allclose(one, two, atol=2e-5)
    for session, reading, is_shown in zip(sessions, readings, shown, strict=True):
        needed = is_shown or not reading.endings or any(text == session.text for text, _ in reading.endings)
        assert session.pending <= (not needed)


def test_a_text_that_nobody_sees_and_that_is_no_ending_takes_no_step(student: FoldEncoder) -> None:
    engine = Engine(student)
    session, reading = typed(engine, "how to bo"), read(("how to boil", 0.7), ("how to boat", 0.3))
    Seeker(engine).advance([session], [reading], shown=[False])
    computed = engine.stats.steps_computed
    assert session.pending
    Seeker(engine).advance([session], [reading], shown=[True])
    assert engine.stats.steps_computed > computed
    np.testing.assert_array_equal(session.embedding, student.encode(["how to bo"])[0])


def test_an_inner_product_keeps_the_length_of_the_mean(student: FoldEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = read(("how to boil", 0.7), ("quantum physics", 0.3))
    monkeypatch.setattr(student, "config", replace(student.config, similarity="dot"))
    engine = Engine(student)
    (sought,) = Seeker(engine).advance([typed(engine, "how to bo")], [reading])
    assert sought is not None
    expected = mean(student, reading.endings, cosine=False)
    assert expected is not None
    np.testing.assert_allclose(sought, expected, atol=2e-5)
    assert np.linalg.norm(sought) < 0.99


def test_likely_endings_count_more(student: FoldEncoder) -> None:
    engine = Engine(student)
    boil, bone = student.encode(["how to boil", "how to bone"])
    (sought,) = Seeker(engine).advance([typed(engine, "how to bo")], [read(("how to boil", 0.9), ("how to bone", 0.1))])
    assert sought is not None
    assert sought @ boil > sought @ bone
