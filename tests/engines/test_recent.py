"""A document that was read a moment ago is read again only if it may have changed."""

from __future__ import annotations

import pytest

from typeahead.engines import recent
from typeahead.engines.documents import Read
from typeahead.engines.recent import FRESH_SECONDS, RecentDocuments
from typeahead.text.document import Document, Passage


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(recent, "time", made)
    return made


def read(key: str, stamp: str, text: str = "text") -> Read:
    return Read(Document(key, text=text), (Passage(text),), stamp)


@pytest.mark.usefixtures("clock")
def test_a_document_in_the_version_that_a_search_has_just_told_is_not_read_again() -> None:
    held = RecentDocuments()
    held.tell(1, {"a": "5", "b": "5"})
    held.keep([read("a", "5"), read("b", "4")])
    assert held.find(1, ["a", "b", "c"]) == {"a": read("a", "5")}
    held.tell(1, {"b": "4"})
    assert held.find(1, ["b"]) == {"b": read("b", "4")}


def test_what_a_search_has_told_counts_for_a_moment(clock: Clock) -> None:
    held = RecentDocuments()
    held.tell(1, {"a": "5"})
    held.keep([read("a", "5")])
    clock.now += FRESH_SECONDS
    assert held.find(1, ["a"])
    clock.now += 0.01
    assert not held.find(1, ["a"])
    held.tell(1, {"a": "5"})
    assert held.find(1, ["a"])


@pytest.mark.usefixtures("clock")
def test_what_a_search_has_told_counts_until_something_changes() -> None:
    held = RecentDocuments()
    held.tell(1, {"a": "5"})
    held.keep([read("a", "5")])
    # A search that ended after the change had begun before it.
    held.tell(1, {"a": "5"})
    assert not held.find(2, ["a"])
    held.tell(2, {})
    assert not held.find(2, ["a"])


@pytest.mark.usefixtures("clock")
def test_documents_that_nobody_asked_for_lately_give_way_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "_CHARACTERS", 5000)
    held = RecentDocuments()
    held.tell(1, {"a": "1", "b": "1", "c": "1", "long": "1"})
    held.keep([read("a", "1", "x" * 500), read("b", "1", "x" * 500), read("c", "1", "x" * 500)])
    assert held.find(1, ["a"])
    held.keep([read("a", "1", "x" * 500), read("d", "1", "x" * 500)])
    assert list(held.find(1, ["a", "b", "c"])) == ["a", "c"]
    held.keep([read("long", "1", "x" * 10_000)])
    assert not held.find(1, ["a", "c", "long"])
