"""A few documents with known words, and a box that shows what a test tells it to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from typeahead.evaluate.typed.boxes import Screen
from typeahead.text.document import Document

DOCUMENTS = [
    Document("eggs", "Boiled eggs", "Put the eggs into boiling water for ten minutes."),
    Document("rain", "Rain in November", "It rains a lot; take an umbrella with you."),
    Document("rebase", "git rebase", "Reapply commits on top of another base tip, interactively."),
    Document("commit", "git commit", "Record changes to the repository with a message."),
    Document("first", "Twice", "One of two documents of one title. The water is cold."),
    Document("second", "  twice ", "The other one."),
    Document("untitled", "", "It has no title."),
]


class ScriptedBox:
    """Shows the screens that a test gave it: at the key and at Enter, by text; nothing for other texts."""

    facts: Mapping[str, Any] = {"scripted": True}

    def __init__(self, keys: Mapping[str, Screen], enters: Mapping[str, Screen] | None = None) -> None:
        self._keys = keys
        self._enters = keys if enters is None else enters
        self.typed: list[str] = []

    def key(self, text: str) -> Screen:
        self.typed.append(text)
        return self._keys.get(text, Screen())

    def enter(self) -> Screen:
        return self._enters.get(self.typed[-1], Screen())


def screen(ids: Sequence[str] | str, *, weak: bool = False, milliseconds: float | None = None) -> Screen:
    return Screen(ids.split() if isinstance(ids, str) else ids, weak, milliseconds)
