from __future__ import annotations

import pytest

from typeahead.server.typing.due import DueStage
from typeahead.server.typing.query import Stage
from typeahead.wire.protocol import SearchMode


@pytest.mark.parametrize("mode", SearchMode)
def test_without_an_index_no_search_is_due(mode: SearchMode) -> None:
    due = DueStage(searches=False)
    assert due.of("tea ", mode, owed=True) is Stage.STEPPED
    assert due.at_enter is Stage.STEPPED


@pytest.mark.parametrize(
    ("mode", "stage"), [(SearchMode.KEYSTROKE, Stage.SEARCHED), (SearchMode.SUBMIT, Stage.STEPPED)]
)
def test_a_search_is_due_with_each_key_or_at_enter_only(mode: SearchMode, stage: Stage) -> None:
    due = DueStage(searches=True)
    assert [due.of(text, mode, owed=False) for text in ("t", "tea", "tea ")] == [stage] * 3
    assert due.at_enter is Stage.SEARCHED


def test_in_mode_word_a_search_is_due_once_for_the_same_whole_words() -> None:
    due = DueStage(searches=True)
    searched = [
        text
        for text in ("t", "tea", "tea ", "tea p", "tea pot ", "tea pot", "tea p", "tea!", "水", "水道")
        if due.of(text, SearchMode.WORD, owed=False) is Stage.SEARCHED
    ]
    assert searched == ["tea ", "tea pot ", "tea pot", "tea!", "水", "水道"]


def test_in_mode_word_a_search_that_never_came_is_still_due() -> None:
    due = DueStage(searches=True)
    assert due.of("tea ", SearchMode.WORD, owed=False) is Stage.SEARCHED
    assert due.of("tea p", SearchMode.WORD, owed=True) is Stage.SEARCHED
    assert due.of("tea po", SearchMode.WORD, owed=False) is Stage.STEPPED
