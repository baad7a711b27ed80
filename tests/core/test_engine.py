"""Batches of many sessions: the same results, each step once, bounded memory."""

from __future__ import annotations

import random

import numpy as np
import pytest

import typeahead
from tests.server.fakes import MeanEncoder
from typeahead.core.engine import MAX_BATCH, MAX_BATCH_TOKENS, Engine
from typeahead.core.session import Session
from typeahead.encoders.fold import FoldEncoder
from typeahead.encoders.recurrent import RecurrentEncoder
from typeahead.errors import EncoderError

WORDS = [*"how to boil an egg in the rain without a pot or pan".split(), "東京", "한국어", "naïve", "😀", "über"]


def random_text(rng: random.Random) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(rng.randrange(9)))


@pytest.mark.parametrize("count", [1, 2, 7, MAX_BATCH + 3])
def test_batched_sessions_equal_whole_texts(fold: FoldEncoder, count: int) -> None:
    engine = Engine(fold)
    rng = random.Random(count)
    sessions = [engine.session() for _ in range(count)]
    for _ in range(4):
        for session in sessions:
            session.set_text(random_text(rng))
        engine.advance(sessions)
        expected = fold.encode([session.text for session in sessions])
        for session, vector in zip(sessions, expected, strict=True):
            assert not session.pending
            if session.embedding is None or not session.embedding.any():
                assert not vector.any()
            else:
                assert session.embedding @ vector >= 0.99999


def test_a_sessions_result_does_not_depend_on_other_sessions(fold: FoldEncoder) -> None:
    alone = Engine(fold).session()
    alone.update("how to boil an egg")
    assert alone.embedding is not None
    rng = random.Random(1)
    engine = Engine(fold)
    sessions = [engine.session() for _ in range(40)]
    for session in sessions:
        session.set_text(random_text(rng))
    sessions[17].set_text("how to boil an egg")
    engine.advance(sessions)
    assert sessions[17].embedding is not None
    assert sessions[17].embedding @ alone.embedding >= 0.99999


def test_steps_that_sessions_of_one_scope_share_are_run_once(fold: FoldEncoder) -> None:
    engine = Engine(fold)
    scope = engine.scope()
    first, second, third = (engine.session(scope=scope) for _ in range(3))
    first.set_text("how to boil an egg")
    second.set_text("how to boil an egg")
    third.set_text("how to fry an egg")
    engine.advance([first, second, third])
    assert engine.stats.steps_computed == len(engine.tree) == 5 + 3
    assert engine.stats.steps_cached == 5 + 2
    assert first.steps + second.steps + third.steps == 8
    assert first.embedding is not None
    np.testing.assert_array_equal(first.embedding, second.embedding)


def test_sessions_share_no_step_unless_they_are_given_one_scope(fold: FoldEncoder) -> None:
    engine = Engine(fold)
    first, second = engine.session(), engine.session()
    first.update("how to boil an egg")
    second.set_text("how to boil an egg")
    assert not engine.knows(second)
    engine.advance([second])
    assert second.steps == first.steps == 5
    assert engine.stats.steps_cached == 0
    np.testing.assert_array_equal(first.embedding, second.embedding)


def test_a_full_cache_changes_no_result_and_stays_within_its_bytes(fold: FoldEncoder) -> None:
    least = Engine(fold).tree.node_bytes * fold.max_tokens
    engine = Engine(fold, cache_bytes=least)
    rng = random.Random(7)
    session = engine.session()
    for _ in range(300):
        session.update(random_text(rng))
        assert engine.stats.bytes <= least
        if session.embedding is not None:
            np.testing.assert_array_equal(session.embedding, fold.encode([session.text])[0])


def test_many_long_texts_at_once_overshoot_the_cache_by_a_bounded_amount(
    fold: FoldEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    least = Engine(fold).tree.node_bytes * fold.max_tokens
    engine = Engine(fold, cache_bytes=least)
    largest = 0
    evict = engine.tree.evict

    def watching() -> list[int]:
        nonlocal largest
        largest = max(largest, len(engine.tree))
        return evict()

    monkeypatch.setattr(engine.tree, "evict", watching)
    sessions = [engine.session(max_chars=2000) for _ in range(40)]
    for number, session in enumerate(sessions):
        session.set_text(f"{number} " + "how to boil an egg " * 50)
    engine.advance(sessions)
    assert largest <= fold.max_tokens + MAX_BATCH_TOKENS
    assert engine.stats.bytes <= least
    expected = fold.encode([session.text for session in sessions])
    for session, vector in zip(sessions, expected, strict=True):
        assert session.embedding is not None
        assert session.embedding @ vector >= 0.99999


def test_a_cache_too_small_for_one_text_is_refused(fold: FoldEncoder) -> None:
    with pytest.raises(ValueError, match="cache_bytes"):
        Engine(fold, cache_bytes=1000)


def test_the_bytes_of_a_node_are_not_understated(fold: FoldEncoder) -> None:
    import tracemalloc

    engine = Engine(fold)
    session = engine.session()
    session.update("warm up")
    rng = random.Random(11)
    nodes = len(engine.tree)
    texts = [" ".join(rng.choice(WORDS) for _ in range(8)) for _ in range(200)]
    for text in texts:
        engine.encoder.tokenizer.encode(text)
    # The matrices of states and embeddings are there from the start; what is traced is what is kept beside them.
    matrices = 4 * (fold.dim + (fold.start().size if isinstance(fold, RecurrentEncoder) else 0))
    tracemalloc.start()
    for text in texts:
        session.update(text)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used <= 1.1 * (len(engine.tree) - nodes) * (engine.tree.node_bytes - matrices)


def test_what_a_full_cache_gives_up_is_given_back(fold: FoldEncoder) -> None:
    import tracemalloc

    least = Engine(fold).tree.node_bytes * fold.max_tokens
    engine = Engine(fold, cache_bytes=least)
    session = engine.session()
    rng = random.Random(13)
    session.update("warm up")
    tracemalloc.start()
    for _ in range(150):
        session.update(" ".join(rng.choice(WORDS) for _ in range(12)))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert engine.stats.steps_computed > 2 * len(engine.tree)
    assert used <= 1.1 * least


def test_the_matrices_of_a_cache_have_room_for_its_bytes_and_one_batch() -> None:
    encoder = typeahead.load("minilm-gru")
    assert isinstance(encoder, RecurrentEncoder)
    engine = Engine(encoder, cache_bytes=64 << 20)
    assert engine.tree.slots * engine.tree.node_bytes <= (64 << 20) + (MAX_BATCH_TOKENS + 1) * engine.tree.node_bytes


def dropped(engine: Engine, session: Session) -> None:
    """Have others type until the cache has dropped all that a session had in it."""
    other = engine.session()
    rng = random.Random(17)
    while engine.tree.longest(session.tokens, session.scope)[1]:
        other.update(" ".join(rng.choice(WORDS) for _ in range(12)))


@pytest.mark.parametrize("key", ["boil an egg ", "Boil an egg", "boil  an egg", "boil an egg"])
def test_a_key_that_changes_no_token_keeps_the_embedding_when_the_cache_has_turned_over(
    fold: FoldEncoder, key: str
) -> None:
    engine = Engine(fold, cache_bytes=Engine(fold).tree.node_bytes * fold.max_tokens)
    session = engine.session()
    session.update("boil an egg")
    dropped(engine, session)
    session.set_text(key)
    engine.advance([session])
    expected = fold.encode([key])[0]
    np.testing.assert_array_equal(session.embedding, expected)
    np.testing.assert_array_equal(engine.embeddings([session])[0], expected)


def test_what_one_batch_drops_of_another_in_the_same_call_was_read_before(fold: FoldEncoder) -> None:
    engine = Engine(fold, cache_bytes=Engine(fold).tree.node_bytes * fold.max_tokens)
    sessions = [engine.session(max_chars=2000) for _ in range(MAX_BATCH + 40)]
    for number, session in enumerate(sessions):
        session.set_text(f"{number} " + "how to boil an egg " * 4)
    engine.advance(sessions)
    assert len(engine.tree) < len({session.tokens[0] for session in sessions}) * 20
    expected = fold.encode([session.text for session in sessions])
    assert (np.einsum("nd,nd->n", engine.embeddings(sessions), expected) >= 0.99999).all()


def test_a_sessions_embedding_is_its_own_memory(fold: FoldEncoder) -> None:
    engine = Engine(fold)
    sessions = [engine.session() for _ in range(3)]
    for session, text in zip(sessions, ("egg", "bake bread", "how to boil"), strict=True):
        session.set_text(text)
    engine.advance(sessions)
    for session in sessions:
        assert session.embedding is not None
        base = session.embedding if session.embedding.base is None else session.embedding.base
        assert base.nbytes <= 2 * 4 * fold.dim
        assert not session.embedding.flags.writeable


def test_embeddings_of_many_sessions_come_as_one_array(fold: FoldEncoder) -> None:
    engine = Engine(fold)
    sessions = [engine.session() for _ in range(3)]
    for session, text in zip(sessions, ("egg", "", "how to boil"), strict=True):
        session.set_text(text)
    engine.advance(sessions)
    vectors = engine.embeddings(sessions)
    assert not vectors[1].any()
    for row in (0, 2):
        np.testing.assert_array_equal(vectors[row], sessions[row].embedding)


def test_setting_a_text_twice_before_advancing_encodes_the_last(fold: FoldEncoder) -> None:
    engine = Engine(fold)
    session = engine.session()
    session.update("egg")
    session.set_text("egg boil")
    session.set_text("egg")
    engine.advance([session])
    assert session.embedding is not None
    np.testing.assert_array_equal(session.embedding, fold.encode(["egg"])[0])


@pytest.mark.parametrize("count", [1, 3])
def test_an_embedding_that_is_not_finite_is_an_error_and_is_not_remembered(count: int) -> None:
    encoder = MeanEncoder()
    engine = Engine(encoder)
    sessions = [engine.session() for _ in range(count)]
    for number, session in enumerate(sessions):
        session.set_text(f"egg {number}")
    encoder.sick = True
    with pytest.raises(EncoderError, match="NaN"):
        engine.advance(sessions)
    assert len(engine.tree) == 0
    assert all(session.pending for session in sessions)
    encoder.sick = False
    engine.advance(sessions)
    expected = encoder.encode([session.text for session in sessions])
    for session, vector in zip(sessions, expected, strict=True):
        assert session.embedding is not None
        assert session.embedding.tolist() == vector.tolist()


def test_texts_at_which_the_encoder_fails_do_not_overfill_the_cache() -> None:
    encoder = MeanEncoder()
    encoder.poison = encoder.tokenizer.encode("poison")[0]
    engine = Engine(encoder, cache_bytes=Engine(encoder).tree.node_bytes * encoder.max_tokens)
    session = engine.session()
    for number in range(20):
        session.set_text(" ".join(f"{number}-{place}" for place in range(30)) + " poison")
        with pytest.raises(RuntimeError):
            engine.advance([session])
        assert engine.stats.bytes <= engine.stats.capacity
