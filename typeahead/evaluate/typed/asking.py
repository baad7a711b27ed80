"""Types every query into a box, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from typeahead.evaluate.typed.boxes import Box, Screen
from typeahead.evaluate.typed.drawing import Query
from typeahead.progress import OnProgress

#: Typed first and not measured: the first searches of a process also load what the others find loaded.
_WARM_UP = ("a", "the", "how to", "list all", "water", "new", "com", "first one", "data", "in the")
_REPORT = 50


@dataclass(frozen=True, slots=True)
class Answer:
    """The screens of one query."""

    key: Screen
    #: None for queries without Enter.
    enter: Screen | None


def ask(name: str, box: Box, queries: Sequence[Query], progress: OnProgress | None = None) -> list[Answer]:
    """Type ``queries`` into a box, after some texts to warm it up."""
    for text in _WARM_UP:
        box.key(text)
        box.enter()
    answers = []
    for done, query in enumerate(queries, 1):
        key = box.key(query.text)
        answers.append(Answer(key, box.enter() if query.enter else None))
        if progress and (done % _REPORT == 0 or done == len(queries)):
            progress(f"typing into {name}", done, len(queries))
    return answers
