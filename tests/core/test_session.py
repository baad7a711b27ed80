"""A session after any edits equals the whole text from nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.texts import ALPHABETS, texts
from typeahead.core.engine import Engine
from typeahead.core.session import Session
from typeahead.encoders.fold import FoldEncoder
from typeahead.errors import BadEdit, TextError, TextTooLong


def assert_current(session: Session, encoder: FoldEncoder) -> None:
    """The session's embedding has the same bits as that of its text from nothing."""
    assert not session.pending
    if session.embedding is None:
        assert session.tokens == ()
        assert not encoder.encode([session.text]).any()
    else:
        np.testing.assert_array_equal(session.embedding, encoder.encode([session.text])[0])


@settings(max_examples=150)
@given(data=st.data())
def test_after_any_edits_the_embedding_is_that_of_the_whole_text(fold: FoldEncoder, data: st.DataObject) -> None:
    session = fold.session()
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(session.text)))
        delete = data.draw(st.integers(0, len(session.text) - at))
        insert = data.draw(texts)
        expected = session.text[:at] + insert + session.text[at + delete :]
        session.edit(at, delete, insert)
        assert session.text == expected
        session.update(expected)
        assert_current(session, fold)


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_typing_and_deleting_key_by_key(fold: FoldEncoder, alphabet: str) -> None:
    text = ALPHABETS[alphabet] + " egg " + ALPHABETS[alphabet]
    session = fold.session()
    for end in range(len(text) + 1):
        session.update(text[:end])
        assert_current(session, fold)
    for end in range(len(text), -1, -1):
        session.update(text[:end])
        assert session.steps == 0
        assert_current(session, fold)


def test_undo_is_free(fold: FoldEncoder) -> None:
    session = fold.session()
    session.update("how to boil an egg")
    before = session.embedding
    session.update("how to fry an egg")
    session.update("how to boil an egg")
    assert session.steps == 0
    assert before is not None
    np.testing.assert_array_equal(session.embedding, before)


def test_one_more_character_of_latin_takes_few_steps(fold: FoldEncoder) -> None:
    session = Engine(fold).session()
    text = "weather in lisbon"
    steps = []
    for end in range(1, len(text) + 1):
        session.update(text[:end])
        steps.append(session.steps)
    assert max(steps) <= 3


def test_text_without_a_token_has_no_embedding(fold: FoldEncoder) -> None:
    session = fold.session()
    for text in ("", " ", "\u200b", "\u0301"):
        session.update("egg")
        session.update(text)
        assert session.embedding is None


def test_a_refused_change_leaves_the_session_as_it_was(fold: FoldEncoder) -> None:
    session = fold.session(max_chars=10)
    session.update("how to")
    before = session.embedding
    with pytest.raises(TextTooLong, match="11 code points, but the limit is 10"):
        session.update("how to boil")
    with pytest.raises(TextError, match="lone surrogate"):
        session.update("how \ud800")
    with pytest.raises(TextError, match="inserted text has a lone surrogate"):
        session.edit(0, 0, "\udfff")
    for at, delete in ((-1, 0), (7, 0), (0, 7), (3, -1), (6, 1)):
        with pytest.raises(BadEdit, match="outside a text of 6"):
            session.edit(at, delete, "")
    assert (session.text, session.pending) == ("how to", False)
    assert session.embedding is before


def test_the_embedding_cannot_be_written_to(fold: FoldEncoder) -> None:
    session = fold.session()
    session.update("egg")
    assert session.embedding is not None
    with pytest.raises(ValueError, match="read-only"):
        session.embedding[0] = 0


def test_a_limit_below_one_is_refused(fold: FoldEncoder) -> None:
    with pytest.raises(ValueError, match="max_chars"):
        fold.session(max_chars=0)


def test_text_beyond_the_teachers_length_is_cut_as_the_teacher_cuts_it(fold: FoldEncoder) -> None:
    long = "egg " * 700
    session = fold.session(max_chars=4000)
    session.update(long)
    assert len(session.tokens) == fold.max_tokens < 700
    assert_current(session, fold)
